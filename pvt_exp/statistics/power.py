"""How many seeds it takes to see a difference."""

from pvt_exp.statistics.scores import student

POWER = 0.8
"""Chance of seeing a difference that `seeds_to_see` asks for."""
MOST_SEEDS = 10_000
CLEAR = 100.0
"""Difference over its deviation, from which on two seeds see it for certain."""


def seeds_to_see(mean: float, std: float) -> int | None:
    """How many seeds of both rows it takes to see a difference of this size in four of five tries.

    The smallest n at which the paired two-sided t-test at 5 % has a power of 80 %, if ``mean`` and ``std`` are those of the
    difference of one seed: P(T^2 > t(n - 1)^2), where T^2 has the noncentral F distribution with 1 and n - 1 degrees of
    freedom and noncentrality n (mean / std)^2 (Cohen 1988, chapter 2). scipy's noncentral t gives NaN for some of these.

    Of rows that share no seed, whose difference of one seed has the deviation sqrt(s^2 + t^2), it is the number of shared
    seeds too. Welch's test of as many seeds of each has at least that power, and needs a seed or two fewer at most.

    Returns:
        None for more than 10,000.
    """
    from scipy import special

    if std == 0:
        return 2 if mean else None

    effect = min(abs(mean / std), CLEAR)

    def power(n: int) -> float:
        return float(1 - special.ncfdtr(1, n - 1, n * effect**2, student(n - 1) ** 2))

    low, high = 1, 2
    while power(high) < POWER:
        low, high = high, 2 * high
        if high > 2 * MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high if high <= MOST_SEEDS else None
