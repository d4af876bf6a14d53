"""The verbs for those who live in W&B."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pvt_exp import site, store
from pvt_exp.cli import options
from pvt_exp.cli.console import console
from pvt_exp.cli.options import Data, Gpus, Keep, MicroBatch, Only, Overrides, Retry, Seeds, Store, SweepFile, Workers
from pvt_exp.config import ConfigError
from pvt_exp.plan import Plan
from pvt_exp.schema import Policy
from pvt_exp.tuning import undecided


def sync(
    store_: Store = Path("runs"),
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Runs that are uploaded at a time.")] = 4,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be uploaded.")] = False,
    limit: Annotated[float, typer.Option(min=1, help="Seconds after which a run counts as failed.")] = 900.0,
) -> None:
    """Upload what W&B was told offline. What is uploaded already is passed over. Exit status 1: some runs failed."""
    from pvt_exp import wandb_server, wandb_sync

    store.check(store_)
    todo, busy = wandb_sync.waiting(store_)
    left = f"; {busy} being trained just now are left for later" if busy else ""
    if dry_run:
        for each in todo:
            print(f"{each.name}: {', '.join(map(str, each.parts))}")
    if dry_run or not todo:
        print(f"{len(todo)} runs to upload{left}")
        return
    if (why := wandb_server.problem()) is not None:
        if wandb_server.api_key() is None:
            raise ConfigError(why)
        print(f"nothing is uploaded: {why}")
        raise SystemExit(1)
    ended = 0

    def show(each: wandb_sync.Waiting, why: str | None) -> None:
        nonlocal ended
        ended += 1
        print(f"[{ended}/{len(todo)}] {each.name}: {'uploaded' if why is None else f'failed: {why}'}", flush=True)

    failed = wandb_sync.upload(todo, at_once, show, limit)
    print(f"{len(todo) - failed} of {len(todo)} runs are uploaded{left}")
    raise SystemExit(1 if failed else 0)


def sweep(
    sweep: SweepFile,
    overrides: Overrides = None,
    store_: Store = Path("runs"),
    seeds: Seeds = None,
    only: Only = None,
    data: Data = None,
    gpus: Gpus = None,
    workers: Workers = "auto",
    micro_batch: MicroBatch = None,
    keep: Keep = "last",
    retry: Retry = None,
    out: Annotated[Path, typer.Option(help="Folder for the YAML that W&B reads.")] = Path("reports/out"),
    print_: Annotated[bool, typer.Option("--print", help="Print the YAML; write and register nothing.")] = False,
) -> None:
    """Register a sweep with W&B, whose agents then train the runs that are left to do; results land in the store."""
    from pvt_exp import wandb_sweep

    _, planned = options.read_plan(sweep, overrides, seeds, None, store_)
    asked = planned.only(only) if only else planned
    _refuse_undecided(asked)
    found = options.outcomes(asked, store_, data or ())
    left = [run.id for run in asked.runs if found[run.id].state != "done"]
    if not left:
        print(f"{planned.name}: all {len(asked.runs)} runs are done; there is nothing to register")
        return
    command = ["pvt-exp", "wandb", "run", str(sweep), *(overrides or ()), "--store", str(store_)]
    command += ["--seeds", seeds] if seeds else []
    for word, values in (("--data", data), ("--retry", retry)):
        command += [part for value in values or () for part in (word, value)]
    chosen = {"--gpus": gpus, "--workers": None if workers == "auto" else workers, "--micro-batch": micro_batch}
    command += [str(part) for word, value in chosen.items() if value is not None for part in (word, value)]
    command += ["--keep", keep] if keep != "last" else []
    content = wandb_sweep.configuration(planned, left, command, site.tracking("online", site.load()))
    if print_:
        print(wandb_sweep.text(content), end="")
        return
    path = out / planned.name / "wandb_sweep.yaml"
    wandb_sweep.write(content, path)
    print(f"{path}: {len(left)} of {len(asked.runs)} runs")
    print(wandb_sweep.register(path))


def run(
    sweep: SweepFile,
    words: Annotated[list[str], typer.Argument(metavar="[FIELD=VALUE]... run=ID", help="Changes, and the run's id.")],
    store_: Store = Path("runs"),
    seeds: Seeds = None,
    data: Data = None,
    gpus: Gpus = None,
    workers: Workers = "auto",
    micro_batch: MicroBatch = None,
    keep: Keep = "last",
    retry: Retry = None,
) -> None:
    """Train one planned run of a sweep: what the agents of `wandb sweep` start."""
    from pvt_exp import session, wandb_sweep

    wanted = [word.removeprefix("run=") for word in words if word.startswith("run=")]
    if len(wanted) != 1:
        raise ConfigError(
            f"run=ID: which run? It is said {len(wanted)} times; `pvt-exp plan {sweep} --json` has the ids"
        )
    overrides = [word for word in words if not word.startswith("run=")]
    settings, planned = options.read_plan(sweep, overrides, seeds, None, store_)
    single = wandb_sweep.alone(planned, wanted[0])
    launcher = options.choose_launcher(settings.launcher, gpus, None)
    if not launcher.slots()[0].gpus:
        launcher = launcher.model_copy(update={"cpu_slots": 1})
    loading = options.choose_workers(workers, launcher.slots(), single.order)
    placement = options.make_placement(loading, micro_batch, keep, None)
    if "WANDB_SWEEP_ID" in os.environ:
        tracking = placement.tracking.model_copy(update={"agent": single.runs[0].id})
        placement = placement.model_copy(update={"tracking": tracking})
    raise SystemExit(session.train(console(), single, store_, launcher, placement, data or (), retry or (), Policy()))


def _refuse_undecided(planned: Plan) -> None:
    if waits := undecided(planned):
        raise ConfigError(
            f"{planned.name}: {len(waits)} variants have values to choose first; `pvt-exp sweep` does, then this again"
        )
