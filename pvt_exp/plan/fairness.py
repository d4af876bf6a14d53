"""In what the recipe of a row differs from the base's, besides what the sweep studies.

The recipe is all that is not architecture: data, epochs, batch, optimizer, schedule, augmentation, drop path, frozen parts,
precision, and what it starts from: whether it is pretrained, from which weights where the architecture is the base's (else
each has its own), and how a pretraining run was trained.

What is studied is what every choice of the row's axis changes, or any step of ``cumulative``, or the trials of a tuning. But
an axis that changes the model, or what it starts from, studies that alone: a rate that changes with the depth is told. A
row of ``variants`` studies its architecture.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

from pvt_exp.backbones import Pretrained
from pvt_exp.config.run import Run
from pvt_exp.config.sweep import Block, Sweep

APART = {"backbone", "pretrain", "seed"}
"""Fields of a run that are looked at otherwise, or not."""
OF_BACKBONE = ("drop_path", "frozen")
"""Fields of a backbone that are recipe."""
Fields = frozenset[str]


def studied(sweep: Sweep) -> dict[str, Fields]:
    """The fields that each axis is about; those of steps under ``""``."""
    found: dict[str, Fields] = {}
    for block in sweep.blocks:
        for axis, choices in _axes(block).items():
            named = [frozenset(changes) for changes in choices.values() if changes]
            about = _of_steps(named) if block.cumulative else _of_choices(named)
            found[axis] = found.get(axis, frozenset()) | about
    if sweep.tune is not None:
        found["tuned"] = frozenset(sweep.tune.space)
    return found


def _of_choices(named: Sequence[Fields]) -> Fields:
    model = _of_model(Fields().union(*named))
    return model or Fields(named[0].intersection(*named) if named else ())


def _of_steps(named: Sequence[Fields]) -> Fields:
    return Fields().union(*(_of_model(step) or step for step in named))


def _of_model(fields: Fields) -> Fields:
    """Those that decide which model is trained, and from what it starts."""
    return Fields(
        field
        for field, (whole, *part) in ((field, field.split(".")) for field in fields)
        if whole in ("backbone", "pretrain") and not set(part[:1]) & set(OF_BACKBONE)
    )


def _axes(block: Block) -> dict[str, Any]:
    return {"": block.cumulative} if block.cumulative else dict(block.product or block.zip or block.one_at_a_time or {})


def unlike(run: Run, base: Run, label: dict[str, str], about: dict[str, Fields]) -> tuple[str, ...]:
    """``optim.lr 0.0003 (0.001)``: each field of the recipe that differs, with the base's, and is not studied by the row."""
    mine = Fields().union(*(about.get(axis, Fields()) for axis in (*label, "tuned"))) - {"backbone"}
    told = [
        f"{name} {_word(ours)} ({_word(theirs)})"
        for name, ours, theirs in _differences(run, base)
        if not any(name == field or name.startswith(f"{field}.") or field.startswith(f"{name}.") for field in mine)
    ]
    return tuple(told)


def _differences(run: Run, base: Run) -> Iterator[tuple[str, Any, Any]]:
    for name in _compared():
        if (ours := getattr(run, name)) is not (theirs := getattr(base, name)):
            yield from _leaves(name, ours, theirs)
    for name in OF_BACKBONE if run.backbone is not base.backbone else ():
        ours, theirs = (getattr(each.backbone, name, None) for each in (run, base))
        if ours != theirs:
            yield f"backbone.{name}", ours, theirs
    yield from _starts(run, base)
    if run.lr != base.lr and run.optim == base.optim:
        yield "learning rate for its batch", run.lr, base.lr


@cache
def _compared() -> tuple[str, ...]:
    return tuple(name for name in Run.model_fields if name not in APART)


def _starts(run: Run, base: Run) -> Iterator[tuple[str, Any, Any]]:
    first, other = run.pretrain, base.pretrain
    if first is not None and other is not None and first.run is not None and other.run is not None:
        if first.weights != other.weights:
            yield "pretrain.weights", first.weights, other.weights
        for name, ours, theirs in _differences(first.run, other.run):
            yield f"pretrain.{name}", ours, theirs
    elif (first is None) != (other is None):
        yield "pretrain", first and "pretrained", other and "pretrained"
    mine, its = run.backbone.pretrained, base.backbone.pretrained
    if (mine is None) != (its is None):
        yield "backbone.pretrained", mine and "weights", its and "weights"
    elif mine is not None and mine != its and _is_one(run, base):
        yield "backbone.pretrained", _weights(mine), _weights(its)


def _is_one(run: Run, base: Run) -> bool:
    """Whether they have one architecture."""
    ours, theirs = run.backbone, base.backbone
    return type(ours) is type(theirs) and bool(ours.architecture() == theirs.architecture())


def _weights(start: Pretrained) -> str:
    return f"timm:{start.timm}" if start.timm else f"runs/{start.run}" if start.run else str(start.sha256)[:12]


def _leaves(name: str, ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(ours, BaseModel) and type(ours) is type(theirs):
        for field in type(ours).model_fields:
            if (mine := getattr(ours, field)) is not (its := getattr(theirs, field)):
                yield from _leaves(f"{name}.{field}", mine, its)
    elif ours != theirs:
        yield name, ours, theirs


def _word(value: Any) -> str:
    if isinstance(value, BaseModel):
        told = ", ".join(f"{name} {_word(part)}" for name, part in value)
        return str(getattr(value, "kind", told))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple) and any(isinstance(each, BaseModel) for each in value):
        return ", ".join(map(_word, value))
    return "none" if value is None else str(value)
