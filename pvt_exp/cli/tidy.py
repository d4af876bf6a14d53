"""The verbs that keep a store in order."""

from pathlib import Path
from typing import Annotated

import typer

from pvt_exp import store
from pvt_exp.cli.console import console
from pvt_exp.cli.options import Json, Store
from pvt_exp.config import ConfigError
from pvt_exp.system.words import several

STOPPING_S = 40.0
"""How long ``stop`` waits: more than runs may take to write their checkpoints."""


def stop(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="The sweep's file or its name.")],
    store_: Store = Path("runs"),
    as_json: Json = False,
) -> None:
    """Stop a sweep that runs elsewhere: its runs write a checkpoint and end; `pvt-exp sweep` continues them."""
    from pvt_exp.cli import views
    from pvt_exp.drive import registry

    store.check(store_)
    say = console(beside=as_json).print
    path = Path(sweep)
    name = path.stem if path.suffix.lower() in (".yaml", ".yml") or path.is_file() else sweep
    asked = registry.of(store_, name, path)
    if not path.is_file() and len(files := {each.of for each in asked}) > 1:
        raise ConfigError(
            f"{name}: several sweeps have this name; give the file of one: {', '.join(sorted(map(str, files)))}"
        )
    if not asked:
        others = sorted({each.sweep for each in registry.of(store_)})
        raise ConfigError(
            f"{name}: no driver runs it in {store_}" + (f"; driven are {', '.join(others)}" if others else "")
        )
    for each in asked:
        say(f"asked process {each.process} on {each.host} to stop", highlight=False)
    left = registry.stop(asked, STOPPING_S)
    for each in left:
        where = "has not stopped yet" if each.here else "is on another machine, where it stops within a second"
        say(f"process {each.process} on {each.host} {where}", highlight=False)
    if not left:
        say(f"{name} is stopped; the same command continues it", highlight=False)
    if as_json:
        views.print_json(registry.stopped_json(name, asked, left))
    raise SystemExit(1 if any(each.here for each in left) else 0)


def clean(
    named: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE.yaml]...",
            help="Keep the runs of these files; by default of all in sweeps/, experiments/, reports/.",
        ),
    ] = None,
    store_: Store = Path("runs"),
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove them; look at the list without this option first.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the runs that no sweep or experiment names any more, whatever their seed; with --remove, remove them."""
    from pvt_exp.cli import views
    from pvt_exp.drive import cleaning

    store.check(store_)
    say = console(beside=as_json).print
    found, kept = cleaning.left(store_, cleaning.files_here(named or ()))
    for line in kept:
        say(line, highlight=False, soft_wrap=True)
    for each in found:
        what = f"{each.state}, of {', '.join(each.sweeps) or 'no sweep'}" if each.state else "a copy of the code"
        say(f"{each.path}  {each.bytes / 1e6:8.1f} MB  {what}", highlight=False, soft_wrap=True)
        if remove:
            cleaning.remove(each)
    if done := sum(each.state == "done" for each in found):
        why = "no file has their settings now; changes typed on the command line stand in no file"
        say(f"{several(done, 'finished run')} with results among them: {why}", highlight=False, soft_wrap=True)
    total = f"{several(len(found), 'folder')}, {sum(each.bytes for each in found) / 1e6:.1f} MB"
    end = "removed" if remove else "pvt-exp clean --remove removes them" if found else "nothing is left over"
    say(f"{total}: {end}", highlight=False)
    if as_json:
        views.print_json(cleaning.as_json(found, remove, kept))
