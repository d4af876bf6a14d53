"""The words of ``columns``, and the cells that each of them means.

``difference``, ``p`` and ``interval`` are of the first metric; ``difference(loss)`` is of another one.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel

from pvt_exp.config import ConfigError
from pvt_exp.config.metric_names import OF_A_METRIC, is_taken, word_of
from pvt_exp.system import spelling
from pvt_exp.tables import Cell, Column
from pvt_exp.tables._costs import (
    COUNTS,
    about_hardware,
    count_cells,
    mark_counts,
    mark_hardware,
    mark_sizes,
    memory_cells,
    time_cells,
)
from pvt_exp.tables._differences import Differences, about_differences, about_noise, correct
from pvt_exp.tables._heads import keyed, titled
from pvt_exp.tables._metrics import (
    Measured,
    about_intervals,
    about_metric,
    describe,
    found_in,
    interval_cells,
    measure,
    metric_cells,
    seed_cells,
    tasks_of,
    usual,
)
from pvt_exp.tables._published import about_sources, first_cells
from pvt_exp.tables._rows import Line, Notes

WORDS = ("n", "interval", "difference", "p", *COUNTS, "seconds", "peak_memory_bytes", "published")
"""What a column can be besides a metric and a setting."""
KINDS_OF_A_METRIC = ("metric", "interval", "difference", "p")


class Shown(NamedTuple):
    """A column with its cells, one a line."""

    column: Column
    cells: list[Cell]
    metric: str = ""
    """That a column of the kind ``metric`` is of."""


def fill(*table: "Columns") -> None:
    """Make the cells of all columns that a table has, in which p is corrected for all of its differences."""
    correct([of for columns in table for of in columns._differences.values()])
    for columns in table:
        columns.among = [line for each in table for line in each.lines]
        columns._fill()


class Columns:
    """The columns that the ``words`` mean for some lines, and in `said` what a reader must know of them; see `fill`.

    Args:
        words: In the order of the columns.
        lines: The rows, of one sweep.
        notes: Where marks come from.
        field: Of the settings, that errors begin with.
        base: The row that differences are to; none: the sweep's base, if it is among the rows.

    Raises:
        ConfigError: for a word that means nothing here.
    """

    def __init__(
        self,
        words: Sequence[str],
        lines: Sequence[Line],
        notes: Notes,
        field: str = "columns",
        base: Line | None = None,
    ) -> None:
        self.lines, self.notes, self.words = lines, notes, words
        self.shown: list[Shown] = []
        self.base = base or next((line for line in lines if line.variant.is_base), None)
        self.said: list[str] = []
        self.among: Sequence[Line] = lines
        """All rows of the table, whose sizes have one unit."""
        self.beside_published = False
        """Whether sizes are in the units of what is published."""
        self._found, self._tasks = found_in(lines), tasks_of(lines)
        self._measured: dict[str, Measured] = {}
        self._differences: dict[str, Differences] = {}
        for i, word in enumerate(words):
            if word in words[:i]:
                raise ConfigError(f"{field}.{i}: the column {word} stands here twice")
        read = [self._read(word, f"{field}.{i}") for i, word in enumerate(words)]
        self.first = next((name for kind, name in read if kind == "metric"), usual(lines)[0])
        """The metric that differences are of."""
        self._meant = [(kind, name or self.first) for kind, name in read]
        for i, meant in enumerate(self._meant):
            if meant in self._meant[:i]:
                first = words[self._meant.index(meant)]
                raise ConfigError(
                    f"{field}.{i}: the column {words[i]} is {first}, which stands here; write one of them"
                )
        for name in dict.fromkeys(name for kind, name in self._meant if kind in ("difference", "p")):
            self._differences[name] = Differences(self._measure(name), lines, self.base)

    def _fill(self) -> None:
        if "n" not in self.words:
            self._tell_counts()
        made = [self._make(*meant) for meant in self._meant]
        columns = titled(keyed([each.column for each in made]))
        self.shown = [each._replace(column=column) for each, column in zip(made, columns, strict=True)]
        for name in [name for kind, name in self._meant if kind == "interval"][:1]:
            self.said[:0] = about_intervals(self._measure(name))
        for of in self._differences.values():
            self.said[:0] = [*about_differences(of), *about_noise(of)]
        for name in dict.fromkeys(name for kind, name in self._meant if kind in KINDS_OF_A_METRIC):
            self.said += about_metric(name, self.lines, self.notes)
        if "published" in self.words:
            self.said += about_sources(self.lines, self.notes)
        if {"seconds", "peak_memory_bytes"} & set(self.words):
            self.said += about_hardware(self.lines)
        self.said = list(dict.fromkeys(self.said))

    def _read(self, word: str, field: str) -> tuple[str, str]:
        """What kind of column a word means, and of which metric or setting."""
        if of := OF_A_METRIC.fullmatch(word):
            named = self._found_as(of[2]) or _bare(of[2]) if of[2] else ""
            if named and self._found and named not in self._found:
                raise ConfigError(f"{field}: {word}: no result has {of[2]}; they have {', '.join(self._found)}")
            if of[1] != "interval" and self.base is None and self.lines:
                told = "differences are to the base, which is not among the rows"
                raise ConfigError(f"{field}: {word}: {told}; name another row of an ablation as base, or leave it out")
            return of[1], named
        if word in WORDS:
            return word, word
        metric = self._found_as(word)
        if metric and (metric != word or not is_taken(word)):
            return "metric", metric
        if any(setting(line, word) is not ABSENT for line in self.lines):
            return "setting", word
        if metric:
            return "metric", metric
        known = [*WORDS, *map(word_of, self._found), *self._settings()]
        near = spelling.near(word, known, least=0.6 if self._found else 0.8)
        if not self._found and not near and _bare(word).isidentifier():
            return "metric", _bare(word)  # nothing is trained yet that could say which metrics there are
        any_of = f"; it can be {', '.join([*WORDS, *map(word_of, self._found)])}, or a field of a run"
        raise ConfigError(f"{field}: unknown column '{word}'{spelling.meant(near) or any_of}")

    def _found_as(self, word: str) -> str | None:
        """The metric that a word is the name of, or ``metrics.`` and the name; none: no result has it."""
        return next((name for name in (word, _bare(word)) if name in self._found), None)

    def _tell_counts(self) -> None:
        """Mark the rows that lack seeds, where no column says so."""
        for line in self.lines:
            if 0 < (n := len(line.results)) < (due := len(line.replicates)):
                line.told += [self.notes.mark(f"n is {n} of {due}"), *dict.fromkeys(line.gaps)]

    def _settings(self) -> list[str]:
        return list(dict.fromkeys(name for line in self.lines[:100] for name in _fields(line.variant.runs[0])))

    def _measure(self, name: str) -> Measured:
        if name not in self._measured:
            self._measured[name] = measure(describe(name, self._tasks), self.lines)
        return self._measured[name]

    def _make(self, kind: str, name: str) -> Shown:
        lines = self.lines
        metric = describe(name, self._tasks)
        of, told = "" if name == self.first else f" {metric.title}", (metric.unit, metric.larger_is_better)
        key = kind if name == self.first and kind in self.words else f"{kind}_{word_of(name)}"
        match kind:
            case "metric":
                cells = metric_cells(self._measure(name), lines, self.notes)
                return Shown(Column(word_of(name), metric.head, "metric", "", *told), cells, name)
            case "n":
                return Shown(Column("n", "n", "count"), seed_cells(self._measure(self.first), lines))
            case "difference":
                cells = self._differences[name].cells(self.notes)
                return Shown(Column(key, f"Δ {metric.title}", "difference", "", *told), cells)
            case "p":
                return Shown(Column(key, f"p{of}", "p"), self._differences[name].p_cells())
            case "interval":
                cells = interval_cells(self._measure(name), lines)
                return Shown(Column(key, f"95 % interval{of}", "interval", "", *told), cells)
            case "seconds":
                head, cells = time_cells(lines, self.among)
                mark_hardware(lines, cells, self.notes)
                return Shown(Column("seconds", head, "cost"), cells)
            case "peak_memory_bytes":
                head, cells = memory_cells(lines, self.among)
                mark_hardware(lines, cells, self.notes)
                return Shown(Column("peak_memory_bytes", head, "cost"), cells)
            case "published":
                unit = describe(self.first, self._tasks).unit
                head = f"published ({unit})" if unit else "published"
                return Shown(Column("published", head, "published"), first_cells(lines, self.first))
            case "setting":
                return Shown(
                    Column(name, name, "setting"),
                    [_setting_cell(line, name) for line in lines],
                )
        head, cells = count_cells(lines, kind, self.among, self.beside_published)
        mark_counts(lines, kind, cells, self.notes)
        if kind == "macs":
            self.said += mark_sizes(lines, cells, self.notes)
        return Shown(Column(kind, head, "cost"), cells)


def _bare(word: str) -> str:
    """The name of a metric that is written ``metrics.NAME``, because tables mean something else by NAME."""
    return word.removeprefix("metrics.")


# ---------------------------------------------------------------- settings

ABSENT = object()
"""The value of a field that a run has not got, as another kind of component has it."""


def setting(line: Line, dotted: str) -> Any:
    """The value of ``backbone.depths`` or ``backbone.depths.2`` in the row's first run."""
    return _setting_of(line.variant.runs[0], dotted)


