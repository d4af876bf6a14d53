"""What can be typed after the verbs, and what it means."""

import re
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import typer

from pvt_exp import cost, store
from pvt_exp.config import ConfigError
from pvt_exp.config.component import kinds
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.config.sweep import Sweep
from pvt_exp.datasets import Dataset, Facts
from pvt_exp.launchers import Slot, threads_of, workers_of
from pvt_exp.plan import Plan, expand, site
from pvt_exp.plan import table_suffix as naming
from pvt_exp.plan.pretraining import Find
from pvt_exp.store import status, trial_record
from pvt_exp.store.outcome import Outcome
from pvt_exp.store.states import ENDED
from pvt_exp.system import machine
from pvt_exp.tracking import settings as wandb_settings

# readable=False: what cannot be read is told by us, as all else is
SweepFile = Annotated[Path, typer.Argument(metavar="SWEEP.yaml", readable=False, help="The sweep's file.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[FIELD=VALUE]...", help="Changes to the base, e.g. optim.lr=1e-3.")
]
Store = Annotated[Path, typer.Option("--store", envvar="PVT_EXP_RUNS", readable=False, help="The run store.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON; its fields are stable, see docs/json.md.")]
Seeds = Annotated[str | None, typer.Option(help="Seeds instead of the sweep's: 0-4 or 0,3,7.")]
Only = Annotated[list[str] | None, typer.Option(help="Only the variants with this name, axis, choice or run id.")]
Data = Annotated[list[str] | None, typer.Option(metavar="NAME=PATH", help="Folder of a data set on this machine.")]
Gpus = Annotated[str | None, typer.Option(help="0-7 or 0,0,1 (two runs on GPU 0), auto, or none for the CPU.")]
Slots = Annotated[int | None, typer.Option(min=1, help="Runs at once on the CPU; by default one per core.")]
GpusPerRun = Annotated[int | None, typer.Option(min=1, help="GPUs per run; on the CPU the number of its processes.")]
MemoryGb = Annotated[
    float | None,
    typer.Option(min=0.1, help="Memory limit of a run on the CPU, in GB; a run above it ends as out_of_memory."),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="CPU threads of each process of a run; by default its share of the cores."),
]
Workers = Annotated[
    str,
    typer.Option(
        metavar="N|auto",
        help="Processes that load data, for each process of a run; auto: a share of the cores on GPUs, none on the CPU.",
    ),
]
MicroBatch = Annotated[
    int | None, typer.Option(min=1, help="Images at once on a GPU; gradients are accumulated to the same batch.")
]
Keep = Annotated[Literal["last", "none"], typer.Option(help="Checkpoints to keep when a run is done.")]
WandbMode = Annotated[
    str | None,
    typer.Option(
        "--wandb",
        metavar="MODE",
        help="online, offline or disabled; by default $WANDB_MODE, site.yaml, else online with an API key, offline without.",
    ),
]
CheckpointMinutes = Annotated[
    float,
    typer.Option(
        min=0.001, metavar="MINUTES", help="Minutes between checkpoints, at most; each epoch also ends with one."
    ),
]
Retry = Annotated[
    list[str] | None,
    typer.Option(metavar="STATE", help=f"Also retry runs in this state: {', '.join((*ENDED, 'stale', 'done'))}."),
]


Latex = Annotated[
    Literal["plain", "fit"],
    typer.Option(help="table.tex to be read and edited, or one that takes the size that fits where it is put."),
]


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


def read_plan(
    sweep: Path, overrides: Sequence[str] | None, seeds: str | None, only: Sequence[str] | None, runs: Path
) -> tuple[Sweep, Plan]:
    """The sweep's file and its plan, as far as ``--only`` asks for it."""
    store.check(runs)
    chosen = None if seeds is None else seed_numbers(seeds)
    settings, planned = expand.load(
        sweep, overrides or (), chosen, finder(runs), partial(trial_record.choice, runs), cost
    )
    return settings, planned.only(only) if only else planned


