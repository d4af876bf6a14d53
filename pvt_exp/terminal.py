"""A table on the terminal: in parts, one below the other, where it has more columns than fit. Nothing is decided here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pvt_exp.escape import one_line
from pvt_exp.formats import about_runs, columns_of, plain
from pvt_exp.tables import Cell, Column, Table

if TYPE_CHECKING:
    import rich.console
    import rich.table
    from rich.text import Text

MOST_SHOWN = 100
"""Rows that are shown; the files have them all."""
NAME_CHARS = 18
"""The room that names have at least, where they are that long, before columns go into another part."""
SUPERSCRIPT = str.maketrans("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")


def show(table: Table, width: int) -> "rich.console.Group":
    """The table in so many characters. The names give way first, then columns go below, so that numbers stay whole."""
    import rich.console

    heads = [f"{column.heading} {column.title}".split() for column in table.columns]
    widths = [
        max(map(len, (*head, *(_compact(cell, column) for cell in cells[:MOST_SHOWN]))))
        for head, column, cells in zip(heads, table.columns, columns_of(table), strict=True)
    ]
    marked = [
        width + max((len(_raised(cell.marks)) for cell in cells[:MOST_SHOWN]), default=0)
        for width, cells in zip(widths, columns_of(table), strict=True)
    ]
    names = max((len(row.name) + len(_raised(row.marks)) + 2 for row in table.rows[:MOST_SHOWN]), default=0)
    parts: list[list[int]] = [[]]
    room = width - min(names, NAME_CHARS) - 3
    left = room
    for i, each in enumerate(marked):
        if left < each and parts[-1]:
            parts.append([])
            left = room
        parts[-1].append(i)
        left -= each + 1
    return rich.console.Group(
        *(_part(table, part, heads, widths, n == 0, n == len(parts) - 1) for n, part in enumerate(parts))
    )


def _part(
    table: Table, part: Sequence[int], heads: Sequence[Sequence[str]], widths: Sequence[int], first: bool, last: bool
) -> "rich.table.Table":
    """Some of the columns; the first part has the caption above it, the last one the notes below."""
    import rich.box
    import rich.table
    from rich.text import Text

    left_out = len(table.rows) - MOST_SHOWN
    more = [f"… and {left_out} more rows; the files have them all."] if left_out > 0 else []
    notes = [f"{_raised([n.mark])} {n.text}".strip() for n in table.notes]
    seen = rich.table.Table(
        title=Text(table.caption) if first else None,
        title_justify="left",
        caption=Text("\n".join([*more, *notes, about_runs(table)])) if last else None,
        caption_justify="left",
        box=rich.box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    seen.add_column(Text(table.head), min_width=10, overflow="fold")
    for i in part:
        # justified by hand: rich would set a number with a mark further left than one without
        seen.add_column(Text("\n".join(f"{line:>{widths[i]}}" for line in heads[i])), no_wrap=True)
    room = MOST_SHOWN
    for group in table.groups:
        if not (rows := group.rows[:room]):
            break
        room -= len(rows)
        seen.add_section()
        if group.title:
            seen.add_row(Text(group.title, style="italic dim"))
        for row in rows:
            name = ("  " if group.title else "") + one_line(row.name)
            cells = (_text(row.cells[i], table.columns[i], widths[i]) for i in part)
            seen.add_row(Text(name + _raised(row.marks), "bold" if row.is_base else ""), *cells)
    return seen


def _text(cell: Cell, column: Column, width: int) -> "Text":
    from rich.text import Text

    text = _compact(cell, column)
    style = "bold" if cell.best else "underline" if cell.second else "dim" if cell.missing else ""
    return Text.assemble(" " * (width - len(text)), (text, style), _raised(cell.marks))


def _compact(cell: Cell, column: Column) -> str:
    return plain(cell, column).replace(" ± ", "±")


def _raised(marks: Sequence[str]) -> str:
    return ",".join(marks).translate(SUPERSCRIPT)
