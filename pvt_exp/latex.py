r"""A table as LaTeX: floats that need booktabs only, in whatever layout they are put.

How wide a table comes out is known to TeX alone, so its file measures itself where it is read: it takes the largest size at
which it fits into a column of the page and else, as ``table*``, across the page; long names break; and what may be too wide
for a page at any size is there a second time, cut into floats that are not.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from pvt_exp.escape import latex, one_line
from pvt_exp.formats import Dialect, about_runs, columns_of, fill, made_by, plain, spans
from pvt_exp.tables import Column, Table

TEX = Dialect(latex, r"\textbf{%s}", r"\underline{%s}", r"\textsuperscript{%s}", r"\PvtExpPm{%s}")
NAME_CHARS = 28
"""Names that are longer may break."""
ROOM_PT, CHAR_PT, GAP_PT = 345.0, 4.3, 6.0
"""Width of an article's text at 10 pt; of a character, rather too much, and between two columns at the smallest size."""
WORD_CHARS = 16
"""Words that are longer may break behind a sign."""
BREAKS = re.compile(r"(\\_|(?<!\\)[-/=,;:.)]|\\text(?:greater|less)\{\})")
PAGE_ROWS = 38
"""Lines of a page. Longer tables are split: a float longer than a page runs off it."""
NOTE_CHARS = 75
"""Of a note in the height of a row, in a narrow column: some 60 a line, and lines are lower there."""


class Tabular(NamedTuple):
    """Some columns of some rows."""

    key: str
    columns: int
    numbers: Markup
    """How the columns of numbers are set."""
    heads: list[Markup]
    groups: list[tuple[str, list[Markup]]]


