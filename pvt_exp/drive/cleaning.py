"""What of a store no file names any more: found first, and removed only when that is asked for."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pvt_exp import config, cost, store
from pvt_exp.config import ConfigError
from pvt_exp.config.run import Run
from pvt_exp.drive import placing, registry
from pvt_exp.plan import expand, pretraining
from pvt_exp.report.page import Report
from pvt_exp.store import trial_record, uses
from pvt_exp.store.outcome import outcome_of
from pvt_exp.store.states import GOING
from pvt_exp.store.uses import Use
from pvt_exp.system import locks

FOLDERS = ("sweeps", "experiments", "reports")


class Left(NamedTuple):
    """A folder that nothing needs."""

    path: Path
    bytes: int
    sweeps: tuple[str, ...]
    """Of a run: the sweeps that it was trained for, as they were called."""
    state: str | None
    """Of a run; none: a copy of the code."""
    uses: tuple[Use, ...] = ()
    """Of a run: the files that it was trained for, each with the changes that were typed after it."""
    has_result: bool = False
    """Whether the run's folder has a result: also one that was set aside, or that does not count here."""

    def __str__(self) -> str:
        known = {use.sweep for use in self.uses}
        of = [*map(str, self.uses), *(sweep for sweep in self.sweeps if sweep not in known)]
        what = f"{self.state}, of {'; '.join(of) or 'no sweep'}" if self.state else "a copy of the code"
        return f"{self.path}  {self.bytes / 1e6:8.1f} MB  {what}"

    def as_json(self) -> dict[str, Any]:
        """Its entry in JSON."""
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "state": self.state,
            "sweeps": list(self.sweeps),
            "uses": [use.as_json() for use in self.uses],
        }


class Found(NamedTuple):
    """What no file names."""

    left: list[Left]
    """Runs without a result, and copies of the code."""
    finished: list[Left]
    """Runs with a result, which are removed only where that is asked for."""
    kept: list[str]
    """Why runs stay for a reason that cannot be looked at from here, in words."""


def files_here(named: Sequence[Path]) -> list[Path]:
    """The files that say what is needed: those that are named, else all in ``sweeps/``, ``experiments/`` and ``reports/``.

    Whatever a file is called: what the verbs take counts. One that ends in .yaml or .yml is counted even if it cannot be
    read, so that this is told before anything is removed.

    Raises:
        ConfigError: if there are none, so that everything would be left over.
    """
    found = list(named) or in_folders()
    if not found:
        raise ConfigError(
            f"no sweep or experiment in {'/, '.join(FOLDERS)}/ here: name the files that say what is kept"
        )
    return found


def in_folders() -> list[Path]:
    """All files in ``sweeps/``, ``experiments/`` and ``reports/`` here that may say what is trained."""
    return [path for folder in FOLDERS for path in _all_in(Path(folder)) if _counts(path, folder)]


def _all_in(folder: Path) -> Iterator[Path]:
    """All files below a folder, those behind links too, each folder once."""
    seen = set()
    for here, below, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(here, name) for name in sorted(names) if not name.startswith("."))


