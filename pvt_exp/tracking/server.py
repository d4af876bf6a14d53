"""W&B's server: its address, the API key, and whether it answers. Does not import wandb."""

import base64
import configparser
import json
import netrc
import os
import ssl
import threading
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from pvt_exp.system import machine

CLOUD = "https://api.wandb.ai"
PATIENCE_S = 3.0
"""How long the server may take to answer."""


def base_url() -> str:
    """``$WANDB_BASE_URL``, else what ``wandb login --host`` wrote down, else W&B's cloud."""
    if told := os.environ.get("WANDB_BASE_URL"):
        return told.rstrip("/")
    folder = machine.expanded(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb")
    written = configparser.ConfigParser(interpolation=None)
    try:
        written.read((folder / "settings", Path("wandb/settings")))
    except (configparser.Error, OSError, UnicodeDecodeError):
        return CLOUD
    return written.get("default", "base_url", fallback=CLOUD).rstrip("/")


def api_key() -> str | None:
    """``$WANDB_API_KEY``, else the key for this server that ``wandb login`` wrote into ``~/.netrc``."""
    if key := os.environ.get("WANDB_API_KEY"):
        return key
    try:
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(urlsplit(base_url()).netloc)
    except (OSError, netrc.NetrcParseError):
        return None
    return found[2] if found else None


def problem(patience_s: float = PATIENCE_S) -> str | None:
    """Why W&B's server cannot be used now; None where it answers and accepts the key.

    Takes ``patience_s`` at most, whatever the server, its name or the network do: W&B's own client waits for minutes.
    """
    key = api_key()
    if key is None:
        return f"there is no API key for {base_url()}: `wandb login` or $WANDB_API_KEY gives one"
    said: list[str | None] = []
    asking = threading.Thread(target=lambda: said.append(_ask(key, patience_s)), daemon=True)
    asking.start()
    asking.join(patience_s)  # a name that is looked up for ever, or an answer in drops, heeds no timeout of a socket
    return said[0] if said else f"{base_url()} does not answer within {patience_s:g} s"


def _ask(key: str, patience_s: float) -> str | None:
    """The smallest request that needs the key."""
    url, told = base_url(), base64.b64encode(f"api:{key}".encode()).decode()
    headers = {"Authorization": f"Basic {told}", "Content-Type": "application/json"}
    body = json.dumps({"query": "query Viewer { viewer { id } }"}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/graphql", body, headers), timeout=patience_s) as got:
            answer = json.loads(got.read())
    except urllib.error.HTTPError as error:
        refused = "does not take the API key" if error.code in (401, 403) else "refuses"
        return f"{url} {refused} (HTTP {error.code})"
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLError):
            return None  # it is there; W&B's client has certificates of its own
        return f"{url} is out of reach: {getattr(error.reason, 'strerror', None) or error.reason}"
    except (OSError, ValueError) as error:
        return f"{url} gives no answer that can be read: {error}"
    viewer = answer.get("data") if isinstance(answer, dict) else None
    known = isinstance(viewer, dict) and viewer.get("viewer")
    return None if known else f"{url} does not know the API key"
