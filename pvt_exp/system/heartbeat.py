"""Heartbeats, for other machines, which do not see our locks: a number in a file that goes up while a run lives.

A watcher measures by its own clock how long the number stands still, so clocks may differ or jump.
"""

import contextlib
import itertools
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pvt_exp.system import files

NAME = "alive.json"
BEAT_S = 15.0
GRACE_S = 120.0
"""A run on another machine is taken over when its number stands still for so long."""
LONGEST_LOOK_S = 10.0
"""Longer gaps between two polls count as this much: the watcher was suspended."""


class Beat(NamedTuple):
    """The newest heartbeat of an attempt."""

    host: str
    boot: str
    """Boot id of the system, within which locks work: containers on one machine share it, and a reboot changes it."""
    process: int
    number: int

    @property
    def here(self) -> bool:
        """Whether it is of this boot of this machine, so that locks show whether the run lives."""
        return self.boot == boot()


@cache
def boot() -> str:
    """Boot id of the running system."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()


def of(attempt: Path) -> Beat | None:
    """The attempt's newest heartbeat; None where there is none, or its file cannot be read."""
    told = files.read_json(attempt / NAME) or {}
    try:
        return Beat(str(told["host"]), str(told["boot"]), int(told["process"]), int(told["number"]))
    except (KeyError, TypeError, ValueError):
        return None


@contextlib.contextmanager
def beating(attempt: Path) -> Iterator[None]:
    """Write heartbeats inside, from a thread."""
    numbers = itertools.count()
    with repeatedly(lambda: give_sign(attempt, next(numbers))):
        yield


def give_sign(attempt: Path, number: int = -1) -> None:
    """Write one heartbeat. The first is written before the attempt's process starts. Raises OSError if that fails."""
    told = Beat(platform.node(), boot(), os.getpid(), number)
    temporary = attempt / f".{NAME}.tmp"
    files.put(temporary, files.dump(told._asdict()))
    temporary.replace(attempt / NAME)


@contextlib.contextmanager
def repeatedly(beat: Callable[[], None]) -> Iterator[None]:
    """Call it now and every `BEAT_S` seconds inside, from a thread. An OSError is ignored."""
    over = threading.Event()

    def go_on() -> None:
        while True:
            with contextlib.suppress(OSError):  # a full disk, or a store that is away for a moment
                beat()
            if over.wait(BEAT_S):
                return

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()


class Watch:
    """Judges, by this process's clock, whether attempts on other machines still live."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._seen: dict[Path, tuple[Beat | None, float]] = {}

    def is_gone(self, attempt: Path) -> bool:
        """Whether its number has stood still for `GRACE_S` since this watch first saw it.

        A file that cannot be read for a moment counts as no change.
        """
        newest, now = of(attempt), self._clock.look()
        before, since = self._seen.setdefault(attempt, (newest, now))
        if newest is not None and newest != before:
            self._seen[attempt] = newest, now
            return False
        return now - since > GRACE_S


class Clock:
    """Seconds during which this process was polling.

    Time in which it was suspended (Ctrl-Z, a sleeping machine) does not count: what it watches may have been suspended too.
    """

    def __init__(self) -> None:
        self._seconds, self._looked = 0.0, time.monotonic()

    def look(self) -> float:
        """The time now; to be called every few seconds."""
        now = time.monotonic()
        self._seconds += min(now - self._looked, LONGEST_LOOK_S)
        self._looked = now
        return self._seconds
