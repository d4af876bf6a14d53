"""Suggests the image that a COCO file most likely means, where there is none of that name."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable
from urllib.parse import unquote

CLOSE = 5000
"""Most names that are searched for a similar one; more would take minutes."""


def nearest(missing: Iterable[str], there: list[str]) -> list[str]:
    """Each missing name, and in brackets the one that is there and differs least, if any is near.

    Folders, slashes, %20, upper case, the form of accents and the suffix are looked past, in this order.
    """
    ways: tuple[Callable[[str], str], ...] = (
        _plain,
        lambda name: _last(_plain(name)),
        lambda name: _stem(_last(_plain(name))),
    )
    tables = [{way(name): name for name in reversed(there)} for way in ways]
    stems = list(tables[2]) if len(there) <= CLOSE else []
    told = []
    for name in missing:
        found = next((table[way(name)] for way, table in zip(ways, tables, strict=True) if way(name) in table), None)
        if found is None:
            stem = ways[2](name)
            close = difflib.get_close_matches(stem, stems, 3, 0.8)
            found = next((tables[2][each] for each in close if _numbers(each) == _numbers(stem)), None)
        told.append(f"{name} (there is {found})" if found is not None else name)
    return told


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", unquote(name).replace("\\", "/")).casefold()


def _last(name: str) -> str:
    return name[name.rfind("/") + 1 :]


def _stem(name: str) -> str:
    return name[: name.rfind(".")] if "." in name[1:] else name


def _numbers(stem: str) -> list[int]:
    """Images are told apart by their numbers, so that a name of another number is not near."""
    return [int(digits) for digits in re.findall(r"[0-9]+", stem)]
