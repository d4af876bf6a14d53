"""How often each interval that a table prints holds the true value, and each number of seeds its power, by simulation."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special

from pvt_exp.statistics.differences import difference
from pvt_exp.statistics.power import seeds_to_see
from pvt_exp.statistics.scores import intervals

Scores = NDArray[np.float64]
DRAWS = 40_000
"""Samples of each kind: the standard error of a coverage of 95 % is 0.0011."""
COMPARED = 100
"""Samples for which the project's own functions are asked, to show that the copies here are the same."""
SEEDS = range(3, 13)


def normal(random: np.random.Generator, rows: int, n: int, spread: float = 0.4) -> tuple[Scores, float]:
    """Scores of n seeds, and their true mean."""
    return random.normal(80.0, spread, (rows, n)), 80.0


def accuracy(random: np.random.Generator, rows: int, n: int, mean: float = 0.93) -> tuple[Scores, float]:
    """Percent of 1,000 images that are right, with models that differ by seed; from 80 to 95 % true and bounded by 100 %."""
    right = random.binomial(1000, random.beta(400 * mean, 400 * (1 - mean), (rows, n)))
    return right / 10, 100 * mean


def student(scores: Scores) -> tuple[Scores, Scores]:
    """Mean and half width, a row each, as `intervals` has them."""
    n = scores.shape[1]
    half = special.stdtrit(n - 1, 0.975) * scores.std(axis=1, ddof=1) / np.sqrt(n)
    return scores.mean(axis=1), half


def welch(ours: Scores, base: Scores) -> tuple[Scores, Scores]:
    """Likewise, as `difference` has it without shared seeds."""
    va, vb = (each.var(axis=1, ddof=1) / each.shape[1] for each in (ours, base))
    freedom = (va + vb) ** 2 / (va**2 / (ours.shape[1] - 1) + vb**2 / (base.shape[1] - 1))
    return ours.mean(axis=1) - base.mean(axis=1), special.stdtrit(freedom, 0.975) * np.sqrt(va + vb)


def welch_holds(n: int, other: int, ratio: float) -> float:
    """How often Welch's interval of normal scores holds the truth, by theory; the other's deviation is ``ratio`` times ours.

    The means are independent of the variances. With Q the sum of their two chi-squares and B the first one's part of it,
    Q is a chi-square with f = n + other - 2, B has a Beta distribution, and both are independent; so that given B the
    difference over sqrt(Q / f) is Student's with f degrees. The mean over B is taken at the middles of 20,000 equal parts.
    """
    parts = special.betaincinv((n - 1) / 2, (other - 1) / 2, (np.arange(20_000) + 0.5) / 20_000)
    va, vb = parts / ((n - 1) * n), ratio**2 * (1 - parts) / ((other - 1) * other)
    freedom = (va + vb) ** 2 / (va**2 / (n - 1) + vb**2 / (other - 1))
    f = n + other - 2
    bound = special.stdtrit(freedom, 0.975) * np.sqrt(f * (va + vb) / (1 / n + ratio**2 / other))
    return float((2 * special.stdtr(f, bound) - 1).mean())


def coverage(means: Scores, halves: Scores, true: float) -> float:
    return float((np.abs(means - true) <= halves).mean())


def check_means(scores: Scores) -> None:
    means, halves = student(scores[:COMPARED])
    found = np.array(intervals(scores[:COMPARED].tolist()))
    assert np.allclose(found, np.stack([means - halves, means + halves], axis=1), rtol=1e-12)


