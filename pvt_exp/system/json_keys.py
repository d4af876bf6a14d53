"""Keys that stand twice in an object of JSON, of which parsers silently keep only the last."""

import json
from typing import Any

from pydantic_core import to_json


def twice(raw: bytes) -> list[str]:
    """The keys that stand twice in one object; takes as long as Python's parser. Raises ValueError if it is not JSON."""
    found: dict[str, None] = {}

    def look(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) < len(pairs):
            names = [name for name, _ in pairs]
            found.update(dict.fromkeys(name for name in names if names.count(name) > 1))

    json.loads(raw, object_pairs_hook=look)
    return list(found)


def may_stand_twice(raw: bytes, value: Any) -> bool:
    """Whether the bytes have more colons than what was parsed from them needs: a cheap look, before `twice`."""
    try:
        return raw.count(b":") != to_json(value).count(b":")
    except ValueError:  # half of a pair of surrogates
        return True
