"""How the runs of a plan stand: what became of each, what it waits for, and so what is to be trained now.

A pretraining run stands here with the runs that start from it: it is to be trained only if one of them is, and then its
weights must be there as well as its result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pvt_exp.config.run import Run
from pvt_exp.datasets import Dataset
from pvt_exp.plan import Plan
from pvt_exp.store.outcome import Outcome, outcomes_of
from pvt_exp.store.results import kept_weights
from pvt_exp.store.states import GOING, RETRYABLE, State

ENDED_AS: dict[State, str] = {
    "killed": "was killed", "out_of_memory": "ran out of memory", "timed_out": "timed out", "stale": "is stale",
    "pending": "is pending", "running": "is running", "submitted": "is submitted",
}  # fmt: skip


def outcomes(runs: Path, plan: Plan, fingerprints: Mapping[Dataset, str]) -> dict[str, Outcome]:
    """What became of each run of a plan, in the order of training, and of the runs that they start from.

    A pretraining run that is not there, and that nothing waits for any more, is left out.
    """
    found = outcomes_of(runs, plan.runs, fingerprints)
    if all(variant.runs[0].pretraining is None for variant in plan.variants):
        return found
    wanted = {run.pretraining.id for run in plan.runs if run.pretraining is not None and found[run.id].state != "done"}
    found |= outcomes_of(runs, plan.pretraining_runs, fingerprints)
    for run in reversed(plan.order):  # those that start from others before the others
        if run.id in wanted:
            found[run.id] = _with_weights(runs, found[run.id])
            if run.pretraining is not None and found[run.id].state != "done":
                wanted.add(run.pretraining.id)
    own = {run.id for run in plan.runs}
    ordered = {
        run.id: found[run.id]
        for run in plan.order
        if run.id in own or run.id in wanted or found[run.id].state == "done"
    }
    for run in plan.order:
        if run.id in ordered:
            ordered[run.id] = waiting(ordered[run.id], run, ordered)
    return ordered


def look(runs: Path, run: Run, fingerprints: Mapping[Dataset, str], is_start: bool) -> Outcome:
    """What became of one run; one that others start from is ``stale`` without its weights."""
    seen = outcomes_of(runs, [run], fingerprints)[run.id]
    return _with_weights(runs, seen) if is_start else seen


def _with_weights(runs: Path, seen: Outcome) -> Outcome:
    if seen.state != "done" or kept_weights(runs, seen.id) is not None:
        return seen
    why = "it is done, but its weights, which runs start from, were not kept; --retry stale trains it again"
    return replace(seen, state="stale", reason=why)


def waiting(seen: Outcome, run: Run, others: Mapping[str, Outcome]) -> Outcome:
    """The outcome with the reason why the run cannot start, where it cannot: what became of its pretraining."""
    need = others.get(run.pretraining.id) if run.pretraining is not None else None
    if need is None or seen.state not in RETRYABLE or need.state == "done":
        return seen
    if need.state in ("pending", *GOING) and need.reason is None:
        return seen  # its turn comes
    why = f": {need.reason}" if need.reason else ""
    return replace(seen, reason=f"waits for {need.id}, which {ENDED_AS.get(need.state, need.state)}{why}")


def to_do(plan: Plan, found: Mapping[str, Outcome], tried: Sequence[State]) -> list[Run]:
    """The runs to train now, in order, those that another process trains among them.

    That is what is in one of the states ``tried`` and can start, and the pretraining runs of these, if they are not done.
    """
    own = {run.id for run in plan.runs}
    asked = set(own)
    chosen: set[str] = set()
    for run in reversed(plan.order):
        going = {*tried, *GOING} if run.id in own else {*tried, *GOING} - {"done"}
        if run.id in asked and run.id in found and found[run.id].state in going:
            chosen.add(run.id)
            if run.pretraining is not None:
                asked.add(run.pretraining.id)
    for run in plan.order:
        if run.id in chosen and run.pretraining is not None and found[run.id].state not in GOING:
            need = found.get(run.pretraining.id)
            if run.pretraining.id not in chosen and (need is None or need.state != "done"):
                chosen.remove(run.id)
    return [run for run in plan.order if run.id in chosen]
