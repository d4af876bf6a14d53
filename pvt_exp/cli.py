"""The verbs, thin: read what was typed, call the module that does it, print."""

import errno
import gc
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console

from pvt_exp import config, plan, site, store
from pvt_exp.config import ConfigError
from pvt_exp.datasets import DataError
from pvt_exp.plan import Plan
from pvt_exp.schema import Placement, Report, Run, Sweep, TableOf

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
runs_app = typer.Typer(no_args_is_help=True, help="Look at single runs.")
app.add_typer(runs_app, name="runs")

# readable=False: what cannot be read is told by us, as all else is
SweepFile = Annotated[Path, typer.Argument(metavar="SWEEP.yaml", readable=False, help="The sweep's file.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[FIELD=VALUE]...", help="Changes to the base, e.g. optim.lr=1e-3.")
]
Store = Annotated[Path, typer.Option("--store", envvar="PVT_EXP_RUNS", readable=False, help="The run store.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON; its fields are stable, see docs/json.md.")]
Seeds = Annotated[str | None, typer.Option(help="Seeds instead of the sweep's: 0-4 or 0,3,7.")]
Only = Annotated[list[str] | None, typer.Option(help="Only the variants with this name, axis, choice or run id.")]
Data = Annotated[list[str] | None, typer.Option(metavar="NAME=PATH", help="Where a data set lies on this machine.")]
Gpus = Annotated[str | None, typer.Option(help="0-7 or 0,0,1 (two runs on GPU 0), auto, or none for the CPU.")]
Slots = Annotated[int | None, typer.Option(min=1, help="Runs at once on the CPU; by default one a core.")]
Workers = Annotated[int, typer.Option(min=0, help="Processes that load data, a run.")]
MicroBatch = Annotated[
    int | None, typer.Option(min=1, help="Images a GPU holds at once; gradients add up to the same batch.")
]
Keep = Annotated[Literal["last", "none"], typer.Option(help="Which checkpoints stay when a run is done.")]
WandbMode = Annotated[str | None, typer.Option("--wandb", help="online, offline or disabled.")]
Retry = Annotated[list[str] | None, typer.Option(metavar="STATE", help="Also try runs again that ended so.")]


def main() -> None:
    """The command ``pvt-exp``. Exit status 0: all is done; 1: some runs are not; 2: what was typed cannot be used."""
    gc.disable()  # a fifth of the time of a look at 10,000 runs; what trains turns it on again
    try:
        app()
    except (ConfigError, DataError) as error:
        _refuse(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `pvt-exp plan x | head`
    except OSError as error:
        if error.strerror is None:
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        where = f"{error.filename}: " if error.filename else ""
        _refuse(f"{where}{error.strerror}{'; make room and type it again' if full else ''}", 1 if full else 2)


def _refuse(problems: str, status: int = 2) -> NoReturn:
    for line in problems.splitlines():
        print(f"error: {line}", file=sys.stderr)
    raise SystemExit(status)


# ---------------------------------------------------------------- look


@app.command("plan")
def plan_command(
    sweep: SweepFile,
    overrides: Overrides = None,
    store_: Store = Path("runs"),
    seeds: Seeds = None,
    only: Only = None,
    as_json: Json = False,
    all_: Annotated[bool, typer.Option("--all", help="Every row, however many.")] = False,
) -> None:
    """What a sweep would train: its variants, runs, and what is done already. Trains nothing, touches nothing."""
    from pvt_exp import views

    _, planned = _plan(sweep, overrides, seeds, only)
    store.check(store_)
    outcomes = _outcomes(planned, store_, ())
    if as_json:
        views.print_json(views.plan_json(planned, outcomes))
    else:
        views.print_plan(_console(), planned, outcomes, None if all_ else 40)


@app.command()
def status(
    sweep: Annotated[
        Path | None, typer.Argument(metavar="[SWEEP.yaml]", readable=False, help="Only this sweep's runs.")
    ] = None,
    overrides: Overrides = None,
    store_: Store = Path("runs"),
    seeds: Seeds = None,
    only: Only = None,
    as_json: Json = False,
) -> None:
    """How the runs of a sweep, or of the whole store, stand."""
    from pvt_exp import views

    store.check(store_)
    if sweep is None:
        found = views.store_json(store_)
        views.print_json(found) if as_json else views.print_store(_console(), found, store_)
        return
    _, planned = _plan(sweep, overrides, seeds, only)
    found = views.status_json(planned, store_, _outcomes(planned, store_, ()))
    views.print_json(found) if as_json else views.print_status(_console(), found)


@runs_app.command("show")
def runs_show(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="The run's id, or how it begins.")],
    store_: Store = Path("runs"),
    as_json: Json = False,
) -> None:
    """Everything about one run: settings, attempts, result, where its files lie."""
    from pvt_exp import views

    store.check(store_)
    found = views.run_json(store_, store.find(store_, run_id))
    views.print_json(found) if as_json else views.print_run(_console(), found)


