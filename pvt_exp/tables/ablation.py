"""The ablation table: one row per variant, the base first, each metric over all seeds, and what is not comparable named."""

from collections.abc import Sequence
from typing import Literal

from pydantic import model_validator

from pvt_exp.config import ConfigError
from pvt_exp.config.metric_names import word_of
from pvt_exp.plan import called
from pvt_exp.system import spelling
from pvt_exp.tables import Source, Table, TableOf
from pvt_exp.tables._columns import make_columns
from pvt_exp.tables._marks import about, by_axis
from pvt_exp.tables._metrics import usual
from pvt_exp.tables._notes import numbered, some
from pvt_exp.tables._rows import Line, caption, collect, gaps
from pvt_exp.tables._words import wanted


class Settings(TableOf):
    """Every variant of a sweep under its axis, the base first."""

    kind: Literal["ablation"] = "ablation"
    sweep: str
    """The sweep whose results it shows, relative to this file."""
    metrics: tuple[str, ...] = ()
    """Of the columns that it shows by itself; empty: the task's own."""
    base: str | None = None
    """The row that differences are taken to, as it is called (``depth deep``, ``deep``); none: the sweep's base."""

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
        plan, found = source.plan, collect(source, self.epoch)
        base = self._base(found)
        lines = sorted(found, key=lambda line: line is not base)
        said = about(plan, lines, base)
        words, field = (self.columns, "columns") if self.columns else (self._usual(lines, base), "metrics")
        (made,) = make_columns(wanted(words, lines, field, base))
        cells = zip(*(shown.cells for shown in made.shown), strict=True)
        no_base = [] if base or not lines else ["No differences: the base is not among the rows."]
        every = (cell for shown in made.shown for cell in shown.cells)
        groups, notes = numbered(by_axis(lines, cells, base), gaps(found), (*made.said, *no_base, *said))
        return Table(
            name=plan.name,
            caption=caption(self.title or plan.name, plan.seeds, self.epoch, every),
            columns=tuple(shown.column for shown in made.shown),
            groups=groups,
            notes=notes,
            seeds=plan.seeds,
        )

    def _usual(self, lines: Sequence[Line], base: Line | None) -> list[str]:
        return [*map(word_of, self.metrics or usual(lines)), "n", *(["difference"] if base else []), "params", "macs"]

    def _base(self, lines: Sequence[Line]) -> Line | None:
        if self.base is None:
            return next((line for line in lines if line.variant.is_base), None)
        names: dict[str, Line] = {}
        for line in lines:
            labels = line.variant.labels
            for name in (called(labels), *(", ".join(label.values()) for label in labels if label)):
                names.setdefault(name, line)
        if self.base not in names:
            hint = spelling.hint(self.base, names, f"they are {some(names, 12)}", quote="'")
            raise ConfigError(f"base: no row is called '{self.base}'{hint}")
        return names[self.base]
