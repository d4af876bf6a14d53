"""What the words behind the options mean: places, workers, what runs share, plans."""

import re
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pvt_exp import config, cost, store
from pvt_exp.config import ConfigError
from pvt_exp.config.component import kinds
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.config.sweep import Sweep
from pvt_exp.launchers import Slot, threads_of, workers_of
from pvt_exp.plan import Plan, expand, site
from pvt_exp.plan.pretraining import Find
from pvt_exp.store import trial_record
from pvt_exp.system import machine
from pvt_exp.tracking import settings as wandb_settings

MOST_NUMBERS = 10_000
"""Seeds or GPUs that are named at once: more is a slip of the keyboard."""


def numbers(option: str, text: str) -> tuple[int, ...]:
    """``0-3,7`` as numbers."""
    found: list[int] = []
    for word in text.split(","):
        span = re.fullmatch(r"(\d{1,40})(?:-(\d{1,40}))?", word, re.ASCII)
        first, last = (int(span[1]), int(span[2] or span[1])) if span else (0, -1)
        if last < first:
            raise ConfigError(f"{option} {text}: write numbers, for instance 0-3 or 0,2,5")
        if last >= 2**32:
            raise ConfigError(f"{option} {text}: {last} is too large: the largest is {2**32 - 1}")
        if len(found) + last - first >= MOST_NUMBERS:
            raise ConfigError(f"{option} {text}: these are more than {MOST_NUMBERS:,} numbers")
        found += range(first, last + 1)
    return tuple(found)


def gpu_numbers(text: str) -> Literal["auto"] | tuple[int, ...]:
    """``--gpus`` as numbers, none for the CPU."""
    return "auto" if text == "auto" else () if text == "none" else numbers("--gpus", text)


def seed_numbers(text: str) -> tuple[int, ...]:
    """``--seeds`` as numbers, none of them twice."""
    seeds = numbers("--seeds", text)
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"--seeds {text}: the same seed twice")
    return seeds


def plan_of(sweep: Path, overrides: Sequence[str], seeds: str | None, runs: Path) -> tuple[Sweep, Plan]:
    """The sweep's file and its plan."""
    store.check(runs)
    chosen = None if seeds is None else seed_numbers(seeds)
    with cost.counting():
        return expand.load(sweep, overrides, chosen, finder(runs), partial(trial_record.choice, runs), cost)


def finder(runs: Path) -> Find:
    """What looks up a run of this store by how its id begins."""
    store.check(runs)
    return partial(store.find, runs)


def launcher(settings: Any, gpus: str | None, **changes: Any) -> Any:
    """A launcher with what was typed; of the ``changes`` None was not. ConfigError for places that are not here."""
    changed = {name: value for name, value in changes.items() if value is not None}
    if gpus is not None:
        changed["gpus"] = gpu_numbers(gpus)
    if unknown := [name for name in changed if name not in type(settings).model_fields]:
        option = "--slots" if unknown[0] == "cpu_slots" else f"--{unknown[0].replace('_', '-')}"
        raise ConfigError(f"{option}: the launcher {settings.kind} has no {unknown[0]}")
    chosen = settings.model_copy(update=changed)
    try:
        slots = chosen.slots()
    except ValueError as error:
        raise ConfigError(f"{'launcher' if gpus is None else f'--gpus {gpus}'}: {error}") from None
    if chosen.memory_gb is not None and any(slot.gpus for slot in slots):
        raise ConfigError("memory_gb: is for runs on the CPU, and these are on GPUs; --micro-batch holds less there")
    return chosen


def local_launcher() -> Any:
    """The launcher of this machine, as it is by default."""
    return kinds("launchers")["local"]()


def one_slot(gpus: str | None, threads: int | None = None) -> Slot:
    """The place for a single process: the first GPU of ``--gpus``, else all cores of the CPU."""
    slot: Slot = launcher(local_launcher(), gpus, threads=threads).slots()[0]
    return slot if slot.gpus else Slot((), threads_of(machine.cores(), 1, threads))


def workers(asked: str, slots: Sequence[Slot], runs: Iterable[Run]) -> int:
    """``--workers``: a number, or as many as `launchers.workers_of` says for these places and the largest batch."""
    if asked == "auto":
        largest = max((_batch_bytes(run) for run in runs), default=0)
        return workers_of(slots, machine.cores(), largest, machine.shared_memory())
    return worker_number(asked)


def worker_number(asked: str) -> int:
    """``--workers`` as a number."""
    if not (asked.isascii() and asked.isdecimal() and len(asked) < 5):
        raise ConfigError(f"--workers {asked}: write a number, or auto")
    return int(asked)


def _batch_bytes(run: Run) -> int:
    """Of the images of a group, about, as a loading process hands them over."""
    height, width = run.task.train_px
    size: int = run.ghost_batch_size * 3 * height * width * 4
    return size


def placement(wandb: str | None, **fields: Any) -> Placement:
    """What all runs of this command share."""
    tracking = wandb_settings.chosen(wandb, site.load())
    return Placement(tracking=tracking, command=("pvt-exp", *sys.argv[1:]), **fields)


def refuse_sweep(path: Path) -> None:
    """Raise ConfigError for a file that is no experiment where one run is asked for; it says how to name the run."""
    value = config.read(path).value
    if "base" in value or "blocks" in value:
        raise ConfigError(f"{path}: this is a sweep; name one of its runs by its id, which pvt-exp plan {path} shows")
    if "tables" in value:
        raise ConfigError(f"{path}: this is a report; name a run by its id, which pvt-exp runs list shows")
