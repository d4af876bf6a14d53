"""What starts runs somewhere. Each file is a kind; here is what they share."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from pvt_exp.component import Component


class Slot(NamedTuple):
    """A place for one run at a time."""

    gpus: tuple[int, ...]
    """Numbers of its GPUs; empty: the CPU."""
    threads: int
    """CPU threads that each of its processes may compute with."""
    ranks: int = 1
    """Processes that train the run together, a GPU each."""


class Ended(NamedTuple):
    """An attempt whose process is gone."""

    attempt: Path
    code: int
    """The exit status; negative: the signal that ended it."""
    why: str | None = None
    """Where it is not the run's own doing that it ended: what was."""


@dataclass(frozen=True)
class Work:
    """What a launcher is to do."""

    next_attempt: Callable[[Slot], Path | None]
    """The attempt to start in a slot that is free; none: nothing can start there now."""
    to_end: Callable[[], Collection[Path]]
    """Attempts that are to be killed with all their processes; asked often."""
    code: Callable[[], Path]
    """A folder with the package ``pvt_exp`` that runs are to import, and not another."""


class Launcher(Component):
    """Settings of a launcher, and its one verb."""

    gpus_per_run: int = Field(1, ge=1)
    """GPUs that train a run together, a process each; on the CPU so many processes."""
    memory_gb: float | None = Field(None, gt=0)
    """Most memory of a run on the CPU, in 10^9 bytes: one that wants more ends as out of memory, and the machine goes on."""

    def slots(self) -> list[Slot]:
        """The places for runs, one entry each. Raises ValueError for what this machine does not have."""
        raise NotImplementedError

    def launch(self, work: Work) -> Iterator[Ended | None]:
        """Start what ``work.next_attempt(slot)`` gives whenever a slot is free, until it gives none and all have ended.

        A run in a slot of several ranks is as many processes, each of which is told its rank; when one of them is gone, so
        are soon the others. Yields each attempt as it ends, and None at least twice a second so that the caller can draw
        and ask again. A failing run never raises. When the iterator is closed, by Ctrl-C too, every run that still goes is
        ended.
        """
        raise NotImplementedError
