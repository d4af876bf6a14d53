"""The comparison table, as in the papers' Tables 2 to 5: one row per backbone, and columns for each task or schedule.

Rows are the choices of one axis, matched by name over all sweeps; every choice of the other axes, and every sweep, gives a
group of columns under a heading. Rows are ranked within a column only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import ConfigDict, Field, model_validator

from pvt_exp.config import ConfigError, Frozen
from pvt_exp.config.metric_names import word_of
from pvt_exp.tables import Cell, Column, Group, Remark, Row, Source, Table, TableOf, names_its_kind
from pvt_exp.tables._columns import Columns, Shown, make_columns
from pvt_exp.tables._marks import about, joined
from pvt_exp.tables._metrics import usual
from pvt_exp.tables._notes import numbered, remarked
from pvt_exp.tables._rows import Line, caption, collect, gaps, in_words
from pvt_exp.tables._words import Wanted, wanted

if TYPE_CHECKING:
    from pvt_exp.plan import Plan

ONCE = ("cost", "count", "setting")
"""Kinds of columns that are shown once, before the groups, where all groups say the same."""


class Part(Frozen):
    """One sweep of a comparison."""

    sweep: str
    """Relative to this file."""
    title: str | None = None
    """The heading of its columns; none: the sweep's name, or what it is of the other axes."""
    columns: tuple[str, ...] = ()
    """Instead of the table's."""


def _sweep_or_parts(schema: dict[str, Any]) -> None:
    """In JSON Schema: one of both, as `Settings._one_way` has it."""
    names_its_kind(schema)
    ways = {"sweep": {"type": "string"}, "parts": {"minItems": 1}}
    schema["oneOf"] = [{"required": [name], "properties": {name: way}} for name, way in ways.items()]


class Settings(TableOf):
    """One row per backbone, or per choice of another axis; one group of columns per sweep and choice of the other axes."""

    model_config = ConfigDict(json_schema_extra=_sweep_or_parts)

    kind: Literal["comparison"] = "comparison"
    sweep: str | None = None
    """The sweep whose results it shows, relative to this file; several are `parts`."""
    parts: tuple[Part, ...] = Field(())
    """The sweeps, from left to right."""
    rows: str | None = None
    """The axis whose choices are the rows; none: each sweep's first."""

    @model_validator(mode="after")
    def _one_way(self) -> "Settings":
        if (self.sweep is None) == (not self.parts):
            raise ValueError("a comparison has either sweep or parts")
        return self

    @property
    def sweeps(self) -> tuple[str, ...]:
        return tuple(part.sweep for part in self._parts)

    @property
    def _parts(self) -> tuple[Part, ...]:
        return self.parts or (Part(sweep=self.sweep or ""),)

    def build(self, sources: Sequence[Source]) -> Table:
        self._check_rows([source.plan for source in sources])
        one = len({source.plan.seeds for source in sources}) == 1
        lines = [collect(source, self.epoch) for source in sources]
        told = [about(source.plan, own) for source, own in zip(sources, lines, strict=True)]
        blocks = self._blocks(sources, lines)
        said = list[tuple[str, list[str]]]()
        for i, (part, source) in enumerate(zip(self._parts, sources, strict=True)):
            of_columns = [text for block in reversed(blocks) if block.part == i for text in block.columns.said]
            seeds_of = [] if one else [f"seeds {in_words(source.plan.seeds)}."]
            said.append((part.title or source.plan.name, list(dict.fromkeys([*seeds_of, *of_columns, *told[i]]))))
        heads, rows = _table(blocks)
        missing = gaps(line for own in lines for line in own)
        groups, notes = numbered([Group("", rows)] if rows else [], missing, _once_said(said))
        seeds = tuple(dict.fromkeys(seed for source in sources for seed in source.plan.seeds))
        name = "+".join(dict.fromkeys(source.plan.name for source in sources))
        return Table(
            name=name,
            caption=caption(
                self.title or name, seeds if one else None, self.epoch, (c for row in rows for c in row.cells)
            ),
            columns=heads,
            groups=groups,
            notes=notes,
            seeds=seeds,
            head=self.rows or next(iter(sources[0].plan.axes), "variant"),
        )

    def _blocks(self, sources: Sequence[Source], lines: Sequence[list[Line]]) -> "list[_Block]":
        """The groups of columns, from left to right."""
        asked, groups = list[tuple[str, dict[str, Line], str, int]](), list[Wanted]()
        for i, (part, source) in enumerate(zip(self._parts, sources, strict=True)):
            for heading, named in _split(source.plan, lines[i], self.rows, part.title, len(sources) > 1):
                own = list(named.values())
                words = part.columns or self.columns or ["params", "macs", *map(word_of, usual(own))]
                base = named.get(_base_name(source.plan, self.rows) or "")
                try:
                    groups.append(wanted(words, own, f"parts.{i}.columns" if part.columns else "columns", base))
                except ConfigError as error:
                    raise ConfigError(f"{problem} (of {source.plan.name})" for problem in error.problems) from None
                asked.append((heading, named, source.plan.name, i))
        _check_headings([heading for heading, *_ in asked])
        return [_Block(*each, columns) for each, columns in zip(asked, make_columns(*groups), strict=True)]

    def _check_rows(self, plans: "Sequence[Plan]") -> None:
        axes = list(dict.fromkeys(axis for plan in plans for axis in plan.axes))
        if self.rows is not None and self.rows not in axes:
            raise ConfigError(f"rows: no sweep has the axis '{self.rows}'; they have {', '.join(axes) or 'none'}")