def check_differences(ours: Scores, base: Scores, means: Scores, halves: Scores, paired: bool) -> None:
    """Our differences of the same samples: over shared seeds, or with none in common."""
    for i in range(COMPARED):
        a, b = ours[i].tolist(), base[i].tolist()
        if not paired:
            a, b = [*a, *[None] * len(b)], [*[None] * len(a), *b]
        found = difference(a, b)
        assert found is not None
        assert found.half is not None
        assert found.mean == pytest.approx(means[i], abs=1e-9)
        assert found.half == pytest.approx(halves[i], rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("n", SEEDS)
def test_each_interval_of_normal_scores_holds_the_truth_in_95_of_100(n: int) -> None:
    random = np.random.default_rng(n)
    ours, mean = normal(random, DRAWS, n)
    seed_effect = random.normal(0, 1.0, (DRAWS, n))  # shared by both rows: what pairing takes out
    base = normal(random, DRAWS, n)[0] - 0.5
    check_means(ours)
    assert 0.94 < coverage(*student(ours), mean) < 0.96
    ours, base = ours + seed_effect, base + seed_effect
    means, halves = student(ours - base)
    check_differences(ours, base, means, halves, paired=True)
    assert 0.94 < coverage(means, halves, 0.5) < 0.96


@pytest.mark.slow
@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("ratio", [1.0, 2.0, 5.0])
def test_welchs_interval_of_normal_scores_holds_the_truth_as_often_as_it_says(n: int, ratio: float) -> None:
    """With three seeds of equal spread it holds the truth in 96.5 of 100: the degrees of freedom are taken too low then."""
    random = np.random.default_rng(100 * n)
    ours, base = normal(random, DRAWS, n, 0.4)[0] + 0.5, normal(random, DRAWS, n, 0.4 * ratio)[0]
    means, halves = welch(ours, base)
    check_differences(ours, base, means, halves, paired=False)
    assert 0.94 < coverage(means, halves, 0.5) < (0.97 if (n, ratio) == (3, 1.0) else 0.96)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [0.2, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize(("n", "other", "least"), [(3, 5, 0.935), (3, 12, 0.927), (5, 8, 0.944), (2, 12, 0.88)])
def test_welchs_interval_of_unequal_numbers_does_as_theory_says(n: int, other: int, least: float, ratio: float) -> None:
    """It is no exact interval: the fewer seeds and the more unequal their numbers, the less often it holds the truth."""
    random = np.random.default_rng(10_000 * n + 100 * other)
    ours, base = normal(random, DRAWS, n, 0.4)[0] + 0.5, normal(random, DRAWS, other, 0.4 * ratio)[0]
    means, halves = welch(ours, base)
    check_differences(ours, base, means, halves, paired=False)
    due, found = welch_holds(n, other, ratio), coverage(means, halves, 0.5)
    assert abs(found - due) < 4 * np.sqrt(due * (1 - due) / DRAWS)
    assert least < due < 0.96


@pytest.mark.slow
@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("mean", [0.80, 0.95])
def test_intervals_of_accuracies_are_nearly_as_good(n: int, mean: float) -> None:
    random = np.random.default_rng(1000 * n)
    ours, true = accuracy(random, DRAWS, n, mean)
    base, other = accuracy(random, DRAWS, n, mean - 0.02)
    check_means(ours)
    assert 0.93 < coverage(*student(ours), true) < 0.96
    for means, halves in (student(ours - base), welch(ours, base)):
        printed = halves > 0  # of seeds that all differ by the same no interval is printed
        assert 0.93 < coverage(means[printed], halves[printed], true - other) < 0.97


@pytest.mark.slow
def test_seeds_have_the_power_that_is_said() -> None:
    """The number found has it and one fewer has not, by simulated t-tests; up to where two seeds are always enough."""
    random = np.random.default_rng(0)

    def power(effect: float, n: int) -> float:
        t = random.standard_normal(DRAWS) + effect * np.sqrt(n)
        t /= np.sqrt(random.chisquare(n - 1, DRAWS) / (n - 1))
        return float((np.abs(t) > special.stdtrit(n - 1, 0.975)).mean())

    error = 4 * np.sqrt(0.8 * 0.2 / DRAWS)
    for effect in np.geomspace(0.05, 40, 146).tolist():
        n = seeds_to_see(effect, 1.0)
        assert n is not None
        assert power(effect, n) > 0.8 - error, (effect, n)
        assert n == 2 or power(effect, n - 1) < 0.8 + error, (effect, n)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [1.0, 2.0, 5.0])
def test_seeds_needed_of_rows_that_share_none_have_the_power_that_is_said(ratio: float) -> None:
    """From what `difference` says of such rows: of shared seeds the power is as said, and Welch's test has no less.

    The deviations are so many times one another; Welch's test of three seeds fewer does not have it.
    """
    random = np.random.default_rng(int(ratio))
    spread = np.array([1.0, ratio]) / np.hypot(1.0, ratio)

    def rows(effect: float, n: int) -> tuple[Scores, Scores]:
        ours, base = (random.normal(0, each, (DRAWS, n)) for each in spread)
        return ours + effect, base

    def seen(means: Scores, halves: Scores) -> float:
        return float((np.abs(means) > halves).mean())

    error = 4 * np.sqrt(0.8 * 0.2 / DRAWS)
    for effect in (0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 12.0):
        n = seeds_to_see(effect, 1.0)
        assert n is not None
        ours, base = rows(effect, n)
        check_differences(ours, base, *welch(ours, base), paired=False)
        assert seen(*student(ours - base)) > 0.8 - error, (effect, n)
        assert seen(*welch(ours, base)) > 0.8 - error, (effect, n)
        if n > 2:
            ours, base = rows(effect, n - 1)
            assert seen(*student(ours - base)) < 0.8 + error, (effect, n)
        if n > 4:
            assert seen(*welch(*rows(effect, n - 3))) < 0.8 + error, (effect, n)


def test_the_deviation_of_rows_that_share_no_seed_is_that_of_one_seed() -> None:
    found = difference([70.0, 71.0, 73.0, None, None], [None, None, None, 70.0, 72.0])
    assert found is not None
    assert found.pairs == 0
    assert found.std == pytest.approx(np.sqrt(np.var([70, 71, 73], ddof=1) + np.var([70, 72], ddof=1)))
