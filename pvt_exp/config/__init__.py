"""YAML to a frozen pydantic model, where every error names file, line and field."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from pvt_exp.config import ambiguous, reading
from pvt_exp.config.document import Document, Keys, Whole, merge, put, split, twice
from pvt_exp.config.errors import ConfigError, DataError
from pvt_exp.config.explain import explain
from pvt_exp.config.reading import beside, override, parse, read

__all__ = [
    "DOTTED",
    "PLAIN",
    "ConfigError",
    "DataError",
    "Document",
    "Frozen",
    "Keys",
    "beside",
    "explain",
    "field_of",
    "load",
    "make",
    "merge",
    "or_null",
    "or_text",
    "override",
    "parse",
    "put",
    "read",
    "split",
    "twice",
    "validate",
    "whole",
]

M = TypeVar("M", bound=BaseModel)
PLAIN = frozenset((str, int, float, bool, type(None)))
"""Types of which there is nothing inside to look at."""


class Frozen(BaseModel):
    """Base of all that can be configured: immutable, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


DOTTED = "x-dotted"
"""Marks in a JSON Schema what is written by dotted fields of a run: ``changes``, a ``space``, or the name of ``numbers``."""


def or_text(schema: dict[str, Any]) -> None:
    """For the JSON Schema of a field whose mapping may be written as one text too."""
    schema["anyOf"].insert(0, {"type": "string"})


def or_null(schema: dict[str, Any]) -> None:
    """For the JSON Schema of a field that null leaves to its default."""
    schema["type"] = [schema["type"], "null"]


def validate(model: type[M], document: Document) -> M:
    """Make the model of what was written.

    Raises:
        ConfigError: all that is wrong at once, a line each: ``file:line: field: why; did you mean``.
    """
    try:
        return make(model, document.value)
    except ValidationError as error:
        raise ConfigError(explain(error, model, document)) from None


def make(model: type[M], value: Any) -> M:
    """The model of plain values, lists for tuples; raises pydantic's own ValidationError."""
    doubtful: list[reading.Doubtful] = []
    plain = _immutable(value, doubtful)
    if doubtful and (found := list(ambiguous.refused(model, value))):
        raise ValidationError.from_exception_data(
            model.__name__,
            [
                InitErrorDetails(type=PydanticCustomError("doubtful", "{why}", {"why": why}), loc=keys, input=text)
                for keys, text, why in found
            ],
        )
    return model.model_validate(plain)


def _immutable(value: Any, doubtful: list[reading.Doubtful]) -> Any:
    """The value with tuples for lists; text in it that may be meant as something else is put into ``doubtful``."""
    if isinstance(value, dict):
        return {k: v if type(v) in PLAIN else _immutable(v, doubtful) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return tuple([v if type(v) in PLAIN else _immutable(v, doubtful) for v in value])
    if isinstance(value, reading.Doubtful):
        doubtful.append(value)
    return value


def field_of(value: Any, dotted: str) -> Any:
    """The value of a field of a model or mapping, None where it has no such field."""
    for key in dotted.split("."):
        if isinstance(value, BaseModel):
            value = getattr(value, key) if key in type(value).model_fields else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


def whole(model: type[BaseModel]) -> Whole:
    """Looks up a field that a value of this model has without being written, for `put`."""

    def look(value: Any, dotted: str) -> Any:
        try:
            return field_of(make(model, value), dotted)
        except ValidationError:
            return None

    return look


def load(model: type[M], path: Path, overrides: Iterable[str] = (), may_be_empty: bool = False) -> M:
    """Read, override and validate one file; see `validate`."""
    return validate(model, override(reading.read(path, may_be_empty), overrides, whole(model)))
