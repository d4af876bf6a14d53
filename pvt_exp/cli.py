"""The verbs, thin: read what was typed, call the module that does it, print."""

import errno
import gc
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from pvt_exp import config, options, plan, site, stages, standing, store
from pvt_exp.config import ConfigError
from pvt_exp.datasets import DataError
from pvt_exp.options import (
    Data,
    Gpus,
    Json,
    Keep,
    MicroBatch,
    Only,
    Overrides,
    Retry,
    Seeds,
    Slots,
    Store,
    SweepFile,
    WandbMode,
    Workers,
)
from pvt_exp.plan import Plan
from pvt_exp.schema import Report, TableOf

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
runs_app = typer.Typer(no_args_is_help=True, help="Look at single runs.")
app.add_typer(runs_app, name="runs")


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
    finally:
        gc.freeze()  # else the interpreter searches it all for garbage on its way out


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

    _, planned = options.read_plan(sweep, overrides, seeds, only, store_)
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
    _, planned = options.read_plan(sweep, overrides, seeds, only, store_)
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

    settings, planned = options.read_plan(sweep, overrides, seeds, only, store_)
    launcher = options.choose_launcher(settings.launcher, gpus, slots)
    placement = options.make_placement(workers, micro_batch, keep, wandb)
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

    single = stages.experiment(experiment, overrides or (), options.finder(store_))
    launcher = options.choose_launcher(kinds("launchers")["local"](), gpus, slots)
    if slots is None and not launcher.slots()[0].gpus:
        launcher = launcher.model_copy(update={"cpu_slots": 1})  # one run: all cores are its own
    planned = plan.single(single, experiment.stem)
    placement = options.make_placement(workers, micro_batch, keep, wandb)
    status = session.train(_console(), planned, store_, launcher, placement, data or (), retry or ())
    if status != 130 and (store_ / single.id / "run.yaml").exists():  # else its first stage is not done
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
        _, planned = options.read_plan(file, overrides, seeds, only, store_)
        shown = TableOf(sweep=str(file), epoch="best" if best else "last")
        table = _report(planned, store_, out / planned.name, shown, data, quiet=as_json)
        if as_json:
            views.print_json(writer.as_json(table))
        return
    if overrides or seeds or only or best:
        raise ConfigError(f"{file}: overrides, --seeds, --only and --best are for a sweep; a report says what it shows")
    page = config.validate(Report, document)
    tables = []
    for number, shown in enumerate(page.tables):
        try:
            _, planned = options.read_plan(file.parent / shown.sweep, None, None, None, store_)
            tables.append(_table(planned, store_, shown, data))
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


# ---------------------------------------------------------------- use what was trained


@app.command()
def predict(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The id of a finished run, or how it begins.")],
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGES...", help="Image files, folders of them, or patterns.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for what is written; else predictions/<run id>.")] = None,
    score: Annotated[float, typer.Option(min=0, max=1, help="Objects that score less are not drawn.")] = 0.5,
    store_: Store = Path("runs"),
    gpus: Gpus = None,
) -> None:
    """What a finished run finds on images: a picture each, and predictions.json."""
    from pvt_exp import trained

    found = trained.find(store_, run_id)
    files = trained.images(images)
    out = out or Path("predictions", found.run.id)
    trained.room(out)
    slot = options.one_slot(gpus)
    raise SystemExit(trained.predict(found, files, out, score, slot))


@app.command()
def evaluate(
    what: Annotated[str, typer.Argument(metavar="RUN|EXPERIMENT.yaml", help="A finished run's id, or an experiment.")],
    overrides: Overrides = None,
    weights: Annotated[
        str | None, typer.Option(metavar="FILE|timm:TAG", help="Weights of the whole network, for an experiment.")
    ] = None,
    store_: Store = Path("runs"),
    data: Data = None,
    gpus: Gpus = None,
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    """Metrics of a finished run, or of published weights in an experiment's set-up. Trains nothing, writes nothing."""
    from pvt_exp import trained

    slot = options.one_slot(gpus)
    if not what.endswith((".yaml", ".yml")):
        if weights is not None or overrides:
            raise ConfigError(
                f"{what}: a run has its own weights and settings; --weights and overrides go with a YAML file"
            )
        raise SystemExit(trained.evaluate_run(trained.find(store_, what), data or (), slot, workers, as_json))
    if weights is None:
        raise ConfigError(f"{what}: which weights? Say --weights FILE or --weights timm:TAG")
    experiment = stages.experiment(Path(what), overrides or ())
    raise SystemExit(trained.evaluate_weights(experiment, weights, data or (), slot, workers, as_json))


# ---------------------------------------------------------------- what the verbs share


def _typed() -> str:
    """The command as it was typed."""
    return shlex.join(("pvt-exp", *sys.argv[1:]))


def _console() -> Console:
    return Console(soft_wrap=False) if sys.stdout.isatty() else Console(width=120)


def _table(planned: Plan, store_: Path, shown: TableOf, data: Sequence[str] | None) -> Any:
    from pvt_exp import tables

    return tables.build(planned, _outcomes(planned, store_, data or ()), shown)


def _outcomes(planned: Plan, store_: Path, data: Sequence[str]) -> dict[str, store.Outcome]:
    """What became of the runs, those of other data than the ones at hand told as stale."""
    _, facts, _ = site.inspect(planned, site.places(data), site.load())
    return standing.outcomes(store_, planned, site.fingerprints(facts))


def _report(
    planned: Plan, store_: Path, out: Path, shown: TableOf, data: Sequence[str] | None = None, quiet: bool = False
) -> Any:
    from pvt_exp import report as writer

    table = _table(planned, store_, shown, data)
    paths = writer.write(table, out, _typed())
    if not quiet:
        _console().print(writer.show(table))
        for path in paths:
            print(path)
    return table
