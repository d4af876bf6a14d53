"""Notes of a table: remarks while it is made, which are numbered once, in the finished rows."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from pvt_exp.system import words
from pvt_exp.tables import Cell, Group, Note, Remark, Row

LETTERS = "abcdefghijklmnoprstuvwxyz"
"""There is no superscript q in a terminal."""


def numbered(
    groups: Iterable[Group], first: Iterable[Remark], general: Iterable[str]
) -> tuple[tuple[Group, ...], tuple[Note, ...]]:
    """The rows with marks a, b, c, ... in the order in which one reads, and all notes.

    Args:
        groups: The rows.
        first: Remarks whose notes stand before the others, whether or not they are at a cell.
        general: What is said of the whole table, which has no mark.
    """
    groups = tuple(groups)
    rows = [row for group in groups for row in group.rows]
    places: dict[str, dict[str, None]] = {}
    for remark in chain(first, *(chain(row.remarks, *(cell.remarks for cell in row.cells)) for row in rows)):
        places.setdefault(remark.text, {}).update({remark.place: None} if remark.place else {})
    marks = {text: LETTERS[i % len(LETTERS)] * (i // len(LETTERS) + 1) for i, text in enumerate(places)}
    notes = [Note(mark, f"{text} ({some(places[text])})" if places[text] else text) for text, mark in marks.items()]

    def marked(own: Sequence[str], remarks: Iterable[Remark]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*own, *(marks[remark.text] for remark in remarks))))

    def finished(row: Row) -> Row:
        cells = tuple(
            cell._replace(marks=marked(cell.marks, cell.remarks), remarks=()) if cell.remarks else cell
            for cell in row.cells
        )
        return replace(row, cells=cells, marks=marked(row.marks, row.remarks), remarks=())

    done = tuple(replace(group, rows=tuple(map(finished, group.rows))) for group in groups)
    return done, (*notes, *(Note("", text) for text in general))


def remarked(cell: Cell, *remarks: Remark) -> Cell:
    """The cell with further remarks."""
    return cell._replace(remarks=(*cell.remarks, *remarks))


def some(names: Iterable[str], most: int = 5) -> str:
    """The first few, and how many more there are."""
    return words.some(names, most, "; ")
