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
    from pvt_exp.cli import driving, views
    from pvt_exp.tables.ablation import Settings as Ablation
    from pvt_exp.tracking import report as wandb_report

    settings, planned = chosen.read(sweep)
    every = (*planned.order, *(each.first for each in planned.tunings))
    context = driving.context(training, chosen.store, settings.launcher, every, settings, training.retry or ())
    if "done" in context.retry and not chosen.only:
        raise ConfigError(
            "--retry done trains finished runs anew: name them with --only, or type pvt-exp retrain RUN..."
        )
    _refuse_unwritable(out)
    terminal = console(beside=as_json)
    status = None
    if driving.choose_again(terminal, planned, context):
        _, planned = chosen.read(sweep)
    if planned.undecided:
        tuned = driving.tune(terminal, planned, context)
        if tuned.driven.end == "over":
            _, planned = chosen.read(sweep)
        else:
            status = driving.INTERRUPTED if tuned.driven.end == "interrupted" else 1
    if status is None:
        status = driving.train(terminal, planned, context, smoke) if planned.variants else 1
        if planned.undecided:
            status = status or 1
        if status != driving.INTERRUPTED:
            part = chosen.part(settings, planned)
            folder = tables.folder_of(out, planned.name, sweep)
            shown = Ablation(sweep=str(sweep))
            made_by = tables.command(sweep, chosen, out, latex)
            table, paths = tables.write(
                terminal, planned, chosen.store, folder, shown, made_by, context.data, latex, part
            )
            if paths:
                wandb_report.tell(report.as_json(table), paths, context.placement.tracking, chosen.store, part)
    if as_json:
        views.print_json(tables.standing(planned, chosen.store, context.data))
    raise SystemExit(status)


def _refuse_unwritable(out: Path) -> None:
    """Raise ConfigError now rather than when all is trained."""
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ConfigError(f"--out {out}: cannot be written to")


def run(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.yaml", readable=False, help="One complete run.")],
    training: TrainingAgain,
    overrides: Overrides = None,
    store_: Store = RUNS,
    as_json: Json = False,
) -> None:
    """Train one experiment; a finished one is only shown."""
    from pvt_exp.cli import driving, views

    single = pretraining.experiment(experiment, overrides or (), choose.finder(store_))
    planned = plan.single(single, experiment.stem, experiment.resolve(), overrides or ())
    launcher, alone = choose.local_launcher(), training.slots is None
    context = driving.context(training, store_, launcher, planned.order, retry=training.retry or (), alone=alone)
    terminal = console(beside=as_json)
    status = driving.train(terminal, planned, context)
    if as_json:
        views.print_json(views.single_json(store_, single.id))
    elif (
        status != driving.INTERRUPTED and (store_ / single.id / "run.yaml").exists()
    ):  # else its pretraining is not done
        views.print_trained(terminal, single, views.run_json(store_, single.id))
    raise SystemExit(status)
