"""A table in the terminal, as JSON, and as files; a report's tables as a page. Nothing is rounded or decided here."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pvt_exp import files
from pvt_exp.escape import markdown, one_line
from pvt_exp.formats import about_runs, columns_of, plain, to_csv, to_html, to_latex, to_markdown
from pvt_exp.tables import Cell, Column, Row, Table

if TYPE_CHECKING:
    import rich.table

Format = Literal["tex", "md", "csv", "html"]
MOST_SHOWN = 100
"""Rows that the terminal is shown; the files have them all."""
SUPERSCRIPT = str.maketrans("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")


def write(table: Table, out: Path, command: str | None = None) -> list[Path]:
    """Write ``table.tex``, ``.md``, ``.csv`` and ``.html``; they say that ``command`` made them."""
    out.mkdir(parents=True, exist_ok=True)
    texts = {out / f"table.{form}": render(table, form, command) for form in get_args(Format)}
    for path, text in texts.items():
        files.write(path, text)
    return list(texts)


def write_page(title: str, tables: Sequence[Table], out: Path, command: str | None = None) -> list[Path]:
    """Write each table into the folder of its sweep's name, and ``index.html`` and ``index.md`` with all of them."""
    paths: list[Path] = []
    taken: dict[str, int] = {}
    for table in tables:
        stem = re.sub(r"[^\w.+-]+", "-", table.name).strip(".-") or "table"
        taken[stem] = taken.get(stem, 0) + 1
        paths += write(table, out / (stem if taken[stem] == 1 else f"{stem}.{taken[stem]}"), command)
    out.mkdir(parents=True, exist_ok=True)
    page = "\n".join([f"# {markdown(title)}\n", *(to_markdown(table, command) for table in tables)])
    for path, text in {out / "index.html": to_html(title, tables, command), out / "index.md": page}.items():
        files.write(path, text)
        paths.append(path)
    return paths


def render(table: Table, form: Format, command: str | None = None) -> str:
    """The table as the text of one format."""
    match form:
        case "tex":
            return to_latex(table, command)
        case "md":
            return to_markdown(table, command)
        case "csv":
            return to_csv(table)
        case "html":
            return to_html(table.name, [table], command)


def as_json(table: Table) -> dict[str, Any]:
    """The table for programs: full precision, and the texts as shown. Names are stable; new ones may be added."""
    return {
        "format": 1,
        "name": table.name,
        "caption": table.caption,
        "seeds": list(table.seeds),
        "columns": [{"key": c.key, "title": c.title, "kind": c.kind} for c in table.columns],
        "groups": [{"title": g.title, "rows": [_row_json(row, table.columns) for row in g.rows]} for g in table.groups],
        "notes": [{"mark": note.mark, "text": note.text} for note in table.notes],
    }


def _row_json(row: Row, columns: Sequence[Column]) -> dict[str, Any]:
    cells = {
        column.key: {
            "value": cell.value,
            "std": cell.std,
            "n": cell.n,
            "text": plain(cell, column),
            "best": cell.best,
            "second": cell.second,
            "missing": cell.missing,
            "marks": list(cell.marks),
            "values": list(cell.values),
            **({"interval": cell.interval} if column.kind in ("difference", "interval") else {}),
            **({"p": cell.p} if column.kind == "difference" else {}),
        }
        for cell, column in zip(row.cells, columns, strict=True)
    }
    return {
        "name": row.name,
        "base": row.is_base,
        "runs": [replicate._asdict() for replicate in row.replicates],
        "marks": list(row.marks),
        "data": list(row.data),
        "code": list(row.code),
        "cells": cells,
    }


def show(table: Table) -> "rich.table.Table":
    """The table for the terminal. The names give way first, so that numbers stay whole in 80 columns."""
    import rich.box
    import rich.table
    from rich.text import Text

    def compact(cell: Cell, column: Column) -> str:
        return plain(cell, column).replace(" ± ", "±")

    def raised(marks: Sequence[str]) -> str:
        return ",".join(marks).translate(SUPERSCRIPT)

    left_out = len(table.rows) - MOST_SHOWN
    more = [f"… and {left_out} more rows; the files have them all."] if left_out > 0 else []
    notes = [f"{raised([n.mark])} {n.text}".strip() for n in table.notes]
    seen = rich.table.Table(
        title=Text(table.caption),
        title_justify="left",
        caption=Text("\n".join([*more, *notes, about_runs(table)])),
        caption_justify="left",
        box=rich.box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    seen.add_column("variant", min_width=10, overflow="fold")
    widths = []
    for column, cells in zip(table.columns, columns_of(table), strict=True):
        head = column.title.replace(" ", "\n").split("\n")
        widths.append(max(map(len, (*head, *(compact(cell, column) for cell in cells[:MOST_SHOWN])))))
        # justified by hand: rich would set a number with a mark further left than one without
        seen.add_column(Text("\n".join(f"{line:>{widths[-1]}}" for line in head)), no_wrap=True)
    room = MOST_SHOWN
    for group in table.groups:
        if not (rows := group.rows[:room]):
            break
        room -= len(rows)
        seen.add_section()
        if group.title:
            seen.add_row(Text(group.title, style="italic dim"))
        for row in rows:
            line = [
                Text(
                    f"{compact(cell, column):>{width}}{raised(cell.marks)}",
                    "bold" if cell.best else "underline" if cell.second else "dim" if cell.missing else "",
                )
                for cell, column, width in zip(row.cells, table.columns, widths, strict=True)
            ]
            name = ("  " if group.title else "") + one_line(row.name)
            seen.add_row(Text(name + raised(row.marks), "bold" if row.is_base else ""), *line)
    return seen
