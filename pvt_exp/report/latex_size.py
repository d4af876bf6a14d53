"""How wide a text comes out in LaTeX's own letters, about, and in which size a table fits: known without running TeX.

Widths are those of Computer Modern at 10 pt, in which an article is set unless it says otherwise; Times is narrower.
"""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

LETTERS = {
    2.8: "!',.:;[]`il", 3.1: "fj", 3.4: " -", 3.6: "I_", 3.9: "()rst", 4.4: "cez", 4.7: "?", 5.0: '"$*/0123456789\\^ago{}~',
    5.1: "J", 5.3: "kqvxy", 5.6: "Sbdhnpu", 6.1: "Z", 6.3: "L", 6.5: "F", 6.8: "EP", 7.1: "B", 7.2: "CTw", 7.4: "R",
    7.5: "AHNUVXY", 7.6: "D", 7.8: "&+<=>@GKOQ", 8.3: "#%m", 9.2: "M", 10.3: "W",
}  # fmt: skip
"""Characters by their width in points; a bar is as wide as a full stop."""
BOLD = 1.15
"""How much wider bold figures are."""
RAISED = 0.85
"""Width of a raised letter, of that of the letter; in small sizes it is hardly smaller."""


class Size(NamedTuple):
    """A size of letters."""

    command: str
    scale: float
    """Width of a text, of that in the size of the article's text."""
    line_pt: float
    """From line to line."""
    gap_pt: float
    """On each side of a column."""


SIZES = (
    Size(r"\normalsize", 1.0, 12.0, 4.0),
    Size(r"\small", 0.925, 11.0, 4.0),
    Size(r"\footnotesize", 0.85, 9.5, 4.0),
    Size(r"\scriptsize", 0.797, 8.0, 3.0),
)
NOTES = SIZES[2]
"""The size of the notes below a table."""


class _Widths(dict[str, float]):
    """Width of a character, worked out when it is first met."""

    def __missing__(self, letter: str) -> float:
        self[letter] = self._other(letter)
        return self[letter]

    def _other(self, letter: str) -> float:
        if unicodedata.combining(letter):
            return 0.0
        plain = unicodedata.normalize("NFD", letter)[0]
        wide = 10.0 if unicodedata.east_asian_width(letter) in "WF" or letter == "—" else 8.4
        return self.get(plain) or wide


WIDTHS = _Widths({letter: width for width, letters in LETTERS.items() for letter in letters} | {"|": 2.8})


def width(text: str) -> float:
    """Points that a plain text is wide, at 10 pt."""
    return sum(map(WIDTHS.__getitem__, text))


def raised(marks: Sequence[str]) -> float:
    """Points that the marks of notes are wide, at 10 pt."""
    return RAISED * width(",".join(marks))


def lines(text: str, room_pt: float, size: Size = SIZES[0]) -> int:
    """How many lines of this width a text takes; a tenth is lost at the ends of lines."""
    return 1 + int(1.1 * size.scale * width(text) / room_pt)


def wrap(text: str, room_pt: float) -> list[str]:
    """The text in lines that are no wider, at 10 pt; words that are get cut."""
    found = [""]
    for word in text.split():
        left = word
        while left:
            gap = " " if found[-1] else ""
            if width(found[-1] + gap + left) <= room_pt:
                found[-1] += gap + left
                break
            if not found[-1]:
                fits = next((n for n in range(len(left), 1, -1) if width(left[:n]) <= room_pt), 1)
                found[-1], left = left[:fits], left[fits:]
            found.append("")
    return [line for line in found if line] or [""]
