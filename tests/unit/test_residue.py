"""Differences of scores that are rounding of float32 are 0, and others keep all digits."""

import random

import pytest

from pvt_exp.statistics.differences import difference, without_residue


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_scores_that_are_equal_but_for_rounding_differ_by_nothing(seeds: int) -> None:
    # a third of the images, summed in another order
    found = difference([33.33333206176758] * seeds, [33.33333396911621] * seeds)
    assert found is not None
    assert found.mean == 0


def test_no_digit_that_the_scores_have_is_lost() -> None:
    draw = random.Random(1)
    for _ in range(300):
        size = 10 ** draw.uniform(-6, 6)
        ours, base = (size * draw.uniform(0.5, 1) for _ in "ab")
        found = difference([ours], [base])
        assert found is not None
        assert found.mean in (0.0, ours - base)
        assert abs(found.mean - (ours - base)) <= 2.5e-7 * max(ours, base)


def test_sizes_beyond_floats_stay_as_they_are() -> None:
    assert without_residue(1e307, 1.7e308) == 1e307
    assert without_residue(1.7e308, 1.7e308) == 1.7e308
    assert without_residue(0.0, 0.0) == 0.0
    assert without_residue(5e-324, 5e-324) == 5e-324
