"""What a ``result.json`` must hold for those who read it: checked once, where it is read, as it may be edited or foreign."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

from pydantic_core import CoreSchema, SchemaValidator, core_schema

from pvt_exp.config import metric_names

NO_SCORE = "has no metrics"
LARGEST = 1e300
DUE = f"a finite number of size below {LARGEST:g}"


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < LARGEST  # not so of NaN, nor of true


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST


def _amount(value: Any) -> bool:
    return _number(value) and value >= 0


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _ids(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) is int for each in value)


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_count, value))


def _numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_count, value.values()))


def _infos(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(each, dict) and _text(each.get("unit")) and each["unit"].isprintable() for each in value.values()
    )


def _date(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value) is not None
    except ValueError:
        return False


def _packages(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(each, dict) and _text(each.get("version")) and _text(each.get("files_sha256"))
        for each in value.values()
    )


WORDS: dict[Callable[[Any], bool], str] = {
    _number: DUE,
    _count: "a whole number from 0 on",
    _amount: f"a number from 0 to {LARGEST:g}",
    _text: "text",
    _flag: "true or false",
    _mapping: "a mapping",
    _rows: "a list of mappings",
    _list: "a list",
    _texts: "a list of texts",
    _counts: "a list of whole numbers from 0 on",
    _ids: "a list of whole numbers",
    _numbers: "a mapping of whole numbers from 0 on",
    _packages: "a mapping of packages",
    _infos: "a mapping of what each metric is",
    _date: "a date and time",
}


def _all(what: Callable[[Any], bool], names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split(), what)


SHAPE: dict[str, Any] = {
    "format": _count,
    "run": _text,
    "epoch": _count,
    "metrics": _number,
    "unscored": _mapping,
    "metric_info": _infos,
    "per_class": _rows,
    "best": {"epoch": _count, "metrics": _number},
    "cost": {**_all(_amount, "params trainable_params macs"), "input_px": _counts},
    "data": {
        **_all(_text, "name fingerprint"),
        **_all(_count, "classes skipped"),
        "images": _numbers,
        **_all(_mapping, "counts left_out"),
        "class_names": _texts,
        "category_ids": _ids,
    },
    "provenance": {
        "git": {**_all(_text, "sha diff_sha256 files_sha256 computes_sha256"), "dirty": _flag},
        **_all(_amount, "seconds lr"),
        **_all(_count, "samples_seen batch_size micro_batch ranks attempt resumed"),
        **_all(_text, "precision recovered"),
        "hardware": {"gpus": _texts, "peak_memory_bytes": _amount, "threads": _count, "processor": _text},
        "versions": _mapping,
        "pretrained": {"matched": _count, "resized": _texts, "missing": _texts, "data": _text},
        "packages": _packages,
        "command": _list,
    },
    "finished": _date,
}
"""Fields of a result, and what they are where they are there; metrics are numbers by their names."""
NEEDED = ("metrics", "cost", "data", "provenance")


def problem(found: dict[str, Any], run_id: str) -> str | None:
    """What is wrong with a result of the run with this id, in words; None where nothing is."""
    for name in NEEDED:
        if not isinstance(found.get(name), dict):
            return f"{name}: {'is missing' if name not in found else 'must be a mapping'}"
    if not found["metrics"] and not found.get("unscored"):
        return NO_SCORE
    if not _whole().isinstance_python(found) and (why := _wrong(found, SHAPE, "")) is not None:
        return why
    if (why := _wrong_name(found)) is not None:
        return why
    if not _number(found["provenance"].get("seconds")):
        return "provenance.seconds: is missing"
    if found.get("run", run_id) != run_id:
        return f"is of the run {found['run']}: a copy"
    return None


def _wrong_name(found: dict[str, Any]) -> str | None:
    best = (found.get("best") or {}).get("metrics")
    for where, named in (("metrics", found["metrics"]), ("best.metrics", best), ("unscored", found.get("unscored"))):
        for name in named or ():
            if (why := metric_names.wrong_with(name)) is not None:
                return f"{where}: {why}"
    return None


def _wrong(value: dict[str, Any], shape: dict[str, Any], above: str) -> str | None:
    for name, given in value.items():
        due = shape.get(name)
        if due is None or (given is None and name != "metrics"):
            continue
        if name == "metrics":
            if not isinstance(given, dict):
                return f"{above}metrics: must be a mapping"
            for key, score in given.items():
                if not _number(score):
                    return f"{above}metrics.{key}: must be {DUE}"
        elif isinstance(due, dict):
            if not isinstance(given, dict):
                return f"{above}{name}: must be a mapping"
            if (why := _wrong(given, due, f"{above}{name}.")) is not None:
                return why
        elif not due(given):
            return f"{above}{name}: must be {WORDS[due]}"
    return None


@cache
def _whole() -> SchemaValidator:
    """`SHAPE`, as pydantic checks it without words: every command reads every result, and there may be thousands.

    It takes nothing that `_wrong` refuses; what it does not take, such as a count of 20 digits, is for that to judge.
    """
    return SchemaValidator(_schema(SHAPE))


def _schema(due: Any) -> CoreSchema:
    number = core_schema.float_schema(strict=True, allow_inf_nan=False, gt=-LARGEST, lt=LARGEST)
    count, text = core_schema.int_schema(strict=True, ge=0, le=2**62), core_schema.str_schema(strict=True)
    known: dict[Callable[[Any], bool], CoreSchema] = {
        _number: number,
        _count: count,
        _amount: core_schema.float_schema(strict=True, allow_inf_nan=False, ge=0, lt=LARGEST),
        _text: text,
        _flag: core_schema.bool_schema(strict=True),
        _mapping: core_schema.is_instance_schema(dict),
        _list: core_schema.is_instance_schema(list),
        _texts: core_schema.list_schema(text, strict=True),
        _counts: core_schema.list_schema(count, strict=True),
    }
    if isinstance(due, dict):
        scores = {"metrics": core_schema.dict_schema(values_schema=number, strict=True)}
        fields = {name: scores.get(name) or core_schema.nullable_schema(_schema(each)) for name, each in due.items()}
        return core_schema.typed_dict_schema(
            {name: core_schema.typed_dict_field(each, required=False) for name, each in fields.items()}, strict=True
        )
    return known.get(due) or core_schema.no_info_plain_validator_function(lambda value: _or_error(due, value))


def _or_error(check: Callable[[Any], bool], value: Any) -> Any:
    if not check(value):
        raise ValueError
    return value


def complete(found: dict[str, Any]) -> dict[str, Any]:
    """The result with None for what readers ask for and it lacks."""
    for name in ("params", "trainable_params", "macs"):
        found["cost"].setdefault(name, None)
    found["data"]["name"] = found["data"].get("name") or "unknown"
    found["data"].setdefault("fingerprint", None)
    if found["cost"].get("input_px") is None:
        found["cost"]["input_px"] = []
    made = found["provenance"]
    made["git"] = {"sha": None, "dirty": False, "files_sha256": None, **(made.get("git") or {})}
    for name in ("samples_seen", "lr", "batch_size", "precision"):
        made.setdefault(name, None)
    return found
