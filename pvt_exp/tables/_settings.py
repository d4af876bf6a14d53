"""Columns of settings: fields of the rows' runs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from pvt_exp.tables import Cell
from pvt_exp.tables._rows import Line

ABSENT = object()
"""The value of a field that a run has not got, as another kind of component has it."""


def is_setting(lines: Sequence[Line], dotted: str) -> bool:
    """Whether the first run of any row has ``backbone.depths`` or ``backbone.depths.2``."""
    return any(_setting_of(line.variant.runs[0], dotted) is not ABSENT for line in lines)


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


def names_of(lines: Sequence[Line]) -> list[str]:
    """The fields that runs have, dotted."""
    return list(dict.fromkeys(name for line in lines[:100] for name in _fields(line.variant.runs[0])))


def _names(value: Any) -> Sequence[str]:
    return list(type(value).model_fields) if isinstance(value, BaseModel) else []


def _fields(value: Any, before: str = "") -> Iterator[str]:
    for name in _names(value):
        yield before + name
        yield from _fields(getattr(value, name), f"{before}{name}.")


def setting_cell(line: Line, dotted: str) -> Cell:
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
