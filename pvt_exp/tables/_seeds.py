"""A metric over the seeds of a row: mean, spread, and whether two rows differ by more than seeds do."""

import math
from collections.abc import Iterable
from typing import NamedTuple

# Student's t at 97.5 % for 1, 2, ... 20 degrees of freedom; the last serves for all above, which widens the interval.
T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
)  # fmt: skip


class Stat(NamedTuple):
    """A metric of one row over its seeds."""

    mean: float
    std: float | None
    n: int


def over_seeds(found: Iterable[float | None]) -> Stat | None:
    """Mean and sample standard deviation of what is there."""
    given = [value for value in found if value is not None]
    if not given:
        return None
    if len(given) == 1:
        return Stat(given[0], None, 1)
    mean = math.fsum(given) / len(given)
    return Stat(mean, math.sqrt(math.fsum((v - mean) ** 2 for v in given) / (len(given) - 1)), len(given))


def within_noise(a: Stat, b: Stat) -> bool:
    """Whether Welch's 95 % interval of the difference of two means contains 0; never said of a single seed."""
    if a.std is None or b.std is None:
        return False
    va, vb = a.std**2 / a.n, b.std**2 / b.n
    if va + vb == 0:
        return a.mean == b.mean
    freedom = (va + vb) ** 2 / (va**2 / (a.n - 1) + vb**2 / (b.n - 1))
    return abs(a.mean - b.mean) <= T_975[min(int(freedom + 1e-9), len(T_975)) - 1] * math.sqrt(va + vb)


def fixed(value: float, digits: int, sign: str = "-") -> str:
    """A number with this many decimals and a real minus; nothing is ever minus zero."""
    text = f"{value:{sign}.{digits}f}"
    if text[0] not in "+-":
        return text
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")
