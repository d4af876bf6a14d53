"""What can be said of scores over seeds: spread, intervals, differences, and how many seeds it takes to see one.

Functions say their formula and its source. Numbers are floats in the scores' own unit.
"""

import math
from collections.abc import Hashable, Iterable, Sequence
from functools import cache
from itertools import combinations_with_replacement
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95
"""Of all intervals."""
GRAIN = 1e-6
"""Part of a score that is rounding: they come as float32."""
BOOTSTRAP_FROM = 5
"""Scores of a row from which on the interval of its mean is a bootstrap's."""
ENUMERATED_TO = 8
"""Scores up to which all resamples are taken, and not drawn."""
DRAWN = 9_999
"""Resamples of more scores, always the same ones."""
POWER = 0.8
"""Chance of seeing a difference that `seeds_to_see` asks for."""
MOST_SEEDS = 10_000


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
    mean = math.fsum(given) / len(given)
    return Stat(mean, math.sqrt(math.fsum((v - mean) ** 2 for v in given) / (len(given) - 1)), len(given))


Interval = tuple[float, float]


@cache
def student(freedom: int) -> float:
    """The t that Student's distribution with so many degrees of freedom exceeds, in size, in 5 % of cases.

    The finite sums of P(|T| < t) in theta = atan(t / sqrt(freedom)), solved by bisection (Abramowitz & Stegun 1964, 26.7.3
    and 26.7.4); scipy has it too, and takes longer to import than a table to make.
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
    """Half the width of the 95 % interval of a mean: t(n - 1) s / sqrt(n) (Student 1908); None of a single score."""
    return None if stat.std is None else student(stat.n - 1) * stat.std / math.sqrt(stat.n)


def intervals(rows: Sequence[Sequence[float | None]]) -> list[Interval | None]:
    """The 95 % interval of each row's mean; None where it has fewer than two scores.

    Below five scores mean ± `half_width`; from five on the bootstrap's BCa interval: the quantiles of the means of resamples
    at Phi(z0 + (z0 + z) / (1 - a (z0 + z))), z = ± 1.96, with z0 from the share of resamples below the mean and a, the
    acceleration, from the jackknife (Efron & Tibshirani 1993, section 14.3). All resamples of up to eight scores, else 9,999
    that are the same each time. Five scores are few for a bootstrap: its intervals are narrower than Student's.
    """
    given = [[value for value in row if value is not None] for row in rows]
    found: list[Interval | None] = [None] * len(rows)
    for n in sorted({len(row) for row in given}):
        places = [i for i, row in enumerate(given) if len(row) == n]
        if n >= BOOTSTRAP_FROM:
            for i, interval in zip(places, _bca([given[i] for i in places]), strict=True):
                found[i] = interval
        elif n >= 2:
            for i in places:
                stat = over_seeds(given[i])
                half = None if stat is None else half_width(stat)
                found[i] = None if stat is None or half is None else (stat.mean - half, stat.mean + half)
    return found


def _bca(rows: Sequence[Sequence[float]]) -> list[Interval]:
    """Of rows with equally many scores."""
    import numpy as np

    scores = np.asarray(rows, dtype=float)
    means = scores.mean(axis=1)
    off = scores - means[:, None]  # a resample that is no better and no worse than the mean is then 0, but for rounding
    counts, weights = _resamples(scores.shape[1])
    skew, spread = (off**3).sum(axis=1), (off**2).sum(axis=1)
    found: list[Interval] = []
    step = max(1, 2**24 // len(weights))
    for first in range(0, len(rows), step):
        part = off[first : first + step]
        resampled = counts @ part.T / part.shape[1]
        resampled[np.abs(resampled) < 1e-12 * np.abs(part).max(axis=1)] = 0
        below = weights @ ((resampled < 0) + 0.5 * (resampled == 0))
        order = np.argsort(resampled, axis=0, kind="stable")
        reached = np.cumsum(weights[order], axis=0)
        for j in range(len(part)):
            i = first + j
            if spread[i] == 0:
                found.append((float(means[i]), float(means[i])))
                continue
            ends = _corrected(float(below[j]), float(skew[i] / (6 * spread[i] ** 1.5)))
            at = [min(int(np.searchsorted(reached[:, j], end)), len(weights) - 1) for end in ends]
            low, high = (float(means[i] + resampled[order[k, j], j]) for k in at)
            found.append((low, high))
    return found


def _corrected(below: float, acceleration: float) -> tuple[float, float]:
    """The shares of resamples below the ends of the interval; without correction 2.5 % and 97.5 %."""
    normal = NormalDist()
    z0, z = normal.inv_cdf(below), normal.inv_cdf((1 + LEVEL) / 2)
    low, high = (normal.cdf(z0 + (z0 + each) / (1 - acceleration * (z0 + each))) for each in (-z, z))
    return low, high


@cache
def _resamples(n: int) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """How often each resample takes each of n scores, resamples x n, and each resample's share, which add up to 1."""
    import numpy as np

    if n > ENUMERATED_TO:
        drawn = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=DRAWN)
        return drawn.astype(float), np.full(DRAWN, 1 / DRAWN)
    every = np.array([np.bincount(taken, minlength=n) for taken in combinations_with_replacement(range(n), n)])
    ways = [math.factorial(n) / math.prod(map(math.factorial, counts)) for counts in every.tolist()]
    return every.astype(float), np.array(ways) / n**n


