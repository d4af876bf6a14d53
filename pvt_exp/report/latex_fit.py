r"""A table as LaTeX that measures itself where it is read, in whatever layout it is put; for booktabs alone.

How wide a table comes out is known to TeX alone: its file takes the largest size at which it fits into a column of the page
and else, as ``table*``, across the page; long names break; and what may be too wide for a page at any size is there a second
time, cut into floats that are not. The price is a page of TeX before the rows; `latex` is the form to be edited.
"""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from pvt_exp.report import latex_size
from pvt_exp.report.escape import latex, one_line
from pvt_exp.report.formats import about_runs, columns_of, fill, made_by, plain, spans
from pvt_exp.report.latex import (
    COLUMN_PT,
    HEIGHT_PT,
    RULES_PT,
    TITLE_PT,
    breakable,
    comment,
    cut,
    head,
    in_label,
    with_other_letters,
)
from pvt_exp.report.latex import TEX as PLAIN
from pvt_exp.report.latex_pages import Page, grouped, paginate
from pvt_exp.report.latex_size import NOTES, SIZES
from pvt_exp.tables import Column, Note, Table

FITTING = "It measures itself (--latex fit)"
"""What this form says of itself in its first lines."""
TEX = PLAIN._replace(spread=r"\PvtExpPm{%s}")
NAME_CHARS = 28
"""Names that are longer may break."""
ROOM_PT, CHAR_PT, GAP_PT = 345.0, 4.3, 6.0
"""Width of an article's text at 10 pt; of a character, rather too much, and between two columns at the smallest size."""
NAMES_PT = 140.0
"""Width of names that break."""


class Tabular(NamedTuple):
    """Some columns of some rows."""

    key: str
    columns: int
    numbers: Markup
    """How the columns of numbers are set."""
    heads: list[Markup]
    groups: list[tuple[str, list[Markup]]]
    notes: list[tuple[str, Markup]]
    """Below it."""


def to_fitting(table: Table, command: str | None, label: str) -> str:
    """A float; several where it is longer than a page, or wider."""
    cells, cuts = _cells(table), _parts(table)
    every, line = range(len(table.columns)), SIZES[0].line_pt
    above = line * (latex_size.lines(table.caption, COLUMN_PT) + 4) + RULES_PT
    pages = paginate(
        table,
        HEIGHT_PT - above,
        lambda i: line * latex_size.lines(table.rows[i].name, NAMES_PT),
        lambda title: TITLE_PT + line * latex_size.lines(title, COLUMN_PT),
        lambda text: NOTES.line_pt * latex_size.lines(text, COLUMN_PT, NOTES),
        [Note("", about_runs(table))],
    )

    def tabular(key: str, columns: range, page: Page, last: bool) -> Tabular:
        made = [
            (title, [Markup(" & ".join(_line(cells[i], columns))) for i in rows])
            for title, rows in grouped(table, page.rows)
        ]
        hanging = any(table.rows[i].cells[columns[-1]].marks for i in page.rows) if columns else False
        numbers = "r" * len(columns) + (r"@{\kern0.6em}" if hanging else "@{}")
        heads = _heads(table.head, [table.columns[i] for i in columns])
        notes = [(note.mark, breakable(note.text)) for note in page.notes] if last else []
        return Tabular(key, len(columns), Markup(numbers), heads, made, notes)

    whole = [tabular(f"{n}", every, page, True) for n, page in enumerate(pages, 1)]
    narrow = [
        tabular(f"{n}-{k}", part, page, k == len(cuts) or not page.rows)
        for n, page in enumerate(pages, 1)
        for k, part in enumerate(cuts if page.rows or n == 1 else cuts[:1], 1)
        if len(cuts) > 1
    ]
    comments = [f"{one_line(row.name)}: {' '.join(row.runs)}" for row in table.rows]
    text = fill(
        "tex",
        "fit.tex.j2",
        table=table,
        whole=whole,
        narrow=narrow,
        versions=[whole, narrow] if narrow else [whole],
        long_names=any(len(row.name) > NAME_CHARS for row in table.rows),
        label=Markup(in_label(label)),
        rows=list(map(comment, comments)),
        command=comment(made_by(table, command)),
    )
    return with_other_letters(text)


def _cells(table: Table) -> list[list[str]]:
    """The cells of each row, behind its name."""
    lines = []
    for group in table.groups:
        for row in group.rows:
            indent = r"\enspace " if group.title else ""
            parts = [rf"{indent}\PvtExpName{{{breakable(row.name)}{TEX.marks(row.marks)}}}"]
            for cell, column, spread in zip(row.cells, table.columns, table.longest_spreads, strict=True):
                marks = TEX.marks(cell.marks)
                text = TEX.bare(cell, column) + (rf"\rlap{{{marks}}}" if len(cell.marks) == 1 else marks)
                if cell.text and spread and not cell.std_text:  # keeps a mean without spread below the other means
                    text += rf"\phantom{{{TEX.spread % spread}}}"
                parts.append(text)
            lines.append(parts)
    return lines


def _line(cells: Sequence[str], columns: range) -> list[str]:
    return [cells[0], *(cells[i + 1] for i in columns)]


def _parts(table: Table) -> list[range]:
    """The columns in parts of which each surely fits a page."""
    widths = [
        CHAR_PT * max([*map(len, head(column)), *(len(plain(cell, column)) + len(cell.marks) for cell in cells)])
        + GAP_PT
        for column, cells in zip(table.columns, columns_of(table), strict=True)
    ]
    names = max([len(table.head), *(min(len(row.name), NAME_CHARS) + len(row.marks) for row in table.rows)])
    room = ROOM_PT - CHAR_PT * (names + 2)
    return cut(table, lambda part: sum(widths[part.start : part.stop]) <= room)


def _heads(names_head: str, columns: Sequence[Column]) -> list[Markup]:
    """The lines of the head: headings over rules that span their columns, names, units."""
    lines, rules, at = [], [], 2
    for heading, many in spans(columns):
        lines.append(rf"\multicolumn{{{many}}}{{c}}{{{latex(heading)}}}" if heading else "")
        rules += [rf"\cmidrule(lr){{{at}-{at + many - 1}}}"] if heading else []
        at += many
    over = [Markup(rf" & {' & '.join(lines)} \\ {' '.join(rules)}")] if lines else []
    names, units = (Markup(" & ".join(map(latex, each))) for each in zip(*map(head, columns), strict=True))
    return [*over, Markup(rf"{latex(names_head)} & {names} \\"), Markup(rf" & {units} \\")]
