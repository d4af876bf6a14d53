"""What this machine has for a process: cores, memory, a cache folder; works without Linux's own calls too."""

import math
import os
import stat
import sys
import tempfile
from functools import cache
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Where a container is told how much of the processors it may use: microseconds in a period of so many."""

SHARED = "/dev/shm"
"""A container often has 64 MB there."""


def cores() -> int:
    """Cores that this process may use: those it is bound to, and no more than its container's share."""
    try:
        bound = len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        bound = os.cpu_count() or 1
    try:
        quota, _, period = QUOTA.read_text().partition(" ")
        return max(1, min(bound, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no container, or "max"
        return bound


def memory() -> int:
    """Bytes of memory that the machine has; no limit where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not Linux
        return sys.maxsize


def lacks_for_training() -> str | None:
    """Why nothing can be trained on this system, if so."""
    if sys.platform == "linux":
        return None
    return f"training needs Linux, and this is {sys.platform}; plan, status and report work here too"


def shared_memory() -> int | None:
    """Bytes that are free for what processes share, in ``/dev/shm``; None where there is no such folder."""
    try:
        told = os.statvfs(SHARED)
    except (AttributeError, OSError):
        return None
    return told.f_bavail * told.f_frsize


def shared_too_small(why: str) -> str:
    """That shared memory does not hold what loading processes hand over, with the way out."""
    ways = "--workers 0 does without it, and `docker run --shm-size=8g` makes it larger"
    return f"{SHARED} is too small for the batches of loading processes: {why}; {ways}"


def home() -> Path | None:
    """The person's folder; None where there is none, as for a user of a container that no list of users has."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def expanded(path: str | Path) -> Path:
    """The path with ``~`` as the person's folder, where there is one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def cache_folder() -> Path:
    """The cache folder: ``$XDG_CACHE_HOME/pvt_exp``, else ``~/.cache/pvt_exp``.

    Where that cannot be written to, a folder of this user among the temporary files, with a message.
    """
    named, person = os.environ.get("XDG_CACHE_HOME"), home()
    if named and not Path(named).is_absolute():
        named = None  # as the XDG Base Directory Specification says
    return _writable(Path(named) if named else person / ".cache" if person else None)


@cache
def _writable(usual: Path | None) -> Path:
    why = _lacks(usual / "pvt_exp") if usual else None
    if usual is not None and why is None:
        return usual / "pvt_exp"
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir(), f"pvt_exp-cache-{user}")
    if _lacks(folder) is not None or not _is_own(folder):
        folder = Path(tempfile.mkdtemp(prefix="pvt_exp-cache-"))
    reason = "there is no home folder" if usual is None else f"{usual} cannot be written to ({why})"
    print(f"{reason}: what is counted is kept in {folder}; XDG_CACHE_HOME can name another place", file=sys.stderr)
    return folder


def _lacks(folder: Path) -> str | None:
    """Why a folder cannot be used; None if it can. It is created, for this user alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _is_own(folder: Path) -> bool:
    """Whether nobody else can write to a folder, whose content is trusted."""
    told = folder.lstat()
    return stat.S_ISDIR(told.st_mode) and (
        not hasattr(os, "getuid") or (told.st_uid == os.getuid() and not told.st_mode & 0o022)
    )
