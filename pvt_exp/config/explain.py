"""Pydantic's errors as a person wants them: where it was written, the field, why, and what was meant."""

import re
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from pvt_exp.config import unavailable
from pvt_exp.config.document import Document, Keys, split
from pvt_exp.system import spelling


def explain(error: ValidationError, model: type[BaseModel], document: Document) -> list[str]:
    """Pydantic's errors as a person wants them: where it was written, the field, why, and what was meant."""
    lines: dict[str, str] = {}
    for item in error.errors():
        if item["type"] == "default_factory_not_called":
            continue  # the field that its default follows is wrong, and is told
        if item["type"] == "too_short" and len(item["input"]) >= item["ctx"]["min_length"]:
            continue  # long enough as it was written: its entries are wrong, and are told
        keys, owners = _walk(model, item["loc"], document)
        why = f": {_why(item, keys, owners, model)}"
        if item["type"] == "value_error":  # a check of several fields begins with the one it is about
            word = re.split("[: ]", why[2:], maxsplit=1)[0]
            blamed = (*keys, *split(word))
            if blamed in document.origins or ("." in word and blamed[:-1] in document.origins):
                keys, why = blamed, why[2 + len(word) :]
            elif not keys and word in _dotted(model):  # a field that was not written here, which the message names
                lines[f"{document.origin(keys)}{why}"] = word
                continue
        field = ".".join(map(str, keys)) or "(the whole file)"
        lines[f"{document.origin(keys)}: {field}{why}"] = field
    meant = {line.rpartition("did you mean ")[2] for line in lines}
    return [line for line, field in lines.items() if not (field in meant and line.endswith(": is missing"))]


def _why(item: Any, keys: Keys, owners: list[type[BaseModel]], model: type[BaseModel]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        near = spelling.near(str(keys[-1]), [name for owner in owners for name in owner.model_fields])
        here = ".".join(map(str, keys))
        places = [d for d in dict.fromkeys(_dotted(model)) if d.split(".")[-1] == str(keys[-1]) and d != here]
        elsewhere = [] if near else places
        meant = [".".join(map(str, (*keys[:-1], n))) for n in near] or elsewhere[:2]
        return "unknown key" + spelling.meant(meant)
    if kind == "union_tag_invalid":
        if (because := unavailable.why(keys, context["tag"])) is not None:
            return f"kind '{context['tag']}' cannot be used here: {because}"
        kinds = re.findall(r"'([^']*)'", context["expected_tags"])
        return f"unknown kind '{context['tag']}'" + spelling.hint(context["tag"], kinds, f"one of {', '.join(kinds)}")
    if kind == "union_tag_not_found":
        return "this mapping must say its kind"
    if kind == "literal_error":
        if keys[-1:] == ("kind",) and (because := unavailable.why(keys, str(item["input"]))) is not None:
            return f"kind '{item['input']}' cannot be used here: {because}"
        return f"must be {context['expected']}, not {item['input']!r}"
    if kind == "missing":
        return "is missing"
    if kind == "doubtful":
        return str(context["why"])
    if kind == "bool_type":
        return f"must be true or false, not {item['input']!r}"
    if kind in ("too_short", "too_long"):
        least = kind == "too_short"
        return f"must have at {'least' if least else 'most'} {context['min_length' if least else 'max_length']} entries"
    if kind in ("tuple_type", "list_type"):
        given = item["input"]
        is_single = isinstance(given, str | int | float)
        return f"must be a list, such as [{given}], not {given!r}" if is_single else "must be a list"
    message: str = item["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        message = "a mapping"
    given = item["input"]
    shown = f", not {given!r}" if isinstance(given, str | int | float) and kind != "value_error" else ""
    return (message if kind == "value_error" else f"must be {message}") + shown


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field's annotation may hold: itself, or the members of a union or a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models(part)]


def _walk(model: type[BaseModel], loc: tuple[str | int, ...], document: Document) -> tuple[Keys, list[type[BaseModel]]]:
    """The keys a person wrote (pydantic's place less the kinds it puts in), and the models that own the last one."""
    keys: list[str | int] = []
    here, owners = [model], [model]
    for part in loc:
        kinds = [m for m in here if "kind" in m.model_fields and m.model_fields["kind"].default == part]
        if kinds and not any(part in m.model_fields for m in here):
            here = kinds
            continue
        fields = [m.model_fields[part].annotation for m in here if isinstance(part, str) and part in m.model_fields]
        if not fields and isinstance(part, str) and (*keys, part) not in document.origins:
            continue  # pydantic's words for a step of its own
        keys.append(part)
        owners = here
        here = [found for annotation in fields for found in _models(annotation)] if fields else here
    return tuple(keys), owners


def _dotted(model: type[BaseModel], before: str = "", within: tuple[type[BaseModel], ...] = ()) -> list[str]:
    within = (*within, model)
    return [
        path
        for name, field in model.model_fields.items()
        for path in (
            f"{before}{name}",
            *(
                path
                for inner in _models(field.annotation)
                if inner not in within  # a run can hold a run
                for path in _dotted(inner, f"{before}{name}.", within)
            ),
        )
    ]
