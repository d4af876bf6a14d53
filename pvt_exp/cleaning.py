"""What of a store no file names any more: found first, and removed only when that is asked for."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pvt_exp import config, cost, drivers, expand, locks, stages, store, study, sweep
from pvt_exp.config import ConfigError
from pvt_exp.schema import Run

FOLDERS = ("sweeps", "experiments")


class Left(NamedTuple):
    """A folder that nothing needs."""

    path: Path
    bytes: int
    sweeps: tuple[str, ...]
    """Of a run: the sweeps that it was trained for, as they were called."""
    state: str | None
    """Of a run; none: a copy of the code."""


def files_here(named: Sequence[Path]) -> list[Path]:
    """The files that say what is needed: those that are named, else all in ``sweeps/`` and ``experiments/``.

    Raises:
        ConfigError: if there are none, so that everything would be left over.
    """
    found = list(named) or [path for folder in FOLDERS for path in sorted(Path(folder).rglob("*.yaml"))]
    if not found:
        raise ConfigError(
            f"no sweep or experiment in {'/ or '.join(FOLDERS)}/ here: name the files that say what is kept"
        )
    return found


def left(runs: Path, paths: Iterable[Path]) -> list[Left]:
    """The runs of the store that none of the files names, whatever their seed, and the copies of code if nobody drives.

    Raises:
        ConfigError: for a file that cannot be read, as it might name some.
    """
    kept = {_seedless(run) for path in paths for each in _named(runs, path) for run in _with_starts(runs, each)}
    found = []
    for folder in sorted(path.parent for path in runs.glob("*/run.yaml")):
        if folder.is_symlink() or locks.is_locked(folder):
            continue  # what a link leads to is not the store's, and a run is not done before its process is gone
        state = store.outcome(runs, folder.name).state
        try:
            run = store.load(folder)
        except ConfigError:
            continue  # of a package that is not here: nobody can say whether it is named
        if _seedless(run) not in kept and state != "running":
            found.append(Left(folder, _size(folder), tuple(store.sweeps(folder)), state))
    if not drivers.of(runs):
        found += [Left(path, _size(path), (), None) for path in sorted((runs / "code").glob("[!.]*"))]
    return found


def as_json(found: Sequence[Left], removed: bool) -> dict[str, Any]:
    """Fields of ``pvt-exp clean --json``."""
    folders = [
        {"path": str(each.path), "bytes": each.bytes, "state": each.state, "sweeps": list(each.sweeps)}
        for each in found
    ]
    return {"removed": removed, "bytes": sum(each.bytes for each in found), "folders": folders}


def remove(each: Left) -> None:
    """Remove it, a run under its lock, so that none is lost that somebody has begun meanwhile."""
    if each.state is None:
        shutil.rmtree(each.path)
        return
    with locks.lock(each.path) as mine:
        if mine:
            shutil.rmtree(each.path)


def _named(runs: Path, path: Path) -> Iterator[Run]:
    """The runs of a sweep with their trials, or of an experiment; of another file none."""

    def find(prefix: str) -> str:
        try:
            return store.find(runs, prefix)
        except ConfigError:
            return prefix  # it is not there, so it cannot be left over

    keys = config.read(path).value
    if "blocks" in keys:
        _, plan = expand.load(path, find=find, choose=partial(study.choice, runs), count=cost)
        yield from plan.order
        for tuning in plan.tunings:
            yield from (trial.run for trial in study.trials(runs, tuning))
    elif "task" in keys:
        yield stages.experiment(path, find=find)


def _with_starts(runs: Path, run: Run) -> Iterator[Run]:
    """The run and those that it starts from."""
    yield run
    if run.need is not None:
        yield from _with_starts(runs, run.need)
    elif (start := sweep.start_of(run)) is not None and (runs / start / "run.yaml").exists():
        yield from _with_starts(runs, store.load(runs / start))


def _seedless(run: Run) -> str:
    return run.with_seeds([0])[0].id


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
