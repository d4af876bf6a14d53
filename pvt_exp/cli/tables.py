"""The verb that writes tables."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pvt_exp import config, store
from pvt_exp.cli import options
from pvt_exp.cli.console import console, typed
from pvt_exp.cli.options import Data, Json, Only, Overrides, Seeds, Store
from pvt_exp.config import ConfigError, Document, Keys, split
from pvt_exp.plan import Plan
from pvt_exp.tables import Source, Table, TableOf


def report(
    file: Annotated[
        Path, typer.Argument(metavar="SWEEP.yaml|REPORT.yaml", readable=False, help="A sweep, or a page of tables.")
    ],
    overrides: Overrides = None,
    store_: Store = Path("runs"),
    seeds: Seeds = None,
    only: Only = None,
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("reports/out"),
    best: Annotated[
        bool, typer.Option("--best", help="Each run's best epoch instead of its last; it flatters.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """The tables of a sweep, or of a report file: LaTeX, Markdown, CSV and HTML."""
    from pvt_exp import report as writer
    from pvt_exp import terminal, views
    from pvt_exp.page import Report
    from pvt_exp.tables.ablation import Settings as Ablation

    store.check(store_)
    document = config.read(file)
    if "tables" not in document.value:
        _, planned = options.read_plan(file, overrides, seeds, only, store_)
        shown = Ablation(sweep=str(file), epoch="best" if best else "last")
        table = write(planned, store_, out / planned.name, shown, data, quiet=as_json)
        if as_json:
            views.print_json(writer.as_json(table))
        return
    if overrides or seeds or only or best:
        raise ConfigError(f"{file}: overrides, --seeds, --only and --best are for a sweep; a report says what it shows")
    page = config.validate(Report, document)
    tables, read = [], dict[str, Source]()
    for number, shown in enumerate(page.tables):
        reading = None
        try:
            for reading in shown.sweeps:
                if reading not in read:
                    read[reading] = _source(file.parent / reading, store_, data)
            tables.append(shown.build([read[sweep] for sweep in shown.sweeps]))
        except ConfigError as error:
            raise ConfigError(_placed(problem, document, number, reading) for problem in error.problems) from None
    paths = writer.write_page(page.title or file.stem, tables, out / file.stem, typed())
    if as_json:
        views.print_json({"tables": [writer.as_json(table) for table in tables]})
        return
    for table in tables:
        console().print(terminal.show(table, console().width))
    for path in paths:
        print(path)


def _source(sweep: Path, store_: Path, data: Sequence[str] | None) -> Source:
    _, planned = options.read_plan(sweep, None, None, None, store_)
    return Source(planned, options.outcomes(planned, store_, data or ()))


def _placed(problem: str, document: Document, number: int, sweep: str | None) -> str:
    """A problem of one table with the line where it stands: of the field it begins with, else where the sweep is named."""
    field = re.split("[: ]", problem, maxsplit=1)[0]
    keys: Keys = ("tables", number, *split(field))
    if keys in document.origins:
        return f"{document.origin(keys)}: tables.{number}.{problem}"
    table = document.value["tables"][number]
    parts = [i for i, part in enumerate(table.get("parts") or ()) if part["sweep"] == sweep]
    keys = ("tables", number, *(("parts", parts[0]) if parts else ()), "sweep")
    return f"{document.origin(keys)}: tables.{number}: {problem}"


def write(
    planned: Plan, store_: Path, out: Path, shown: TableOf, data: Sequence[str] | None = None, quiet: bool = False
) -> Table:
    """A sweep's table, into its folder and onto the terminal."""
    from pvt_exp import report as writer
    from pvt_exp import terminal

    table = shown.build([Source(planned, options.outcomes(planned, store_, data or ()))])
    paths = writer.write(table, out, typed())
    if not quiet:
        console().print(terminal.show(table, console().width))
        for path in paths:
            print(path)
    return table
