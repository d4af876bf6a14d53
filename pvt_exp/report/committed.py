"""Whether tables that were written once still equal what the store gives, cell by cell. Writes nothing."""

import contextlib
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pvt_exp import report, store
from pvt_exp.config import ConfigError
from pvt_exp.report import Format, Latex
from pvt_exp.report.formats import from_text
from pvt_exp.report.latex_fit import FITTING
from pvt_exp.store.outcome import outcome_of
from pvt_exp.system import files
from pvt_exp.system.words import several
from pvt_exp.tables import Table

NAMES = ("group", "variant")
"""The columns of table.csv that a row is known by."""
IDS = ("runs", "missing")
"""Those of its columns that hold words with a space between them, which are compared one by one."""
CONTEXT = 24
"""Letters of a line of text that are shown before the first that differs; three times as many in all."""
ANY_COMMAND = "pvt-exp-command-that-made-it"
"""In a text that is made now, at the place of the command, which may be any. No format escapes it."""
RowKey = tuple[str, str, int]
"""Group, name, and which of several rows with both."""


class Difference(NamedTuple):
    """One thing that is not as it was."""

    where: str
    """``table.csv``, or the file of another format."""
    row: str
    """Empty: it is about the whole table."""
    column: str
    """Empty: it is about the whole row, or the whole text."""
    committed: str | None
    """None: it was not there."""
    now: str | None
    """None: it is there no more."""

    def __str__(self) -> str:
        if not (self.row or self.column):
            return f"{self.where}: differs too"
        place = ", ".join(filter(None, (self.row and f"row {self.row}", self.column)))
        if self.committed is None or self.now is None:
            which = "is made now and not in the committed table" if self.committed is None else "is not made any more"
            return f"{self.where}: {place}: {which}"
        if self.column in IDS:
            gone, came = set(self.committed.split()), set(self.now.split())
            parts = (("no more", gone - came), ("now", came - gone))
            words = [f"{what} {' '.join(sorted(ids))}" for what, ids in parts if ids]
            return f"{self.where}: {place}: {'; '.join(words) or 'in another order'}"
        return f"{self.where}: {place}: committed {self.committed or 'empty'}, now {self.now or 'empty'}"


class Checked(NamedTuple):
    """A committed table and how it compares."""

    folder: Path
    table: Table
    differences: tuple[Difference, ...]
    made_by: str | None
    """The command that the committed table says it was made by."""


def check(table: Table, folder: Path, label: str | None = None, part: str = "") -> Checked:
    """Compare the table with its files in ``folder``: figures by table.csv at full precision, and the texts made of them.

    ``part`` is as in `report.write`; where there are no such files, those without it are compared.

    Raises:
        ConfigError: if there is no such table, or one that cannot be read.
    """
    if part and not (folder / report.file_name("csv", part)).exists() and (folder / report.file_name("csv")).exists():
        part = ""
    path = folder / report.file_name("csv", part)
    committed, now = _read(path), report.render(table, "csv")
    found = list(_cells(committed, now, path.name))
    if not found and committed != now and _order(committed) != _order(now):
        found.append(Difference(path.name, "", "all rows", "in another order", "in this one"))
    latex = _latex(folder / report.file_name("tex", part))
    for form in [form for form in get_args(Format) if form != "csv"]:
        if (path := folder / report.file_name(form, part)).exists():
            text = report.render(table, form, ANY_COMMAND, label, latex, part)
            found += list(_lines(path, text, brief=bool(found)))
    return Checked(folder, table, tuple(found), _made_by(folder / report.file_name("tex", part)))


def check_page(title: str, tables: Sequence[Table], out: Path) -> list[Checked]:
    """Compare a page's tables with their folders, and the page with its own files; see `check`."""
    there = zip(tables, report.folders(tables, out), strict=True)
    checked = [check(table, folder, report.label_in(folder)) for table, folder in there]
    differ = any(each.differences for each in checked)
    found = [
        difference
        for name, text in report.pages(title, tables, ANY_COMMAND).items()
        for difference in _lines(out / name, text, brief=differ)
        if (out / name).exists()
    ]
    if found:
        checked[-1] = checked[-1]._replace(differences=(*checked[-1].differences, *found))
    return checked


def as_json(checked: Sequence[Checked], runs: Path) -> dict[str, Any]:
    """Fields of ``pvt-exp report --check --json``."""
    return {
        "equal": not any(each.differences for each in checked),
        "tables": [
            {
                "name": each.table.name,
                "folder": str(each.folder),
                "equal": not each.differences,
                "made_by": each.made_by,
                **dict(zip(("lost", "not_asked"), _runs_gone(each, runs), strict=True)),
                "differences": [difference._asdict() for difference in each.differences],
            }
            for each in checked
        ],
    }


def words(checked: Checked, command: str, runs: Path, most: int = 50) -> Iterator[str]:
    """What is said of one table, a line each, and what is to be done about it."""
    rows = len(checked.table.rows)
    count = len({run for row in checked.table.rows for run in row.runs})
    if not checked.differences:
        size = f"{several(rows, 'row')}, {several(len(checked.table.columns), 'column')}, {several(count, 'run')}"
        yield f"{checked.folder}: equal to what {runs} gives: {size}"
        return
    yield f"{checked.folder}: differs from what {runs} gives"
    yield from (f"  {difference}" for difference in checked.differences[:most])
    if (more := len(checked.differences) - most) > 0:
        yield f"  and {more} more (--json has all)"
    lost, seeds = _runs_gone(checked, runs)
    if lost:
        yield f"  runs of the committed table that {runs} has not, or not finished: {' '.join(lost)}"
        wrong = [(run, why) for run in lost if (why := _why_not(runs, run))]
        yield from (f"    {run}: {why}" for run, why in wrong)
        if len(wrong) < len(lost):
            yield "  if they are in another store, name it: --store PATH"
    if seeds:
        yield f"  runs of the committed table that {runs} has, and that were not asked for: {' '.join(sorted(seeds))}"
    if others := sorted(set(seeds.values()) - set(checked.table.seeds)):
        whole = ",".join(map(str, sorted({*checked.table.seeds, *others})))
        seeds_ = ", ".join(map(str, others))
        yield f"  they are of other seeds ({seeds_}): the same command with --seeds {whole} compares all"
    if checked.made_by:
        yield f"  the committed table says it was made by: {checked.made_by}"
    yield f"  to accept it as it is now: {command}"


