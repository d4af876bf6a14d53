"""optuna-dashboard on a sweep, as a page that follows its runs or in a database that a team's dashboard reads."""

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from pvt_exp.config import ConfigError
from pvt_exp.mirror import Mirror
from pvt_exp.plan import Plan
from pvt_exp.storage import open_storage, reason, shown

EVERY_S = 2.0
"""Between two looks at the store, or ten times as long as one takes."""


def write(read: Callable[[], Plan], runs: Path, url: str) -> None:
    """Make the studies of a sweep in a database, in place of those that were made before.

    Raises:
        ConfigError: for a database that cannot be used, and for one that has a study of that name from elsewhere.
    """
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        mirror = Mirror(read, runs, open_storage(url))
        written = mirror.refresh()
    except (OptunaError, SQLAlchemyError) as error:  # locked, full, or taken away meanwhile
        raise ConfigError(f"the storage {shown(url)} cannot be written to: {reason(error)}") from None
    print(f"{written} trials in the studies {', '.join(mirror.studies)}")


def serve(read: Callable[[], Plan], runs: Path, host: str, port: int) -> None:
    """Show the page until Ctrl-C, with what happens in the store meanwhile.

    Raises:
        ConfigError: without optuna-dashboard, and for a port that cannot be had.
    """
    try:
        import optuna_dashboard
    except ImportError:
        raise ConfigError("optuna-dashboard is not installed: pip install 'pvt-exp[tune]'") from None
    import optuna

    storage = optuna.storages.InMemoryStorage()
    mirror = Mirror(read, runs, storage)
    try:
        server = make_server(host, port, optuna_dashboard.wsgi(storage), _Threads, _Quiet)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"--host {host} --port {port}: {why}; name another") from None
    began = time.monotonic()
    found = mirror.refresh()
    took = time.monotonic() - began
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(
        f"{mirror.plan.name}: {found} runs and trials so far, at http://{host}:{server.server_port}/dashboard/studies/0"
        f"{f' and {len(mirror.studies) - 1} more studies' if len(mirror.studies) > 1 else ''} (Ctrl-C ends it)",
        flush=True,
    )
    said = ""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(max(EVERY_S, 10 * took))
            began = time.monotonic()
            try:
                mirror.refresh()
            except ConfigError as error:  # the sweep's file is being edited
                if str(error) != said:
                    print(f"not followed for now: {(said := str(error))}", flush=True)
            took = time.monotonic() - began


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing of each request."""
