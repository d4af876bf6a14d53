"""A table as Markdown, CSV and HTML, and what formats share; LaTeX is in `pvt_exp.report.latex`.

What a person named goes through the escape of its format by default, in templates too: what is to stay as it is says
so (``Markup``). Each format depends on the table and the command only, so that the same results give the same bytes.
"""

import csv
import html
import io
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from pvt_exp.config.metric_names import OF_ROWS
from pvt_exp.report.escape import latex, markdown, one_line
from pvt_exp.tables import Cell, Column, Row, Table

if TYPE_CHECKING:
    import jinja2

# ---------------------------------------------------------------- a cell


class Dialect(NamedTuple):
    """How a format escapes, and how it writes bold, underlined and raised."""

    escape: Callable[[str], str]
    bold: str = "%s"
    under: str = "%s"
    raised: str = "%s"
    spread: str = " ± %s"

    def cell(self, cell: Cell, column: Column) -> str:
        """A cell with its spread and marks; of what is missing the reason too, where a metric is due."""
        return self.bare(cell, column) + self.marks(cell.marks)

    def bare(self, cell: Cell, column: Column) -> str:
        """A cell without its marks."""
        if cell.missing is not None:
            return self.escape(f"— ({cell.missing})" if column.kind == "metric" else "—")
        text = cell.text if cell.text.isascii() else self.escape(cell.text)  # digits, and perhaps a minus
        shown = self.bold % text if cell.best else self.under % text if cell.second else text
        return shown + (self.spread % cell.std_text if cell.std_text else "")

    def marks(self, marks: Sequence[str]) -> str:
        """The marks of notes, raised."""
        return self.raised % self.escape(",".join(marks)) if marks else ""


PLAIN = Dialect(str)
MD = Dialect(markdown, "**%s**", "<u>%s</u>", "<sup>%s</sup>")
HTML = Dialect(html.escape, "<b>%s</b>", "<u>%s</u>", "<sup>%s</sup>", ' <span class="spread">± %s</span>')


def plain(cell: Cell, column: Column) -> str:
    """A cell as plain text, without its marks."""
    return PLAIN.bare(cell, column)


def about_runs(table: Table, most: int = 12) -> str:
    """How many runs are behind a table, and their ids if they are few."""
    ids = list(dict.fromkeys(run for row in table.rows for run in row.runs))
    text = f"{len(ids)} run{'' if len(ids) == 1 else 's'}"
    if not ids:
        return f"{text}."
    return f"{text}: {', '.join(ids)}." if len(ids) <= most else f"{text}; table.csv has their ids."


def made_by(table: Table, command: str | None) -> str:
    """The command that makes the table again."""
    return one_line(command or f"pvt-exp report {table.name}")


def fill(form: str, name: str, **values: Any) -> str:
    """One of `templates` with these values, which go through the escape of its format."""
    return _environment(form).get_template(name).render(**values)


@cache
def _environment(form: str) -> "jinja2.Environment":
    import jinja2

    def escape(value: Any) -> str:
        return value if isinstance(value, Markup) else {"tex": latex, "md": markdown}[form](str(value))

    syntax = jinja2.Environment(
        loader=jinja2.PackageLoader("pvt_exp.report"),
        autoescape=form == "html",
        finalize=None if form == "html" else escape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    if form == "tex":  # which is full of braces
        return syntax.overlay(
            block_start_string="<%",
            block_end_string="%>",
            variable_start_string="<<",
            variable_end_string=">>",
            comment_start_string="<#",
            comment_end_string="#>",
        )
    return syntax


# ---------------------------------------------------------------- the formats


NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]")
"""How a text begins that a spreadsheet may take for a formula; the last four are wide forms of the first."""


def as_text(text: str) -> str:
    """The text for a cell of CSV: with ' before it where a spreadsheet would take it for a formula."""
    if text[:1].isalnum():  # as most do
        return text
    bare = text.lstrip("'")
    return f"'{text}" if FORMULA.match(bare) and not NUMBER.fullmatch(text) else text


def from_text(text: str) -> str:
    """The text that `as_text` was given."""
    return text[1:] if text.startswith("'") and FORMULA.match(text.lstrip("'")) else text


