"""Reads single fields of a COCO file's entries, and collects what is wrong and what was changed.

Numbers written as text are read, and counted. A field that cannot be read refuses the file.
"""

import math
from array import array
from pathlib import Path
from typing import Any

from pvt_exp.config import DataError
from pvt_exp.config.excluded import EXAMPLES, LeftOut
from pvt_exp.nn.data.coco.masks import Flaw, pack
from pvt_exp.system.words import some

TEXT = ("numbers written as text", "read as numbers")
MEND = "mend them"


class Findings:
    """Collects what is wrong with a file and what was changed in reading it, with counts and examples."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wrong: dict[tuple[str, str], list[object]] = {}
        self.changed: dict[tuple[str, str], tuple[int, tuple[str, ...]]] = {}

    def note(self, what: str, remedy: str, item: object) -> None:
        """Another ``item`` for which the file is refused."""
        self.wrong.setdefault((what, remedy), []).append(item)

    def change(self, what: str, effect: str, item: object) -> None:
        """Another ``item`` that is left out or changed; ``what`` and ``effect`` as in `LeftOut`."""
        number, examples = self.changed.get((what, effect), (0, ()))
        self.changed[what, effect] = number + 1, (*examples, str(item)) if number < EXAMPLES else examples

    def stop(self) -> None:
        """Raise DataError for the first thing that was noted."""
        for (what, remedy), items in self.wrong.items():
            raise DataError(f"{self.path}: {what}: {some(items)}; {remedy}")

    def left_out(self) -> list[LeftOut]:
        """What was changed, a line each."""
        return [LeftOut(what, number, effect, few) for (what, effect), (number, few) in self.changed.items()]

    # ------------------------------------------------------------ fields

    def whole(self, entry: dict[str, Any], field: str, called: object) -> int | None:
        """A field that is a whole number below 2^62 in size, also as text; None for anything else."""
        value = entry.get(field)
        if type(value) is int and -(2**62) < value < 2**62:
            return value  # as nearly all are
        if type(value) is str:
            value = _number(value)
            self.change(*TEXT, f"{field} of {called}")
        if type(value) is float and value.is_integer():
            value = int(value)
        return value if type(value) is int and abs(value) < 2**62 else None

    def box(self, entry: dict[str, Any], called: object) -> "array[float] | None":
        """Four finite numbers, or None, which is noted."""
        value = entry.get("bbox")
        if value is None:
            self.note("annotations without a bbox", "add it, or delete them", called)
            return None
        if isinstance(value, list) and str in map(type, value):
            value = [_number(each) for each in value]
            self.change(*TEXT, f"bbox of {called}")
        try:
            box = array("d", value)
        except (TypeError, OverflowError, ValueError):
            box = array("d")
        if not isinstance(value, list) or len(box) != 4 or not math.isfinite(sum(box)):
            shown = str(entry["bbox"])[:60]
            self.note("annotations whose bbox is not four numbers", MEND, f"{called} ({shown})")
            return None
        return box

    def mask(self, entry: dict[str, Any], height: int, width: int, called: object) -> tuple[int, bytes]:
        """A mask as `pack` gives it, whose numbers may be text.

        Raises:
            Flaw: as there.
        """
        given = entry.get("segmentation")
        read = _numbers(given) if isinstance(given, dict) else given
        try:
            found = pack(read, height, width)
        except Flaw:
            if (
                not isinstance(given, list) or (read := _numbers(given)) == given
            ):  # polygons have many numbers, and rarely text
                raise
            found = pack(read, height, width)
        if read == given:
            return found
        self.change(*TEXT, f"segmentation of {called}")
        return found

    def crowd(self, entry: dict[str, Any], called: object) -> bool:
        """Whether it is a crowd: 0, 1, false, true or null, also as text."""
        value = entry.get("iscrowd")
        if value is None or (type(value) is int and value in (0, 1)):
            return bool(value)
        if type(value) is str:
            value = _number(value)
            self.change(*TEXT, f"iscrowd of {called}")
        if type(value) not in (int, float, bool) or value not in (0, 1):
            self.note("annotations whose iscrowd is neither 0 nor 1", MEND, f"{called} ({entry['iscrowd']!r:.40})")
        return bool(value)


def _number(text: Any) -> Any:
    """The number that a text is, or the value as it was."""
    if type(text) is not str:
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _numbers(value: Any) -> Any:
    """A mask in which the numbers that are text are numbers; compressed run lengths stay text."""
    if isinstance(value, dict):
        return {key: _numbers(each) if isinstance(each, list) else each for key, each in value.items()}
    if isinstance(value, list):
        return [_numbers(each) if isinstance(each, list) else _number(each) for each in value]
    return value


def called(entry: dict[str, Any], n: int) -> object:
    """Name of an entry in messages: its id, or its position where it has none."""
    return entry["id"] if entry.get("id") is not None else f"entry {n + 1}"
