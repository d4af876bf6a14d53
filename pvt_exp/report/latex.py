r"""A table as LaTeX that an author can read, edit and diff: captions, rows and notes as plain lines, for booktabs alone.

It is laid out here, by the widths of TeX's own letters: a narrow table is a ``table``, which fits a column of two, and any
other a ``table*``, which fits an article's page; what is wider than that is cut between its columns, and what is longer into
several floats. `pvt_exp.report.latex_fit` is the form that measures itself.
"""

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from pvt_exp.report import latex_size
from pvt_exp.report.escape import OTHER, latex, one_line
from pvt_exp.report.formats import Dialect, about_runs, columns_of, fill, made_by, plain, spans
from pvt_exp.report.latex_pages import grouped, paginate
from pvt_exp.report.latex_size import SIZES, Size
from pvt_exp.tables import Cell, Column, Note, Table

TEX = Dialect(latex, r"\textbf{%s}", r"\underline{%s}", r"\textsuperscript{%s}", r"$\pm$%s")
COLUMN_PT, PAGE_PT = 200.0, 340.0
"""Width of a column of an article in two columns, which is the narrowest there is, and nearly that of an article's page."""
NAME_PT = 110.0
"""The least width of names that break."""
HEIGHT_PT = 500.0
"""Nearly the height of an article's page."""
RULES_PT, TITLE_PT = 20.0, 5.0
"""Height of the rules and of the space round the head; of the space above a group."""
ITALIC = 1.06
"""How much wider words in italics are."""
INDENT_PT = 5.0
"""Of rows below the title of a group."""
WORD_CHARS = 16
"""Words that are longer may break behind a sign."""
BREAKS = re.compile(r"(\\_|(?<!\\)[-/=,;:.)]|\\text(?:greater|less)\{\})")
PADDED_CHARS = 40
"""Cells are padded to the width of their column in the file, up to so many characters."""


class Layout(NamedTuple):
    """How wide a table comes out, and what follows from it."""

    size: Size
    star: bool
    """Whether it goes across the page."""
    names_pt: float | None
    """Width of the column of names, which break; none: as wide as they are."""
    parts: Sequence[range]
    """The columns of each float."""
    width_pt: float
    """Of the widest part."""


class Float(NamedTuple):
    """One float: the caption's end, a tabular unless there are notes alone, and notes."""

    place: str
    tabular: Sequence[Markup]
    notes: Sequence[tuple[str, Markup]]


def to_latex(table: Table, command: str | None, label: str) -> str:
    """A float; several where it is longer than a page, or wider."""
    layout = lay_out(table)
    floats = _floats(table, layout)
    comments = [f"{one_line(row.name)}: {' '.join(row.runs)}" for row in table.rows]
    about = f"Some {20 * round(layout.width_pt / 20)} pt wide in an article of 10 pt"
    text = fill(
        "tex",
        "table.tex.j2",
        caption=breakable(table.caption),
        label=Markup(in_label(label)),
        floats=floats,
        float=Markup("table*" if layout.star else "table"),
        where=Markup("tbp" if layout.star else "htbp"),
        size=Markup(layout.size.command),
        gap=Markup(f"{layout.size.gap_pt:g}pt"),
        about=Markup(about),
        rows=[comment(text) for text in comments],
        command=comment(made_by(table, command)),
    )
    return with_other_letters(text)


def to_tabular(table: Table, command: str | None) -> str:
    """The tabular alone, all of it in one: for a float, a caption and a width of one's own."""
    every = range(len(table.columns))
    lines = _tabular(table, Layout(SIZES[0], False, None, [every], 0.0), every, list(range(len(table.rows))))
    notes = [f"{note.mark}: {note.text}" if note.mark else note.text for note in table.notes]
    text = fill(
        "tex", "tabular.tex.j2", lines=lines, notes=list(map(comment, notes)), command=comment(made_by(table, command))
    )
    return with_other_letters(text)


def comment(text: str) -> Markup:
    """A text that stands in a line of its own, behind a percent sign."""
    line = one_line(text)
    return Markup(line if line.isprintable() else "".join(filter(str.isprintable, line)))


