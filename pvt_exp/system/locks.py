"""File locks (flock), seen by all processes of this machine: on a run that is trained, on a driver's file.

The kernel releases them when the process ends, however it ends.
"""

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from pvt_exp.system import files

try:
    import fcntl
except ImportError:  # Windows, where a sweep can be looked at but not trained
    fcntl = None  # type: ignore[assignment]

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, 524)
"""Errors of a file system without locks; 524 is the kernel's internal ENOTSUPP, which NFS and autofs return."""
_HELD: set[IO[Any]] = set()


def _let_go() -> None:
    for file in _HELD:
        file.close()


# A forked process, such as one that loads images, inherits the locks, and may live a moment longer than the run.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Lock a file; others see it by `is_held`."""
    with path.open("r+b") as file, _kept(file):  # NFS gives no exclusive lock on a file opened for reading
        _flock(file, exclusive=True)
        yield


def is_held(path: Path) -> bool:
    """Whether a process of this machine has locked the file."""
    try:
        with files.opened(path) as file:
            return not _flock(file, exclusive=False)
    except OSError:
        return False


@contextlib.contextmanager
def lock(folder: Path, patience_s: float = 1.0) -> Iterator[bool]:
    """Lock a run while it is trained; yields False if another process of this machine has locked it.

    Waits a moment, because `is_locked` briefly takes the lock too.
    """
    with (folder / "lock").open("a") as file, _kept(file):
        deadline = time.monotonic() + patience_s
        while not (got := _flock(file, exclusive=True)) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield got


def is_locked(folder: Path) -> bool:
    """Whether a process of this machine trains the run."""
    return is_held(folder / "lock")


@contextlib.contextmanager
def launched(attempt: Path) -> Iterator[None]:
    """The driver's lock on an attempt until its process is gone: the worker takes seconds to start and lock the run."""
    with held(attempt / "placement.yaml"):
        yield


@contextlib.contextmanager
def _kept(file: IO[Any]) -> Iterator[None]:
    _HELD.add(file)
    try:
        yield
    finally:
        _HELD.discard(file)


def _flock(file: IO[Any], exclusive: bool) -> bool:
    """Take the lock if it is free; True too where the file system has no locks.

    There, heartbeats and the atomic publishing of results keep runs apart.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(file.fileno(), (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            error.filename = error.filename or file.name
            raise
    return True