def to_latex(table: Table, command: str | None, label: str) -> str:
    """A float; several where it is longer than a page, or wider."""
    cells, cuts = _cells(table), cut(table)
    rows = list(range(len(table.rows)))
    titles, groups = [group.title for group in table.groups], []
    for group in table.groups:
        groups.append(rows[: len(group.rows)])
        del rows[: len(group.rows)]
    notes = sum(1 + len(note.text) // NOTE_CHARS for note in table.notes)
    for room in range(PAGE_ROWS, 8, -4):  # less on each page until the notes fit below the last rows
        pages, left = _paginate(titles, groups, room)
        if left + PAGE_ROWS - room >= notes:
            break

    def tabular(key: str, columns: range, page: Sequence[tuple[str, list[int]]]) -> Tabular:
        made = [(title, [Markup(" & ".join(_line(cells[i], columns))) for i in rows]) for title, rows in page]
        hanging = any(table.rows[i].cells[columns[-1]].marks for _, rows in page for i in rows) if columns else False
        numbers = "r" * len(columns) + (r"@{\kern0.6em}" if hanging else "@{}")
        heads = _heads(table.head, [table.columns[i] for i in columns])
        return Tabular(key, len(columns), Markup(numbers), heads, made)

    whole = [tabular(f"{n}", range(len(table.columns)), page) for n, page in enumerate(pages, 1)]
    narrow = [
        tabular(f"{n}-{k}", part, page)
        for n, page in enumerate(pages, 1)
        for k, part in enumerate(cuts, 1)
        if len(cuts) > 1
    ]
    comments = [f"{one_line(row.name)}: {' '.join(row.runs)}" for row in table.rows]
    return fill(
        "tex",
        "table.tex.j2",
        table=table,
        whole=whole,
        narrow=narrow,
        versions=[whole, narrow] if narrow else [whole],
        long_names=any(len(row.name) > NAME_CHARS for row in table.rows),
        notes=[(note.mark, breakable(note.text)) for note in table.notes],
        label=Markup(re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-")),
        runs=about_runs(table),
        rows=[Markup(text.encode("ascii", "backslashreplace").decode()) for text in comments],
        command=Markup(made_by(table, command).encode("ascii", "backslashreplace").decode()),
    )


def _cells(table: Table) -> list[list[str]]:
    """The cells of each row, behind its name."""
    spreads = [max((cell.std_text for cell in column), key=len, default="") for column in columns_of(table)]
    lines = []
    for group in table.groups:
        for row in group.rows:
            indent = r"\enspace " if group.title else ""
            parts = [rf"{indent}\PvtExpName{{{breakable(row.name)}{TEX.marks(row.marks)}}}"]
            for cell, column, spread in zip(row.cells, table.columns, spreads, strict=True):
                marks = TEX.marks(cell.marks)
                text = TEX.bare(cell, column) + (rf"\rlap{{{marks}}}" if len(cell.marks) == 1 else marks)
                if cell.text and spread and not cell.std_text:  # keeps a mean without spread below the other means
                    text += rf"\phantom{{{TEX.spread % spread}}}"
                parts.append(text)
            lines.append(parts)
    return lines


def _line(cells: Sequence[str], columns: range) -> list[str]:
    return [cells[0], *(cells[i + 1] for i in columns)]


def cut(table: Table) -> list[range]:
    """The columns in parts of which each surely fits a page, cut between headings where that will do."""
    widths = [
        CHAR_PT * max([*map(len, _head(column)), *(len(plain(cell, column)) + len(cell.marks) for cell in cells)])
        + GAP_PT
        for column, cells in zip(table.columns, columns_of(table), strict=True)
    ]
    names = max([len(table.head), *(min(len(row.name), NAME_CHARS) + len(row.marks) for row in table.rows)])
    room = ROOM_PT - CHAR_PT * (names + 2)
    ends, at = set[int](), 0  # where a part may end without cutting below a heading
    for _, many in spans(table.columns) or [("", 1)] * len(table.columns):
        ends.add(at := at + many)
    found, start = list[range](), 0
    while start < len(widths):
        fitting = [end for end in range(start + 1, len(widths) + 1) if sum(widths[start:end]) <= room] or [start + 1]
        end = max((end for end in fitting if end in ends), default=fitting[-1])
        found.append(range(start, end))
        start = end
    return found


def breakable(text: str) -> Markup:
    """A text whose long words may break behind any sign."""
    words = latex(text).split(" ")
    return Markup(" ".join(BREAKS.sub(r"\1\\allowbreak{}", word) if len(word) > WORD_CHARS else word for word in words))


def _paginate(
    titles: Sequence[str], groups: Sequence[Sequence[int]], page: int
) -> tuple[list[list[tuple[str, list[int]]]], int]:
    """Groups on pages of so many lines, their headings again where they go on, and the lines left on the last."""
    pages: list[list[tuple[str, list[int]]]] = [[]]
    left = page
    for title, rows in zip(titles, groups, strict=True):
        for i, row in enumerate(rows):
            if left < (3 if i == 0 else 1):
                pages.append([])
                left = page
            if i == 0 or not pages[-1]:
                pages[-1].append((title, []))
                left -= 2 if title else 1
            pages[-1][-1][1].append(row)
            left -= 1
    return pages, left


def _heads(names_head: str, columns: Sequence[Column]) -> list[Markup]:
    """The lines of the head: headings over rules that span their columns, names, units."""
    lines, rules, at = [], [], 2
    for heading, many in spans(columns):
        lines.append(rf"\multicolumn{{{many}}}{{c}}{{{latex(heading)}}}" if heading else "")
        rules += [rf"\cmidrule(lr){{{at}-{at + many - 1}}}"] if heading else []
        at += many
    over = [Markup(rf" & {' & '.join(lines)} \\ {' '.join(rules)}")] if lines else []
    names, units = (Markup(" & ".join(map(latex, each))) for each in zip(*map(_head, columns), strict=True))
    return [*over, Markup(rf"{latex(names_head)} & {names} \\"), Markup(rf" & {units} \\")]


def _head(column: Column) -> tuple[str, str]:
    """The two lines of a column's head: what it is and in what unit, or what it is the difference of."""
    if column.kind == "difference":
        first, _, of = column.title.partition(" ")
        return first, of
    name, _, unit = column.title.partition(" (")
    return name, f"({unit}" if unit else ""