@runs_app.command("list")
def runs_list(
    store_: Store = Path("runs"),
    as_json: Json = False,
) -> None:
    """Every run in the store with its state and metrics."""
    from pvt_exp import views

    store.check(store_)
    found = views.store_json(store_)
    views.print_json(found) if as_json else views.print_runs(_console(), found)


@app.command()
def models(as_json: Json = False) -> None:
    """All presets with parameters and multiply-accumulates at 224 px."""
    from pvt_exp import views

    try:
        found = views.models_json()
    except ValueError as error:
        _refuse(str(error))
    views.print_json(found) if as_json else views.print_models(_console(), found)


@app.command()
def schema(
    out: Annotated[Path, typer.Option(help="Folder for run.json, sweep.json and report.json.")] = Path("docs/schema"),
) -> None:
    """Write the JSON Schemas with which editors complete and check the YAML files."""
    from pvt_exp import json_schema

    out.mkdir(parents=True, exist_ok=True)
    for name, text in json_schema.texts().items():
        (out / name).write_text(text)
        print(out / name)


# ---------------------------------------------------------------- train


@app.command("sweep")
def sweep_command(
    sweep: SweepFile,
    overrides: Overrides = None,
    store_: Store = Path("runs"),
    seeds: Seeds = None,
    only: Only = None,
    data: Data = None,
    gpus: Gpus = None,
    slots: Slots = None,
    workers: Workers = 0,
    micro_batch: MicroBatch = None,
    keep: Keep = "last",
    wandb: WandbMode = None,
    retry: Retry = None,
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("reports/out"),
) -> None:
    """Train what a sweep lacks, then write its table. The same command again goes on, extends, or does nothing."""
    from pvt_exp import session

    settings, planned = _plan(sweep, overrides, seeds, only)
    launcher = _launcher(settings.launcher, gpus, slots)
    placement = _placement(workers, micro_batch, keep, wandb)
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ConfigError(f"--out {out}: cannot be written to")  # said now rather than when all is trained
    status = session.train(_console(), planned, store_, launcher, placement, data or (), retry or ())
    if status != 130:
        _report(planned, store_, out / planned.name, TableOf(sweep=str(sweep)), data)
    raise SystemExit(status)


@app.command()
def run(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.yaml", readable=False, help="One complete run.")],
    overrides: Overrides = None,
    store_: Store = Path("runs"),
    data: Data = None,
    gpus: Gpus = None,
    slots: Slots = None,
    workers: Workers = 0,
    micro_batch: MicroBatch = None,
    keep: Keep = "last",
    wandb: WandbMode = None,
    retry: Retry = None,
) -> None:
    """Train one experiment; trained already, it is only shown."""
    from pvt_exp import session, views
    from pvt_exp.component import kinds

    document = config.read(experiment)
    if "base" in document.value or "blocks" in document.value:
        raise ConfigError(f"{experiment}: this is a sweep; to drive it: pvt-exp sweep {experiment}")
    if "tables" in document.value:
        raise ConfigError(f"{experiment}: this is a report; to write it: pvt-exp report {experiment}")
    single = config.validate(Run, config.override(document, overrides or ()))
    launcher = _launcher(kinds("launchers")["local"](), gpus, slots)
    if slots is None and not launcher.slots()[0].gpus:
        launcher = launcher.model_copy(update={"cpu_slots": 1})  # one run: all cores are its own
    planned = plan.single(single, experiment.stem)
    placement = _placement(workers, micro_batch, keep, wandb)
    status = session.train(_console(), planned, store_, launcher, placement, data or (), retry or ())
    if status != 130:
        views.print_run(_console(), views.run_json(store_, single.id))
    raise SystemExit(status)


