"""The share of an axis in the variance of scores."""

from collections.abc import Hashable, Sequence

from pvt_exp.statistics.scores import scale_of


def eta_squared(choices: Sequence[Hashable], scores: Sequence[float]) -> float | None:
    """Share of the variance of the scores that lies between the choices of one axis, from 0 to 1.

    The correlation ratio (Fisher 1925): sum over choices of n_choice * (mean_choice - mean)^2, over the sum over scores of
    (score - mean)^2. It counts every score once, is biased upwards by many choices of few scores each, and is of one axis
    alone: where others change with it, it has their part too.

    Args:
        choices: Of each score, which choice it is of.
        scores: As many.

    Returns:
        None where all scores are equal or there is a single choice.
    """
    scale = scale_of(scores) if scores else 1.0
    scores = [score / scale for score in scores]
    mean = sum(scores) / len(scores) if scores else 0.0
    total = sum((score - mean) ** 2 for score in scores)
    groups: dict[Hashable, list[float]] = {}
    for choice, score in zip(choices, scores, strict=True):
        groups.setdefault(choice, []).append(score)
    if total == 0 or len(groups) < 2:
        return None
    return sum(len(each) * (sum(each) / len(each) - mean) ** 2 for each in groups.values()) / total
