"""The rows of a sweep held to a budget: what `match` changes in them, and which of them `where` keeps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel

from pvt_exp.backbones import Width
from pvt_exp.config import ConfigError, Keys, field_of
from pvt_exp.config.match import Match
from pvt_exp.config.run import Run
from pvt_exp.config.sweep import Changes
from pvt_exp.config.where import Filter, costs_in
from pvt_exp.plan import called
from pvt_exp.plan.matching import Matched, Solution

Parts = tuple[tuple[Keys, Changes], ...]
"""Places in the sweep's file, and what changes there."""


@dataclass
class Spelled:
    """One configuration of the sweep, and all that it is called."""

    labels: list[dict[str, str]]
    places: list[Keys]
    """Where the sweep's file has each of them."""
    parts: Parts
    run: Run
    matched: Matched | None = None
    unmatched: str | None = None
    """Why `match` could not change it, and how far its cost is from the base's."""


class Problem(NamedTuple):
    """At which value of a field does a run cost the same as the base?"""

    run: Run
    base: Run
    field: str
    value: tuple[int, ...]
    units: tuple[int, ...]
    cost: str
    within: float
    single: bool = False
    """Whether the field is one number and not a list."""


class Count(Protocol):
    """What can be asked about costs: `pvt_exp.cost`."""

    def each(self, runs: Sequence[Run], memory: bool = ..., /) -> Sequence[Any]:
        """What the runs' models cost, or an object with the ``reason`` why that is not known."""

    def widths(self, runs: Sequence[Run], /) -> Sequence[Width | str]:
        """What makes each run's backbone wider, or why that is not known."""

    def solve(self, problems: Sequence[Problem], /) -> Sequence[Solution | str | None]:
        """The nearest solution of each, or the reason why nothing can be said."""


def match(
    wanted: Match, base: Run, rows: Sequence[Spelled], apply: Callable[[Parts], Run], count: Count, place: str
) -> list[Spelled]:
    """Scale a field of each row to the base's cost. Rows within the tolerance are unchanged, and rows without the field too,
    with a reason.

    ``apply`` makes the run of a row with one more change; ``place`` names the line of the sweep's file.

    Raises:
        ConfigError: for each row that has no such value, with the nearest; if no row has the field.
    """
    others = [row for row in rows if row.run.id != base.id]
    scaled = _by_width(others, count) if wanted.by is None else [_by_field(row, wanted.by, place) for row in others]
    problems = {
        id(row): Problem(row.run, base, found.field, found.value, found.units, wanted.cost, wanted.within, found.single)
        for row, found in zip(others, scaled, strict=True)
        if isinstance(found, Width)
    }
    without = [(row, found) for row, found in zip(others, scaled, strict=True) if isinstance(found, str)]
    if others and not problems:
        raise ConfigError(f"{place}: match{'.by' if wanted.by else ''}: {_nothing(wanted.by, without)}")
    solved = dict(zip(problems, count.solve(list(problems.values())), strict=True))
    unsolved: list[str] = []

    def changed(row: Spelled) -> Spelled:
        if (problem := problems.get(id(row))) is None:
            return row
        found = solved[id(row)]
        if isinstance(found, str):
            unsolved.append(f"{place}: match: {called(row.labels)} or the base cannot be counted: {found}")
            return row
        if found is None or abs(found.residual) > wanted.within:
            unsolved.append(f"{place}: match: {_no_solution(row, problem, found)}")
            return row
        if found.value == problem.value:
            return row
        if (why := _lost(row.run, problem.field)) is not None:
            unsolved.append(f"{place}: match: {called(row.labels)} needs {_told(problem, found)}, {why}")
            return row
        value = found.value[0] if problem.single else list(found.value)
        parts = (*row.parts, (("match",), {problem.field: value}))
        told = Matched(
            problem.field,
            problem.value,
            found.value,
            wanted.cost,
            found.residual,
            _starts_fresh(row.run, problem.field),
        )
        return replace(row, parts=parts, run=apply(parts), matched=told)

    made = [changed(row) for row in rows]
    if unsolved:
        raise ConfigError(unsolved)
    _tell_unmatched(wanted, base, without, count, place)
    return made


def _told(problem: Problem, found: Solution) -> str:
    after, before = ("-".join(map(str, each)) for each in (found.value, problem.value))
    return f"{problem.field} {after}, not {before}"


