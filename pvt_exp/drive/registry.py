"""Who drives a store: each driver has a file that it holds while it lives, and through which it can be asked to stop.

runs/drivers/<sweep>.<host>.<pid>.json     held (flock) and touched: sweep, host, process, when it started, command
runs/drivers/<sweep>.<host>.<pid>.stop     there: it is to stop
"""

import contextlib
import math
import os
import platform
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pvt_exp import store
from pvt_exp.store.leftovers import tidy_all
from pvt_exp.system import files, heartbeat, locks


@dataclass(frozen=True)
class Driver:
    """A process that drives a sweep, or did when it was last heard of."""

    sweep: str
    host: str
    boot: str
    process: int
    started: str
    file: Path
    of: str | None = None
    """The sweep's own file, as several may have one name."""

    @property
    def here(self) -> bool:
        """Whether it is on this machine, so that it can be seen whether it lives."""
        return self.boot == heartbeat.boot()

    @property
    def lives(self) -> bool:
        """Whether it goes on; of another machine, or of this one before it was started anew, whether it was heard lately."""
        return locks.is_held(self.file) if self.here else _age_s(self.file) < heartbeat.GRACE_S

    def remove(self) -> None:
        """Remove what a driver that was killed has left."""
        runs = self.file.parents[1]
        scratch = store.scratch(runs, self.host, self.process)
        # What the file says may be anything.
        if scratch.parent == runs / "smoke" and not scratch.parent.is_symlink():
            shutil.rmtree(scratch, ignore_errors=True)
        for suffix in (".json", ".stop"):
            self.file.with_suffix(suffix).unlink(missing_ok=True)

    def stop(self) -> None:
        """Ask it to stop; it looks twice a second."""
        self.file.with_suffix(".stop").touch()


def _age_s(file: Path) -> float:
    """Seconds since a file was touched, by the clock of the file system, which all machines see."""
    now = file.with_suffix(f".{platform.node()}.{os.getpid()}.now")
    try:
        now.touch()
        return now.stat().st_mtime - file.stat().st_mtime
    except FileNotFoundError:
        return math.inf
    except OSError:
        return 0.0  # a store that may only be looked at
    finally:
        with contextlib.suppress(OSError):
            now.unlink(missing_ok=True)


class Asked:
    """Whether this driver was asked to stop."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __bool__(self) -> bool:
        return self._file.exists()


@contextlib.contextmanager
def driving(runs: Path, sweep: str, command: tuple[str, ...], of: Path | None = None) -> Iterator[Asked]:
    """Be known as a driver of the sweep."""
    folder = runs / "drivers"
    folder.mkdir(exist_ok=True)
    if dead := [each for each in _all(runs) if not each.lives]:
        tidy_all(runs)
    for gone in dead:
        gone.remove()
    file = folder / f"{sweep}.{platform.node()}.{os.getpid()}.json"
    told: dict[str, Any] = {"sweep": sweep, "host": platform.node(), "boot": heartbeat.boot()}
    told |= {"process": os.getpid(), "started": files.now(), "command": command}
    told |= {"file": None if of is None else str(of)}
    asked = file.with_suffix(".stop")
    asked.unlink(missing_ok=True)  # of a process that had this number before
    file.touch()
    with locks.held(file):
        try:
            files.put(file, files.dump(told))  # held before it can be read: who reads one that nobody holds removes it
            with heartbeat.repeatedly(partial(os.utime, file)):
                yield Asked(asked)
        finally:
            for each in (file, asked):
                each.unlink(missing_ok=True)


def of(runs: Path, sweep: str | None = None, path: Path | None = None) -> list[Driver]:
    """Those that live, of one sweep or of all; of the sweep in the file ``path``, where that is given and they know it."""
    meant = [each for each in _all(runs) if sweep in (None, each.sweep)]
    if path is not None and path.is_file():
        meant = [each for each in meant if each.of in (None, str(path.resolve()))]
    return [each for each in meant if each.lives]


def _all(runs: Path) -> list[Driver]:
    found = []
    for file in sorted((runs / "drivers").glob("*.json")):
        told = files.read_json(file) or {}
        with contextlib.suppress(KeyError, TypeError):
            said = (told["sweep"], told["host"], told["boot"], int(told["process"]), told["started"])
            found.append(Driver(*said, file, told.get("file")))
    return found


def stop(asked: Sequence[Driver], patience_s: float) -> list[Driver]:
    """Ask drivers to stop, and wait until those of this machine have; those that go on after that."""
    for each in asked:
        each.stop()
    deadline = time.monotonic() + patience_s
    while any(each.lives for each in asked) and time.monotonic() < deadline:
        time.sleep(0.2)
    return [each for each in asked if each.lives]


def stopped_json(sweep: str, asked: Sequence[Driver], left: Sequence[Driver]) -> dict[str, Any]:
    """Fields of ``pvt-exp stop --json``; ``left`` are those that go on after they were asked."""
    drivers = [
        {"process": each.process, "host": each.host, "here": each.here, "stopped": each not in left} for each in asked
    ]
    return {"sweep": sweep, "stopped": not left, "drivers": drivers}
