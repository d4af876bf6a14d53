"""What is told of finished runs that are trained again: who else uses them, and where the old results are kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pvt_exp import store
from pvt_exp.config.run import Run
from pvt_exp.plan import Plan
from pvt_exp.store import uses
from pvt_exp.store.outcome import Outcome
from pvt_exp.system.words import several, some

MOST_NAMED = 20


def of(to_do: Sequence[Run], outcomes: Mapping[str, Outcome]) -> list[Run]:
    """Those of the runs to train that have a result which counted when it was made."""
    return [run for run in to_do if outcomes[run.id].result is not None]


def before(planned: Plan, runs: Path, again: Sequence[Run]) -> list[str]:
    """What is told before they are trained, a line each."""
    if not again:
        return []
    named = some((_name(planned, run) for run in again), MOST_NAMED)
    kept = "the old result stays in the run's folder as result.set-aside-<time>.json"
    lines = [f"{several(len(again), 'finished run')} to be trained again: {named}; {kept}"]
    others: dict[str, int] = {}
    for run in again:
        for other in _others(planned, runs / run.id):
            others[other] = others.get(other, 0) + 1
    if others:
        told = "; ".join(f"{other} ({several(count, 'run')})" for other, count in others.items())
        lines.append(f"note: these results are used elsewhere too, where tables change with them: {told}")
    return lines


def after(planned: Plan, runs: Path, again: Sequence[Run]) -> list[str]:
    """Where the results are that were set aside, a line each."""
    found = [(run, max((runs / run.id).glob("result.set-aside-*.json"), default=None)) for run in again]
    lines = [f"the old result of {_name(planned, run)}: {path}" for run, path in found if path is not None]
    more = [f"and {len(lines) - MOST_NAMED} more"] if len(lines) > MOST_NAMED else []
    return lines[:MOST_NAMED] + more


def _others(planned: Plan, folder: Path) -> list[str]:
    """The sweeps and experiments that use a run, besides the one that is driven."""
    used = uses.of(folder)
    files = [str(use) for use in used if use.file != planned.file]
    known = {use.sweep for use in used} | ({planned.name} if planned.file is not None else set())
    return [*files, *(sweep for sweep in store.sweeps(folder) if sweep not in known)]


def _name(planned: Plan, run: Run) -> str:
    name = planned.names[run.id]
    return f"{name}, seed {run.seed} ({run.id})" if run.id not in name else f"{name}, seed {run.seed}"
