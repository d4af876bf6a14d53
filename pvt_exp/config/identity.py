"""What a run's id is taken over: every field that counts, written in one way only.

The text is JSON in plain ASCII with sorted keys and numbers in their shortest form, so that the same settings have the same
id however they were spelled, and on every machine.
"""

import hashlib
import json
from functools import cache
from typing import Any

from pydantic import BaseModel

from pvt_exp.config.component import Component

ADDED: dict[str, Any] = {"Task.metrics": (), "tasks/classification.loss": None, "tasks/semantic.loss": None}
"""Fields that came after a release, with the value that computes what was computed before they came: left out of the hash
while they have it, so that no id moves. Named ``group/kind.field`` of a component, ``Class.field`` of another model or of
a class that components derive from."""


def digest(texts: dict[str, str]) -> str:
    """Twelve hex digits of a model's `texts`."""
    return hashlib.sha256(_joined(texts).encode()).hexdigest()[:12]


def _joined(texts: dict[str, str]) -> str:
    return "{" + ",".join([f'"{name}":{text}' for name, text in texts.items()]) + "}"


_KNOWN: dict[int, tuple[Any, int, str]] = {}
_to_json = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def canonical(value: Any) -> str:
    """A run, or any part of it, as JSON in plain ASCII with its keys sorted."""
    kind = type(value)
    if kind is int:
        return str(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is tuple:
        return f"[{','.join(map(canonical, value))}]"
    if kind is float:  # 1 and 1.0 are one number, however it was written
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else float.__repr__(value)
    if kind is str:
        return _to_json(value)
    known, revision, text = _KNOWN.get(id(value), (None, 0, ""))
    if known is value and revision == getattr(kind, "revision", 1):
        return text
    if not isinstance(value, BaseModel):
        return _to_json(value)
    if hasattr(kind, "id"):  # a run inside a run counts by its own id
        return _to_json(value.id)  # type: ignore[attr-defined]
    return _kept(value)


def _kept(value: BaseModel) -> str:
    """Its text, kept: the runs of a sweep share most of their parts, as one object."""
    if len(_KNOWN) > 1000:
        _KNOWN.clear()
    text = _joined(texts(value))
    _KNOWN[id(value)] = (value, getattr(type(value), "revision", 1), text)
    return text


def texts(value: BaseModel) -> dict[str, str]:
    """The name and the canonical text of each field that counts."""
    fields = {name: getattr(value, name) for name in _hashed(type(value))}
    for name, neutral in _neutral(type(value), tuple(ADDED)).items():
        if fields[name] == neutral:
            del fields[name]
    if isinstance(value, Component) and value.revision > 1:
        fields = dict(sorted({**fields, "revision": value.revision}.items()))
    return {name: canonical(field) for name, field in fields.items()}


@cache
def _hashed(model: type[BaseModel]) -> list[str]:
    return sorted(name for name, field in model.model_fields.items() if not field.exclude)


@cache
def _neutral(model: type[BaseModel], added: tuple[str, ...]) -> dict[str, Any]:
    """The model's fields among those ``added`` after a release, and their neutral values."""
    classes = [_called(each) for each in model.__mro__ if issubclass(each, BaseModel)]
    named = [(name, *name.rpartition(".")) for name in added]
    return {field: ADDED[name] for name, of, _, field in named if of in classes}


def _called(model: type[BaseModel]) -> str:
    """How `ADDED` calls a model: by its kind, not by the file that it stands in, so that files can move."""
    package, _, module = model.__module__.rpartition(".")
    if issubclass(model, Component) and model.__name__ == "Settings":
        return f"{package.rpartition('.')[2]}/{module}"
    return model.__name__
