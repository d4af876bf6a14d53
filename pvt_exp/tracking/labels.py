"""A run's labels in W&B: group, name, tags, notes, and the row's choice of every axis."""

from collections.abc import Iterable

from pvt_exp.config.placement import Tracking
from pvt_exp.config.run import Run
from pvt_exp.plan import Plan, Pretraining, Variant

LONGEST_TAG = 64
"""Characters that W&B allows."""


def tracking(shared: Tracking, plan: Plan, run: Run, sweeps: Iterable[str]) -> Tracking:
    """The command's tracking with what is this run's own; ``sweeps`` are the names of all sweeps that use it."""
    group = plan.group_of[run.id]
    labels = group.labels if isinstance(group, Variant) else ()
    own = [(axis or "variant", choice) for label in labels for axis, choice in label.items()]
    axes = plan.coordinates(group) if isinstance(group, Variant) else {}
    axes = {**dict(own if {} not in labels else ()), **axes}  # a part of a sweep may not know all its axes
    tags = {*sweeps, *(f"{axis} = {choice}" for axis, choice in own)}
    return shared.model_copy(
        update={
            "group": plan.name,
            "job": "trial" if run.holdout else "pretraining" if isinstance(group, Pretraining) else None,
            "name": f"{group.name}, seed {run.seed}",
            "tags": tuple(sorted({_short(tag) for tag in tags})),
            "axes": axes,
            "notes": f"sweep {plan.name}, {group.name}, seed {run.seed}; pvt-exp runs show {run.id}",
        }
    )


def _short(tag: str) -> str:
    return tag if len(tag) <= LONGEST_TAG else f"{tag[: LONGEST_TAG - 1]}…"
