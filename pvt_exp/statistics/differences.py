"""The difference of two rows: of the same seeds in pairs, or as two samples."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from pvt_exp.statistics.scores import GRAIN, Interval, around, finite, over_seeds, scale_of, student


class Difference(NamedTuple):
    """Between the scores of two rows."""

    mean: float
    """0 where it is no more than the rounding of the scores, see `without_residue`."""
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
        return None if self.half is None else around(self.mean, self.half)


def difference(ours: Sequence[float | None], base: Sequence[float | None]) -> Difference | None:
    """Ours less the base's; place i of both is the same seed, None where it gave nothing.

    Over the seeds that both have: the mean d of the n differences, with the interval d ± t(n - 1) s / sqrt(n) and p of the
    paired t-test (Student 1908). Without two seeds in common: the means' difference, with Welch's interval and test (1947).

    Returns:
        None if one of them has no score.
    """
    pairs = [finite(a - b) for a, b in zip(ours, base, strict=True) if a is not None and b is not None]
    a, b = over_seeds(ours), over_seeds(base)
    if a is None or b is None:
        return None
    size = max(abs(a.mean), abs(b.mean))
    grain = GRAIN * size
    if (paired := over_seeds(pairs)) is not None and paired.std is not None:
        std = paired.std if paired.std > grain else 0.0
        return _tested(paired.mean, size, std / math.sqrt(paired.n), std, paired.n - 1, paired.n)
    if a.std is None or b.std is None:
        mean = without_residue(paired.mean if paired else finite(a.mean - b.mean), size)
        return Difference(mean, None, None, None, 0, len(pairs))
    scale = scale_of((a.std, b.std))
    va, vb = ((std / scale) ** 2 / n if std > grain else 0.0 for std, n in ((a.std, a.n), (b.std, b.n)))
    freedom = (va + vb) ** 2 / (va**2 / (a.n - 1) + vb**2 / (b.n - 1)) if va + vb else a.n + b.n - 2.0
    std = finite(math.hypot(a.std / scale, b.std / scale) * scale) if va + vb else 0.0
    return _tested(finite(a.mean - b.mean), size, finite(math.sqrt(va + vb) * scale), std, freedom, 0)


def without_residue(mean: float, size: float) -> float:
    """The difference of scores of this size; 0 if it is no more than their rounding.

    Scores come as float32, and those that were summed in another order differ by twice its rounding.
    """
    return 0.0 if abs(mean) <= 2.0**-22 * size else mean


def _tested(mean: float, size: float, error: float, std: float, freedom: float, pairs: int) -> Difference:
    from scipy import special

    shown = without_residue(mean, size)
    if error == 0:
        return Difference(shown, None, None, std, freedom, pairs)
    half = finite(student(freedom) * error)
    return Difference(shown, half, float(2 * special.stdtr(freedom, -abs(mean) / error)), std, freedom, pairs)
