"""With how many decimals numbers are shown, and their text."""

import math
from collections.abc import Sequence


def fixed(value: float, digits: int, sign: str = "-") -> str:
    """A number with this many decimals and a real minus; nothing is ever minus zero."""
    text = f"{value:{sign}.{digits}f}"
    if text[0] not in "+-":
        return text
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def of_costs(costs: Sequence[float], least: int = 2) -> int:
    """Decimals of sizes: ``least``, or as many as give the smallest two digits."""
    smallest = min((cost for cost in costs if cost > 0), default=1.0)
    return min(max(least, 1 - math.floor(math.log10(smallest))), 6)


def of_losses(losses: Sequence[float]) -> int:
    """Decimals of losses: 3, or as many as give the largest three digits."""
    largest = max(map(abs, losses), default=0.0) or 1
    return min(max(3, 2 - math.floor(math.log10(largest))), 9)
