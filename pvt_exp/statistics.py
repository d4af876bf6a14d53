"""What can be said of scores over seeds: spread, intervals, differences, and how many seeds it takes to see one.

Functions say their formula and its source. Numbers are floats in the scores' own unit.
"""

import math
import sys
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

LEVEL = 0.95
"""Of all intervals."""
GRAIN = 1e-6
"""Part of a score that is rounding: they come as float32."""
POWER = 0.8
"""Chance of seeing a difference that `seeds_to_see` asks for."""
MOST_SEEDS = 10_000
FEW = range(1, 101)
"""Degrees of freedom for which Student's t is reckoned here."""
LARGEST = sys.float_info.max
LARGE = 1e100
"""Numbers from this size on, or below 1 / this, are scaled before they are squared."""
CLEAR = 100.0
"""Difference over its deviation, from which on two seeds see it for certain."""


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
    scale = _scale(given)
    scaled = [value / scale for value in given] if scale != 1 else given
    mean = math.fsum(scaled) / len(scaled)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in scaled) / (len(scaled) - 1))
    return Stat(mean * scale, _finite(std * scale), len(given))


def _scale(values: Iterable[float]) -> float:
    """What to divide numbers by so that their squares are numbers too: a power of 2, so that no digit is lost; mostly 1."""
    largest = max(map(abs, values))
    return 1.0 if largest == 0 or 1 / LARGE < largest < LARGE else math.ldexp(1.0, math.frexp(largest)[1] - 1)


def _finite(value: float) -> float:
    """The value, or the largest float where it is larger than that."""
    return max(-LARGEST, min(LARGEST, value))


Interval = tuple[float, float]


def _around(mean: float, half: float) -> Interval:
    return _finite(mean - half), _finite(mean + half)


@lru_cache(4096)
def _student(freedom: float) -> float:
    """The t that Student's distribution with so many degrees of freedom exceeds, in size, in 5 % of cases."""
    if freedom in FEW:
        return _student_of_few(int(freedom))
    from scipy import special

    return float(special.stdtrit(freedom, (1 + LEVEL) / 2))


def _student_of_few(freedom: int) -> float:
    """The same by the finite sums of P(|T| < t) in theta = atan(t / sqrt(freedom)), solved by bisection.

    Abramowitz & Stegun 1964, 26.7.3 and 26.7.4. To import scipy for it takes longer than to make most tables.
    """

    def inside(theta: float) -> float:
        cosine, odd = math.cos(theta), freedom % 2
        term, total = (cosine if odd else 1.0), 0.0
        for k in range(2 + odd, freedom + 1, 2):
            total += term
            term *= cosine**2 * (k - 1) / k
        return 2 / math.pi * (theta + math.sin(theta) * total) if odd else math.sin(theta) * total

    low, high = 0.0, math.pi / 2
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if inside(middle) < LEVEL else (low, middle)
    return math.sqrt(freedom) * math.tan(high)


def half_width(stat: Stat) -> float | None:
    """Half the width of the 95 % interval of a mean: t(n - 1) s / sqrt(n) (Student 1908).

    None of a single score, and of scores without spread: a few that are equal, as scores counted in steps may be, say
    nothing of how much seeds matter, and an interval of no width would say that they do not.
    """
    if stat.std is None or stat.std <= GRAIN * abs(stat.mean):
        return None
    return _finite(_student(stat.n - 1) / math.sqrt(stat.n) * stat.std)


def intervals(rows: Iterable[Sequence[float | None]]) -> list[Interval | None]:
    """The 95 % interval of each row's mean, mean ± `half_width`; None where there is none."""
    stats = map(over_seeds, rows)
    return [None if stat is None or (half := half_width(stat)) is None else _around(stat.mean, half) for stat in stats]


class Difference(NamedTuple):
    """Between the scores of two rows."""

    mean: float
    half: float | None
    """Half the width of its 95 % interval; none where there are not two scores of each, and where all seeds differ by the
    same or not at all, for the reason that `half_width` says."""
    p: float | None
    """Two-sided, of the hypothesis that there is none; not corrected for other comparisons."""
    std: float | None
    """Of the difference of one seed."""
    freedom: float
    """Degrees of freedom of Student's t."""
    pairs: int
    """How many seeds both rows have; 0: the rows share none, and are compared as two samples."""

    @property
    def is_noise(self) -> bool:
        """Whether the interval contains 0, so that seeds alone may have made the difference; never of a single seed."""
        return self.half is not None and abs(self.mean) <= self.half

    @property
    def interval(self) -> Interval | None:
        """Its 95 % interval; None where `half` is."""
        return None if self.half is None else _around(self.mean, self.half)