def in_label(name: str) -> str:
    r"""A name as ``\label`` takes it: ASCII, and another one for each name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    short = re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-")
    if short and short == name:
        return short
    return "-".join(filter(None, (short, hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6])))


def breakable(text: str) -> Markup:
    """A text whose long words may break behind any sign."""
    words = latex(text).split(" ")
    return Markup(" ".join(BREAKS.sub(r"\1\\allowbreak{}", word) if len(word) > WORD_CHARS else word for word in words))


def with_other_letters(text: str) -> str:
    """The text, and where it has letters that pdfLaTeX lacks, what they are set with, behind the first line."""
    found = "".join(dict.fromkeys("".join(re.findall(rf"\\{OTHER}{{([^}}]*)}}", text))))
    if not found:
        return text
    first, rest = text.split("\n", 1)
    return f"{first}\n{fill('tex', 'other.tex.j2', letters=Markup(found), macro=Markup(OTHER))}{rest}"


# ---------------------------------------------------------------- how wide


def lay_out(table: Table) -> Layout:
    """The size of letters, the float and the columns of each part, so that nothing is wider than its page."""
    columns = _widths(table)
    names = _names_pt(table)
    every = range(len(columns))

    def total(part: range, size: Size, names_pt: float) -> float:
        return size.scale * (names_pt + sum(columns[i] for i in part)) + 2 * size.gap_pt * len(part)

    for star, room, sizes in ((False, COLUMN_PT, SIZES[:2]), (True, PAGE_PT, SIZES)):
        for size in sizes:
            if (wide := total(every, size, names)) <= room:
                return Layout(size, star, None, [every], wide)
    for size in SIZES[2:]:  # long names break
        left = PAGE_PT - total(every, size, 0.0)
        if left >= size.scale * min(NAME_PT, names):
            return Layout(size, True, left, [every], PAGE_PT)
    size = SIZES[-1]
    kept = min(names, NAME_PT)
    parts = cut(table, lambda part: total(part, size, kept) <= PAGE_PT)
    wide = max(total(part, size, kept) for part in parts)
    return Layout(size, True, size.scale * kept if kept < names else None, parts, wide)


def cut(table: Table, fits: Callable[[range], bool]) -> list[range]:
    """The columns in parts that fit, cut between headings where that will do."""
    ends, at = set[int](), 0  # where a part may end without cutting below a heading
    for _, many in spans(table.columns) or [("", 1)] * len(table.columns):
        ends.add(at := at + many)
    found, start = list[range](), 0
    while start < len(table.columns):
        fitting = [n for n in range(start + 1, len(table.columns) + 1) if fits(range(start, n))] or [start + 1]
        end = max((n for n in fitting if n in ends), default=fitting[-1])
        found.append(range(start, end))
        start = end
    return found or [range(0)]


def _widths(table: Table) -> list[float]:
    """Points that each column is wide, at 10 pt."""
    found = []
    for column, cells in zip(table.columns, columns_of(table), strict=True):
        shown = {(plain(cell, column), cell.best, cell.marks) for cell in cells}  # many are alike
        found.append(max([*map(latex_size.width, head(column)), *itertools.starmap(_cell_pt, shown)]))
    at = 0
    for heading, many in spans(table.columns):
        lacking = latex_size.width(heading) - sum(found[at : at + many]) - 2 * SIZES[0].gap_pt * (many - 1)
        found[at + many - 1] += max(0.0, lacking)
        at += many
    return found


def _cell_pt(text: str, best: bool, marks: Sequence[str]) -> float:
    wide = latex_size.width(text.replace(" ± ", "±"))
    return wide * (latex_size.BOLD if best else 1.0) + latex_size.raised(marks)


def _names_pt(table: Table) -> float:
    indented = [(row, bool(group.title)) for group in table.groups for row in group.rows]
    widths = [
        latex_size.width(row.name) + latex_size.raised(row.marks) + INDENT_PT * indent for row, indent in indented
    ]
    return max([latex_size.width(table.head), *widths])


# ---------------------------------------------------------------- the floats


def _floats(table: Table, layout: Layout) -> list[Float]:
    room = PAGE_PT if layout.star else COLUMN_PT
    line = layout.size.line_pt

    def name_lines(i: int) -> int:
        return 1 if layout.names_pt is None else latex_size.lines(table.rows[i].name, layout.names_pt, layout.size)

    def note_pt(text: str) -> float:
        return latex_size.NOTES.line_pt * latex_size.lines(text, room, latex_size.NOTES)

    above = SIZES[0].line_pt * (latex_size.lines(table.caption, room) + 1)
    pages = paginate(
        table,
        HEIGHT_PT - above - RULES_PT - line * (3 if spans(table.columns) else 2),
        lambda i: line * name_lines(i),
        lambda title: TITLE_PT + (line * len(_title_lines(title, layout)) if title else 0.0),
        note_pt,
        [Note("", about_runs(table))],
    )
    parts = [
        (_tabular(table, layout, part, page.rows) if page.rows or n == 0 else [], page.notes if last else [])
        for n, page in enumerate(pages)
        for part, last in [
            (each, each is layout.parts[-1]) for each in (layout.parts if page.rows else layout.parts[-1:])
        ]
    ]
    places = [f" ({n}~of~{len(parts)})" if len(parts) > 1 else "" for n in range(1, len(parts) + 1)]
    return [
        Float(Markup(place), tabular, [(note.mark, breakable(note.text)) for note in notes])
        for place, (tabular, notes) in zip(places, parts, strict=True)
    ]


def _title_lines(title: str, layout: Layout) -> list[str]:
    """A group's title in lines that are no wider than the table."""
    room = layout.width_pt / layout.size.scale / ITALIC
    return latex_size.wrap(title, room) if room else [title]


