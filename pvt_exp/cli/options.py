"""What can be typed after the verbs: each option once, and the groups of options that several verbs take."""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from pvt_exp.cli import choose
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.config.sweep import Sweep
from pvt_exp.launchers import Slot
from pvt_exp.plan import Plan, site
from pvt_exp.plan import table_suffix as naming
from pvt_exp.plan.data_sets import DataSets
from pvt_exp.store.states import ENDED

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
Out = Annotated[Path, typer.Option(help="Folder for the tables.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="The run's id, or its first digits.")]
Retry = Annotated[
    list[str] | None,
    typer.Option(metavar="STATE", help=f"Also retry runs in this state: {', '.join((*ENDED, 'stale', 'done'))}."),
]
Latex = Annotated[
    Literal["plain", "fit"],
    typer.Option(help="table.tex to be read and edited, or one that takes the size that fits where it is put."),
]
RUNS, TABLES = Path("runs"), Path("reports/out")
"""Where the store and the tables are, unless something else is typed."""


@dataclass(frozen=True)
class Chosen:
    """Which runs of a sweep are meant."""

    overrides: Overrides = None
    store: Store = RUNS
    seeds: Seeds = None
    only: Only = None

    def read(self, sweep: Path) -> tuple[Sweep, Plan]:
        """The sweep's file and its plan, as far as ``--only`` asks for it."""
        settings, planned = choose.plan_of(sweep, self.overrides or (), self.seeds, self.store)
        return settings, planned.only(self.only) if self.only else planned

    def part(self, settings: Sweep, planned: Plan, best: bool = False) -> str:
        """What of a sweep its table holds, for the names of its files; empty: all of it, as its file has it."""
        other = self.seeds or "" if planned.seeds != settings.seeds else ""
        return naming.name(self.only or (), other, self.overrides or (), best)


def data_sets(data: Data) -> DataSets:
    """The data sets of this command; ConfigError for a word that is no NAME=PATH, or no folder."""
    return DataSets(site.places(data or ()))


@dataclass(frozen=True)
class Machine:
    """What of this machine is used."""

    data: Data = None
    gpus: Gpus = None
    workers: Workers = "auto"
    threads: Threads = None

    def launcher(self, settings: Any) -> Any:
        """The launcher with what was typed; ConfigError for places that are not here."""
        return choose.launcher(settings, self.gpus, **self._changes())

    def _changes(self) -> dict[str, Any]:
        return {"threads": self.threads}

    def loading(self, slots: Sequence[Slot], runs: Iterable[Run]) -> int:
        """The processes that load data, for each process of a run."""
        return choose.workers(self.workers, slots, runs)


@dataclass(frozen=True)
class Steps(Machine):
    """How a run is computed there."""

    micro_batch: MicroBatch = None


@dataclass(frozen=True)
class Places(Steps):
    """How many runs are computed at once, and on how many GPUs each."""

    slots: Slots = None
    gpus_per_run: GpusPerRun = None

    def _changes(self) -> dict[str, Any]:
        return super()._changes() | {"cpu_slots": self.slots, "gpus_per_run": self.gpus_per_run}


@dataclass(frozen=True)
class Kept:
    """What stays of a run that is done."""

    keep: Keep = "last"


@dataclass(frozen=True)
class Again:
    """Which runs are tried again."""

    retry: Retry = None


@dataclass(frozen=True)
class Agent(Again, Kept, Steps):
    """Of the verbs that train a single run for an agent of W&B."""

    def placement(self, workers: int) -> Placement:
        """What all runs of this command share."""
        return choose.placement(None, workers=workers, micro_batch=self.micro_batch, keep=self.keep)


@dataclass(frozen=True)
class Training(Kept, Places):
    """Of the verbs that train."""

    memory_gb: MemoryGb = None
    checkpoint_minutes: CheckpointMinutes = 10.0
    wandb: WandbMode = None

    def _changes(self) -> dict[str, Any]:
        return super()._changes() | {"memory_gb": self.memory_gb}

    def placement(self, workers: int) -> Placement:
        """What all runs of this command share."""
        return choose.placement(
            self.wandb,
            workers=workers,
            micro_batch=self.micro_batch,
            keep=self.keep,
            checkpoint_minutes=self.checkpoint_minutes,
        )


@dataclass(frozen=True)
class TrainingAgain(Again, Training):
    """Of those that can also try again what has ended."""


def typed(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb as typer takes it: instead of a parameter that is a group of options, the options of that group."""
    kinds = get_type_hints(verb, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in kinds.items() if is_dataclass(kind)}
    parameters: list[inspect.Parameter] = []
    for name, given in inspect.signature(verb).parameters.items():
        if name in groups:
            parameters += _parameters(groups[name])
        else:
            parameters.append(given.replace(annotation=kinds[name], kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(verb)
    def call(**words: Any) -> None:
        for name, group in groups.items():
            words[name] = group(**{each.name: words.pop(each.name) for each in fields(group)})
        verb(**words)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


def _parameters(group: Any) -> list[inspect.Parameter]:
    """The options of a group."""
    kinds = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=kinds[each.name],
        )
        for each in fields(group)
    ]


def words(group: Any) -> list[str]:
    """What is to be typed to have a group's options again: those that are not as by default."""
    typed: list[str] = []
    for each in fields(group):
        value = getattr(group, each.name)
        if value != each.default:
            for part in value if isinstance(value, list) else [value]:
                typed += [f"--{each.name.replace('_', '-')}", str(part)]
    return typed
