"""The search for the width or depth at which a model's cost equals another's."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

FARTHEST = 16.0
"""A field is scaled by 1/16 to 16."""
MOST_CORNERS = 64
FEW = 8
"""Guesses of the scale; after these it is bisected."""


class Solution(NamedTuple):
    """The nearest there is."""

    value: tuple[int, ...]
    cost: int
    target: int

    @property
    def residual(self) -> float:
        """The cost less the target, as a part of the target."""
        return self.cost / self.target - 1


class Matched(NamedTuple):
    """What was changed in a row to match the base, and the difference that is left."""

    field: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    cost: str
    residual: float
    """The row's cost less the base's, as a part of the base's."""
    fresh: bool = False
    """Whether its pretrained weights are of the unscaled backbone, so that some of its tensors start at random."""

    def __str__(self) -> str:
        before, after = ("-".join(map(str, each)) for each in (self.before, self.after))
        fresh = "; tensors that its pretrained weights do not fit start at random" if self.fresh else ""
        return f"{self.field} {after}, not {before} ({self.cost} {100 * self.residual:+.1f} %){fresh}"


def nearest(
    value: Sequence[int],
    units: Sequence[int],
    cost_at: Callable[[tuple[int, ...]], int | None],
    target: int,
    within: float,
) -> Solution | None:
    """The value whose cost is nearest to the target, in the proportions of ``value`` to less than two units each.

    One that is near enough stays as it is. Scaled together, the entries step one after another, the last first, so the
    cost rises by one entry's unit at a time: the step over the target is searched, by guesses that take the cost for a
    power of the scale (few, as a model takes a second to count). Where its nearest misses the tolerance, all ways to round
    the entries up or down there are tried.

    Args:
        value: Where the search starts.
        units: Of each entry, what it must be a multiple of.
        cost_at: What a value costs; None where there is no such model.
        target: In the same unit.
        within: As a part of the target.

    Returns:
        None if no value that was tried is a model.
    """
    tried = _Tried(cost_at, target)
    tried.cost(tuple(value))
    if tried.is_within(within):
        return tried.best()
    low, high = 1 / FARTHEST, FARTHEST
    seen: list[tuple[float, int]] = []
    while _scaled(value, units, low) != _scaled(value, units, high):
        first, last = _turn(value, units, low, high), _turn(value, units, high, low)
        if _scaled(value, units, first) == _scaled(value, units, high):  # one step lies between them
            high = first
            break
        middle = min(max(_guess(seen, target, low, high), first), last)
        cost = next(
            (c for entries in _upwards(value, units, middle, high) if (c := tried.cost(entries)) is not None), None
        )
        if cost is not None:
            seen.append((middle, cost))
        low, high = (low, middle) if cost is None or cost >= target else (middle, high)
    for scale in (low, high):
        tried.cost(_scaled(value, units, scale))
    if not tried.is_within(within):
        floors = [max(1, math.floor(high * v / unit)) for v, unit in zip(value, units, strict=True)]
        sides = [[unit * n for n in (floor, floor + 1)] for floor, unit in zip(floors, units, strict=True)]
        for corner, _ in zip(product(*sides), range(MOST_CORNERS), strict=False):
            tried.cost(corner)
    return tried.best()


class _Tried:
    """The values that were tried, and what they cost, each asked for once."""

    def __init__(self, cost_at: Callable[[tuple[int, ...]], int | None], target: int) -> None:
        self.cost_at, self.target = cost_at, target
        self.costs: dict[tuple[int, ...], int | None] = {}

    def cost(self, entries: tuple[int, ...]) -> int | None:
        """What a value costs; None where there is no such model."""
        if entries not in self.costs:
            self.costs[entries] = self.cost_at(entries)
        return self.costs[entries]

    def best(self) -> Solution | None:
        """The nearest so far; None if no value is a model."""
        there = [Solution(entries, cost, self.target) for entries, cost in self.costs.items() if cost is not None]
        return min(there, key=lambda each: (abs(each.cost - self.target), each.value), default=None)

    def is_within(self, part: float) -> bool:
        """Whether the nearest is at most this part of the target away."""
        best = self.best()
        return best is not None and abs(best.residual) <= part


def _scaled(value: Sequence[int], units: Sequence[int], scale: float) -> tuple[int, ...]:
    """Each entry as a whole number of its units, at least one; at a scale of 1 the value itself."""
    phases = [(i + 0.5) / len(value) for i in range(len(value))]
    return tuple(
        unit * max(1, math.floor(scale * v / unit + phase)) for v, unit, phase in zip(value, units, phases, strict=True)
    )


def _turn(value: Sequence[int], units: Sequence[int], scale: float, towards: float) -> float:
    """The first scale on the way at which the entries are others."""
    entries = _scaled(value, units, scale)
    while abs(math.log(towards / scale)) > 1e-9:
        middle = math.sqrt(scale * towards)
        scale, towards = (middle, towards) if _scaled(value, units, middle) == entries else (scale, middle)
    return towards


def _guess(seen: Sequence[tuple[float, int]], target: int, low: float, high: float) -> float:
    """Where the cost may be the target, by the scales that were seen nearest to it."""
    if not 0 < len(seen) < FEW:
        return math.sqrt(low * high)
    (scale, cost), *others = sorted(seen, key=lambda each: abs(math.log(each[1] / target)))
    power = 2.0  # of widths
    if others and others[0][1] != cost:
        power = math.log(others[0][1] / cost) / math.log(others[0][0] / scale)
    return float(scale * (target / cost) ** (1 / power)) if power > 0.1 else math.sqrt(low * high)


def _upwards(value: Sequence[int], units: Sequence[int], scale: float, most: float) -> Iterator[tuple[int, ...]]:
    """The values from this scale on, the smallest first."""
    before = None
    while scale <= most:
        entries = _scaled(value, units, scale)
        if entries != before:
            yield entries
            before = entries
        scale *= 1 + 0.25 / max(1, *(scale * v / unit for v, unit in zip(value, units, strict=True)))
