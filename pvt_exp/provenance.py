"""What a result was made with: code, versions, hardware."""

import hashlib
import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pvt_exp import files

PACKAGE = Path(__file__).parent
FROZEN = "code.json"
"""Beside a copy of the package (`pvt_exp.frozen`): what `code` said of the original."""
LIBRARIES = ("torch", "torchvision", "pytorch-lightning", "torchmetrics", "timm", "numpy", "pillow", "pvt-exp")


def code() -> tuple[dict[str, Any], str]:
    """The commit and a hash of the package's files; and the diff of what is not committed, to be kept beside it.

    Where the code was copied without its ``.git``, into a container for instance, ``$PVT_EXP_COMMIT`` can say which commit
    it is; that is kept as what was told, and the hash of the files shows whether it is so.
    """
    if (frozen := files.read_json(PACKAGE.parent / FROZEN)) is not None:
        return frozen["code"], frozen["diff"]
    sha = _git("rev-parse", "HEAD")
    diff = _git("diff", "HEAD", "--", ".") if sha else None
    untracked = _git("ls-files", "--others", "--exclude-standard", "--", "*.py") if sha else None
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes())
    facts = {
        "sha": sha.strip() if sha else None,
        "told": None if sha else os.environ.get("PVT_EXP_COMMIT"),
        "dirty": bool(diff or untracked),
        "diff_sha256": hashlib.sha256(diff.encode()).hexdigest() if diff else None,
        "files_sha256": digest.hexdigest(),
    }
    return facts, diff or ""


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE), *words],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


@cache
def versions() -> dict[str, str]:
    """Of Python and of the libraries that compute."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Host, processor, cores and operating system; GPUs are added by who uses them."""
    processor = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((ln.partition(":")[2].strip() for ln in lines if ln.startswith("model name")), processor)
    except OSError:
        pass
    return {
        "host": platform.node(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor,
        "cores": os.cpu_count(),
        "python": sys.executable,
    }
