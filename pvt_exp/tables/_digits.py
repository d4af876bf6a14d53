"""With how many decimals numbers are shown, and their text.

Scores are percentages with 2 decimals at most; losses have 3, or as many as give the largest three digits. Where there are
95 % intervals, no more decimals than give half the width of the median one two digits: more would be noise (JCGM 100:2008,
the GUM, 7.2.6, and the Review of Particle Physics, section 5.3 of its introduction, round uncertainties to two digits, or
one). So ± 0.46 has two decimals, ± 2.3 one, and ± 23 none. The rows of a column share their decimals.
"""

import math
import statistics
from collections.abc import Sequence


def fixed(value: float, digits: int, sign: str = "-") -> str:
    """A number with this many decimals and a real minus; nothing is ever minus zero."""
    text = f"{value:{sign}.{digits}f}"
    if text[0] not in "+-":
        return text
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def warranted(most: int, halves: Sequence[float | None]) -> int:
    """Decimals of numbers whose intervals have these half widths; ``most`` where there are none, or of no width."""
    known = [half for half in halves if half is not None]
    median = statistics.median(known) if known else 0.0
    return min(most, max(0, 1 - math.floor(math.log10(median)))) if median > 0 else most


def of_costs(costs: Sequence[float], least: int = 2) -> int:
    """Decimals of sizes: ``least``, or as many as give the smallest two digits."""
    smallest = min((cost for cost in costs if cost > 0), default=1.0)
    return min(max(least, 1 - math.floor(math.log10(smallest))), 6)


def most_of(is_loss: bool, values: Sequence[float]) -> int:
    """The most decimals that a score in percent, or a loss, is shown with."""
    if not is_loss:
        return 2
    largest = max(map(abs, values), default=0.0) or 1
    return min(max(3, 2 - math.floor(math.log10(largest))), 9)