def to_csv(table: Table) -> str:
    """Full precision, a column for each figure, the ids of the runs and why others are missing; no cell is a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = [*OF_ROWS[:3]]
    for column in table.columns:
        head += column.heads
    writer.writerow(map(as_text, [*head, *OF_ROWS[3:]]))
    for group in table.groups:
        for row in group.rows:
            line: list[Any] = [group.title, row.name, int(row.is_base)]
            for cell, column in zip(row.cells, table.columns, strict=True):
                line += _figures(cell, column)
            gone = (f"{replicate.run}:{replicate.state}" for replicate in row.replicates if replicate.state != "done")
            line += [" ".join(row.runs), " ".join(gone), " ".join(row.data), " ".join(row.code)]
            writer.writerow(as_text(each) if isinstance(each, str) else each for each in line)
    return out.getvalue()


def _figures(cell: Cell, column: Column) -> list[Any]:
    """What CSV has of a cell, as many as its column's parts."""
    match column.kind:
        case "metric":
            return [cell.value, cell.std, cell.n]
        case "interval":
            return [*(cell.interval or (None, None))]
        case "difference":
            return [cell.value, *(cell.interval or (None, None)), cell.p, cell.verdict]
        case "deviation":
            within = None if cell.within is None else int(cell.within)
            return [cell.value, *(cell.interval or (None, None)), within]
        case "setting":
            return [cell.text]
    return [cell.value]


def to_markdown(table: Table, command: str | None) -> str:
    """GitHub's Markdown, with aligned pipes."""
    heads = (f"{column.heading} {column.title}".strip() for column in table.columns)
    grid = [[markdown(table.head), *map(markdown, heads)]]
    for group in table.groups:
        if group.title:
            grid.append([f"*{markdown(group.title)}*", *("" for _ in table.columns)])
        for row in group.rows:
            cells = (MD.cell(cell, column) for cell, column in zip(row.cells, table.columns, strict=True))
            grid.append([markdown(row.name) + MD.marks(row.marks), *cells])
    widths = [max(3, *map(len, column)) for column in zip(*grid, strict=True)]
    lines = [f"| {line[0]:<{widths[0]}} | {' | '.join(map(str.rjust, line[1:], widths[1:]))} |" for line in grid]
    lines.insert(1, f"| {'-' * widths[0]} | " + " | ".join("-" * (w - 1) + ":" for w in widths[1:]) + " |")
    made = made_by(table, command).replace("`", "'")
    return fill("md", "table.md.j2", table=table, grid=map(Markup, lines), runs=about_runs(table), command=Markup(made))


def columns_of(table: Table) -> list[tuple[Cell, ...]]:
    """The cells of each column, over all groups."""
    return [tuple(row.cells[i] for row in table.rows) for i in range(len(table.columns))]


def spans(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """The headings over the columns from left to right, and over how many neighbours each stands; empty: none has one."""
    if not any(column.heading for column in columns):
        return []
    found: list[tuple[str, int]] = []
    for column in columns:
        if found and column.heading and found[-1][0] == column.heading:
            found[-1] = (column.heading, found[-1][1] + 1)
        else:
            found.append((column.heading, 1))
    return found


def to_html(title: str, tables: Sequence[Table], command: str | None) -> str:
    """One page that stands alone, light or dark as the reader's system is, with each seed's figure as a tooltip."""

    def cells(table: Table, row: Row) -> Markup:
        parts = []
        for cell, column in zip(row.cells, table.columns, strict=True):
            seeds = [
                f"seed {r.seed}: {r.state if value is None else repr(value)}  run {r.run}"
                for r, value in zip(row.replicates[cell.first :], cell.values, strict=False)
            ]
            tip = f' title="{html.escape(chr(10).join(seeds))}"' if seeds else ""
            kind = ' class="missing"' if cell.missing else ""
            parts.append(f"<td{kind}{tip}>{HTML.cell(cell, column)}</td>")
        return Markup("".join(parts))

    def heads(table: Table) -> list[tuple[str, int, int]]:
        """The first row of a head of two: texts, and how many columns and rows each spans; empty: the head has one."""
        columns = iter(table.columns)
        first = []
        for heading, many in spans(table.columns):
            titles = [next(columns).title for _ in range(many)]
            first.append((heading or titles[0], many, 1 if heading else 2))
        return first

    def groups(table: Table) -> list[tuple[str, list[tuple[Row, Markup, Markup]]]]:
        return [
            (g.title, [(r, Markup(html.escape(r.name) + HTML.marks(r.marks)), cells(table, r)) for r in g.rows])
            for g in table.groups
        ]

    return fill(
        "html",
        "page.html.j2",
        title=title,
        tables=[(t, heads(t), groups(t), about_runs(t, 0).partition(";")[0].rstrip(".")) for t in tables],
        command=made_by(tables[0], command) if tables else command or "pvt-exp report",
    )
