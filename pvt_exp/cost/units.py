"""Units of sizes: one for all numbers that stand together, in which none is long or mostly zeros."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Unit(NamedTuple):
    """What numbers are divided by, and with how many decimals they are shown."""

    name: str
    size: float
    digits: int

    def text(self, value: float) -> str:
        """The number in this unit."""
        return f"{value / self.size:.{self.digits}f}"

    def head(self, title: str) -> str:
        """The head of a column: what it is, and the unit where there is one."""
        return f"{title} ({self.name})" if self.name else title


Ladder = Sequence[tuple[str, float]]
COUNTS: Ladder = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0))
"""Of parameters and multiply-accumulates."""
BYTES: Ladder = (("TiB", 2.0**40), ("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0))
TIMES: Ladder = (("h", 3600.0), ("min", 60.0), ("s", 1.0))
LEAST, MOST = 0.1, 10_000
"""The smallest number is at least so large in its unit, unless the largest would then be as long as this."""


def fixed(values: Iterable[float | None], ladder: Ladder, name: str) -> Unit:
    """The unit of that name, with the decimals that the values want."""
    size = dict(ladder)[name]
    return Unit(name, size, decimals(min((value for value in values if value), default=size) / size))


def fitting(values: Iterable[float | None], ladder: Ladder, usual: str) -> Unit:
    """The largest unit in which the smallest value is no less than `LEAST`, or a larger one where others would be long.

    ``usual`` names the unit where there is no value.
    """
    known = [value for value in values if value]
    if not known:
        return fixed((), ladder, usual)
    least, most = min(known), max(known)
    place = next((i for i, (_, size) in enumerate(ladder) if least >= LEAST * size), len(ladder) - 1)
    while place and most >= MOST * ladder[place][1]:
        place -= 1
    name, size = ladder[place]
    whole = size == 1 and all(float(value).is_integer() for value in known)
    return Unit(name, size, 0 if whole else decimals(least / size))


def decimals(smallest: float, least: int = 2) -> int:
    """Decimals for a number: ``least``, or enough for two digits that are not zero; six at most."""
    return min(max(least, 1 - math.floor(math.log10(smallest))), 6)
