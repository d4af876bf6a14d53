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
    titles = [group.title for group in table.group_of]
    marked = {note.mark: note for note in table.notes if note.mark}
    used = [{*row.marks, *(mark for cell in row.cells for mark in cell.marks)} for row in table.rows]
    heights = [row_pt(i) for i in range(len(table.rows))]
    of_notes = {mark: note_pt(note.text) for mark, note in marked.items()}
    of_titles = {title: title_pt(title) for title in dict.fromkeys(titles)}

    def notes_of(rows: Sequence[int]) -> list[Note]:
        marks = set[str]().union(*(used[i] for i in rows))
        return [note for mark, note in marked.items() if mark in marks]

    def height(rows: Sequence[int], notes: Sequence[Note]) -> float:
        heads = [titles[i] for n, i in enumerate(rows) if n == 0 or titles[i] != titles[rows[n - 1]]]
        return (
            sum([heights[i] for i in rows])
            + sum(of_titles[title] for title in heads)
            + sum(note_pt(note.text) for note in notes)
        )

    def more_pt(i: int, rows: Sequence[int], marks: Collection[str]) -> float:
        """What a row adds to the rows above it, among which these marks are: itself, its group's title, its notes."""
        own = of_titles[titles[i]] if not rows or titles[rows[-1]] != titles[i] else 0.0
        return heights[i] + own + sum(of_notes[mark] for mark in used[i] if mark in of_notes and mark not in marks)

    pages, filled, marks = [Page()], 0.0, set[str]()
    for i in range(len(table.rows)):
        if pages[-1].rows and filled + more_pt(i, pages[-1].rows, marks) > room_pt:
            pages.append(Page())
            filled, marks = 0.0, set()
        filled += more_pt(i, pages[-1].rows, marks)
        marks |= used[i]
        pages[-1].rows.append(i)
    pages = [Page(page.rows, notes_of(page.rows)) for page in pages]
    if len(pages) == 1 and height(pages[0].rows, [*table.notes, *more]) <= room_pt:
        return [Page(pages[0].rows, [*table.notes, *more])]  # those too whose mark is nowhere
    told = {note for page in pages for note in page.notes}
    last = [*(note for note in table.notes if note not in told), *more]
    rows = pages[-1].rows
    if len(rows) > LEAST_ROWS and height(rows, [*pages[-1].notes, *last]) > room_pt:  # they take some rows with them
        kept, moved = rows[: -len(rows) // 3], rows[-len(rows) // 3 :]
        pages[-1:] = [Page(kept, notes_of(kept)), Page(moved, notes_of(moved))]
    for note in last:
        if height(pages[-1].rows, [*pages[-1].notes, note]) > room_pt and (pages[-1].rows or pages[-1].notes):
            pages.append(Page())
        pages[-1].notes.append(note)
    return pages


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