def _counts(path: Path, folder: str) -> bool:
    """Whether a file may say what is kept."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return True
    if folder == "reports":  # where tables and pages are written, too
        return False
    try:
        keys = config.read(path).value
    except (ConfigError, OSError, ValueError):
        return False
    return bool({"blocks", "base", "task", "tables"} & set(keys))


def left(runs: Path, paths: Iterable[Path]) -> Found:
    """The runs of the store that none of the files names, whatever their seed, and the copies of code if nobody drives.

    Runs with a result are listed apart: changes typed on the command line are in no file, so a finished run may be wanted.

    A run is kept too where a file that it was trained for, in another folder or another person's, still names it, and where
    such a file cannot be looked at from here.

    Raises:
        ConfigError: for a file that cannot be read, as it might name some.
    """
    read: dict[Path, set[str]] = {}

    def named_by(path: Path) -> set[str]:
        whole = path.resolve()
        if whole not in read:
            read[whole] = {_seedless(run) for each in _named(runs, path) for run in _with_starts(runs, each)}
        return read[whole]

    kept: set[str] = set().union(*map(named_by, paths))
    found: list[Left] = []
    finished: list[Left] = []
    told: dict[str, str] = {}
    for folder in sorted(path.parent for path in runs.glob("*/run.yaml")):
        if folder.is_symlink() or locks.is_locked(folder):
            continue  # what a link leads to is not the store's, and a run is not done before its process is gone
        state = outcome_of(runs, folder.name).state
        try:
            run = store.load(folder)
        except ConfigError as error:
            told[str(error)] = f"{folder}: kept: {error}"  # nobody can say whether it is named
            continue
        if _seedless(run) in kept or state in GOING:
            continue
        if why := _why_kept(run, [path for path in store.files_of(folder) if not _is_gone(path)], named_by):
            told.setdefault(why, f"{folder}: kept: {why}")
            continue
        each = _left(folder, state)
        (finished if each.has_result else found).append(each)
    if not registry.of(runs):
        found += [Left(path, _size(path), (), None) for path in sorted((runs / "code").glob("[!.]*"))]
    return Found(found, finished, list(told.values()))


def _left(folder: Path, state: str) -> Left:
    has_result = any(
        os.path.lexists(path) for path in (folder / "result.json", *folder.glob("result.set-aside-*.json"))
    )
    sweeps, used = tuple(store.sweeps(folder)), tuple(uses.of(folder))
    return Left(folder, _size(folder), sweeps, state, used, has_result)


def _why_kept(run: Run, files: Iterable[Path], named_by: Callable[[Path], set[str]]) -> str | None:
    """Why a run stays for one of the files that it was trained for, wherever they are."""
    for path in files:
        try:
            if _seedless(run) in named_by(path):
                return f"{path} names it"
        except (ConfigError, OSError) as error:
            return f"it was trained for {path}, which cannot be read here: {str(error).splitlines()[0]}"
    return None


def _is_gone(path: Path) -> bool:
    """Whether a file is not there any more; where its folder cannot be looked at, it may be there for somebody else."""
    seen = os.access(path.parent, os.X_OK) or path.is_relative_to(Path.cwd())
    return seen and not os.path.exists(path)  # noqa: PTH110 - Path's raises where a folder above may not be looked at


def chosen(runs: Path, ids: Sequence[str]) -> list[Left]:
    """The runs that are named, to be removed.

    Raises:
        ConfigError: for one that is being trained, and for one that a run which stays starts from.
    """
    found = []
    for run_id in ids:
        folder, state = runs / run_id, outcome_of(runs, run_id).state
        if state in GOING or locks.is_locked(folder):
            raise ConfigError(f"run {run_id} is being trained; pvt-exp stop ends its sweep")
        if folder.is_symlink():
            raise ConfigError(f"{folder}: is a link, and what it leads to is not the store's")
        found.append(_left(folder, state))
    starts = [run_id for run_id in ids if store.is_start(runs / run_id)]
    for path in sorted(runs.glob("*/run.yaml")) if starts else ():
        if path.parent.name not in ids and (needed := _starts_of(path.parent) & set(starts)):
            raise ConfigError(f"run {min(needed)}: the run {path.parent.name} starts from it; remove that one first")
    return found


def as_json(found: Found, removed: Sequence[Left]) -> dict[str, Any]:
    """Fields of ``pvt-exp clean --json``; ``removed`` are those that were."""
    both = (("folders", found.left), ("finished", found.finished))
    listed = {name: [{**each.as_json(), "removed": each in removed} for each in some] for name, some in both}
    size = sum(each.bytes for each in (*found.left, *found.finished))
    return {"removed": bool(removed), "bytes": size, **listed, "kept": found.kept}


def chosen_json(found: Sequence[Left], left: Sequence[Left]) -> dict[str, Any]:
    """Fields of ``pvt-exp runs remove --json``; ``left`` are those that are still there."""
    runs = [{**each.as_json(), "removed": each not in left} for each in found]
    return {"removed": not left, "bytes": sum(each.bytes for each in found), "runs": runs}


def _starts_of(folder: Path) -> set[str]:
    try:
        start = placing.start_of(store.load(folder))
    except ConfigError:
        return set()
    return {start} if start else set()


def remove(each: Left) -> bool:
    """Remove it, a run under its lock, so that none is lost that somebody has begun meanwhile; whether it was removed."""
    if each.state is None:
        shutil.rmtree(each.path)
        return True
    with locks.lock(each.path) as mine:
        if mine:
            shutil.rmtree(each.path)
        return bool(mine)


def _named(runs: Path, path: Path) -> Iterator[Run]:
    """The runs of a sweep with their trials, of an experiment, or of the sweeps of a report; of another file none."""

    def find(prefix: str) -> str:
        try:
            return store.find(runs, prefix)
        except ConfigError:
            return prefix  # it is not there, so it cannot be left over

    keys = config.read(path).value
    if "blocks" in keys or "base" in keys:
        _, plan = expand.load(path, find=find, choose=partial(trial_record.choice, runs), count=cost)
        yield from plan.order
        for tuning in plan.tunings:
            yield from (trial.run for trial in trial_record.trials(runs, tuning))
    elif "task" in keys:
        yield pretraining.experiment(path, find=find)
    elif "tables" in keys:
        for table in config.load(Report, path).tables:
            for each in table.sweeps:
                yield from _named(runs, config.beside(path, each))


def _with_starts(runs: Path, run: Run) -> Iterator[Run]:
    """The run and those that it starts from."""
    yield run
    if run.pretraining is not None:
        yield from _with_starts(runs, run.pretraining)
    elif (start := placing.start_of(run)) is not None and (runs / start / "run.yaml").exists():
        yield from _with_starts(runs, store.load(runs / start))


def _seedless(run: Run) -> str:
    return run.with_seeds([0])[0].id


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
