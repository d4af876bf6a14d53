"""The reproduction table: our results beside published figures, and whether they are within the tolerance."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field

from pvt_exp.config import ConfigError
from pvt_exp.config.metric_names import word_of
from pvt_exp.tables import Column, Group, Source, Table, TableOf
from pvt_exp.tables._columns import Shown, make_columns
from pvt_exp.tables._heads import keyed
from pvt_exp.tables._marks import about, row
from pvt_exp.tables._metrics import Measured, describe, measure, tasks_of, usual
from pvt_exp.tables._notes import numbered
from pvt_exp.tables._published import (
    Deviations,
    about_costs,
    about_deviations,
    about_sources,
    cost_cells,
    deviations,
    figures,
    sources_of,
    value_cells,
    value_column,
)
from pvt_exp.tables._rows import Line, caption, collect, gaps
from pvt_exp.tables._starts import start_of
from pvt_exp.tables._words import wanted


class Settings(TableOf):
    """The rows of a sweep beside what it says is ``published`` of them. Each metric, and params and macs, of ``columns``
    gets the published figures beside it; empty: the task's first metric, n, params and macs.
    """

    kind: Literal["reproduction"] = "reproduction"
    sweep: str
    """The sweep whose results it shows, relative to this file; its `published` names the figures."""
    tolerance: float = Field(0.3, ge=0)
    """How far ours may be from a published figure, in the points of the metric."""

    @property
    def sweeps(self) -> tuple[str, ...]:
        return (self.sweep,)

    def build(self, sources: Sequence[Source]) -> Table:
        (source,) = sources
        plan = source.plan
        if not any(variant.published for variant in plan.variants):
            raise ConfigError(
                "sweep: no row of it has published figures; write published in the sweep, docs/published.md"
            )
        lines = collect(source, self.epoch)
        said = about(plan, lines)
        whence = about_sources(lines)
        words = self.columns or [word_of(usual(lines)[0]), "n", "params", "macs"]
        (made,) = make_columns(wanted(words, lines), as_published=True)
        shown: list[Shown] = []
        told: list[str] = []
        for each in made.shown:
            if each.column.kind == "metric":
                shown.append(_ours(each))
                beside, about_it = self._beside(measure(describe(each.metric, tasks_of(lines)), lines), lines)
            else:
                beside, about_it = _counted(each, lines)
            shown += beside
            told += about_it
        rows = [
            row(line, cells) for line, cells in zip(lines, zip(*(s.cells for s in shown), strict=True), strict=True)
        ]
        runs = [line.variant.runs[0] for line in lines]
        if not any(map(start_of, runs)) and runs[0].task.kind != "classification":  # others are published with weights
            told.append("Ours start from random weights.")
        general = (*told, *made.said, *whence, *said)
        groups, notes = numbered([Group("", tuple(rows))], gaps(lines), general)
        title = self.title or f"{plan.name} beside its published figures"
        return Table(
            name=plan.name,
            caption=caption(f"{title} (tolerance {self.tolerance:g})", plan.seeds, self.epoch, ()),
            columns=tuple(keyed([each.column for each in shown])),
            groups=groups,
            notes=notes,
            seeds=plan.seeds,
        )

    def _beside(self, metric: Measured, lines: Sequence[Line]) -> tuple[list[Shown], list[str]]:
        """What the sources have of a metric, and how far ours is from each; what the reader must know of it."""
        shown: list[Shown] = []
        compared: list[Deviations] = []
        said: list[str] = []
        for name in sources_of(lines, metric.name):
            found = figures(lines, name, metric.name)
            column = value_column(metric.metric, found)
            shown.append(Shown(column, value_cells(lines, found, metric.name)))
            each = deviations(metric, found, self.tolerance)
            if same := next((one for one in compared if _repeats(each, one, metric.name)), None):
                said.append(f"{each.source} has the figures of {same.source}.")
                continue
            compared.append(each)
            head = Column(f"{column.key}_difference", "Δ", "deviation", column.heading)
            shown.append(Shown(head, each.cells(lines)))
            said.append(each.about(lines))
        return shown, ([about_deviations(metric, compared), *said] if compared else [])


def _ours(each: Shown) -> Shown:
    """The column of our own figures: none of them is best, as they are rows of others."""
    column = replace(each.column, heading="ours")
    return each._replace(column=column, cells=[cell._replace(best=False, second=False) for cell in each.cells])


def _repeats(later: Deviations, earlier: Deviations, metric: str) -> bool:
    """Whether a source says only what another one says of the same rows."""
    return all(
        f is None or (other is not None and f.metrics[metric] == other.metrics[metric])
        for f, other in zip(later.figures, earlier.figures, strict=True)
    )


def _counted(each: Shown, lines: Sequence[Line]) -> tuple[list[Shown], list[str]]:
    """Parameters or MACs, ours and published; any other column as it is."""
    key, title = each.column.key, each.column.title
    cells = cost_cells(lines, key) if key in ("params", "macs") else []
    if not any(cell.text for cell in cells):
        return [each], []
    ours = Column(key, "ours", "cost", title)
    return [Shown(ours, each.cells), Shown(Column(f"{key}_published", "publ.", "published", title), cells)], (
        about_costs(cells)
    )