class Difference(NamedTuple):
    """Between the scores of two rows."""

    mean: float
    half: float | None
    """Half the width of its 95 % interval; none where there are not two scores of each, and where all seeds differ by the
    same: scores are counted in steps, so that this happens with few seeds, and says nothing of how much seeds matter."""
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


def difference(ours: Sequence[float | None], base: Sequence[float | None]) -> Difference | None:
    """Ours less the base's; place i of both is the same seed, None where it gave nothing.

    Over the seeds that both have: the mean d of the n differences, with the interval d ± t(n - 1) s / sqrt(n) and p of the
    paired t-test (Student 1908). Without two seeds in common: the means' difference, with Welch's interval and test (1947).

    Returns:
        None if one of them has no score.
    """
    pairs = [a - b for a, b in zip(ours, base, strict=True) if a is not None and b is not None]
    a, b = over_seeds(ours), over_seeds(base)
    if a is None or b is None:
        return None
    grain = GRAIN * max(abs(a.mean), abs(b.mean))
    if (paired := over_seeds(pairs)) is not None and paired.std is not None:
        std = paired.std if paired.std > grain else 0.0
        return _tested(paired.mean, std / math.sqrt(paired.n), std, paired.n - 1, paired.n)
    if a.std is None or b.std is None:
        return Difference(paired.mean if paired else a.mean - b.mean, None, None, None, 0, len(pairs))
    va, vb = (std**2 / n if std > grain else 0.0 for std, n in ((a.std, a.n), (b.std, b.n)))
    freedom = (va + vb) ** 2 / (va**2 / (a.n - 1) + vb**2 / (b.n - 1)) if va + vb else a.n + b.n - 2.0
    std = math.hypot(a.std, b.std) if va + vb else 0.0
    return _tested(a.mean - b.mean, math.sqrt(va + vb), std, freedom, 0)


def _tested(mean: float, error: float, std: float, freedom: float, pairs: int) -> Difference:
    from scipy import special

    if error == 0:
        half, p = (0.0, 1.0) if mean == 0 else (None, None)
        return Difference(mean, half, p, std, freedom, pairs)
    half = float(special.stdtrit(freedom, (1 + LEVEL) / 2)) * error
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
    difference of one seed: P(|T| > t(n - 1)) with T noncentral, by sqrt(n) mean / std (Cohen 1988, chapter 2).

    Returns:
        None for more than 10,000.
    """
    from scipy import special

    if std == 0:
        return 2 if mean else None

    def power(n: int) -> float:
        shift, limit = math.sqrt(n) * abs(mean) / std, float(special.stdtrit(n - 1, (1 + LEVEL) / 2))
        return float(1 - special.nctdtr(n - 1, shift, limit) + special.nctdtr(n - 1, shift, -limit))

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
    mean = sum(scores) / len(scores) if scores else 0.0
    total = sum((score - mean) ** 2 for score in scores)
    groups: dict[Hashable, list[float]] = {}
    for choice, score in zip(choices, scores, strict=True):
        groups.setdefault(choice, []).append(score)
    if total == 0 or len(groups) < 2:
        return None
    return sum(len(each) * (sum(each) / len(each) - mean) ** 2 for each in groups.values()) / total
