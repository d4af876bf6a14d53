"""YAML to a frozen pydantic model, where every error names file, line and field."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pvt_exp.document import ConfigError, Document, Keys, merge, override, parse, put, read, split
from pvt_exp.explain import explain

__all__ = [
    "ConfigError",
    "Document",
    "Frozen",
    "Keys",
    "explain",
    "load",
    "make",
    "merge",
    "or_text",
    "override",
    "parse",
    "put",
    "read",
    "split",
    "validate",
]

M = TypeVar("M", bound=BaseModel)


class Frozen(BaseModel):
    """Base of all that can be configured: immutable, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def or_text(schema: dict[str, Any]) -> None:
    """For the JSON Schema of a field whose mapping may be written as one text too."""
    schema["anyOf"].insert(0, {"type": "string"})


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
    return model.model_validate(_immutable(value))


def _immutable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _immutable(item) for key, item in value.items()}
    return tuple(map(_immutable, value)) if isinstance(value, list) else value


def load(model: type[M], path: Path, overrides: Iterable[str] = ()) -> M:
    """Read, override and validate one file; see `validate`."""
    return validate(model, override(read(path), overrides))
