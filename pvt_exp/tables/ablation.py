"""The ablation table: a row a variant, the base first, each metric over all seeds, and what is not comparable named."""

from collections.abc import Sequence
from typing import Literal

from pydantic import model_validator

from pvt_exp.tables import Group, Note, Row, Source, Table, TableOf
from pvt_exp.tables._columns import Columns
from pvt_exp.tables._marks import about, row
from pvt_exp.tables._metrics import usual
from pvt_exp.tables._rows import Line, Notes, caption, collect


class Settings(TableOf):
    """Every variant of a sweep under its axis, the base first."""

    kind: Literal["ablation"] = "ablation"
    sweep: str
    """The sweep whose results it shows, relative to this file."""
    metrics: tuple[str, ...] = ()
    """Of the columns that it shows by itself; empty: the task's own."""

    @property
    def sweeps(self) -> tuple[str, ...]:
        return (self.sweep,)

    @model_validator(mode="after")
    def _one_choice(self) -> "Settings":
        if self.metrics and self.columns:
            raise ValueError("metrics has no effect beside columns, which can name metrics; leave one out")
        return self

    def build(self, sources: Sequence[Source]) -> Table:
        (source,) = sources
        plan, notes = source.plan, Notes()
        lines = sorted(collect(source, self.epoch, notes), key=lambda line: not line.variant.is_base)
        said = about(plan, lines, notes)
        columns = Columns(self.columns or self._usual(lines), lines, notes, "columns" if self.columns else "metrics")
        groups: dict[tuple[str, ...], list[Row]] = {}
        for line, cells in zip(lines, zip(*(shown.cells for shown in columns.shown), strict=True), strict=True):
            groups.setdefault(("base",) if line.variant.is_base else ("", *line.group), []).append(row(line, cells))
        every = (cell for shown in columns.shown for cell in shown.cells)
        return Table(
            name=plan.name,
            caption=caption(self.title or plan.name, plan.seeds, self.epoch, every),
            columns=tuple(shown.column for shown in columns.shown),
            groups=tuple(Group(_heading(key), tuple(rows)) for key, rows in groups.items()),
            notes=(*notes.finish(), *(Note("", text) for text in (*columns.said, *said))),
            seeds=plan.seeds,
        )

    def _usual(self, lines: Sequence[Line]) -> list[str]:
        based = any(line.variant.is_base for line in lines)
        return [*(self.metrics or usual(lines)), "n", *(["difference"] if based else []), "params", "macs"]


def _heading(key: Sequence[str]) -> str:
    return "" if key[0] == "base" else ", ".join(filter(None, key))