def part(
    settings: Sweep,
    planned: Plan,
    overrides: Sequence[str] | None,
    seeds: str | None,
    only: Sequence[str] | None,
    best: bool = False,
) -> str:
    """What of a sweep its table holds, for the names of its files; empty: all of it, as its file has it."""
    other = seeds or "" if planned.seeds != settings.seeds else ""
    return naming.name(only or (), other, overrides or (), best)


def finder(runs: Path) -> Find:
    """What looks up a run of this store by how its id begins."""
    store.check(runs)
    return partial(store.find, runs)


def choose_launcher(
    settings: Any,
    gpus: str | None,
    slots: int | None,
    memory_gb: float | None = None,
    gpus_per_run: int | None = None,
    threads: int | None = None,
) -> Any:
    """The sweep's launcher with what the command line says otherwise; ConfigError for places that are not here."""
    changes: dict[str, Any] = {}
    if gpus is not None:
        changes["gpus"] = gpu_numbers(gpus)
    if slots is not None:
        changes["cpu_slots"] = slots
    if memory_gb is not None:
        changes["memory_gb"] = memory_gb
    if gpus_per_run is not None:
        changes["gpus_per_run"] = gpus_per_run
    if threads is not None:
        changes["threads"] = threads
    launcher = settings.model_copy(update=changes)
    try:
        slots_ = launcher.slots()
    except ValueError as error:
        raise ConfigError(f"{'launcher' if gpus is None else f'--gpus {gpus}'}: {error}") from None
    if launcher.memory_gb is not None and any(slot.gpus for slot in slots_):
        raise ConfigError("memory_gb: is for runs on the CPU, and these are on GPUs; --micro-batch holds less there")
    return launcher


def one_slot(gpus: str | None, threads: int | None = None) -> Slot:
    """The place for a single process: the first GPU of ``--gpus``, else all cores of the CPU."""
    launcher = choose_launcher(kinds("launchers")["local"](), gpus, None, threads=threads)
    slot: Slot = launcher.slots()[0]
    return slot if slot.gpus else Slot((), threads_of(machine.cores(), 1, threads))


def choose_workers(asked: str, slots: Sequence[Slot], runs: Iterable[Run]) -> int:
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


def make_placement(
    workers: int,
    micro_batch: int | None,
    keep: Literal["last", "none"],
    wandb: str | None,
    checkpoint_minutes: float = 10.0,
) -> Placement:
    """What all runs of this command share."""
    return Placement(
        workers=workers,
        micro_batch=micro_batch,
        keep=keep,
        checkpoint_minutes=checkpoint_minutes,
        tracking=wandb_settings.chosen(wandb, site.load()),
        command=("pvt-exp", *sys.argv[1:]),
    )


def outcomes(planned: Plan, store_: Path, data: Sequence[str]) -> dict[str, Outcome]:
    """What became of the runs, those of other data than the ones at hand told as stale."""
    return look(planned, store_, data).outcomes


class Looked(NamedTuple):
    """What there is of a plan."""

    outcomes: dict[str, Outcome]
    """Of its runs; those of other data than the ones at hand are stale."""
    facts: dict[Dataset, Facts]
    """Of each data set that is at hand."""
    data: dict[str, Any]
    """The fields ``data`` and ``unfit`` of ``--json``."""


def look(planned: Plan, store_: Path, data: Sequence[str]) -> Looked:
    """Look at a plan's runs, and at its data where they are at hand; ``data`` are the words after ``--data``."""
    roots, facts, problems = site.inspect(planned, site.places(data), site.load())
    unfit = [line for each, told in problems.items() if each.name in roots for line in told]
    found = status.outcomes(store_, planned, site.fingerprints(facts))
    return Looked(found, facts, {"data": site.as_json(roots, facts), "unfit": unfit})
