"""The verb that writes tables."""

import re
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn

import typer
from rich.console import Console

from pvt_exp import config, store
from pvt_exp.cli import looked
from pvt_exp.cli.console import console, typed
from pvt_exp.cli.options import RUNS, TABLES, Chosen, Data, Json, Latex, Out, data_sets
from pvt_exp.config import ConfigError, Document, Keys, split
from pvt_exp.plan import Plan
from pvt_exp.plan.data_sets import DataSets
from pvt_exp.store.outcome import other_data
from pvt_exp.system.words import several
from pvt_exp.tables import Source, Table, TableOf

if TYPE_CHECKING:
    from pvt_exp.report import Latex as WrittenAs


def report(
    file: Annotated[
        Path, typer.Argument(metavar="SWEEP.yaml|REPORT.yaml", readable=False, help="A sweep, or a page of tables.")
    ],
    chosen: Chosen,
    out: Out = TABLES,
    best: Annotated[
        bool, typer.Option("--best", help="Each run's best epoch instead of its last; that is optimistic.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: say whether the tables in --out still equal the store.")
    ] = False,
    figures: Annotated[
        bool, typer.Option("--figures", help="Of a sweep, also its curves, and scores over cost, as pictures.")
    ] = False,
    latex: Latex = "plain",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """The tables of a sweep, or of a report file: LaTeX, Markdown, CSV and HTML.

    What is asked for besides the whole sweep (--only, --seeds, --best, changes) is in the files' names: table.best.tex.

    A written table is not replaced by one that lacks results of it: that is told, and --out names another folder.

    Exit status 1: no run of a sweep is finished yet, no table is written, or of --figures one cannot be drawn; with
    --check: a table is not as the store has it.
    """
    from pvt_exp import report as writer
    from pvt_exp.cli import views
    from pvt_exp.report import figures as drawing

    store.check(chosen.store)
    document = config.read(file)
    if is_page := "tables" in document.value:
        if chosen.overrides or chosen.seeds or chosen.only or best or figures:
            of_sweep = "overrides, --seeds, --only, --best and --figures"
            raise ConfigError(f"{file}: {of_sweep} are for a sweep; a report says what it shows")
        made = _page(file, document, chosen.store, data_sets(data))
    else:
        made = _sweep(file, chosen, best, data_sets(data))
    folder = folder_of(out, file.stem if is_page else made.title, file)
    if check:
        _end_of_check(made, folder, chosen.store, as_json)
    if figures:
        drawing.require()
    held = _held(made, folder)
    paths = [] if held else _write(made, folder, file, latex, command(file, chosen, out, latex, best))
    unfinished = [*made.unfinished, *([held] if held else [])]
    if figures and made.source and (paths or made.unfinished):  # else finished pictures would be replaced
        drawn, lacking = drawing.write(made.source.plan, made.source.outcomes, chosen.store, folder, made.part)
        paths, unfinished = paths + drawn, unfinished + lacking
    if as_json:
        shown = [writer.as_json(table) for table in made.tables]
        views.print_json({"tables": shown} if is_page else shown[0])
    else:
        _show(console(), made.tables, paths)
    for line in unfinished:
        print(line, file=sys.stderr)
    raise SystemExit(1 if unfinished else 0)


def _end_of_check(made: "Made", folder: Path, store_: Path, as_json: bool) -> NoReturn:
    """Compare the tables with those that were written, print how, and end."""
    from pvt_exp.cli import views
    from pvt_exp.report import committed

    if made.source is None:
        found = committed.check_page(made.title, made.tables, folder)
    else:
        found = [committed.check(made.tables[0], folder, part=made.part)]
    if as_json:
        views.print_json(committed.as_json(found, store_))
    accept = typed().replace(" --check", "")
    for line in () if as_json else (line for each in found for line in committed.words(each, accept, store_)):
        print(line)
    raise SystemExit(1 if any(each.differences for each in found) else 0)


def _write(made: "Made", folder: Path, file: Path, latex: "WrittenAs", made_by: str) -> list[Path]:
    """Write the tables into their folder, which is the file's from then on."""
    from pvt_exp import report as writer
    from pvt_exp.report import own_folder

    if made.source is None:
        paths = writer.write_page(made.title, made.tables, folder, made_by, latex)
    else:
        paths = writer.write(made.tables[0], folder, made_by, latex=latex, part=made.part)
    own_folder.claim(folder, file)
    return paths


def command(file: Path, chosen: Chosen, out: Path = TABLES, latex: "WrittenAs" = "plain", best: bool = False) -> str:
    """What writes the same table of the same results again: that, and not how and where it was trained, stands in it."""
    words = ["pvt-exp", "report", str(file), *(chosen.overrides or ())]
    words += ["--store", str(chosen.store)] if chosen.store != RUNS else []
    words += ["--seeds", chosen.seeds] if chosen.seeds else []
    words += [word for name in chosen.only or () for word in ("--only", name)]
    words += ["--best"] if best else []
    words += ["--out", str(out)] if out != TABLES else []
    words += ["--latex", latex] if latex != "plain" else []
    return shlex.join(words)


def _held(made: "Made", folder: Path) -> str | None:
    """Why no table is written: nothing of the sweep is finished, or what is written has more."""
    from pvt_exp.report import kept

    if made.source is None:
        return kept.in_words(kept.lacking_on_page(made.tables, folder), folder)
    if made.unfinished:
        stays = f"; the one in {folder} stays as it is" if kept.is_written(folder, made.part) else ""
        return f"no table is written{stays}"
    return kept.in_words(kept.lacking(made.tables[0], folder, made.part), folder)


class Made(NamedTuple):
    """The tables of a file."""

    title: str
    tables: list[Table]
    unfinished: list[str]
    """What is to be told of sweeps of which nothing is finished."""
    part: str = ""
    """What of a sweep the table holds, where that is not all."""
    source: Source | None = None
    """The sweep; None of a page."""


def _sweep(file: Path, chosen: Chosen, best: bool, data: DataSets) -> Made:
    from pvt_exp.tables.ablation import Settings as Ablation

    settings, planned = chosen.read(file)
    store_ = chosen.store
    there = looked.look(planned, store_, data)
    source = Source(planned, there.outcomes)
    table = Ablation(sweep=str(file), epoch="best" if best else "last").build([source])
    part = chosen.part(settings, planned, best)
    if told := stale(planned, there, store_):
        print(f"note: {told}", file=sys.stderr)
    if planned.file is not None and (told := store.same_name_in_words(store_, planned.name, planned.file)):
        print(f"note: {told}", file=sys.stderr)
    return Made(planned.name, [table], _unfinished(source, file, store_), part, source)


def folder_of(out: Path, name: str, file: Path) -> Path:
    """Where the tables of a file lie; where another file has the folder of that name, that is told."""
    from pvt_exp.report import own_folder

    folder, other = own_folder.of(out, name, file)
    if other is not None:
        print(f"note: {out / name} has the tables of {other}; those of {file} are in {folder}", file=sys.stderr)
    return folder


def _page(file: Path, document: Document, store_: Path, data: DataSets) -> Made:
    from pvt_exp.report.page import Report

    page = config.validate(Report, document)
    tables, read, unfinished, told_of = [], dict[str, Source](), list[str](), set[str]()
    for number, shown in enumerate(page.tables):
        reading = None
        try:
            for reading in shown.sweeps:
                if reading not in read:
                    _, planned = Chosen(store=store_).read(config.beside(file, reading))
                    there = looked.look(planned, store_, data)
                    read[reading] = Source(planned, there.outcomes)
                    if line := stale(planned, there, store_):
                        print(f"note: {line}", file=sys.stderr)
                if not shown.wants_costs and reading not in told_of:  # costs can be told of what nobody trains
                    told_of.add(reading)
                    told = _unfinished(read[reading], config.beside(file, reading), store_)
                    unfinished += [_placed(line, document, number, reading) for line in told]
            sources = [read[sweep] for sweep in shown.sweeps]
            tables.append(
                shown.build([_with_costs(each, store_) for each in sources] if shown.wants_costs else sources)
            )
        except ConfigError as error:
            raise ConfigError(_placed(problem, document, number, reading) for problem in error.problems) from None
    return Made(page.title or file.stem, tables, unfinished)


def _with_costs(source: Source, store_: Path) -> Source:
    from pvt_exp import cost
    from pvt_exp.cost import calibration

    rows = {variant.name: variant.first for variant in source.plan.variants}
    costs = dict(zip(rows, cost.each(list(rows.values())), strict=True))
    return source._replace(
        costs=costs, throughputs={name: calibration.of_run(store_, run) for name, run in rows.items()}
    )


def _unfinished(source: Source, sweep: Path, store_: Path) -> list[str]:
    """What is said of a sweep that has no finished run: a table of it shows nothing of ours."""
    states = [source.outcomes[run.id].state for run in source.plan.runs]
    if "done" in states or not states:
        return []
    counts = ", ".join(f"{count} {state}" for state, count in Counter(states).items())
    train = f"train them: pvt-exp sweep {sweep}; or name the store that has them: --store PATH"
    absent = "" if store.absent(store_) is None else f" (there is no store at {store_})"
    return [f"no run of {source.plan.name} is finished in {store_} ({counts}); {train}{absent}"]


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


def _show(console: Console, tables: Sequence[Table], paths: Sequence[Path]) -> None:
    from pvt_exp.report import terminal

    width = console.width if console.file.isatty() else None
    for table in tables:
        for line in terminal.show(table, width):
            console.print(line, soft_wrap=True)
    for path in paths:
        console.print(str(path), highlight=False, soft_wrap=True)


def standing(planned: Plan, store_: Path, data: DataSets) -> dict[str, Any]:
    """How the runs of a sweep stand: the fields of ``status SWEEP --json``."""
    from pvt_exp.cli import views
    from pvt_exp.store import trial_record

    there = looked.look(planned, store_, data)
    return {
        **views.status_json(planned, store_, there.outcomes, trial_record.progress(planned, store_)),
        **there.data,
    }


def write(
    terminal: Console,
    planned: Plan,
    store_: Path,
    out: Path,
    shown: TableOf,
    made_by: str,
    data: DataSets,
    latex: "WrittenAs" = "plain",
    part: str = "",
) -> tuple[Table, list[Path]]:
    """A sweep's table, into its folder and onto the terminal; and its files.

    With stale runs, and where the written table has results that this one lacks, the files stay as they are.
    """
    from pvt_exp import report as writer
    from pvt_exp.report import kept, own_folder

    there = looked.look(planned, store_, data)
    table = shown.build([Source(planned, there.outcomes)])
    told = stale(planned, there, store_)
    held = None if told else kept.in_words(kept.lacking(table, out, part), out)
    paths = [] if told or held else writer.write(table, out, made_by, latex=latex, part=part)
    if paths and planned.file is not None:
        own_folder.claim(out, planned.file)
    _show(terminal, [table], paths)
    if told:
        stays = f", {out} stays as it is" if kept.is_written(out, part) else ""
        held = f"{told}. No table is written{stays}"
    if held:
        terminal.print(held, highlight=False, soft_wrap=True)
    return table, paths


def stale(planned: Plan, there: looked.Looked, store_: Path) -> str | None:
    """How many results do not count, on what data they were trained, and which are at hand; None where all count."""
    runs = [run for run in planned.runs if there.outcomes[run.id].state == "stale"]
    if not runs:
        return None
    first = there.outcomes[runs[0].id]
    said = f"{len(runs)} of {several(len(planned.runs), 'run')} of {planned.name} are stale: {first.reason}"
    others = other_data(runs[0], first.result, there.at_hand.fingerprints)[-1:]
    names = [dataset.name for dataset, _, _ in others]
    places = [(each["name"], each["folder"]) for each in there.data["data"] if each["name"] in names]
    for name, folder in places[:1]:
        was = store.data_of(store_ / runs[0].id)
        said += f" in {folder}, and the run's were in {was}" if was not in (None, folder) else f" in {folder}"
        said += f"; if that is the wrong folder, correct --data {name}=PATH"
    return said
