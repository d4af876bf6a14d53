"""Scores of one row over its seeds: mean, spread, and the interval of the mean."""

import math
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

LEVEL = 0.95
"""Of all intervals."""
GRAIN = 1e-6
"""Part of a score that is rounding: they come as float32."""
LARGEST = sys.float_info.max
LARGE = 1e100
"""Numbers from this size on, or below 1 / this, are scaled before they are squared."""


class Stat(NamedTuple):
    """A metric of one row over its seeds."""

    mean: float
    std: float | None
    """Sample standard deviation (n - 1); none for a single seed."""
    n: int


def over_seeds(found: Iterable[float | None]) -> Stat | None:
    """Mean and sample standard deviation of what is there; None where nothing is."""
    given = [value for value in found if value is not None]
    if not given:
        return None
    if len(given) == 1:
        return Stat(given[0], None, 1)
    if min(given) == max(given):
        return Stat(given[0], 0.0, len(given))
    scale = scale_of(given)
    scaled = [value / scale for value in given] if scale != 1 else given
    mean = math.fsum(scaled) / len(scaled)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in scaled) / (len(scaled) - 1))
    return Stat(mean * scale, finite(std * scale), len(given))


def scale_of(values: Iterable[float]) -> float:
    """What to divide numbers by so that their squares are numbers too: a power of 2, so that no digit is lost; mostly 1."""
    largest = max(map(abs, values))
    return 1.0 if largest == 0 or 1 / LARGE < largest < LARGE else math.ldexp(1.0, math.frexp(largest)[1] - 1)


def finite(value: float) -> float:
    """The value, or the largest float where it is larger than that."""
    return max(-LARGEST, min(LARGEST, value))


Interval = tuple[float, float]


def around(mean: float, half: float) -> Interval:
    """From ``mean - half`` to ``mean + half``, of finite numbers."""
    return finite(mean - half), finite(mean + half)


T_95 = (
    12.706204736174694, 4.302652729749462, 3.1824463052837078, 2.7764451051977934, 2.5705818356363146,
    2.4469118511449786, 2.364624251592784, 2.306004135204166, 2.262157162798205, 2.228138851986274,
    2.200985160091639, 2.1788128296672284, 2.1603686564627913, 2.144786687917804, 2.131449545559776,
    2.1199052992212546, 2.1098155778333156, 2.1009220402410382, 2.0930240544083087, 2.085963447265864,
    2.0796138447276795, 2.0738730679040254, 2.0686576104190486, 2.0638985616280245, 2.0595385527532972,
    2.0555294386428735, 2.0518305164802846, 2.0484071417952454, 2.045229642132703, 2.0422724563012378,
)  # fmt: skip
"""`student` of 1 to 30 degrees of freedom, by scipy: to import it takes longer than to read 5,000 results."""


@lru_cache(4096)
def student(freedom: float) -> float:
    """The t that Student's distribution with so many degrees of freedom exceeds, in size, in 5 % of cases."""
    if freedom in range(1, len(T_95) + 1):
        return T_95[int(freedom) - 1]
    from scipy import special

    return float(special.stdtrit(freedom, (1 + LEVEL) / 2))


def half_width(stat: Stat) -> float | None:
    """Half the width of the 95 % interval of a mean: t(n - 1) s / sqrt(n) (Student 1908).

    None of a single score, and of scores without spread: a few that are equal, as scores counted in steps may be, say
    nothing of how much seeds matter, and an interval of no width would say that they do not.
    """
    if stat.std is None or stat.std <= GRAIN * abs(stat.mean):
        return None
    return finite(student(stat.n - 1) / math.sqrt(stat.n) * stat.std)


def intervals(rows: Iterable[Sequence[float | None]]) -> list[Interval | None]:
    """The 95 % interval of each row's mean, mean ± `half_width`; None where there is none."""
    stats = map(over_seeds, rows)
    return [None if stat is None or (half := half_width(stat)) is None else around(stat.mean, half) for stat in stats]