@app.command()
def report(
    file: Annotated[
        Path, typer.Argument(metavar="SWEEP.yaml|REPORT.yaml", readable=False, help="A sweep, or a page of tables.")
    ],
    overrides: Overrides = None,
    store_: Store = Path("runs"),
    seeds: Seeds = None,
    only: Only = None,
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("reports/out"),
    best: Annotated[
        bool, typer.Option("--best", help="Each run's best epoch instead of its last; it flatters.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """The tables of a sweep, or of a report file: LaTeX, Markdown, CSV and HTML."""
    from pvt_exp import report as writer
    from pvt_exp import views

    store.check(store_)
    document = config.read(file)
    if "tables" not in document.value:
        _, planned = _plan(file, overrides, seeds, only)
        options = TableOf(sweep=str(file), epoch="best" if best else "last")
        table = _report(planned, store_, out / planned.name, options, data, quiet=as_json)
        if as_json:
            views.print_json(writer.as_json(table))
        return
    if overrides or seeds or only or best:
        raise ConfigError(f"{file}: overrides, --seeds, --only and --best are for a sweep; a report says what it shows")
    page = config.validate(Report, document)
    tables = []
    for number, options in enumerate(page.tables):
        try:
            _, planned = _plan(file.parent / options.sweep, None, None, None)
            tables.append(_table(planned, store_, options, data))
        except ConfigError as error:
            where = f"{document.origin(('tables', number, 'sweep'))}: tables.{number}: "
            raise ConfigError(where + problem for problem in error.problems) from None
    paths = writer.write_page(page.title or file.stem, tables, out / file.stem, _typed())
    if as_json:
        views.print_json({"tables": [writer.as_json(table) for table in tables]})
        return
    for table in tables:
        _console().print(writer.show(table))
    for path in paths:
        print(path)


# ---------------------------------------------------------------- what the verbs share


def _typed() -> str:
    """The command as it was typed."""
    return shlex.join(("pvt-exp", *sys.argv[1:]))


def _console() -> Console:
    return Console(soft_wrap=False) if sys.stdout.isatty() else Console(width=120)


def _numbers(option: str, text: str) -> tuple[int, ...]:
    """``0-3,7`` as numbers."""
    found: list[int] = []
    for word in text.split(","):
        span = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", word, re.ASCII)
        first, last = (int(span[1]), int(span[2] or span[1])) if span else (0, -1)
        if not 0 <= last - first <= 10_000 or last >= 2**32:
            raise ConfigError(f"{option} {text}: write numbers, for instance 0-3 or 0,2,5")
        found += range(first, last + 1)
    return tuple(found)


def _seeds(text: str) -> tuple[int, ...]:
    seeds = _numbers("--seeds", text)
    if len(set(seeds)) < len(seeds):
        raise ConfigError(f"--seeds {text}: the same seed twice")
    return seeds


def _plan(
    sweep: Path, overrides: Sequence[str] | None, seeds: str | None, only: Sequence[str] | None
) -> tuple[Sweep, Plan]:
    settings, planned = plan.load(sweep, overrides or (), None if seeds is None else _seeds(seeds))
    return settings, planned.only(only) if only else planned


def _launcher(settings: Any, gpus: str | None, slots: int | None) -> Any:
    changes: dict[str, Any] = {}
    if gpus is not None:
        changes["gpus"] = "auto" if gpus == "auto" else () if gpus == "none" else _numbers("--gpus", gpus)
    if slots is not None:
        changes["cpu_slots"] = slots
    launcher = settings.model_copy(update=changes)
    try:
        launcher.slots()
    except ValueError as error:
        raise ConfigError(f"{'launcher' if gpus is None else f'--gpus {gpus}'}: {error}") from None
    return launcher


def _placement(workers: int, micro_batch: int | None, keep: Literal["last", "none"], wandb: str | None) -> Placement:
    return Placement(
        workers=workers,
        micro_batch=micro_batch,
        keep=keep,
        tracking=site.tracking(wandb, site.load()),
        command=("pvt-exp", *sys.argv[1:]),
    )


def _table(planned: Plan, store_: Path, options: TableOf, data: Sequence[str] | None) -> Any:
    from pvt_exp import tables

    return tables.build(planned, _outcomes(planned, store_, data or ()), options)


def _outcomes(planned: Plan, store_: Path, data: Sequence[str]) -> dict[str, store.Outcome]:
    """What became of the runs, those of other data than the ones at hand told as stale."""
    _, facts, _ = site.inspect(planned, site.places(data), site.load())
    return store.outcomes(store_, planned.runs, site.fingerprints(facts))


def _report(
    planned: Plan, store_: Path, out: Path, options: TableOf, data: Sequence[str] | None = None, quiet: bool = False
) -> Any:
    from pvt_exp import report as writer

    table = _table(planned, store_, options, data)
    paths = writer.write(table, out, _typed())
    if not quiet:
        _console().print(writer.show(table))
        for path in paths:
            print(path)
    return table
