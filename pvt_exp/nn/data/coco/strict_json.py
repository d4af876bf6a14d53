"""JSON without duplicate keys: Python's parser would silently keep only the last of them."""

import gc
import json
import re
from pathlib import Path
from typing import Any

from pvt_exp.config import DataError
from pvt_exp.system import json_keys
from pvt_exp.system.words import some

NESTED = frozenset((dict, list))
KEY = re.compile(rb'"[ \t\r\n]*:')
"""The closing quote and colon of a key."""


def parse(raw: bytes, path: Path) -> Any:
    """Parse the bytes of the file at ``path``.

    Raises:
        DataError: if they are not JSON, or a key stands twice in an object.
    """
    collecting = gc.isenabled()
    gc.disable()  # collecting among tens of millions of new numbers doubles the time
    try:
        content = json.loads(raw)
        again = json_keys.twice(raw) if _written(raw) != _keys(content) else []
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}; download or export it again") from None
    finally:
        if collecting:
            gc.enable()
    if again:
        way = "only the last of each would be read; make one of them, or delete the others"
        raise DataError(f"{path}: keys that stand twice in one object: {some(again)}; {way}")
    return content


def _written(raw: bytes) -> int:
    """Keys in the text. Strings that look like keys count too; where it differs from `_keys`, all are looked at."""
    return sum(1 for _ in KEY.finditer(raw))


def _keys(value: Any) -> int:
    """Keys of all objects that were parsed. A list that begins with a number or a string is taken to hold no objects."""
    if type(value) is dict:
        return len(value) + sum([_keys(each) for each in value.values() if type(each) in NESTED])
    if type(value) is list and value and type(value[0]) in NESTED:
        return sum(map(_keys, value))
    return 0
