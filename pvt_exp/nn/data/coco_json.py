"""JSON in which no key stands twice in one object: Python's reader would keep the last and lose the others in silence."""

import gc
import json
import re
from pathlib import Path
from typing import Any

from pvt_exp.config import DataError
from pvt_exp.datasets import some

NESTED = frozenset((dict, list))
KEY = re.compile(rb'"[ \t\r\n]*:')
"""The end of a key."""


def parse(raw: bytes, path: Path) -> Any:
    """What the bytes of the file at ``path`` say.

    Raises:
        DataError: if they are not JSON, or a key stands twice in an object.
    """
    collecting = gc.isenabled()
    gc.disable()  # it would look through tens of millions of new numbers again and again: twice the time
    try:
        content = json.loads(raw)
        twice = _twice(raw) if _written(raw) != _keys(content) else []
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}; download or export it again") from None
    finally:
        if collecting:
            gc.enable()
    if twice:
        way = "only the last of each would be read; make one of them, or delete the others"
        raise DataError(f"{path}: keys that stand twice in one object: {some(twice)}; {way}")
    return content


def _written(raw: bytes) -> int:
    """Keys, or more where a text looks like the end of one; where it is another number than `_keys`, all are looked at."""
    return sum(1 for _ in KEY.finditer(raw))


def _keys(value: Any) -> int:
    """Keys of all objects in what was read. Lists that begin with a number or a text hold no objects, as a rule."""
    if type(value) is dict:
        return len(value) + sum([_keys(each) for each in value.values() if type(each) in NESTED])
    if type(value) is list and value and type(value[0]) in NESTED:
        return sum(map(_keys, value))
    return 0


def _twice(raw: bytes) -> list[str]:
    """The keys that stand twice in one object, each once; takes as long as reading does."""
    found: dict[str, None] = {}

    def look(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) < len(pairs):
            names = [name for name, _ in pairs]
            found.update(dict.fromkeys(name for name in names if names.count(name) > 1))

    json.loads(raw, object_pairs_hook=look)
    return list(found)
