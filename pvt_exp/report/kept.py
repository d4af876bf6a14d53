"""Whether written tables have results that new ones lack, so that the new ones do not replace them."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from pvt_exp.report import file_name, folders
from pvt_exp.system import files
from pvt_exp.system.words import some
from pvt_exp.tables import Table

MOST_NAMED = 8


def lacking(table: Table, folder: Path, part: str = "") -> dict[str, str]:
    """The states of runs that are not finished now, and whose results are in the table written in ``folder``, by id.

    Rows that the sweep no longer has are not meant; ``part`` is as in `report.write`.
    """
    written = _finished(folder / file_name("csv", part))
    now = [replicate for row in table.rows for replicate in row.replicates]
    return {each.run: each.state for each in now if each.state != "done" and each.run in written}


def lacking_on_page(tables: Sequence[Table], out: Path) -> dict[str, str]:
    """The same of all tables of a page."""
    found: dict[str, str] = {}
    for table, folder in zip(tables, folders(tables, out), strict=True):
        found |= lacking(table, folder)
    return found


def in_words(found: dict[str, str], folder: Path) -> str | None:
    """What is told of runs whose results only the written table has; None where there are none."""
    if not found:
        return None
    named = some((f"{run} is {state}" for run, state in found.items()), MOST_NAMED)
    way = "train them again first, or write the new table elsewhere with --out"
    return f"no table is written: the one in {folder} has results of runs that are not done now ({named}); {way}"


def is_written(folder: Path, part: str = "") -> bool:
    """Whether there is a table in a folder."""
    return (folder / file_name("csv", part)).exists()


def _finished(path: Path) -> set[str]:
    """The runs whose results a table.csv has."""
    try:
        with io.StringIO(files.read_text(path), newline="") as file:
            return {run for row in csv.DictReader(file) for run in (row.get("runs") or "").split()}
    except (OSError, UnicodeDecodeError, csv.Error):
        return set()
