"""The verb that writes tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pvt_exp import config, store
from pvt_exp.cli import options
from pvt_exp.cli.console import console, typed
from pvt_exp.cli.options import Data, Json, Only, Overrides, Seeds, Store
from pvt_exp.config import ConfigError
from pvt_exp.plan import Plan
from pvt_exp.schema import Report, TableOf


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
    from pvt_exp import views

    store.check(store_)
    document = config.read(file)
    if "tables" not in document.value:
        _, planned = options.read_plan(file, overrides, seeds, only, store_)
        shown = TableOf(sweep=str(file), epoch="best" if best else "last")
        table = write(planned, store_, out / planned.name, shown, data, quiet=as_json)
        if as_json:
            views.print_json(writer.as_json(table))
        return
    if overrides or seeds or only or best:
        raise ConfigError(f"{file}: overrides, --seeds, --only and --best are for a sweep; a report says what it shows")
    page = config.validate(Report, document)
    tables = []
    for number, shown in enumerate(page.tables):
        try:
            _, planned = options.read_plan(file.parent / shown.sweep, None, None, None, store_)
            tables.append(_table(planned, store_, shown, data))
        except ConfigError as error:
            where = f"{document.origin(('tables', number, 'sweep'))}: tables.{number}: "
            raise ConfigError(where + problem for problem in error.problems) from None
    paths = writer.write_page(page.title or file.stem, tables, out / file.stem, typed())
    if as_json:
        views.print_json({"tables": [writer.as_json(table) for table in tables]})
        return
    for table in tables:
        console().print(writer.show(table))
    for path in paths:
        print(path)


def _table(planned: Plan, store_: Path, shown: TableOf, data: Sequence[str] | None) -> Any:
    from pvt_exp import tables

    return tables.build(planned, options.outcomes(planned, store_, data or ()), shown)


def write(
    planned: Plan, store_: Path, out: Path, shown: TableOf, data: Sequence[str] | None = None, quiet: bool = False
) -> Any:
    """A sweep's table, into its folder and onto the terminal."""
    from pvt_exp import report as writer

    table = _table(planned, store_, shown, data)
    paths = writer.write(table, out, typed())
    if not quiet:
        console().print(writer.show(table))
        for path in paths:
            print(path)
    return table
