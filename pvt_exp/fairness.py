"""In what the recipe of a row differs from the base's, besides what the sweep studies.

The recipe is all that is not architecture: data, epochs, batch, optimizer, schedule, augmentation, drop path, frozen parts,
precision, and whether it is pretrained. (From which weights is told by itself.) What is studied is what every choice of the
row's axis changes, or any step of ``cumulative``, or the trials of a tuning; a row of ``variants`` studies its architecture.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from pvt_exp.schema import Block, Run, Sweep

APART = {"backbone", "pretrain", "seed"}
"""Fields of a run that are looked at otherwise, or not."""
OF_BACKBONE = ("drop_path", "frozen")
"""Fields of a backbone that are recipe."""


def studied(sweep: Sweep) -> dict[str, frozenset[str]]:
    """The fields that each axis is about; those of steps under ``""``."""
    found: dict[str, frozenset[str]] = {}
    for block in sweep.blocks:
        for axis, choices in _axes(block).items():
            named = [frozenset(changes) for changes in choices.values() if changes]
            about = (
                frozenset.union(*named)
                if block.cumulative
                else frozenset.intersection(*named)
                if named
                else frozenset()
            )
            found[axis] = found.get(axis, frozenset()) | about
    if sweep.tune is not None:
        found["tuned"] = frozenset(sweep.tune.space)
    return found


def _axes(block: Block) -> dict[str, Any]:
    return {"": block.cumulative} if block.cumulative else dict(block.product or block.zip or block.one_at_a_time or {})


def unlike(run: Run, base: Run, label: dict[str, str], about: dict[str, frozenset[str]]) -> tuple[str, ...]:
    """``optim.lr 0.0003 (0.001)``: each field of the recipe that differs, with the base's, and is not studied by the row."""
    mine = frozenset[str]().union(*(about.get(axis, frozenset()) for axis in (*label, "tuned")))
    told = [
        f"{name} {_word(ours)} ({_word(theirs)})"
        for name, ours, theirs in _differences(run, base)
        if not any(name == field or name.startswith(f"{field}.") or field.startswith(f"{name}.") for field in mine)
    ]
    return tuple(told)


def _differences(run: Run, base: Run) -> Iterator[tuple[str, Any, Any]]:
    for name in type(run).model_fields:
        if name not in APART:
            yield from _leaves(name, getattr(run, name), getattr(base, name))
    for name in OF_BACKBONE:
        ours, theirs = (getattr(each.backbone, name, None) for each in (run, base))
        if ours != theirs:
            yield f"backbone.{name}", ours, theirs
    for name, starts in (("pretrain", _first_stage), ("backbone.pretrained", _weights)):
        if starts(run) != starts(base):
            yield name, starts(run), starts(base)
    if run.optim == base.optim and run.lr != base.lr:
        yield "learning rate for its batch", run.lr, base.lr


def _first_stage(run: Run) -> str | None:
    return None if run.pretrain is None else "a first stage"


def _weights(run: Run) -> str | None:
    return None if getattr(run.backbone, "pretrained", None) is None else "weights"


def _leaves(name: str, ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    if ours is theirs or ours == theirs:
        return
    if isinstance(ours, BaseModel) and type(ours) is type(theirs):
        for field in type(ours).model_fields:
            yield from _leaves(f"{name}.{field}", getattr(ours, field), getattr(theirs, field))
    else:
        yield name, ours, theirs


def _word(value: Any) -> str:
    if isinstance(value, BaseModel):
        return str(getattr(value, "kind", "other"))
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)
