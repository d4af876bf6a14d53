"""The rows and notes of a table on pages: no float is longer than a page, and each has the notes that its rows need."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from pvt_exp.tables import Note, Table

LEAST_ROWS = 6
"""Of a page that is divided so that the last notes do not stand alone."""
Rows = list[tuple[str, list[int]]]
"""Titles of groups, and the places of their rows among the table's."""


@dataclass
class Page:
    """What stands in one float."""

    rows: list[int] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def paginate(
    table: Table,
    room_pt: float,
    row_pt: Callable[[int], float],
    title_pt: Callable[[str], float],
    note_pt: Callable[[str], float],
    more: Sequence[Note],
) -> list[Page]:
    """The pages of a table, each with the notes of the marks on it; what is about the whole table, and ``more``, comes last.

    Args:
        table: What is laid out.
        room_pt: Height of a page without caption, head and rules.
        row_pt: Height of a row, by its place among the table's.
        title_pt: Height of a group's title, which stands again where its group goes on.
        note_pt: Height of a note.
        more: Further notes about the whole table.
    """
    sizes = _Sizes(table, row_pt, title_pt, note_pt)
    pages, filled, marks = [Page()], 0.0, set[str]()
    for i in range(len(table.rows)):
        if pages[-1].rows and filled + sizes.added(i, pages[-1].rows, marks) > room_pt:
            pages.append(Page())
            filled, marks = 0.0, set()
        filled += sizes.added(i, pages[-1].rows, marks)
        marks |= sizes.used[i]
        pages[-1].rows.append(i)
    pages = [Page(page.rows, sizes.notes(page.rows)) for page in pages]
    if len(pages) == 1 and sizes.height(pages[0].rows, [*table.notes, *more]) <= room_pt:
        return [Page(pages[0].rows, [*table.notes, *more])]  # those too whose mark is nowhere
    told = {note for page in pages for note in page.notes}
    last = [*(note for note in table.notes if note not in told), *more]
    rows = pages[-1].rows
    if (
        len(rows) > LEAST_ROWS and sizes.height(rows, [*pages[-1].notes, *last]) > room_pt
    ):  # they take some rows with them
        kept, moved = rows[: -len(rows) // 3], rows[-len(rows) // 3 :]
        pages[-1:] = [Page(kept, sizes.notes(kept)), Page(moved, sizes.notes(moved))]
    for note in last:
        if sizes.height(pages[-1].rows, [*pages[-1].notes, note]) > room_pt and (pages[-1].rows or pages[-1].notes):
            pages.append(Page())
        pages[-1].notes.append(note)
    return pages


class _Sizes:
    """How high the rows of a table are, with the titles and notes that they need."""

    def __init__(
        self,
        table: Table,
        row_pt: Callable[[int], float],
        title_pt: Callable[[str], float],
        note_pt: Callable[[str], float],
    ) -> None:
        self.titles, self.note_pt = [group.title for group in table.group_of], note_pt
        self.marked = {note.mark: note for note in table.notes if note.mark}
        self.used = [{*row.marks, *(mark for cell in row.cells for mark in cell.marks)} for row in table.rows]
        """The marks of each row."""
        self.rows = [row_pt(i) for i in range(len(table.rows))]
        self.of_notes = {mark: note_pt(note.text) for mark, note in self.marked.items()}
        self.of_titles = {title: title_pt(title) for title in dict.fromkeys(self.titles)}

    def notes(self, rows: Sequence[int]) -> list[Note]:
        """Those of the marks of some rows."""
        marks = set[str]().union(*(self.used[i] for i in rows))
        return [note for mark, note in self.marked.items() if mark in marks]

    def height(self, rows: Sequence[int], notes: Sequence[Note]) -> float:
        """Of some rows with their titles, and of some notes."""
        titles = self.titles
        heads = [titles[i] for n, i in enumerate(rows) if n == 0 or titles[i] != titles[rows[n - 1]]]
        return (
            sum([self.rows[i] for i in rows])
            + sum(self.of_titles[title] for title in heads)
            + sum(self.note_pt(note.text) for note in notes)
        )

    def added(self, i: int, rows: Sequence[int], marks: Collection[str]) -> float:
        """What a row adds to the rows above it, among which these marks are: itself, its group's title, its notes."""
        own = self.of_titles[self.titles[i]] if not rows or self.titles[rows[-1]] != self.titles[i] else 0.0
        new = [mark for mark in self.used[i] if mark in self.of_notes and mark not in marks]
        return self.rows[i] + own + sum(self.of_notes[mark] for mark in new)


def grouped(table: Table, rows: Sequence[int]) -> Rows:
    """Some rows under the titles of their groups."""
    found: Rows = []
    before = None
    for i in rows:
        if (group := table.group_of[i]) is not before:
            found.append((group.title, []))
            before = group
        found[-1][1].append(i)
    return found
