"""The verbs that train."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pvt_exp import plan
from pvt_exp.cli import choose, tables
from pvt_exp.cli.console import console
from pvt_exp.cli.options import RUNS, TABLES, Chosen, Json, Latex, Out, Overrides, Store, SweepFile, TrainingAgain
from pvt_exp.config import ConfigError
from pvt_exp.plan import pretraining


def sweep(
    sweep: SweepFile,
    chosen: Chosen,
    training: TrainingAgain,
    smoke: Annotated[
        bool, typer.Option("--smoke/--no-smoke", help="Try one step of each architecture before the sweep starts.")
    ] = True,
    out: Out = TABLES,
    latex: Latex = "plain",
    as_json: Json = False,
) -> None:
    """Train the missing runs of a sweep, then write its table. The same command again resumes or extends it.

    Where results are stale, of other data than those at hand, no table is written. A written table is not replaced by one
    that lacks results of it.

    A part of a sweep (--only, --seeds, changes) has a table of its own beside that of the whole: table.only-depth.tex.
    """
    from pvt_exp import report
    from pvt_exp.cli import views
    from pvt_exp.drive import session
    from pvt_exp.drive.placing import DriverContext
    from pvt_exp.tables.ablation import Settings as Ablation
    from pvt_exp.tracking import report as wandb_report

    settings, planned = chosen.read(sweep)
    launcher = training.launcher(settings.launcher)
    trials = [each.first for each in planned.tunings]
    placement = training.placement(training.loading(launcher.slots(), (*planned.order, *trials)))
    data, retry = training.data or (), training.retry or ()
    if "done" in retry and not chosen.only:
        raise ConfigError(
            "--retry done trains finished runs anew: name them with --only, or type pvt-exp retrain RUN..."
        )
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ConfigError(f"--out {out}: cannot be written to")  # said now rather than when all is trained
    context = DriverContext(chosen.store, launcher, placement, data, retry, settings)
    terminal = console(beside=as_json)
    if session.choose_again(terminal, planned, chosen.store, data, retry):
        _, planned = chosen.read(sweep)
    if planned.undecided:
        tuned = session.tune(terminal, planned, context)
        if tuned in (session.INTERRUPTED, session.HALTED):
            if as_json:
                views.print_json(tables.standing(planned, chosen.store, data))
            raise SystemExit(session.INTERRUPTED if tuned == session.INTERRUPTED else 1)
        _, planned = chosen.read(sweep)
    status = session.train(terminal, planned, context, smoke) if planned.variants else 1
    if planned.undecided:
        status = status or 1
    if status != session.INTERRUPTED:
        part = chosen.part(settings, planned)
        shown = Ablation(sweep=str(sweep))
        folder = tables.folder_of(out, planned.name, sweep)
        table, paths = tables.write(terminal, planned, chosen.store, folder, shown, data, latex, part)
        if paths:
            wandb_report.tell(report.as_json(table), paths, placement.tracking, chosen.store, part)
    if as_json:
        views.print_json(tables.standing(planned, chosen.store, data))
    raise SystemExit(status)


def run(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.yaml", readable=False, help="One complete run.")],
    training: TrainingAgain,
    overrides: Overrides = None,
    store_: Store = RUNS,
    as_json: Json = False,
) -> None:
    """Train one experiment; a finished one is only shown."""
    from pvt_exp.cli import views
    from pvt_exp.drive import session
    from pvt_exp.drive.placing import DriverContext

    single = pretraining.experiment(experiment, overrides or (), choose.finder(store_))
    launcher = training.launcher(choose.local_launcher())
    if training.slots is None and not launcher.slots()[0].gpus:
        launcher = launcher.model_copy(update={"cpu_slots": 1})  # one run: all cores are its own
    planned = plan.single(single, experiment.stem, experiment.resolve(), overrides or ())
    placement = training.placement(training.loading(launcher.slots(), planned.order))
    terminal = console(beside=as_json)
    context = DriverContext(store_, launcher, placement, training.data or (), training.retry or ())
    status = session.train(terminal, planned, context)
    if as_json:
        views.print_json(views.single_json(store_, single.id))
    elif (
        status != session.INTERRUPTED and (store_ / single.id / "run.yaml").exists()
    ):  # else its pretraining is not done
        views.print_run(terminal, views.run_json(store_, single.id))
    raise SystemExit(status)