def _setting_of(run: BaseModel, dotted: str) -> Any:
    value: Any = run
    for word in dotted.split("."):
        if isinstance(value, tuple | list) and word.isdecimal() and int(word) < len(value):
            value = value[int(word)]
        elif isinstance(value, Mapping):
            value = value.get(word, ABSENT)
        else:
            value = getattr(value, word, ABSENT) if word in _names(value) else ABSENT
    return value


def _names(value: Any) -> Sequence[str]:
    return list(type(value).model_fields) if isinstance(value, BaseModel) else []


def _fields(value: Any, before: str = "") -> Iterator[str]:
    for name in _names(value):
        yield before + name
        yield from _fields(getattr(value, name), f"{before}{name}.")


def _setting_cell(line: Line, dotted: str) -> Cell:
    """What all runs of the row have; each value once where they differ, as in ``seed``."""
    values = [_setting_of(run, dotted) for run in line.variant.runs]
    return Cell(text=", ".join(dict.fromkeys(_word(value) for value in values if value is not ABSENT)))


def _word(value: Any) -> str:
    if isinstance(value, BaseModel):
        return str(getattr(value, "kind", "given"))
    if isinstance(value, tuple | list):
        return ", ".join(map(_word, value))
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return repr(value) if isinstance(value, float) else str(value)
