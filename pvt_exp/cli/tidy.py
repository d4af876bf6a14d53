"""The verbs that keep a store in order."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pvt_exp import store
from pvt_exp.cli.console import console
from pvt_exp.cli.options import RUNS, Json, Store
from pvt_exp.config import ConfigError
from pvt_exp.system.words import several

if TYPE_CHECKING:
    from pvt_exp.drive.cleaning import Left

STOPPING_S = 40.0
"""How long ``stop`` waits: more than runs may take to write their checkpoints."""


def stop(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="The sweep's file or its name.")],
    store_: Store = RUNS,
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
            f"{name}: no process trains it on the store {store_}"
            + (f"; trained now: {', '.join(others)}" if others else "")
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
    store_: Store = RUNS,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove them; look at the list without this option first.")
    ] = False,
    finished: Annotated[
        bool, typer.Option("--finished", help="With --remove: remove runs with results too, which else stay.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the runs that no sweep or experiment names any more, whatever their seed; with --remove, remove them.

    Runs that have a result are listed apart and kept; `pvt-exp runs remove` removes one, --remove --finished all.
    """
    from pvt_exp.cli import views
    from pvt_exp.drive import cleaning

    if finished and not remove:
        raise ConfigError("--finished: is for --remove; without it the list shows the runs with results apart")
    store.check(store_)
    say = partial(console(beside=as_json).print, highlight=False, soft_wrap=True, markup=False)
    if (line := store.absent(store_)) is not None:
        say(line)
    found = cleaning.left(store_, cleaning.files_here(named or ()))
    for line in found.kept:
        say(line)
    for each in found.left:
        say(str(each))
    if found.finished:
        say("finished runs that no file names (changes typed on the command line are in no file):")
    for each in found.finished:
        say(f"  {each}")
    removed = _remove(found.left, say) if remove else []
    gone = _remove(found.finished, say) if finished else []
    if found.left or not found.finished:
        way = "pvt-exp clean --remove removes them" if found.left else "nothing is left over"
        say(_total(found.left, "folder", removed, way))
    if found.finished:
        way = "kept; pvt-exp runs remove ID removes one, pvt-exp clean --remove --finished removes all"
        say(_total(found.finished, "finished run", gone, way))
    if as_json:
        views.print_json(cleaning.as_json(found, [*removed, *gone]))


def _remove(some: Sequence["Left"], say: Callable[[str], None]) -> list["Left"]:
    """Remove them, and tell which stay; those that were removed."""
    from pvt_exp.drive import cleaning

    removed = [each for each in some if cleaning.remove(each)]
    for each in some:
        if each not in removed:
            say(f"{each.path}: it is being trained now, and stays")
    return removed


def _total(some: Sequence["Left"], word: str, removed: Sequence["Left"], way: str) -> str:
    """How many were removed, or are listed and what removes them."""
    counted, end = (removed, "removed") if removed else (some, way)
    return f"{several(len(counted), word)}, {sum(each.bytes for each in counted) / 1e6:.1f} MB: {end}"
