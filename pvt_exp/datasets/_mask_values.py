"""The meaning of values in a mask: class numbers, or what a map or a threshold makes of them."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from pvt_exp.config import Frozen

IGNORED = 255  # the label of what nothing is learnt from
AS_PNG = "save the masks as PNG again, from what they were made of"
FEW = 16  # values, or levels between the least and the greatest: fewer are numbers of classes, and not JPEG's noise
COLOUR = re.compile(r"#[0-9a-f]{6}")


def _pairs(value: Any) -> Any:
    """A mapping as pairs, sorted, so that one map has one id."""
    pairs = value.items() if isinstance(value, Mapping) else value
    if not isinstance(value, Mapping | list | tuple):
        raise ValueError("a map from what stands in the masks to classes is expected, such as {0: 0, 255: 1}")
    found = {}
    for key, label in pairs:
        name = str(key).lower()
        if isinstance(key, bool) or not (name.isdecimal() or COLOUR.fullmatch(name)):
            raise ValueError(f"'{key}': a value in the masks is a whole number, or a colour such as '#ff0000'")
        if isinstance(label, bool) or not (label is None or (isinstance(label, int) and 0 <= label < 254)):
            raise ValueError(f"'{key}' stands for {label}: a class is a number from 0 on, or null for none")
        found[name if name.startswith("#") else str(int(name))] = label
    if len({name.startswith("#") for name in found}) == 2:
        raise ValueError("values and colours in one map; masks have one or the other")
    if len({label for label in found.values() if label is not None}) < 2:
        raise ValueError("fewer than two classes, so there is nothing to tell apart")
    return tuple(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))


Values = Annotated[
    tuple[tuple[str, int | None], ...],
    BeforeValidator(_pairs),
    PlainSerializer(dict),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["integer", "null"]}}),
]


class Meaning(Frozen):
    """The fields that say what stands in a mask."""

    ignore_index: int | None
    reduce_zero: bool
    values: Values | None
    threshold: int | None

    @property
    def colours(self) -> bool:
        """Whether masks are colour images."""
        return self.values is not None and self.values[0][0].startswith("#")

    @property
    def named(self) -> list[int]:
        """The numbers or packed colours that stand for something where a map says so, sorted; none that no mask can hold."""
        numbers = {int(name[1:], 16) if self.colours else int(name) for name, _ in self.values or ()}
        if self.ignore_index is not None and not self.colours:
            numbers.add(self.ignore_index)
        return sorted(number for number in numbers if number < 2**32)

    def label(self, value: int, classes: int) -> int | None:
        """The label that a mask's value (or packed colour) stands for, of so many classes; None if for nothing."""
        if self.threshold is not None:
            return int(value >= self.threshold)
        if self.values is not None:
            name = f"#{value:06x}" if self.colours else str(value)
            if (known := dict(self.values).get(name, -1)) != -1:
                return IGNORED if known is None else known
            return IGNORED if value == self.ignore_index and not self.colours else None
        if value == self.ignore_index or (self.reduce_zero and value == 0):
            return IGNORED
        label = value - self.reduce_zero
        return label if 0 <= label < classes else None

    def due(self, classes: int) -> str:
        """What values there may be, in words."""
        if self.threshold is not None:
            return f"dataset.threshold makes class 1 of what is {self.threshold} or brighter"
        if self.values is not None:
            return f"dataset.values names {', '.join(name for name, _ in self.values)}"
        first = int(self.reduce_zero)
        ignored = "nothing" if self.ignore_index is None else self.ignore_index
        return f"the {classes} classes are {first} to {classes + first - 1} in the masks, ignored is {ignored}"

    def way_out(self, seen: Sequence[int], classes: int) -> str:
        """What to set, given all the values that were seen in masks of numbers."""
        if self.values is None and self.threshold is None and len(seen) > 1:
            if len(seen) == classes:
                pairs = ", ".join(f"{value}: {label}" for label, value in enumerate(sorted(seen)))
                return f"dataset.values: {{{pairs}}} reads them"
            rest = [self.label(value, classes) for value in seen if value != IGNORED]
            if IGNORED in seen and self.label(IGNORED, classes) is None and None not in rest:
                return f"dataset.ignore_index: {IGNORED} reads them, where {IGNORED} is no class"
            if (half := self.half(seen, classes)) is not None:
                return f"JPEG is not exact: dataset.threshold: {half} makes class 1 of what is so bright"
            counted = self._counted(seen)
            if classes < len(counted) <= FEW:
                held = f"{len(counted)} values, {', '.join(map(str, counted))}, and the classes are {classes}"
                return f"the masks hold {held}; see dataset.classes, or say by dataset.values which class each is"
        return "see dataset.classes, .ignore_index, .reduce_zero, .values and .threshold"

    def half(self, seen: Sequence[int], classes: int) -> int | None:
        """The threshold for values that lie about two ends, as JPEG makes them of two; None where they do not."""
        if classes != 2 or len(seen) < 3:
            return None
        low, high, counted = min(seen), max(seen), self._counted(seen)
        middle = [value for value in seen if low + (high - low) / 4 < value < high - (high - low) / 4]
        at_ends = 2 * len(middle) < len(seen) if len(seen) > FEW else not middle
        return (low + high + 1) // 2 if at_ends and counted[-1] - counted[0] > FEW else None

    def _counted(self, seen: Sequence[int]) -> list[int]:
        """The values that are not ignored, sorted."""
        return sorted(set(seen) - ({self.ignore_index, 0} if self.reduce_zero else {self.ignore_index}))
