"""What starts runs somewhere. Each file is a kind; here is what they share."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from pvt_exp.component import Component


class Slot(NamedTuple):
    """A place for one run at a time."""

    gpus: tuple[int, ...]
    """Numbers of its GPUs; empty: the CPU."""
    threads: int
    """CPU threads it may compute with."""


class Ended(NamedTuple):
    """An attempt whose process is gone."""

    attempt: Path
    code: int
    """The exit status; negative: the signal that ended it."""


class Launcher(Component):
    """Settings of a launcher, and its one verb."""

    def slots(self) -> list[Slot]:
        """The places for runs, one entry each. Raises ValueError for what this machine does not have."""
        raise NotImplementedError

    memory_gb: float | None = Field(None, gt=0)
    """Most memory of a run on the CPU, in 10^9 bytes: one that wants more ends as out of memory, and the machine goes on."""

    def launch(
        self, next_attempt: Callable[[Slot], Path | None], to_end: Callable[[], Collection[Path]]
    ) -> Iterator[Ended | None]:
        """Start what ``next_attempt(slot)`` gives whenever a slot is free, until it gives none and all have ended.

        Attempts in ``to_end()``, which is asked often, are killed with all their processes.

        Yields each attempt as it ends, and None at least twice a second so that the caller can draw and ask again. A
        failing run never raises. When the iterator is closed, by Ctrl-C too, every run that still goes is ended.
        """
        raise NotImplementedError
