"""The verbs about single runs of the store: train them again, and remove them."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pvt_exp import store
from pvt_exp.cli import choose
from pvt_exp.cli.console import console
from pvt_exp.cli.options import RUNS, Json, Store, Training
from pvt_exp.config import ConfigError
from pvt_exp.config.run import Run
from pvt_exp.plan import Plan, Variant
from pvt_exp.plan.data_sets import DataSets
from pvt_exp.store.outcome import outcome_of
from pvt_exp.store.states import ENDED, GOING
from pvt_exp.system.words import several

Ids = Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs, or their first digits.")]


def retrain(
    run_ids: Ids,
    training: Training,
    store_: Store = RUNS,
    as_json: Json = False,
) -> None:
    """Train runs again from the beginning, finished ones too; the old result stays beside the new one."""
    from pvt_exp.cli import driving, views

    store.check(store_)
    runs = [store.load(store_ / run_id) for run_id in _found(store_, run_ids)]
    for run in runs:
        if outcome_of(store_, run.id).state in GOING:
            raise ConfigError(f"run {run.id} is being trained; pvt-exp stop ends its sweep")
    again = ("done", "stale", *ENDED)
    context = driving.context(training, store_, choose.local_launcher(), runs, retry=again)
    data = DataSets(context.data.flags, _where_they_were(store_, runs, context.data))
    context = replace(context, data=data)
    status, terminal = 0, console(beside=as_json)
    for name, plan in _plans(store_, runs).items():
        if any(store.is_start(store_ / run.id) for run in plan.runs):
            terminal.print(
                f"{name}: runs that start from these keep what they learnt from the old weights", highlight=False
            )
        status = max(status, driving.train(terminal, plan, context))
        if status == driving.INTERRUPTED:
            break
    if as_json:
        views.print_json(views.retrained_json(store_, [run.id for run in runs]))
    raise SystemExit(status)


def runs_remove(
    run_ids: Ids,
    store_: Store = RUNS,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Remove runs with their results and checkpoints; never a run that is being trained or that others start from."""
    from pvt_exp.cli import views
    from pvt_exp.drive import cleaning

    store.check(store_)
    say = console(beside=as_json).print
    chosen = cleaning.chosen(store_, _found(store_, run_ids))
    for each in chosen:
        say(str(each), highlight=False, soft_wrap=True, markup=False)
    total = f"{several(len(chosen), 'run')}, {sum(each.bytes for each in chosen) / 1e6:.1f} MB"
    if not yes and not _is_asked():
        raise ConfigError(f"{total}: nothing is removed; --yes removes them")
    left = chosen
    if yes or typer.confirm(f"remove {total}?", err=as_json):
        left = [each for each in chosen if not cleaning.remove(each)]
        for each in left:
            say(f"{each.path}: it is being trained now, and stays", highlight=False)
        say(f"{total}: removed" if not left else f"{len(chosen) - len(left)} removed", highlight=False)
    if as_json:
        views.print_json(cleaning.chosen_json(chosen, left))
    raise SystemExit(1 if left else 0)


def _is_asked() -> bool:
    """Whether there is somebody who can answer."""
    return sys.stdin.isatty()


def _found(runs: Path, words: list[str]) -> list[str]:
    """Whole ids, each once, so that nothing is done before all are known."""
    return list(dict.fromkeys(store.find(runs, word.removeprefix("runs/").rstrip("/")) for word in words))


def _plans(runs: Path, chosen: list[Run]) -> dict[str, Plan]:
    """The runs as plans, by the sweep that each was trained for first, so that they stay runs of it."""
    by_sweep: dict[str, list[Run]] = {}
    for run in chosen:
        sweeps = store.sweeps(runs / run.id)
        by_sweep.setdefault(sweeps[0] if sweeps else "retrained", []).append(run)
    return {
        name: Plan(name, (0,), tuple(Variant(({"": f"run {run.id}"},), (run,)) for run in each))
        for name, each in by_sweep.items()
    }


def _where_they_were(runs: Path, chosen: list[Run], data: DataSets) -> dict[str, Path]:
    """The folders of data sets of which only the newest attempt knows where they lie."""
    places = {run.dataset.name: store.data_of(runs / run.id) for run in chosen if data.locate(run.dataset) is None}
    return {name: Path(place) for name, place in places.items() if place is not None}