def _tabular(table: Table, layout: Layout, part: range, rows: Sequence[int]) -> list[Markup]:
    """The lines of a tabular with some of the columns and rows, the ``&`` one below the other."""
    columns = [table.columns[i] for i in part]
    names = "l" if layout.names_pt is None else f"p{{{layout.names_pt:.0f}pt}}"
    hanging = bool(part) and any(len(table.rows[i].cells[part[-1]].marks) == 1 for i in rows)
    end = r"@{\enspace}" if hanging else "@{}"
    cells = _cells(table, part, rows, layout)
    over, heads = _heads(table.head, columns)
    grid = [*heads, *cells.values()]
    widths = [min(PADDED_CHARS, max(map(len, column))) for column in zip(*grid, strict=True)]

    def line(texts: Sequence[str]) -> str:
        return " & ".join(map(str.ljust, texts, widths)) + r" \\"

    made = [rf"\begin{{tabular}}{{@{{}}{names}{'r' * len(columns)}{end}}}", r"\toprule", *over]
    made += [*map(line, heads), r"\midrule"]
    for n, (title, members) in enumerate(grouped(table, rows)):
        made += [r"\addlinespace"] if n else []
        for words in _title_lines(title, layout) if title else ():
            made.append(rf"\multicolumn{{{len(columns) + 1}}}{{@{{}}l@{{}}}}{{\textit{{{latex(words)}}}}} \\")
        made += [line(cells[i]) for i in members]
    return [*map(Markup, made), Markup(r"\bottomrule"), Markup(r"\end{tabular}%")]


def _cells(table: Table, part: range, rows: Sequence[int], layout: Layout) -> dict[int, list[str]]:
    """The cells of each row, its name first."""
    found = {}
    for i in rows:
        row = table.rows[i]
        name = latex(row.name) if layout.names_pt is None else breakable(row.name)
        if layout.names_pt is not None and latex_size.lines(row.name, layout.names_pt, layout.size) > 1:
            name = rf"\raggedright {name}"
        name = (r"\enspace " if table.group_of[i].title else "") + name + TEX.marks(row.marks)
        found[i] = [name, *(_number(row.cells[n], table.columns[n], table.longest_spreads[n]) for n in part)]
    return found


def _number(cell: Cell, column: Column, spread: str) -> str:
    """A cell; one mark hangs out at its right, so that the figures of a column stand below each other."""
    text = TEX.bare(cell, column)
    if cell.marks:
        marks = TEX.marks(cell.marks)
        text += rf"\rlap{{{marks}}}" if len(cell.marks) == 1 else marks
    if cell.text and spread and not cell.std_text:  # keeps a mean without spread below the other means
        text += rf"\phantom{{{TEX.spread % spread}}}"
    return text


def _heads(names_head: str, columns: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    """The lines of the head: headings over rules that span their columns; then names, and units, one text per column."""
    lines, rules, at = [""], [], 2
    for heading, many in spans(columns):
        lines.append(rf"\multicolumn{{{many}}}{{c}}{{{latex(heading)}}}" if heading else "")
        rules += [rf"\cmidrule(lr){{{at}-{at + many - 1}}}"] if heading else []
        at += many
    over = [rf"{' & '.join(lines)} \\", *([" ".join(rules)] if rules else [])] if len(lines) > 1 else []
    heads = [head(column) for column in columns]
    names = [latex(names_head), *(latex(name) for name, _ in heads)]
    units = ["", *(latex(unit) for _, unit in heads)]
    return over, [names, units] if any(units) else [names]


def head(column: Column) -> tuple[str, str]:
    """The two lines of a column's head: what it is and in what unit, or what it is the difference of."""
    if column.kind == "difference":
        first, _, of = column.title.partition(" ")
        return first, of
    name, _, unit = column.title.partition(" (")
    return name, f"({unit}" if unit else ""
