"""With how many decimals numbers are shown, and their text.

Scores in percent have 1 or 2 decimals; other metrics have 3, or as many as give the largest three digits. Where there are
95 % intervals, no more decimals than give half the width of the median one two digits: more would be noise (JCGM 100:2008,
the GUM, 7.2.6, and the Review of Particle Physics, section 5.3 of its introduction, round uncertainties to two digits, or
one). So ± 0.46 has two decimals and ± 2.3 one. The rows of a column share their decimals; a spread that would read as 0 has
as many as its first digit takes.
"""

import math
import statistics
import sys
from collections.abc import Sequence

from pvt_exp.config.metrics import MOST_DIGITS, Metric, number


def fixed(value: float, digits: int, sign: str = "-") -> str:
    """A number with this many decimals and a real minus; nothing is ever minus zero."""
    text = number(value, digits, sign)
    return f"−{text[1:]}" if text.startswith("-") else text


def spread(value: float, digits: int) -> str:
    """A deviation or half of an interval: with this many decimals, or as many as it takes to be more than 0."""
    text = fixed(value, digits)
    if value == 0 or float(text):
        return text
    return f"{value:.0e}" if abs(value) < 10**-MOST_DIGITS else fixed(value, _first_digit(value))


def apart(ends: tuple[float, float], digits: int) -> int:
    """Decimals of the ends of an interval: no fewer than it takes to tell them apart."""
    low, high = ends
    if low == high or fixed(low, digits) != fixed(high, digits):
        return digits
    return min(_first_digit(high - low) + 1, 15)


def _first_digit(value: float) -> int:
    """The decimals at which a number that is not 0 has its first digit, rounded to one."""
    return max(0, -int(f"{value:.0e}".partition("e")[2]))


def warranted(most: int, halves: Sequence[float | None], least: int = 0) -> int:
    """Decimals of numbers whose intervals have these half widths; ``most`` where there are none, or of no width."""
    known = [half for half in halves if half is not None and math.isfinite(half)]
    median = min(statistics.median(known), sys.float_info.max) if known else 0.0
    return min(most, max(least, 1 - math.floor(math.log10(median)))) if median > 0 else most


def of_costs(costs: Sequence[float], least: int = 2) -> int:
    """Decimals of sizes: ``least``, or as many as give the smallest two digits."""
    smallest = min((cost for cost in costs if cost > 0), default=1.0)
    return min(max(least, 1 - math.floor(math.log10(smallest))), 6)


def most_of(metric: Metric, values: Sequence[float]) -> int:
    """The most decimals that a metric is shown with."""
    if metric.is_percent:
        return 2
    largest = max(map(abs, values), default=0.0) or 1
    return min(max(3, 2 - math.floor(math.log10(largest))), MOST_DIGITS)


def least_of(metric: Metric) -> int:
    """The fewest decimals that a metric is shown with."""
    return 1 if metric.is_percent else 0
