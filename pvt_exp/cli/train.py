"""The verbs that train."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pvt_exp import plan
from pvt_exp.cli import options, tables
from pvt_exp.cli.console import console
from pvt_exp.cli.options import (
    CheckpointMinutes,
    Data,
    Gpus,
    GpusPerRun,
    Json,
    Keep,
    Latex,
    MemoryGb,
    MicroBatch,
    Only,
    Overrides,
    Retry,
    Seeds,
    Slots,
    Store,
    SweepFile,
    Threads,
    WandbMode,
    Workers,
)
from pvt_exp.config import ConfigError
from pvt_exp.plan import pretraining


def sweep(
    sweep: SweepFile,
    overrides: Overrides = None,
    store_: Store = Path("runs"),
    seeds: Seeds = None,
    only: Only = None,
    data: Data = None,
    gpus: Gpus = None,
    slots: Slots = None,
    memory_gb: MemoryGb = None,
    gpus_per_run: GpusPerRun = None,
    workers: Workers = "auto",
    threads: Threads = None,
    micro_batch: MicroBatch = None,
    keep: Keep = "last",
    checkpoint_minutes: CheckpointMinutes = 10.0,
    wandb: WandbMode = None,
    retry: Retry = None,
    smoke: Annotated[
        bool, typer.Option("--smoke/--no-smoke", help="Try one step of each architecture before the sweep starts.")
    ] = True,
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("reports/out"),
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

    settings, planned = options.read_plan(sweep, overrides, seeds, only, store_)
    launcher = options.choose_launcher(settings.launcher, gpus, slots, memory_gb, gpus_per_run, threads)
    trials = [each.first for each in planned.tunings]
    loading = options.choose_workers(workers, launcher.slots(), (*planned.order, *trials))
    placement = options.make_placement(loading, micro_batch, keep, wandb, checkpoint_minutes)
    if "done" in (retry or ()) and not only:
        raise ConfigError(
            "--retry done trains finished runs anew: name them with --only, or type pvt-exp retrain RUN..."
        )
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ConfigError(f"--out {out}: cannot be written to")  # said now rather than when all is trained
    context = DriverContext(store_, launcher, placement, data or (), retry or (), settings)
    terminal = console(beside=as_json)
    if session.choose_again(planned, store_, data or (), retry or ()):
        _, planned = options.read_plan(sweep, overrides, seeds, only, store_)
    if planned.undecided:
        tuned = session.tune(terminal, planned, context)
        if tuned in (session.INTERRUPTED, session.HALTED):
            if as_json:
                views.print_json(tables.standing(planned, store_, data))
            raise SystemExit(session.INTERRUPTED if tuned == session.INTERRUPTED else 1)
        _, planned = options.read_plan(sweep, overrides, seeds, only, store_)
    status = session.train(terminal, planned, context, smoke) if planned.variants else 1
    if planned.undecided:
        status = status or 1
    if status != session.INTERRUPTED:
        part = options.part(settings, planned, overrides, seeds, only)
        shown = Ablation(sweep=str(sweep))
        folder = tables.folder_of(out, planned.name, sweep)
        table, paths = tables.write(terminal, planned, store_, folder, shown, data, latex, part)
        if paths:
            wandb_report.tell(report.as_json(table), paths, placement.tracking, store_, part)
    if as_json:
        views.print_json(tables.standing(planned, store_, data))
    raise SystemExit(status)


def run(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.yaml", readable=False, help="One complete run.")],
    overrides: Overrides = None,
    store_: Store = Path("runs"),
    data: Data = None,
    gpus: Gpus = None,
    slots: Slots = None,
    memory_gb: MemoryGb = None,
    gpus_per_run: GpusPerRun = None,
    workers: Workers = "auto",
    threads: Threads = None,
    micro_batch: MicroBatch = None,
    keep: Keep = "last",
    checkpoint_minutes: CheckpointMinutes = 10.0,
    wandb: WandbMode = None,
    retry: Retry = None,
    as_json: Json = False,
) -> None:
    """Train one experiment; a finished one is only shown."""
    from pvt_exp.cli import views
    from pvt_exp.config.component import kinds
    from pvt_exp.drive import session
    from pvt_exp.drive.placing import DriverContext

    single = pretraining.experiment(experiment, overrides or (), options.finder(store_))
    launcher = options.choose_launcher(kinds("launchers")["local"](), gpus, slots, memory_gb, gpus_per_run, threads)
    if slots is None and not launcher.slots()[0].gpus:
        launcher = launcher.model_copy(update={"cpu_slots": 1})  # one run: all cores are its own
    planned = plan.single(single, experiment.stem, experiment.resolve(), overrides or ())
    loading = options.choose_workers(workers, launcher.slots(), planned.order)
    placement = options.make_placement(loading, micro_batch, keep, wandb, checkpoint_minutes)
    terminal = console(beside=as_json)
    status = session.train(terminal, planned, DriverContext(store_, launcher, placement, data or (), retry or ()))
    if as_json:
        views.print_json(views.single_json(store_, single.id))
    elif (
        status != session.INTERRUPTED and (store_ / single.id / "run.yaml").exists()
    ):  # else its pretraining is not done
        views.print_run(terminal, views.run_json(store_, single.id))
    raise SystemExit(status)