def _lost(run: Run, field: str) -> str | None:
    """Why a run cannot start from its weights where this field is scaled, if it cannot: they are of the model as written."""
    weights = run.backbone.pretrained
    if weights is None or weights.allow or not field.startswith("backbone."):
        return None
    return "and its backbone.pretrained does not fit then: list tensors that may start at random in `allow`, or leave it out"


def _starts_fresh(run: Run, field: str) -> bool:
    return run.backbone.pretrained is not None and field.startswith("backbone.")


def _by_field(row: Spelled, names: Sequence[str], place: str) -> Width | str:
    """The first of the fields that the row has; in words that it has none."""
    field, value = next(((name, v) for name in names if (v := field_of(row.run, name)) is not None), ("", None))
    if value is None:
        return f"it has no {' or '.join(names)}"
    entries = value if isinstance(value, tuple) else (value,)
    if not all(type(entry) is int for entry in entries):
        raise ConfigError(f"{place}: match.by: {field} has no whole numbers that could be scaled")
    units = row.run.backbone.units(field.removeprefix("backbone.")) if field.startswith("backbone.") else None
    return Width(field, entries, units or (1,) * len(entries), not isinstance(value, tuple))


def _by_width(rows: Sequence[Spelled], count: Count) -> list[Width | str]:
    """The width of each row's backbone; in words where it has none that is known."""
    widths = count.widths([row.run for row in rows])
    return [each._replace(field=f"backbone.{each.field}") if isinstance(each, Width) else each for each in widths]


def _nothing(by: Sequence[str] | None, without: Sequence[tuple[Spelled, str]]) -> str:
    if by:
        return f"no row has {' or '.join(by)}"
    return "; ".join(f"{called(row.labels)}: {why}" for row, why in without)


def _tell_unmatched(wanted: Match, base: Run, without: Sequence[tuple[Spelled, str]], count: Count, place: str) -> None:
    """Say of each row without the field why, and how far it is from the base, if that is too far."""
    if not without:
        return
    try:
        found = _counted([wanted.cost], base, [row for row, _ in without], count)
    except ConfigError as error:
        raise ConfigError(f"{place}: match: {problem}" for problem in error.problems) from None
    target, *costs = (getattr(each, wanted.cost) for each in found)
    for (row, why), cost in zip(without, costs, strict=True):
        residual = cost / target - 1
        if abs(residual) > wanted.within:
            row.unmatched = f"{why} ({wanted.cost} {100 * residual:+.1f} %)"


def _counted(wanted: Sequence[str], base: Run, rows: Sequence[Spelled], count: Count) -> Sequence[Any]:
    """What the base costs, and each of the rows.

    Raises:
        ConfigError: for each that lacks one of the ``wanted`` costs, with its name and the reason.
    """
    found = count.each([base, *(row.run for row in rows)], "memory" in wanted)
    problems = []
    for name, each in zip(["base", *(called(row.labels) for row in rows)], found, strict=True):
        reasons = [getattr(each, "reason", None), *(getattr(each, "uncounted", {}).get(word) for word in wanted)]
        problems += [f"{name} cannot be counted: {reason}" for reason in filter(None, reasons)][:1]
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    return found


def _no_solution(row: Spelled, problem: Problem, found: Solution | None) -> str:
    if found is None:
        return f"no {problem.field} gives {called(row.labels)} a model"
    due = f"{problem.cost} {found.target:,} within {100 * problem.within:g} %"
    near = f"{'-'.join(map(str, found.value))} has {found.cost:,} ({100 * found.residual:+.1f} %)"
    return f"no {problem.field} brings {called(row.labels)} to the base's {due}; the nearest, {near}"


def keep(where: str, base: Run, rows: Sequence[Spelled], count: Count | None, place: str) -> list[Spelled]:
    """The rows for which the filter holds; ``place`` names the line of the sweep's file.

    Raises:
        ConfigError: for what is no filter, and one that removes every row.
    """
    costs: dict[int, Any] = {}

    def cost_of(run: BaseModel) -> Any:
        return costs[id(run)]

    try:
        holds = Filter(where, cost_of)
        if (named := costs_in(where)) and count is not None:
            runs = [base, *(row.run for row in rows)]
            costs.update(zip(map(id, runs), _counted(named, base, rows, count), strict=True))
        holds.check([row.run for row in rows], base)
        kept = [row for row in rows if holds(row.run, base)]
    except ConfigError as error:
        raise ConfigError(f"{place}: where: {problem}" for problem in error.problems) from None
    if not kept:
        raise ConfigError(
            f"{place}: where: removes {'the only variant' if len(rows) == 1 else f'all {len(rows)} variants'}"
        )
    return kept
