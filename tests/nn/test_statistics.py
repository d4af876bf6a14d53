"""Statistics over seeds against scipy and published figures; scipy's import is too slow for the unit tests."""

import numpy as np
import pytest
from scipy import stats

from pvt_exp.statistics.differences import difference
from pvt_exp.statistics.holm import holm
from pvt_exp.statistics.power import seeds_to_see
from pvt_exp.statistics.scores import LARGEST, intervals, over_seeds, student
from pvt_exp.statistics.variance import eta_squared


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_a_difference_of_shared_seeds_is_the_paired_t_test(n: int) -> None:
    random = np.random.default_rng(n)
    ours, base = random.normal(1.0, 2.0, n).tolist(), random.normal(0.0, 1.0, n).tolist()
    found, due = difference(ours, base), stats.ttest_rel(ours, base)
    assert found is not None
    interval = due.confidence_interval(0.95)
    assert found.p == pytest.approx(due.pvalue)
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((interval.low, interval.high))  # type: ignore[operator]
    assert found.pairs == n
    assert found.is_noise == (due.pvalue > 0.05)


def test_without_shared_seeds_it_is_welchs() -> None:
    ours, base = [3.0, 4.5, 5.0, None, None, None], [None, None, 2.0, 2.5, 4.0, 0.5]
    found = difference(ours, base)
    due = stats.ttest_ind([3.0, 4.5, 5.0], [2.0, 2.5, 4.0, 0.5], equal_var=False)
    assert found is not None
    assert found.p == pytest.approx(due.pvalue)
    assert found.half == pytest.approx((due.confidence_interval(0.95).high - due.confidence_interval(0.95).low) / 2)


def test_over_the_seeds_that_both_have() -> None:
    found = difference([1.0, 2.0, 3.0, None], [0.0, 1.5, None, 7.0])
    assert found is not None
    assert (found.mean, found.pairs) == (0.75, 2)


def test_single_and_equal_scores() -> None:
    single = difference([1.0], [3.0])
    assert single is not None
    assert (single.mean, single.half, single.p, single.is_noise) == (-2.0, None, None, False)
    assert difference([None], [3.0]) is None
    same = difference([1.0, 2.0], [1.0, 2.0])
    assert same is not None
    assert (same.mean, same.half, same.interval, same.p, same.is_noise) == (0.0, None, None, None, False)
    apart = difference([1.0, 1.0, None, None], [None, None, 2.0, 2.0])
    assert apart is not None
    assert (apart.mean, apart.half, apart.p) == (-1.0, None, None)
    assert intervals([[float(np.float32(71.3)), 71.3]]) == [None]
    ours, base = (list(map(float, np.float32(row))) for row in ([71.3, 71.5, 71.88], [70.1, 70.3, 70.68]))
    rounded = difference(ours, base)
    assert rounded is not None
    assert (rounded.half, rounded.p, rounded.std) == (None, None, 0.0)
    shifted = difference([1.5, 2.5], [1.0, 2.0])
    assert shifted is not None
    assert (shifted.half, shifted.p, shifted.is_noise) == (None, None, False)


def test_holm_as_rs_p_adjust_has_it() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_seeds_as_gpower_has_them() -> None:
    """Two-sided paired t-test, 5 %, power 80 %: effect sizes 0.2, 0.5 and 0.8 take 199, 34 and 15 pairs."""
    assert [seeds_to_see(-effect, 1.0) for effect in (0.2, 0.5, 0.8)] == [199, 34, 15]
    assert seeds_to_see(1e-6, 1.0) is None
    assert seeds_to_see(1.0, 0.0) == 2


def test_seeds_of_effects_far_out() -> None:
    """Where scipy's noncentral t gives NaN; checked by simulation in test_coverage.py."""
    assert [seeds_to_see(effect, 1.0) for effect in (4.8, 5.6, 11.0, 12.0, 1e3, 1e300)] == [3, 3, 3, 2, 2, 2]
    assert seeds_to_see(1.0, 5e-324) == 2
    found = [seeds_to_see(effect, 1.0) or 10**6 for effect in np.geomspace(1e-3, 1e3, 2000).tolist()]
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("size", [1e155, 1e200, 1.7e308, 1e-170, 1e-300])
def test_numbers_whose_squares_are_none_have_statistics(size: float) -> None:
    """As those of the same scores of usual size, times the size."""
    ours, base = [1.0, 0.5, 0.75], [0.25, 0.5, 0.125]
    due, found = (
        difference(ours, base),
        difference(*([v * size for v in r] for r in (ours, base))),
    )
    assert due is not None
    assert found is not None
    assert found.mean == pytest.approx(due.mean * size)
    assert found.p == pytest.approx(due.p)
    assert found.std == pytest.approx(due.std * size)  # type: ignore[operator]
    apart = difference([*(v * size for v in ours), None, None], [None, None, None, size / 4, size / 8])
    usual = difference([*ours, None, None], [None, None, None, 1 / 4, 1 / 8])
    assert apart is not None
    assert usual is not None
    assert (apart.p, apart.freedom) == (pytest.approx(usual.p), pytest.approx(usual.freedom))
    (interval,), (of_usual,) = intervals([[v * size for v in ours]]), intervals([ours])
    assert interval is not None
    assert of_usual is not None
    assert interval == pytest.approx(
        tuple(max(-1.7976931348623157e308, min(1.7976931348623157e308, v * size)) for v in of_usual)
    )
    assert eta_squared(["a", "a", "b"], [v * size for v in ours]) == pytest.approx(eta_squared(["a", "a", "b"], ours))


def test_what_is_larger_than_any_float_is_the_largest() -> None:
    stat = over_seeds([1.7e308, -1.7e308])
    assert stat is not None
    assert (stat.mean, stat.std) == (0.0, LARGEST)
    found = difference([1.7e308, 1.6e308], [-1.7e308, 1.0e308])
    assert found is not None
    assert found.interval is not None
    assert np.isfinite([found.mean, found.half, found.std, found.p, *found.interval]).all()  # type: ignore[list-item]


def test_equal_scores_have_no_spread_whatever_they_are() -> None:
    for n in range(2, 40):
        assert over_seeds([70.1] * n) == (70.1, 0.0, n)


def test_the_share_of_the_variance_agrees_with_the_f_test() -> None:
    groups = {"a": [1.0, 2.0, 4.0], "b": [3.0, 5.0], "c": [9.0, 7.0, 8.0, 2.0]}
    choices = [name for name, scores in groups.items() for _ in scores]
    share = eta_squared(choices, [score for scores in groups.values() for score in scores])
    assert share is not None
    assert share / 2 / ((1 - share) / 6) == pytest.approx(stats.f_oneway(*groups.values()).statistic)
    assert eta_squared(["a", "b"], [1.0, 1.0]) is None
    assert eta_squared(["a", "a"], [1.0, 2.0]) is None
    assert eta_squared([], []) is None


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 12, 30])
def test_every_mean_has_students_interval(n: int) -> None:
    scores = np.random.default_rng(n).normal(70.0, 1.0, n)
    due = stats.t.interval(0.95, n - 1, scores.mean(), scores.std(ddof=1) / n**0.5)
    assert intervals([[*scores.tolist(), None], [3.0]])[0] == pytest.approx(due)


@pytest.mark.parametrize("freedom", [*range(1, 33), 1.5, 2.0000001, 29.99, 1e6])
def test_students_t_is_scipys(freedom: float) -> None:
    assert student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-12)


def test_what_has_no_spread_has_no_interval() -> None:
    assert intervals([[70.1] * 5, [70.1], [], [3.0, 3.0], [0.0, 0.0]]) == [None] * 5
