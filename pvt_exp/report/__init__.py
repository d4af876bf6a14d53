"""A table as JSON and as files; a report's tables as a page. Nothing is rounded or decided here."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pvt_exp.report.escape import markdown
from pvt_exp.report.formats import plain, to_csv, to_html, to_markdown
from pvt_exp.report.latex import to_latex, to_tabular
from pvt_exp.report.latex_fit import to_fitting
from pvt_exp.system import files
from pvt_exp.tables import Column, Row, Table

Format = Literal["tex", "md", "csv", "html", "tabular"]
"""``tabular`` is the second file of LaTeX."""
Latex = Literal["plain", "fit"]
"""How ``table.tex`` is written: to be read and edited, or so that it measures itself."""
INTERVALS = ("difference", "interval", "deviation")
"""Kinds of columns whose cells have an interval."""


def write(
    table: Table,
    out: Path,
    command: str | None = None,
    label: str | None = None,
    latex: Latex = "plain",
    part: str = "",
) -> list[Path]:
    """Write ``table.tex``, ``.md``, ``.csv`` and ``.html``, and ``tabular.tex``; they say that ``command`` made them.

    ``part`` names what of a sweep the table holds, where that is not all as it stands; its files lie beside the others.
    """
    out.mkdir(parents=True, exist_ok=True)
    texts = {out / file_name(form, part): render(table, form, command, label, latex, part) for form in get_args(Format)}
    for path, text in texts.items():
        files.write(path, text)
    return list(texts)


def file_name(form: Format, part: str = "") -> str:
    """``table.tex``, ``tabular.tex``; of a part ``table.only-depth.tex``."""
    middle = f".{part}" if part else ""
    return f"tabular{middle}.tex" if form == "tabular" else f"table{middle}.{form}"


def write_page(
    title: str, tables: Sequence[Table], out: Path, command: str | None = None, latex: Latex = "plain"
) -> list[Path]:
    """Write each table into its folder, and ``index.html`` and ``index.md`` with all of them."""
    paths: list[Path] = []
    for table, folder in zip(tables, folders(tables, out), strict=True):
        paths += write(table, folder, command, label_in(folder), latex)
    out.mkdir(parents=True, exist_ok=True)
    for name, text in pages(title, tables, command).items():
        files.write(out / name, text)
        paths.append(out / name)
    return paths


def folders(tables: Sequence[Table], out: Path) -> list[Path]:
    """Where each table of a page lies: in the folder of its sweep's name, or in ``name.2`` if that is taken."""
    taken: dict[str, int] = {}
    found = []
    for table in tables:
        stem = re.sub(r"[^\w.+-]+", "-", table.name).strip(".-") or "table"
        taken[stem] = taken.get(stem, 0) + 1
        found.append(out / (stem if taken[stem] == 1 else f"{stem}.{taken[stem]}"))
    return found


def label_in(folder: Path) -> str:
    r"""What ``\ref`` of LaTeX calls a table of a page, behind ``tab:``: the page and the folder, of which there is one."""
    return f"{folder.parent.name}-{folder.name}"


def pages(title: str, tables: Sequence[Table], command: str | None = None) -> dict[str, str]:
    """The files of a page that have all its tables."""
    text = "\n".join([f"# {markdown(title)}\n", *(to_markdown(table, command) for table in tables)])
    return {"index.html": to_html(title, tables, command), "index.md": text}


def render(
    table: Table,
    form: Format,
    command: str | None = None,
    label: str | None = None,
    latex: Latex = "plain",
    part: str = "",
) -> str:
    """The table as the text of one format; ``label`` is LaTeX's, and else the table's name and part."""
    match form:
        case "tex":
            own = label or "-".join(filter(None, (table.name, part)))
            return (to_fitting if latex == "fit" else to_latex)(table, command, own)
        case "tabular":
            return to_tabular(table, command)
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
        "columns": [_column_json(column) for column in table.columns],
        "groups": [{"title": g.title, "rows": [_row_json(row, table.columns) for row in g.rows]} for g in table.groups],
        "notes": [{"mark": note.mark, "text": note.text} for note in table.notes],
    }


def _column_json(column: Column) -> dict[str, Any]:
    return {
        "key": column.key,
        "title": column.title,
        "kind": column.kind,
        "heading": column.heading,
        "unit": column.unit,
        "larger_is_better": column.larger_is_better,
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
            **({"interval": cell.interval and list(cell.interval)} if column.kind in INTERVALS else {}),
            **({"p": cell.p, "verdict": cell.verdict} if column.kind == "difference" else {}),
            **({"within": cell.within} if column.kind == "deviation" else {}),
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
