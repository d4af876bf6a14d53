"""Holm's correction of several comparisons."""

from collections.abc import Sequence


def holm(ps: Sequence[float]) -> list[float]:
    """p-values corrected for being several (Holm 1979): the k-th smallest of m times m - k + 1, never below one before."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    corrected, highest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[i]))
        corrected[i] = highest
    return corrected