def _once_said(said: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """What is said of each sweep, behind its title unless it is said of all."""
    texts = dict.fromkeys(text for _, each in said for text in each)
    return [
        text if all(text in each for _, each in said) else f"{', '.join(t for t, each in said if text in each)}: {text}"
        for text in texts
    ]


class _Block(NamedTuple):
    """A group of columns: some rows of one sweep."""

    heading: str
    lines: dict[str, Line]
    """By the names of their rows."""
    sweep: str
    part: int
    columns: Columns

    @property
    def shown(self) -> Sequence[Shown]:
        return self.columns.shown


def _base_name(plan: "Plan", rows: str | None) -> str | None:
    """The row that the base of the sweep is in: in each group of columns, differences are to that one."""
    base = next((variant for variant in plan.variants if variant.is_base), None)
    return None if base is None else plan.coordinates(base).get(_row_axis(plan, rows), base.name)


def _row_axis(plan: "Plan", rows: str | None) -> str:
    return rows if rows in plan.axes else next(iter(plan.axes), "")


def _split(
    plan: "Plan", lines: Sequence[Line], rows: str | None, title: str | None, several: bool
) -> Iterator[tuple[str, dict[str, Line]]]:
    """The sweep's lines by the names of their rows, for each choice of its other axes, with a heading."""
    axis = _row_axis(plan, rows)
    blocks: dict[tuple[str, ...], dict[str, Line]] = {}
    for line in lines:
        place = plan.coordinates(line.variant)
        name = place.pop(axis, line.variant.name)
        line.name = ", ".join([name, *place.values()])
        row = blocks.setdefault(tuple(place.values()), {})
        if name in row:
            raise ConfigError(f"sweep: two rows would be called '{name}'; call the choice of '{axis}' otherwise")
        row[name] = line
    for others, named in blocks.items():
        words = [title] if title else [plan.name] if several and not any(others) else []
        yield " ".join(filter(None, [*words, ", ".join(others)])), named


def _check_headings(headings: Sequence[str]) -> None:
    for i, heading in enumerate(headings):
        if heading in headings[:i]:
            raise ConfigError(f"parts: two groups of columns are called '{heading}'; give them titles of their own")


def _table(blocks: Sequence[_Block]) -> tuple[tuple[Column, ...], tuple[Row, ...]]:
    """The columns from left to right, and the rows in the order in which the sweeps name them."""
    names = list(dict.fromkeys(name for block in blocks for name in block.lines))
    cells: dict[str, list[Cell]] = {name: [] for name in names}
    columns: list[Column] = []
    once = _once(blocks)
    for key in once:
        columns.append(next(shown.column for shown in blocks[0].shown if shown.column.key == key))
        for name in names:
            cells[name].append(_any(blocks, name, key))
    remarks = {name: _remarks([block.lines[name] for block in blocks if name in block.lines]) for name in names}
    before = dict.fromkeys(names, 0)
    for block in blocks:
        many = len(blocks) > 1
        shown = [each for each in block.shown if each.column.key not in once]
        for i, (column, made, _) in enumerate(shown):
            prefix = f"{block.heading}: " if many else ""
            columns.append(replace(column, key=prefix + column.key, heading=block.heading if many else ""))
            of = dict(zip(block.lines, made, strict=True))
            for name in names:
                if name not in of:
                    absent = (Remark(f"{block.sweep} has no such row", name),) if i == 0 else ()
                    cells[name].append(Cell(missing="no run", remarks=absent))
                    continue
                own = [each for each in block.lines[name].remarks if each not in remarks[name]]
                cell = of[name]._replace(first=before[name])
                cells[name].append(remarked(cell, *own) if i == 0 else cell)
        for name, line in block.lines.items():
            before[name] += len(line.replicates)
    rows = (
        joined(name, [block.lines[name] for block in blocks if name in block.lines], cells[name], remarks[name])
        for name in names
    )
    return tuple(columns), tuple(rows)


def _once(blocks: Sequence[_Block]) -> list[str]:
    """The columns that every group has and in which no row differs between them."""
    if len(blocks) < 2:
        return []
    found: list[dict[str, dict[str, str]]] = []
    for block in blocks:
        texts = {
            shown.column.key: {
                name: cell.text for name, cell in zip(block.lines, shown.cells, strict=True) if cell.text
            }
            for shown in block.shown
            if shown.column.kind in ONCE
        }
        found.append(texts)
    first, *others = found
    return [
        key
        for key in first
        if all(key in other for other in others)
        and all(
            len({each[key][name] for each in found if name in each[key]}) <= 1
            for name in dict.fromkeys(name for each in found for name in each[key])
        )
    ]


def _any(blocks: Sequence[_Block], name: str, key: str) -> Cell:
    """The row's cell of a column that is shown once: the first that has something to show, with the remarks of all."""
    cells = [
        dict(zip(block.lines, shown.cells, strict=True))[name]
        for block in blocks
        if name in block.lines
        for shown in block.shown
        if shown.column.key == key
    ]
    marks = dict.fromkeys(mark for cell in cells for mark in cell.marks)
    remarks = (remark for cell in cells for remark in cell.remarks)
    return next((cell for cell in cells if cell.text), cells[0])._replace(marks=tuple(marks), remarks=tuple(remarks))


def _remarks(lines: Sequence[Line]) -> list[Remark]:
    """The remarks that are of the whole row, because each of its lines has them."""
    return [each for line in lines for each in line.remarks if all(each in other.remarks for other in lines)]
