"""Text that may be meant as a boolean, null or a number, where a field takes text and those too: which fields do."""

import types
import typing
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import BaseModel

from pvt_exp.config.document import Keys
from pvt_exp.config.reading import Doubtful

CHECKED_LATER = "values that are fields of another model, which checks them"
"""Marks an annotation whose values are left alone here."""
_OTHERS = {types.NoneType, bool, int, float}
_MEANT: dict[str, set[Any]] = {"boolean": _OTHERS, "number": {int, float}, "null": _OTHERS}
_ADVICE = {"boolean": "write true or false", "number": "write a plain number", "null": "write null"}


def refused(model: type[BaseModel], value: Any) -> Iterator[tuple[Keys, str, str]]:
    """The place of each such text in a model's value, the text, and what to write in its place."""
    for keys, text, taken in _find([model], value, ()):
        no_boolean = text.looks_like == "boolean" and bool not in taken
        advice = "write null or other text" if no_boolean else _ADVICE[text.looks_like]
        yield keys, text, f"{advice}, not {text}; if text is meant, in quotes: '{text}'"


def _find(annotations: Iterable[Any], value: Any, keys: Keys) -> Iterator[tuple[Keys, Doubtful, set[Any]]]:
    leaves = [leaf for annotation in annotations for leaf in _leaves(annotation)]
    if isinstance(value, Doubtful):
        taken = {leaf for leaf in leaves if isinstance(leaf, type)}
        if any(leaf in (Any, object) for leaf in leaves):
            yield keys, value, {bool}
        elif str in taken and taken & _MEANT[value.looks_like]:
            yield keys, value, taken
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _find([found for leaf in leaves for found in _field(leaf, key, value)], item, (*keys, key))
    elif isinstance(value, list | tuple):
        inner = [part for leaf in leaves for part in _entries(leaf)]
        for i, item in enumerate(value):
            yield from _find(inner, item, (*keys, i))


def _leaves(annotation: Any) -> Iterator[Any]:
    """What an annotation may be, one after the other."""
    if typing.get_origin(annotation) is Annotated:
        inner, *marks = typing.get_args(annotation)
        if CHECKED_LATER not in marks:
            yield from _leaves(inner)
    elif typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            yield from _leaves(part)
    else:
        yield annotation


def _field(leaf: Any, key: str, value: dict[str, Any]) -> Iterator[Any]:
    """The annotation of a mapping's field, where it can be this leaf."""
    if leaf in (Any, object):
        yield Any
    elif isinstance(leaf, type) and issubclass(leaf, BaseModel):
        kind = leaf.model_fields.get("kind")
        if key in leaf.model_fields and (kind is None or value.get("kind", kind.default) == kind.default):
            yield leaf.model_fields[key].annotation
    elif typing.get_origin(leaf) is dict:
        yield typing.get_args(leaf)[1]


def _entries(leaf: Any) -> Iterator[Any]:
    if leaf in (Any, object):
        yield Any
    elif typing.get_origin(leaf) in (tuple, list, set, frozenset):
        yield from (part for part in typing.get_args(leaf) if part is not Ellipsis)
