"""Seed noise against scipy, whose import is too slow for the unit tests."""

import statistics

from scipy import stats

from pvt_exp.tables._seeds import Stat, within_noise


def test_noise_is_welchs_interval():
    for shift in (0.1, 0.4, 0.6, 0.9, 1.4, 3.0):
        a, b = [70.0, 70.4, 70.9], [70.1 + shift, 70.3 + shift, 70.8 + shift]
        p = stats.ttest_ind(a, b, equal_var=False).pvalue
        seen = [Stat(statistics.fmean(x), statistics.stdev(x), 3) for x in (a, b)]
        if p < 0.04 or p > 0.06:  # whole degrees of freedom make ours a little wider
            assert within_noise(*seen) == (p > 0.05)
    assert not within_noise(Stat(1.0, None, 1), Stat(1.0, None, 1))
