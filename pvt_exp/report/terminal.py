"""A table on the terminal: in parts, one below the other, where it has more columns than fit. Nothing is decided here.

No cell is ever cut: names give way first and break into lines, then columns go below the others, and a column that is wider
than the terminal breaks too. Where the output is no terminal, the table has all the width that it needs.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pvt_exp.report.escape import one_line
from pvt_exp.report.formats import about_runs, columns_of, plain
from pvt_exp.system import streams
from pvt_exp.system.words import several
from pvt_exp.tables import Cell, Column, Group, Row, Table

if TYPE_CHECKING:
    from rich.text import Text

MOST_SHOWN = 100
"""Rows that are shown; the files have them all."""
GAP = 2
"""Blanks between columns."""
NAME_CHARS = 18
"""The room that names have at least, where they are that long, before columns go into another part."""
SUPERSCRIPT = str.maketrans("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")


class Shown(NamedTuple):
    """A column as it is shown."""

    head: list[str]
    texts: list[str]
    marks: list[str]
    cells: Sequence[Cell]
    figures: int
    """Characters of the longest text, or word of the head."""
    hanging: int
    """Characters of the longest marks, which stand behind the texts."""

    @property
    def width(self) -> int:
        return self.figures + self.hanging


def show(table: Table, width: int | None) -> list["Text"]:
    """The lines of the table in so many characters; none: in as many as it needs. To be printed without wrapping."""
    from rich.text import Text

    columns = [_shown(*each) for each in zip(table.columns, columns_of(table), strict=True)]
    names = max(
        [_cells(table.head), *(_cells(_indent(group) + _name(row)) for group in table.groups for row in group.rows)]
    )
    lines = list(map(Text, _wrap(one_line(table.caption), width)))
    for part in _parts(columns, names, width):
        lines += [Text(), *_part(table, part, names, width)]
    left_out = len(table.rows) - MOST_SHOWN
    more = [f"… and {several(left_out, 'more row')}; the files have all."] if left_out > 0 else []
    notes = [one_line(f"{_raised([n.mark])} {n.text}") for n in table.notes]
    below = [Text(line) for text in (*more, *notes, about_runs(table)) for line in _wrap(text, width)]
    return [*lines, Text(), *below]


def _shown(column: Column, cells: Sequence[Cell]) -> Shown:
    head = f"{column.heading} {column.title}".split()
    texts = [plain(cell, column).replace(" ± ", "±") for cell in cells[:MOST_SHOWN]]
    marks = [_raised(cell.marks) for cell in cells[:MOST_SHOWN]]
    hanging = max(map(_cells, marks), default=0)
    return Shown(head, texts, marks, cells, max(map(_cells, (*head, *texts)), default=0), hanging)


def _parts(columns: Sequence[Shown], names: int, width: int | None) -> list[list[Shown]]:
    """The columns that stand beside one another."""
    if width is None or not columns:
        return [list(columns)]
    parts: list[list[Shown]] = []
    left = 0
    for column in columns:
        if not parts or left < column.width + GAP:
            parts.append([])
            left = width - min(names, NAME_CHARS)
        parts[-1].append(column)
        left -= column.width + GAP
    return parts


def _part(table: Table, columns: Sequence[Shown], names: int, width: int | None) -> list["Text"]:
    """Some of the columns, each line as wide as all; a row has several lines where its name, or a single column, breaks."""
    from rich.text import Text

    taken = sum(column.width + GAP for column in columns)
    room = names if width is None else min(names, max(width - taken, min(NAME_CHARS, width // 2)))
    breaks = width is not None and room + taken > width  # a column alone that is too wide
    most = max(1, width - room - GAP) if width is not None and breaks else 0

    def line(name: str, cells: Sequence[Text]) -> Text:
        return Text(" " * GAP).join([Text(name + " " * (room - _cells(name))), *cells])

    def lines(name: str, style: str, texts: Sequence[tuple[str, str, str]], indent: str = "") -> list[Text]:
        """A row: its name, and of each column the text, its style and its marks."""
        left = [indent + each for each in _wrap(name, room - len(indent))]
        if breaks:
            ((text, kind, marks),) = texts
            right = [[Text(each, kind)] for each in _chop(text + marks, most)]
        else:
            right = [[_right(*each, column) for each, column in zip(texts, columns, strict=True)]]
        blank = [Text(" " * (0 if breaks else column.width)) for column in columns]
        count = max(len(left), len(right))
        pairs = zip(left + [""] * (count - len(left)), right + [blank] * (count - len(right)), strict=True)
        made = [line(words, cells) for words, cells in pairs]
        for each in made:
            each.rstrip()
            each.stylize(style, 0, room)
        return made

    high = max((len(column.head) for column in columns), default=1)
    heads = [[""] * (high - len(column.head)) + column.head for column in columns]
    found = []
    for n in range(high):
        texts = [(head[n], "", "") for head in heads]
        found += lines(table.head if n == high - 1 else "", "", texts)
    for each in found:
        each.stylize("bold")
    found.append(Text("─" * min(room + (most + GAP if breaks else taken), width or 10**9), "dim"))
    at = 0
    for n, group in enumerate(table.groups):
        if at >= MOST_SHOWN:
            break
        found += [Text()] if n else []
        if group.title:
            found += [Text(each, "italic dim") for each in _wrap(one_line(group.title), width)]
        for row in group.rows[: MOST_SHOWN - at]:
            texts = [(column.texts[at], _style(column.cells[at]), column.marks[at]) for column in columns]
            found += lines(_name(row), "bold" if row.is_base else "", texts, _indent(group))
            at += 1
    return found


def _right(text: str, style: str, marks: str, column: Shown) -> "Text":
    """A text that ends where the others of its column end, and its marks behind it."""
    from rich.text import Text

    before, after = column.figures - _cells(text), column.hanging - _cells(marks)
    return Text.assemble(" " * before, (text, style), marks + " " * after)


def _style(cell: Cell) -> str:
    return "bold" if cell.best else "underline" if cell.second else "dim" if cell.missing else ""


def _name(row: Row) -> str:
    return one_line(row.name) + _raised(row.marks)


def _indent(group: Group) -> str:
    return "  " if group.title else ""


def _raised(marks: Sequence[str]) -> str:
    return ",".join(marks).translate(SUPERSCRIPT)


# ---------------------------------------------------------------- how wide


def _cells(text: str) -> int:
    """Places that a text takes on the terminal: two for a Chinese character."""
    from rich.cells import cell_len

    return cell_len(streams.as_printed(text))


def _chop(text: str, width: int) -> list[str]:
    """The text in lines of this width, cut anywhere."""
    from rich.cells import chop_cells

    return chop_cells(streams.as_printed(text), width) if _cells(text) > width else [text]


def _wrap(text: str, width: int | None) -> list[str]:
    """The text in lines of this width, cut between words, and within those that are wider."""
    if width is None or _cells(text) <= width:
        return [text]
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if _cells(joined) <= width:
            lines[-1] = joined
            continue
        first, *others = _chop(word, width)
        lines[-1:] = [lines[-1], first, *others] if lines[-1] else [first, *others]
    return lines
