"""The verbs of W&B."""

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from pvt_exp import store
from pvt_exp.cli import looked, options
from pvt_exp.cli.console import console
from pvt_exp.cli.options import RUNS, TABLES, Agent, Chosen, Json, Seeds, Store, SweepFile
from pvt_exp.config import ConfigError
from pvt_exp.plan import Plan, site
from pvt_exp.system.words import are, several
from pvt_exp.tracking import settings as wandb_settings


def sync(
    store_: Store = RUNS,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Runs that are uploaded at a time.")] = 4,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be uploaded.")] = False,
    limit: Annotated[float, typer.Option(min=1, help="Seconds after which a run counts as failed.")] = 900.0,
    as_json: Json = False,
) -> None:
    """Upload W&B runs that were written offline. Those that are uploaded are skipped. Exit status 1: some runs failed."""
    from pvt_exp.cli import views
    from pvt_exp.tracking import server
    from pvt_exp.tracking import sync as wandb_sync

    store.check(store_)
    say = partial(print, file=sys.stderr if as_json else sys.stdout, flush=True)
    todo, busy = wandb_sync.waiting(store_)
    left = f"; {busy} being trained are skipped" if busy else ""
    ended: dict[wandb_sync.Waiting, str | None] = {}

    def show(each: wandb_sync.Waiting, why: str | None) -> None:
        ended[each] = why
        say(f"[{len(ended)}/{len(todo)}] {each.name}: {'uploaded' if why is None else f'failed: {why}'}")

    if dry_run or not todo:
        for each in todo:
            say(f"{each.name}: {', '.join(map(str, each.parts))}")
        say(f"{several(len(todo), 'run')} to upload{left}")
    elif (why := server.problem()) is not None:
        if server.api_key() is None:
            raise ConfigError(why)
        say(f"nothing is uploaded: {why}")
        ended = dict.fromkeys(todo, why)
    else:
        failed = wandb_sync.upload(todo, at_once, show, limit)
        say(f"{len(todo) - failed} of {several(len(todo), 'run')} {are(len(todo))} uploaded{left}")
    if as_json:
        views.print_json(wandb_sync.as_json(todo, ended, busy))
    raise SystemExit(1 if any(ended.values()) else 0)


def sweep(
    sweep: SweepFile,
    chosen: Chosen,
    agent: Agent,
    out: Annotated[Path, typer.Option(help="Folder for the YAML that W&B reads.")] = TABLES,
    print_: Annotated[bool, typer.Option("--print", help="Print the YAML; write and register nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Register a sweep with W&B, whose agents then train the missing runs; results go into the store."""
    from pvt_exp.cli import views
    from pvt_exp.tracking import sweep as wandb_sweep

    _, planned = replace(chosen, only=None).read(sweep)
    asked = planned.only(chosen.only) if chosen.only else planned
    _refuse_undecided(asked)
    found = looked.look(asked, chosen.store, options.data_sets(agent.data)).outcomes
    left = [run.id for run in asked.runs if found[run.id].state != "done"]
    say = partial(print, file=sys.stderr if as_json else sys.stdout)
    told = wandb_sweep.Told(planned.name, len(asked.runs), left)
    if not left:
        done = "the run is done" if len(asked.runs) == 1 else f"all {len(asked.runs)} runs are done"
        say(f"{planned.name}: {done}; there is nothing to register")
        if as_json:
            views.print_json(told._asdict())
        return
    command = ["pvt-exp", "wandb", "run", str(sweep), *(chosen.overrides or ()), "--store", str(chosen.store)]
    command += ["--seeds", chosen.seeds] if chosen.seeds else []
    command += options.words(agent)
    content = wandb_sweep.configuration(planned, left, command, wandb_settings.chosen("online", site.load()))
    told = told._replace(configuration=content)
    if not print_:
        from pvt_exp.cli import tables
        from pvt_exp.report import own_folder

        path = tables.folder_of(out, planned.name, sweep) / "wandb_sweep.yaml"
        wandb_sweep.write(content, path)
        own_folder.claim(path.parent, sweep)
        say(f"{path}: {len(left)} of {several(len(asked.runs), 'run')}")
        said = wandb_sweep.register(path)
        say(said)
        told = told._replace(file=str(path), agent=wandb_sweep.agent(said))
    elif not as_json:
        print(wandb_sweep.text(content), end="")
    if as_json:
        views.print_json(told._asdict())


def run(
    sweep: SweepFile,
    words: Annotated[list[str], typer.Argument(metavar="[FIELD=VALUE]... run=ID", help="Changes, and the run's id.")],
    agent: Agent,
    store_: Store = RUNS,
    seeds: Seeds = None,
    as_json: Json = False,
) -> None:
    """Train one planned run of a sweep: what the agents of `wandb sweep` start."""
    from pvt_exp.cli import driving, views
    from pvt_exp.tracking import sweep as wandb_sweep

    wanted = [word.removeprefix("run=") for word in words if word.startswith("run=")]
    if len(wanted) != 1:
        raise ConfigError(
            f"run=ID must be given once, not {len(wanted)} times; `pvt-exp plan {sweep} --json` has the ids"
        )
    overrides = [word for word in words if not word.startswith("run=")]
    settings, planned = Chosen(overrides, store_, seeds).read(sweep)
    single = wandb_sweep.alone(planned, wanted[0])
    retry = agent.retry or ()
    context = driving.context(agent, store_, settings.launcher, single.order, retry=retry, alone=True)
    if "WANDB_SWEEP_ID" in os.environ:
        tracking = context.placement.tracking.model_copy(update={"agent": single.runs[0].id})
        context = replace(context, placement=context.placement.model_copy(update={"tracking": tracking}))
    status = driving.train(console(beside=as_json), single, context)
    if as_json:
        views.print_json(views.single_json(store_, single.runs[0].id))
    raise SystemExit(status)


def _refuse_undecided(planned: Plan) -> None:
    if waits := planned.undecided:
        raise ConfigError(
            f"{planned.name}: {several(len(waits), 'variant')} with values to choose first; `pvt-exp sweep` does, "
            "then this again"
        )
