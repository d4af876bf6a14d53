"""Whether the palettes of masks agree.

Some programs write into each file a palette of its own, and one number in the pixels is then another class in each.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

SHOWN = 4  # colours in a message


class Palettes(NamedTuple):
    """What some masks show, whose palettes agree."""

    colours: dict[int, tuple[str, str]]
    """The colour of each number that stands in their pixels, as ``#ff0000``, and the first mask where it does."""
    numbers: dict[str, set[int]]
    """All numbers that have this colour in each palette whose mask shows it."""

    @classmethod
    def of(cls, mask: str, used: Sequence[int], palette: Sequence[str]) -> "Palettes":
        """What one mask shows, by the numbers in its pixels and the colours of all numbers."""
        colours = {number: (palette[number], mask) for number in used}
        shown = {colour for colour, _ in colours.values()}
        return cls(colours, {colour: {n for n, each in enumerate(palette) if each == colour} for colour in shown})

    def clash(self, other: "Palettes") -> str | None:
        """In what others, which came later, differ: a number of two colours, or a colour of two numbers."""
        for number, (colour, mask) in sorted(other.colours.items()):
            if number in self.colours and self.colours[number][0] != colour:
                before = "{} by that of {}".format(*self.colours[number])
                return f"{mask}: {number} is {colour} by its palette, and {before}"
        for colour, numbers in self.numbers.items():
            agreed = numbers & other.numbers.get(colour, numbers)
            for number, (_, mask) in sorted(other._showing(colour).items()):
                for known, (_, first) in sorted(self._showing(colour).items()):
                    if not {number, known} <= agreed:
                        return f"{mask}: {colour} is {number} by its palette, and {known} by that of {first}"
        return None

    def _showing(self, colour: str) -> dict[int, tuple[str, str]]:
        return {number: shown for number, shown in self.colours.items() if shown[0] == colour}

    def add(self, other: "Palettes") -> None:
        """Take in what others show, which agrees."""
        for number, shown in other.colours.items():
            self.colours.setdefault(number, shown)
        for colour, numbers in other.numbers.items():
            self.numbers[colour] = self.numbers.get(colour, numbers) & numbers

    def way_out(self, other: "Palettes") -> str:
        """How masks are read that differ."""
        shown = [colour for each in (self, other) for _, (colour, _) in sorted(each.colours.items())]
        colours = [*dict.fromkeys(shown)][:SHOWN]
        by_colour = ", ".join(f"'{colour}': {label}" for label, colour in enumerate(colours))
        by_number = ", ".join(f"{label}: {label}" for label in range(len(colours)))
        return f"dataset.values says which class each colour is, as {{{by_colour}}}, or each number, as {{{by_number}}}"

    def as_json(self) -> dict[str, Any]:
        return {
            "colours": [[number, *shown] for number, shown in self.colours.items()],
            "numbers": {colour: sorted(numbers) for colour, numbers in self.numbers.items()},
        }

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> "Palettes":
        colours = {number: (colour, mask) for number, colour, mask in kept["colours"]}
        return cls(colours, {colour: set(numbers) for colour, numbers in kept["numbers"].items()})
