"""Launchers start runs. Each file is a kind; here is what they share."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from pydantic import Field

from pvt_exp.config.component import Component
from pvt_exp.system.words import several


class Slot(NamedTuple):
    """A place for one run at a time."""

    gpus: tuple[int, ...]
    """Numbers of its GPUs; empty: the CPU."""
    threads: int
    """CPU threads that each of its processes may compute with."""
    ranks: int = 1
    """Processes that train the run together, a GPU each."""


MOST_WORKERS = 8
"""Processes that load data for one process of a run, where it is not said how many."""
HELD = 6
"""Batches of a loading process that are in shared memory at once, of training and validation, at most."""


def threads_of(cores: int, processes: int, asked: int | None = None) -> int:
    """CPU threads of each of so many processes that compute at once: ``asked`` for, else an equal share of the cores.

    ``$OMP_NUM_THREADS`` caps the share.
    """
    if asked is not None:
        return asked
    share = max(1, cores // processes)
    cap = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(share, int(cap)) if cap.isdecimal() and int(cap) > 0 else share


def workers_of(slots: Sequence[Slot], cores: int, batch_bytes: int, shared_bytes: int | None) -> int:
    """Processes that load data for each process of a run: the cores, shared by all slots, where there is a GPU.

    One core of each share is left to the process that feeds the GPU. On the CPU none, as they would take its cores. No more
    than shared memory (``shared_bytes``; None: no limit) has room for, of batches of ``batch_bytes``.
    """
    if not slots[0].gpus:
        return 0
    processes = sum(slot.ranks for slot in slots)
    most = max(1, min(MOST_WORKERS, cores // processes - 1))
    return most if shared_bytes is None else min(most, shared_bytes // (processes * HELD * max(1, batch_bytes)))


def visible(gpus: tuple[int, ...], inherited: str | None) -> str:
    """What ``CUDA_VISIBLE_DEVICES`` must be for a run on these GPUs, of those that the driver itself was given."""
    given = [word.strip() for word in (inherited or "").split(",") if word.strip()]
    return ",".join(given[gpu] if given else str(gpu) for gpu in gpus)


BUSY = 75
"""Exit status of a run's process where another one trains the run (EX_TEMPFAIL: try again)."""


class Ended(NamedTuple):
    """An attempt whose process is gone."""

    attempt: Path
    code: int
    """The exit status; negative: the signal that ended it."""
    why: str | None = None
    """The cause, where the run did not end by itself."""


@dataclass(frozen=True)
class Work:
    """What a launcher asks and tells its caller."""

    next_attempt: Callable[[Slot], Path | None]
    """The attempt to start in a slot that is free; none: nothing can start there now."""
    to_end: Callable[[], Collection[Path]]
    """Attempts that are to be killed with all their processes; asked often."""
    code: Callable[[], Path]
    """A folder with the package ``pvt_exp`` that runs are to import, and not another."""
    on_stop: Callable[[Path, str], None] = lambda attempt, by: None
    """Called with each attempt that is asked to stop, and who stops it, before it is asked."""


class Launcher(Component):
    """Settings of a launcher, and its one verb."""

    has_queue: ClassVar[bool] = False
    """Whether a run may wait after `Work.next_attempt` gave it and before its process begins; it is ``submitted`` then."""

    gpus_per_run: int = Field(1, ge=1)
    """GPUs that train a run together, a process each; on the CPU so many processes."""
    threads: int | None = Field(None, ge=1)
    """CPU threads that each process of a run computes with; none: a share of the cores, at most ``$OMP_NUM_THREADS``."""
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


def at_once(launcher: Launcher, workers: int) -> str:
    """How many runs go at once, on what, and with how many threads and loading processes each."""
    slots = launcher.slots()
    gpus = Counter(slot.gpus for slot in slots if slot.gpus)
    on = [f"{runs} on GPU{'s'[: len(each) > 1]} {', '.join(map(str, each))}" for each, runs in gpus.items()]
    ranks = f", {slots[0].ranks} processes each" if slots[0].ranks > 1 and not gpus else ""
    placed = ("; " if slots[0].ranks > 1 else ", ").join(on) or f"{len(slots)} on the CPU{ranks}"
    loading = f"{workers or 'no'} loading process{'es' if workers > 1 else ''}"
    return f"{placed}; {several(slots[0].threads, 'thread')} and {loading} each"
