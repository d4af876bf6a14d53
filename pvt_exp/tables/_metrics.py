"""Metrics over seeds: their names, their cells, and which of them are best.

What is best, and second, is decided by what is shown: rows that look the same are the same.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from pvt_exp.statistics import BOOTSTRAP_FROM, Stat, half_width, intervals, over_seeds
from pvt_exp.tables import Cell
from pvt_exp.tables._digits import fixed, most_of, warranted
from pvt_exp.tables._rows import Line, Notes

TITLES = {
    "top1": "top-1",
    "top5": "top-5",
    "pixel_accuracy": "pixel accuracy",
    **{f"{kind}_AP{of}": f"{kind} AP{of}" for kind in ("box", "mask") for of in ("", "50", "75", "s", "m", "l")},
}


class Measured(NamedTuple):
    """One metric of all rows."""

    name: str
    smaller: bool
    """Whether smaller is better."""
    values: list[tuple[float | None, ...]]
    """What each replicate of each row gave; none where it gave nothing finite."""
    stats: list[Stat | None]
    digits: int
    """Decimals that it is shown with; see `pvt_exp.tables._digits`."""


def found_in(lines: Sequence[Line]) -> list[str]:
    """The metrics that any result has."""
    return list(dict.fromkeys(name for line in lines for metrics in line.metrics for name in metrics or ()))


def usual(lines: Sequence[Line]) -> list[str]:
    """The metrics to show where none are asked for: those that the task shows, else all, its first one first."""
    task, found = _task(lines), found_in(lines)
    first = getattr(task, "metric", None)
    shown = [name for name in getattr(task, "shown", ()) if name in found]
    return shown or sorted(found, key=lambda name: name != first) or [first or "score"]


def is_loss(name: str) -> bool:
    """Whether a metric is a loss rather than a score in percent: by its name, as everywhere in this project."""
    return "loss" in name


def title(name: str) -> str:
    """A metric as the head of a column."""
    return TITLES.get(name, name) + ("" if is_loss(name) else " (%)")


def measure(name: str, lines: Sequence[Line]) -> Measured:
    """Take a metric over the seeds of each row."""
    task = _task(lines)
    smaller = not getattr(task, "larger_is_better", True) if name == getattr(task, "metric", None) else is_loss(name)
    given = [[(metrics or {}).get(name) for metrics in line.metrics] for line in lines]
    finite = [tuple(v if v is not None and math.isfinite(v) else None for v in row) for row in given]
    stats = [over_seeds(row) for row in finite]
    most = most_of(is_loss(name), [stat.mean for stat in stats if stat])
    return Measured(name, smaller, finite, stats, warranted(most, [stat and half_width(stat) for stat in stats]))


def _task(lines: Sequence[Line]) -> Any:
    return lines[0].variant.runs[0].task if lines else None


def metric_cells(metric: Measured, lines: Sequence[Line], notes: Notes) -> list[Cell]:
    """A metric's column; the best two among the rows that have every seed and saw the same data are marked so."""
    name, digits = metric.name, metric.digits
    texts = [f"{stat.mean:.{digits}f}" if stat else "" for stat in metric.stats]
    whole = [
        bool(stat and stat.n == len(line.replicates) and not line.marks)
        for line, stat in zip(lines, metric.stats, strict=True)
    ]
    ranked = [float(text) for text, counts in zip(texts, whole, strict=True) if counts]
    best, second = ranks(ranked, metric.smaller)
    cells = []
    for line, got, stat, text, counts in zip(lines, metric.values, metric.stats, texts, whole, strict=True):
        gaps = zip(line.replicates, got, strict=True) if None in got else ()
        lacking = [r for r, v in gaps if v is None and r.state == "done"]
        marks = [notes.mark(f"{name} is absent or not finite", f"{line.name}, seed {r.seed}: {r.run}") for r in lacking]
        own = tuple(dict.fromkeys(marks))
        if stat is None:
            cells.append(Cell(missing="not measured" if lacking else line.missing, marks=own, values=got))
            continue
        std = "" if stat.std is None else fixed(stat.std, digits)
        is_best, is_second = (counts and float(text) == each for each in (best, second))
        shown = fixed(stat.mean, digits) if text.startswith("-") else text
        cells.append(Cell(stat.mean, stat.std, stat.n, shown, std, is_best, is_second, marks=own, values=got))
    return cells


def ranks(shown: Sequence[float], smaller: bool) -> tuple[float | None, float | None]:
    """The best number and the next best; none among one, and no second among two, which would be the worst."""
    best, *others = sorted(set(shown), reverse=not smaller) if len(shown) > 1 else [None]
    return best, others[0] if others and len(shown) > 2 else None


def interval_cells(metric: Measured, lines: Sequence[Line]) -> list[Cell]:
    """The 95 % interval of each row's mean."""
    cells = []
    for line, stat, found in zip(lines, metric.stats, intervals(metric.values), strict=True):
        if stat is None or found is None:
            cells.append(Cell(missing=line.missing if stat is None else "one seed"))
            continue
        low, high = (fixed(end, metric.digits) for end in found)
        cells.append(Cell(text=f"[{low}, {high}]", n=stat.n, interval=found))
    return cells


def about_intervals(metric: Measured) -> list[str]:
    """How the intervals of means were made."""
    counts = {stat.n for stat in metric.stats if stat is not None and stat.std is not None}
    ways = ["Student's t"] if any(n < BOOTSTRAP_FROM for n in counts) else []
    ways += ["BCa bootstrap"] if any(n >= BOOTSTRAP_FROM for n in counts) else []
    where = f" (from {BOOTSTRAP_FROM} seeds on)" if len(ways) > 1 else ""
    return [f"Interval: 95 %, of the mean over seeds ({', '.join(ways)}{where})."] if ways else []


def seed_cells(metric: Measured, lines: Sequence[Line]) -> list[Cell]:
    """How many seeds of each row have the metric; of how many, and why, where some are missing."""
    cells = []
    for line, got in zip(lines, metric.values, strict=True):
        n, due = sum(value is not None for value in got), len(line.replicates)
        cells.append(Cell(n, text=str(n) if n == due else f"{n}/{due}", marks=tuple(dict.fromkeys(line.gaps))))
    return cells
