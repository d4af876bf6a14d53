"""Metrics over seeds: their names, their cells, and which of them are best.

What is best, and second, is decided by what is shown: rows that look the same are the same.
"""

import math
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

from pvt_exp.config.metric_names import word_of
from pvt_exp.config.metrics import Metric, number, undeclared, unscored
from pvt_exp.statistics.scores import Stat, half_width, intervals, over_seeds
from pvt_exp.tables import Cell, Remark
from pvt_exp.tables._digits import apart, fixed, least_of, most_of, spread, warranted
from pvt_exp.tables._rows import Line
from pvt_exp.tasks import Task

NO_SPREAD = "no spread"


class Measured(NamedTuple):
    """One metric of all rows."""

    metric: Metric
    values: list[tuple[float | None, ...]]
    """What each replicate of each row gave; none where it gave nothing finite."""
    stats: list[Stat | None]
    digits: int
    """Decimals that it is shown with; see `pvt_exp.tables._digits`."""

    @property
    def name(self) -> str:
        return self.metric.name


def found_in(lines: Sequence[Line]) -> list[str]:
    """The metrics that any result has."""
    return list(dict.fromkeys(chain.from_iterable(metrics or () for line in lines for metrics in line.metrics)))


def tasks_of(lines: Sequence[Line]) -> list[Task]:
    """The tasks of the rows, each once where rows share it as one object."""
    return list({id(task): task for task in (line.variant.runs[0].task for line in lines)}.values())


def usual(lines: Sequence[Line]) -> list[str]:
    """The metrics to show where none are asked for: those that the task shows, and those that it does not declare."""
    if not lines:
        return ["score"]
    found, declared = found_in(lines), lines[0].variant.runs[0].task.all_metrics
    names = [each.name for each in declared]
    shown = [each.name for each in declared if each.shown and each.name in found]
    return [*shown, *(name for name in found if name not in names)] or [names[0]]


def describe(name: str, tasks: Sequence[Task]) -> Metric:
    """What the first task that declares a metric says of it."""
    every = _declared(name, tasks)
    return every[0] if every else undeclared(name)


def about_metric(name: str, lines: Sequence[Line]) -> list[str]:
    """What a reader must know of a metric that no task declares; rows in which it is something else are marked."""
    every = _declared(name, tasks_of(lines))
    if not every:
        found = name in found_in(lines)
        return (
            [f"{word_of(name)}: the task does not declare it, so its unit and better direction are not known."]
            if found
            else []
        )
    for line in lines if len(every) > 1 else ():
        if (own := line.variant.runs[0].task.describe(name)) != every[0]:
            line.told.append(Remark(f"its {name} is {own.head}" if own.is_declared else f"declares no {name}"))
    return []


def _declared(name: str, tasks: Sequence[Task]) -> list[Metric]:
    """The different declarations of a metric, in the order of the tasks."""
    every = (task.describe(name) for task in tasks)
    return list(dict.fromkeys(each for each in every if each.is_declared))


def measure(metric: Metric, lines: Sequence[Line]) -> Measured:
    """Take a metric over the seeds of each row."""
    name = metric.name
    given = [[(metrics or {}).get(name) for metrics in line.metrics] for line in lines]
    finite = [tuple(v if v is not None and math.isfinite(v) else None for v in row) for row in given]
    stats = [over_seeds(row) for row in finite]
    most = most_of(metric, [stat.mean for stat in stats if stat])
    halves = [stat and half_width(stat) for stat in stats]
    return Measured(metric, finite, stats, warranted(most, halves, least_of(metric)))


def metric_cells(metric: Measured, lines: Sequence[Line]) -> list[Cell]:
    """A metric's column; the best two among the rows that have every seed and saw the same data are marked so."""
    name, digits = metric.name, metric.digits
    texts = [number(stat.mean, digits) if stat else "" for stat in metric.stats]
    whole = [
        bool(stat and stat.n == len(line.replicates) and not line.marks)
        for line, stat in zip(lines, metric.stats, strict=True)
    ]
    ranked = [float(text) for text, counts in zip(texts, whole, strict=True) if counts]
    best, second = ranks(ranked, metric.metric.larger_is_better)
    cells = []
    for line, got, stat, text, counts in zip(lines, metric.values, metric.stats, texts, whole, strict=True):
        gaps = zip(line.replicates, got, strict=True) if None in got else ()
        lacking = [r for r, v in gaps if v is None and r.state == "done"]
        why = {result.get("run"): unscored(result).get(name) for result in line.results} if lacking else {}
        own = tuple(
            Remark(
                f"no {name}: {why[r.run]}" if why.get(r.run) else f"{name} is absent or not finite",
                f"{line.name}, seed {r.seed}: {r.run}",
            )
            for r in lacking
        )
        if stat is None:
            cells.append(Cell(missing="not measured" if lacking else line.missing, values=got, remarks=own))
            continue
        std = "" if stat.std is None else spread(stat.std, digits)
        is_best, is_second = (counts and float(text) == each for each in (best, second))
        shown = fixed(stat.mean, digits) if text.startswith("-") else text
        cells.append(Cell(stat.mean, stat.std, stat.n, shown, std, is_best, is_second, values=got, remarks=own))
    return cells


def ranks(shown: Sequence[float], larger_is_better: bool | None) -> tuple[float | None, float | None]:
    """The best number and the next best; none among one, and no second among two, which would be the worst.

    None are best where no direction is better.
    """
    if larger_is_better is None:
        return None, None
    best, *others = sorted(set(shown), reverse=larger_is_better) if len(shown) > 1 else [None]
    return best, others[0] if others and len(shown) > 2 else None


def interval_cells(metric: Measured, lines: Sequence[Line]) -> list[Cell]:
    """The 95 % interval of each row's mean."""
    cells = []
    for line, stat, found in zip(lines, metric.stats, intervals(metric.values), strict=True):
        if stat is None or found is None:
            cells.append(Cell(missing=line.missing if stat is None else "one seed" if stat.std is None else NO_SPREAD))
            continue
        digits = apart(found, metric.digits)
        low, high = (fixed(end, digits) for end in found)
        cells.append(Cell(text=f"[{low}, {high}]", n=stat.n, interval=found))
    return cells


def about_intervals(metric: Measured) -> list[str]:
    """How the intervals of means were made."""
    several = [stat for stat in metric.stats if stat is not None and stat.std is not None]
    with_one = [stat for stat in several if half_width(stat) is not None]
    said = ["Interval: 95 %, of the mean over seeds (Student's t)."] if with_one else []
    if len(with_one) < len(several):
        said.append("No interval of a mean where all seeds gave the same score.")
    return said


def seed_cells(metric: Measured, lines: Sequence[Line]) -> list[Cell]:
    """How many seeds of each row have the metric; of how many, and why, where some are missing."""
    cells = []
    for line, got in zip(lines, metric.values, strict=True):
        n, due = sum(value is not None for value in got), len(line.replicates)
        cells.append(Cell(n, text=str(n) if n == due else f"{n}/{due}", remarks=tuple(line.gaps)))
    return cells
