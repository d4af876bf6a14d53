"""The width or depth at which a model costs what another one does."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, field_validator

from pvt_exp.config import Frozen

FARTHEST = 16.0
"""A field is tried from a sixteenth of what is written to sixteen times of it."""
MOST_CORNERS = 64


class Match(Frozen):
    """Bring every row to the base's cost, by its width or its depth."""

    cost: Literal["params", "macs", "memory"]
    """What is to be equal: parameters, multiply-accumulates, or the bytes of a training step."""
    within: Annotated[float, Field(gt=0, lt=1)]
    """How far from the base's it may stay, as a part of it: ``2%`` or 0.02."""
    by: tuple[str, ...] = Field(min_length=1)
    """The field that is scaled, a whole number or a list of them: ``backbone.embed_dims``, ``backbone.depths``. Of several
    the first that a row has."""

    @field_validator("within", mode="before")
    @classmethod
    def _percent(cls, value: Any) -> Any:
        if isinstance(value, str) and value.strip().endswith("%"):
            try:
                return float(value.strip()[:-1]) / 100
            except ValueError:
                return value
        return value

    @field_validator("by", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class Solution(NamedTuple):
    """The nearest there is."""

    value: tuple[int, ...]
    cost: int


class Matched(NamedTuple):
    """What was changed in a row to match the base, and what is left between them."""

    field: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    cost: str
    residual: float
    """The row's cost less the base's, as a part of the base's."""

    def __str__(self) -> str:
        before, after = ("-".join(map(str, each)) for each in (self.before, self.after))
        return f"{self.field} {after}, not {before} ({self.cost} {100 * self.residual:+.1f} %)"


def nearest(
    value: Sequence[int],
    units: Sequence[int],
    cost_at: Callable[[tuple[int, ...]], int | None],
    target: int,
    within: float,
) -> Solution | None:
    """The value whose cost is nearest to the target, in the proportions of ``value`` to less than two units each.

    Scaled together, the entries step one after another, the last first, so the cost rises by one entry's unit at a time:
    it is bisected. Where its nearest misses the tolerance, all ways to round the entries up or down there are tried.

    Args:
        value: Where the search starts.
        units: Of each entry, what it must be a multiple of.
        cost_at: What a value costs; None where there is no such model.
        target: In the same unit.
        within: As a part of the target.

    Returns:
        None if no value that was tried is a model.
    """
    costs: dict[tuple[int, ...], int | None] = {}

    def cost_of(entries: tuple[int, ...]) -> int | None:
        if entries not in costs:
            costs[entries] = cost_at(entries)
        return costs[entries]

    def best() -> Solution | None:
        there = [Solution(entries, cost) for entries, cost in costs.items() if cost is not None]
        return min(there, key=lambda each: (abs(each.cost - target), each.value), default=None)

    def is_near(found: Solution | None) -> bool:
        return found is not None and abs(found.cost - target) <= within * target

    low, high = 1 / FARTHEST, FARTHEST
    while high / low > 1 + 1e-6 and _scaled(value, units, low) != _scaled(value, units, high):
        middle = math.sqrt(low * high)
        cost = next(
            (c for entries in _upwards(value, units, middle, high) if (c := cost_of(entries)) is not None), None
        )
        low, high = (low, middle) if cost is None or cost >= target else (middle, high)
    for scale in (low, high):
        cost_of(_scaled(value, units, scale))
    if not is_near(best()):
        floors = [max(1, math.floor(high * v / unit)) for v, unit in zip(value, units, strict=True)]
        sides = [[unit * n for n in (floor, floor + 1)] for floor, unit in zip(floors, units, strict=True)]
        for corner, _ in zip(product(*sides), range(MOST_CORNERS), strict=False):
            cost_of(corner)
    return best()


def _scaled(value: Sequence[int], units: Sequence[int], scale: float) -> tuple[int, ...]:
    """Each entry as a whole number of its units, at least one; at a scale of 1 the value itself."""
    phases = [(i + 0.5) / len(value) for i in range(len(value))]
    return tuple(
        unit * max(1, math.floor(scale * v / unit + phase)) for v, unit, phase in zip(value, units, phases, strict=True)
    )


def _upwards(value: Sequence[int], units: Sequence[int], scale: float, most: float) -> Iterator[tuple[int, ...]]:
    """The values from this scale on, the smallest first."""
    before = None
    while scale <= most:
        entries = _scaled(value, units, scale)
        if entries != before:
            yield entries
            before = entries
        scale *= 1 + 0.25 / max(1, *(scale * v / unit for v, unit in zip(value, units, strict=True)))
