"""The columns of a table: the cells that each word means, and what a reader must know of them.

``difference``, ``p`` and ``interval`` are of the first metric; ``difference(loss)`` is of another one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pvt_exp.config.metric_names import word_of
from pvt_exp.tables import Cell, Column, Remark
from pvt_exp.tables._costs import (
    about_hardware,
    about_sizes,
    count_cells,
    mark_counts,
    mark_hardware,
    mark_sizes,
    memory_cells,
    time_cells,
)
from pvt_exp.tables._differences import Differences, about_differences, about_noise, differences
from pvt_exp.tables._heads import keyed, titled
from pvt_exp.tables._metrics import (
    Measured,
    about_intervals,
    about_metric,
    describe,
    interval_cells,
    measure,
    metric_cells,
    seed_cells,
    tasks_of,
)
from pvt_exp.tables._published import about_sources, first_cells
from pvt_exp.tables._rows import Line
from pvt_exp.tables._settings import setting_cell
from pvt_exp.tables._words import KINDS_OF_A_METRIC, Wanted


class Shown(NamedTuple):
    """A column with its cells, one a line."""

    column: Column
    cells: list[Cell]
    metric: str = ""
    """That a column of the kind ``metric`` is of."""


@dataclass(frozen=True)
class Columns:
    """Columns of some rows of one sweep; see `make_columns`."""

    shown: tuple[Shown, ...]
    said: tuple[str, ...]
    """What a reader must know of them."""


def make_columns(*groups: Wanted, as_published: bool = False) -> list[Columns]:
    """All columns of a table, one group beside the other.

    The p of differences are corrected for all differences of the table; sizes have one unit in all its rows.

    Args:
        groups: What is wanted, of the rows of each group.
        as_published: Whether sizes are in the units of what is published.
    """
    measured = [_measure(group) for group in groups]
    compared = [(i, name) for i, group in enumerate(groups) for name in group.metrics("difference", "p")]
    found = differences([(measured[i][name], groups[i].lines, groups[i].base) for i, name in compared])
    among = [line for group in groups for line in group.lines]
    made = []
    for i, group in enumerate(groups):
        own = {name: each for (of, name), each in zip(compared, found, strict=True) if of == i}
        made.append(_Group(group, measured[i], own, among, as_published).columns())
    return made


def _measure(group: Wanted) -> dict[str, Measured]:
    """The metrics that columns are of."""
    names = dict.fromkeys([group.first, *group.metrics(*KINDS_OF_A_METRIC)])
    tasks = tasks_of(group.lines)
    return {name: measure(describe(name, tasks), group.lines) for name in names}


class _Group(NamedTuple):
    """What the columns of some rows are made of."""

    wanted: Wanted
    measured: Mapping[str, Measured]
    differences: Mapping[str, Differences]
    among: Sequence[Line]
    """All rows of the table."""
    as_published: bool

    def columns(self) -> Columns:
        if "n" not in self.wanted.words:
            _tell_counts(self.wanted.lines)
        made = [self._shown(*meant) for meant in self.wanted.meant]
        heads = titled(keyed([each.column for each in made]))
        shown = tuple(each._replace(column=column) for each, column in zip(made, heads, strict=True))
        return Columns(shown, tuple(dict.fromkeys(self._said())))

    def _said(self) -> list[str]:
        wanted, lines, said = self.wanted, self.wanted.lines, list[str]()
        for of in reversed([*self.differences.values()]):
            said += [*about_differences(of), *about_noise(of)]
        for name in wanted.metrics("interval")[:1]:
            said += about_intervals(self.measured[name])
        if "macs" in wanted.words:
            said += about_sizes(lines)
        for name in wanted.metrics(*KINDS_OF_A_METRIC):
            said += about_metric(name, lines)
        if "published" in wanted.words:
            said += about_sources(lines)
        if {"seconds", "peak_memory_bytes"} & set(wanted.words):
            said += about_hardware(lines)
        return said

    def _shown(self, kind: str, name: str) -> Shown:
        """The column of one word."""
        lines = self.wanted.lines
        if kind in KINDS_OF_A_METRIC:
            return self._of_a_metric(kind, name)
        match kind:
            case "n":
                return Shown(Column("n", "n", "count"), seed_cells(self.measured[self.wanted.first], lines))
            case "seconds" | "peak_memory_bytes":
                head, cells = (time_cells if kind == "seconds" else memory_cells)(lines, self.among)
                mark_hardware(lines, cells)
                return Shown(Column(kind, head, "cost"), cells)
            case "published":
                unit = self.measured[self.wanted.first].metric.unit
                head = f"published ({unit})" if unit else "published"
                return Shown(Column("published", head, "published"), first_cells(lines, self.wanted.first))
            case "setting":
                return Shown(Column(name, name, "setting"), [setting_cell(line, name) for line in lines])
        head, cells = count_cells(lines, kind, self.among, self.as_published)
        mark_counts(lines, kind, cells)
        if kind == "macs":
            mark_sizes(lines, cells)
        return Shown(Column(kind, head, "cost"), cells)

    def _of_a_metric(self, kind: str, name: str) -> Shown:
        lines, first, metric = self.wanted.lines, self.wanted.first, self.measured[name].metric
        of, told = "" if name == first else f" {metric.title}", (metric.unit, metric.larger_is_better)
        key = kind if name == first and kind in self.wanted.words else f"{kind}_{word_of(name)}"
        match kind:
            case "difference":
                cells = self.differences[name].cells()
                return Shown(Column(key, f"Δ {metric.title}", "difference", "", *told), cells)
            case "p":
                return Shown(Column(key, f"p{of}", "p"), self.differences[name].p_cells())
            case "interval":
                cells = interval_cells(self.measured[name], lines)
                return Shown(Column(key, f"95 % interval{of}", "interval", "", *told), cells)
        cells = metric_cells(self.measured[name], lines)
        return Shown(Column(word_of(name), metric.head, "metric", "", *told), cells, name)


def _tell_counts(lines: Sequence[Line]) -> None:
    """Mark the rows that lack seeds, where no column says so."""
    for line in lines:
        if 0 < (n := len(line.results)) < (due := len(line.replicates)):
            line.told += [Remark(f"n is {n} of {due}"), *line.gaps]