def _runs_gone(checked: Checked, runs: Path) -> tuple[list[str], dict[str, int]]:
    """Runs of the committed table that the store lacks; and of those that it has and that were not asked for, the seeds."""
    gone = sorted({run for each in checked.differences if each.column == "runs" for run in _gone(each)})
    seeds: dict[str, int] = {}
    for run in gone:
        with contextlib.suppress(ConfigError):
            if outcome_of(runs, run).state == "done":
                seeds[run] = store.load(runs / run).seed
    return [run for run in gone if run not in seeds], seeds


def _why_not(runs: Path, run: str) -> str | None:
    """Why the result of a run that is there does not count."""
    with contextlib.suppress(ConfigError):
        seen = outcome_of(runs, run)
        return seen.reason if seen.cause == "result_not_valid" else None
    return None


def _gone(difference: Difference) -> set[str]:
    return set((difference.committed or "").split()) - set((difference.now or "").split())


# ---------------------------------------------------------------- reading


def _read(path: Path) -> str:
    try:
        text = files.read_text(path)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no table to check; without --check the same command writes it (--out is its folder)"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file, so no table that can be checked") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    head = text.partition("\n")[0].split(",")
    if not {*NAMES, "runs"} <= set(head):
        raise ConfigError(
            f"{path}: no table of pvt-exp: its first line lacks {', '.join({*NAMES, 'runs'} - set(head))}"
        )
    return text


def _cells(committed: str, now: str, file: str) -> Iterator[Difference]:
    """What differs between two texts of table.csv: columns, rows, and cells of those that both have."""
    (old_columns, old), (new_columns, new) = map(_table, (committed, now))
    for column in (*old_columns, *(c for c in new_columns if c not in old_columns)):
        there = (column in old_columns, column in new_columns)
        if there != (True, True):
            yield Difference(file, "", f"column {column}", *("" if each else None for each in there))
    both = [column for column in old_columns if column in new_columns and column not in NAMES]
    for key in (*old, *(k for k in new if k not in old)):
        name = key[1] + (f" ({key[2] + 1})" if key[2] else "")
        if key not in old or key not in new:
            yield Difference(file, name, "", *("" if key in each else None for each in (old, new)))
            continue
        for column in both:
            if (was := old[key].get(column) or "") != (is_now := new[key].get(column) or ""):
                yield Difference(file, name, column, was, is_now)


def _table(text: str) -> tuple[list[str], dict[RowKey, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    seen: Counter[tuple[str, str]] = Counter()
    rows: dict[RowKey, dict[str, str]] = {}
    for row in reader:
        cells = {from_text(column): from_text(cell or "") for column, cell in row.items() if column is not None}
        name = (cells["group"], cells["variant"])
        rows[(*name, seen[name])] = cells
        seen[name] += 1
    return list(map(from_text, reader.fieldnames or ())), rows


def _order(text: str) -> tuple[list[str], list[RowKey]]:
    """The columns and the rows as they follow each other."""
    columns, rows = _table(text)
    return columns, list(rows)


def _lines(path: Path, text: str, brief: bool) -> Iterator[Difference]:
    """The first line of a text that is not as it is made now, but for the command that made it.

    Args:
        path: The committed text.
        text: What it is now, made by `ANY_COMMAND`.
        brief: Whether the figures are known to differ, so that the text must.
    """
    try:
        committed = files.read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        yield Difference(path.name, "", "all of it", reason, "a text")
        return
    now = text.splitlines()
    places = [i for i, lines in enumerate(zip(committed, now, strict=False), 1) if not _alike(*lines)]
    if not places and len(committed) == len(now):
        return
    if brief:
        yield Difference(path.name, "", "", "", "")
        return
    place = places[0] if places else min(len(committed), len(now)) + 1
    was, new = ((text[place - 1].strip() if place <= len(text) else "") for text in (committed, now))
    same = next((i for i, (a, b) in enumerate(zip(was, new, strict=False)) if a != b), min(len(was), len(new)))
    start = max(0, same - CONTEXT)
    was, new = (("… " if start else "") + text[start : start + 3 * CONTEXT].strip() for text in (was, new))
    yield Difference(path.name, "", f"line {place}", was, new)


def _alike(was: str, now: str) -> bool:
    """Whether a line is as it is made now, by whatever command."""
    before, named, after = now.partition(ANY_COMMAND)
    if not named:
        return was == now
    return len(was) >= len(before + after) and was.startswith(before) and was.endswith(after)


def _latex(path: Path) -> Latex:
    """Which form of LaTeX a committed table has."""
    try:
        return "fit" if FITTING in files.read_text(path) else "plain"
    except (OSError, UnicodeDecodeError):
        return "plain"


def _made_by(path: Path) -> str | None:
    """The command in the first line of table.tex."""
    try:
        line = files.read_text(path).partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return None
    return line.removeprefix("% ").strip() if line.startswith("% ") else None