def difference(ours: Sequence[float | None], base: Sequence[float | None]) -> Difference | None:
    """Ours less the base's; place i of both is the same seed, None where it gave nothing.

    Over the seeds that both have: the mean d of the n differences, with the interval d ± t(n - 1) s / sqrt(n) and p of the
    paired t-test (Student 1908). Without two seeds in common: the means' difference, with Welch's interval and test (1947).

    Returns:
        None if one of them has no score.
    """
    pairs = [_finite(a - b) for a, b in zip(ours, base, strict=True) if a is not None and b is not None]
    a, b = over_seeds(ours), over_seeds(base)
    if a is None or b is None:
        return None
    grain = GRAIN * max(abs(a.mean), abs(b.mean))
    if (paired := over_seeds(pairs)) is not None and paired.std is not None:
        std = paired.std if paired.std > grain else 0.0
        return _tested(paired.mean, std / math.sqrt(paired.n), std, paired.n - 1, paired.n)
    if a.std is None or b.std is None:
        return Difference(paired.mean if paired else _finite(a.mean - b.mean), None, None, None, 0, len(pairs))
    scale = _scale((a.std, b.std))
    va, vb = ((std / scale) ** 2 / n if std > grain else 0.0 for std, n in ((a.std, a.n), (b.std, b.n)))
    freedom = (va + vb) ** 2 / (va**2 / (a.n - 1) + vb**2 / (b.n - 1)) if va + vb else a.n + b.n - 2.0
    std = _finite(math.hypot(a.std / scale, b.std / scale) * scale) if va + vb else 0.0
    return _tested(_finite(a.mean - b.mean), _finite(math.sqrt(va + vb) * scale), std, freedom, 0)


def _tested(mean: float, error: float, std: float, freedom: float, pairs: int) -> Difference:
    from scipy import special

    if error == 0:
        return Difference(mean, None, None, std, freedom, pairs)
    half = _finite(_student(freedom) * error)
    return Difference(mean, half, float(2 * special.stdtr(freedom, -abs(mean) / error)), std, freedom, pairs)


def holm(ps: Sequence[float]) -> list[float]:
    """p-values corrected for being several (Holm 1979): the k-th smallest of m times m - k + 1, never below one before."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    corrected, highest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[i]))
        corrected[i] = highest
    return corrected


def seeds_to_see(mean: float, std: float) -> int | None:
    """How many seeds of both rows it takes to see a difference of this size in four of five tries.

    The smallest n at which the paired two-sided t-test at 5 % has a power of 80 %, if ``mean`` and ``std`` are those of the
    difference of one seed: P(T^2 > t(n - 1)^2), where T^2 has the noncentral F distribution with 1 and n - 1 degrees of
    freedom and noncentrality n (mean / std)^2 (Cohen 1988, chapter 2). scipy's noncentral t gives NaN for some of these.

    Returns:
        None for more than 10,000.
    """
    from scipy import special

    if std == 0:
        return 2 if mean else None

    effect = min(abs(mean / std), CLEAR)

    def power(n: int) -> float:
        return float(1 - special.ncfdtr(1, n - 1, n * effect**2, _student(n - 1) ** 2))

    low, high = 1, 2
    while power(high) < POWER:
        low, high = high, 2 * high
        if high > 2 * MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high if high <= MOST_SEEDS else None


def eta_squared(choices: Sequence[Hashable], scores: Sequence[float]) -> float | None:
    """Share of the variance of the scores that lies between the choices of one axis, from 0 to 1.

    The correlation ratio (Fisher 1925): sum over choices of n_choice * (mean_choice - mean)^2, over the sum over scores of
    (score - mean)^2. It counts every score once, is biased upwards by many choices of few scores each, and is of one axis
    alone: where others change with it, it has their part too.

    Args:
        choices: Of each score, which choice it is of.
        scores: As many.

    Returns:
        None where all scores are equal or there is a single choice.
    """
    scale = _scale(scores) if scores else 1.0
    scores = [score / scale for score in scores]
    mean = sum(scores) / len(scores) if scores else 0.0
    total = sum((score - mean) ** 2 for score in scores)
    groups: dict[Hashable, list[float]] = {}
    for choice, score in zip(choices, scores, strict=True):
        groups.setdefault(choice, []).append(score)
    if total == 0 or len(groups) < 2:
        return None
    return sum(len(each) * (sum(each) / len(each) - mean) ** 2 for each in groups.values()) / total
