"""A sign of life that other machines can see, where locks do not reach: a number in a file that goes up while a run lives.

Whether it goes up is judged by the watcher's own clock, so clocks that differ, or jump, do not matter.
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
"""A run on another machine whose number stands still for so long is taken over."""
LONGEST_LOOK_S = 10.0
"""More than that between two looks counts as time in which nobody looked on."""


class Beat(NamedTuple):
    """The newest sign of life of an attempt."""

    host: str
    boot: str
    """Of the running system, which is what locks reach: containers on one machine share it, and a restart changes it."""
    process: int
    number: int

    @property
    def here(self) -> bool:
        """Whether it is of this machine since its start, so that locks tell whether it lives."""
        return self.boot == boot()


@cache
def boot() -> str:
    """What identifies the running system."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()


def of(attempt: Path) -> Beat | None:
    """The attempt's newest sign of life; None where it gave none, or its file is torn."""
    told = files.read_json(attempt / NAME) or {}
    try:
        return Beat(str(told["host"]), str(told["boot"]), int(told["process"]), int(told["number"]))
    except (KeyError, TypeError, ValueError):
        return None


@contextlib.contextmanager
def beating(attempt: Path) -> Iterator[None]:
    """Give signs of life meanwhile, from a thread."""
    numbers = itertools.count()
    with repeatedly(lambda: give_sign(attempt, next(numbers))):
        yield


def give_sign(attempt: Path, number: int = -1) -> None:
    """Give one. The first is given before the attempt's process has begun. Raises OSError if it cannot be written."""
    told = Beat(platform.node(), boot(), os.getpid(), number)
    temporary = attempt / f".{NAME}.tmp"
    files.put(temporary, files.dump(told._asdict()))
    temporary.replace(attempt / NAME)


@contextlib.contextmanager
def repeatedly(beat: Callable[[], None]) -> Iterator[None]:
    """Call it now and every `BEAT_S` meanwhile, from a thread. A file that cannot be written then ends nothing."""
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
        """Whether its number has stood still for `GRACE_S`, as far as this watch has looked.

        A file that cannot be read for a moment is no news.
        """
        newest, now = of(attempt), self._clock.look()
        before, since = self._seen.setdefault(attempt, (newest, now))
        if newest is not None and newest != before:
            self._seen[attempt] = newest, now
            return False
        return now - since > GRACE_S


class Clock:
    """Seconds in which this process looked on.

    While it is stopped (Ctrl-Z) or its machine sleeps, so may be what it watches, which is not to be blamed for it.
    """

    def __init__(self) -> None:
        self._seconds, self._looked = 0.0, time.monotonic()

    def look(self) -> float:
        """The time now; whoever judges by it looks every few seconds at least."""
        now = time.monotonic()
        self._seconds += min(now - self._looked, LONGEST_LOOK_S)
        self._looked = now
        return self._seconds
