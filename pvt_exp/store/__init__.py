"""The run store: ``runs/<id>/run.yaml`` goes in, ``runs/<id>/result.json`` comes out.

    runs/store.json                     the format of the store
    runs/<id>/run.yaml                  the whole configuration
    runs/<id>/lock                      held by the process that trains it
    runs/<id>/packages.json             the other packages that its components are of, where there are some
    runs/<id>/sweeps/<name>             the sweeps that use the run: each file, with the changes typed after it, is a line
    runs/<id>/starts/<name>             the sweeps whose runs start from its weights, which are then kept
    runs/<id>/attempts/<n>/             one try: placement.yaml, log.txt, metrics.csv, progress.json, checkpoints/
    runs/<id>/attempts/<n>/alive.json   a number that goes up while it lives, for other machines
    runs/<id>/attempts/<n>/again.json   how it is tried again, where the try ran out of memory and that is not the end
    runs/<id>/attempts/<n>/end.json     how the try ended, with the reason and the log's last lines
    runs/<id>/result.json               published whole, and the first wins (files.publish)

What state a run is in follows from these files; nothing else remembers it.
"""

import contextlib
import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pvt_exp import config
from pvt_exp.config import ConfigError, reading, unavailable
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.store import attempts, provenance, uses
from pvt_exp.store.results import FORMAT, read_result, refuse_other_format, set_aside_result
from pvt_exp.system import files, heartbeat
from pvt_exp.system.words import are

# ---------------------------------------------------------------- in


def create(store: Path) -> Path:
    """Make the folder, or check that what is there is a store that this version understands.

    Raises:
        ConfigError: for a store of a newer version, and for a folder that cannot be written to.
    """
    check(store)
    try:
        store.mkdir(parents=True, exist_ok=True)
        if not (store / "store.json").exists():
            files.publish(store / "store.json", files.dump({"format": FORMAT}))
        files.check_publishing(store)
    except OSError as error:
        if error.errno in files.FULL:
            raise
        raise ConfigError(f"{store}: cannot keep runs here: {error.strerror}") from None
    return store


def check(store: Path) -> None:
    """Raise ConfigError if a newer version made the store, or if it is no folder.

    Kinds that are not installed here are told with their package from now on, where a run of this store has them.
    """
    unavailable.ask_also("store", partial(package_of, store))
    if store.exists() and not store.is_dir():
        raise ConfigError(f"{store}: not a folder")
    written = (files.read_json(store / "store.json") or {}).get("format", FORMAT)
    if written != FORMAT:
        raise ConfigError(f"{store}: made by a newer version of pvt_exp (format {written}, this one knows {FORMAT})")


def absent(store: Path) -> str | None:
    """What is said where there is no store at this path; None where there is one."""
    return None if store.is_dir() else f"there is no store at {store}; another one: --store PATH, or $PVT_EXP_RUNS"


class Taken(Exception):
    """Another driver has begun the run at this moment."""


def attempt(
    store: Path,
    run: Run,
    placement: Placement,
    sweep: str,
    file: Path | None = None,
    queued: bool = False,
    changes: Sequence[str] = (),
) -> Path:
    """Make the folder of a new try: ``runs/<id>/attempts/<n>`` with its placement, and ``run.yaml`` if it is the first.

    It appears whole, with a first sign of life, by which other machines know at once that somebody has begun. ``queued``:
    its process may begin much later, when a launcher's queue lets it.

    Raises:
        ConfigError: if the run's folder holds another run, so that two would share one id, or a result of another version.
        Taken: if another driver was quicker, of this machine or, on a store that they share, of another one.
    """
    folder = store / run.id
    _refuse_links(folder)
    (folder / "attempts").mkdir(parents=True, exist_ok=True)
    use(store, run.id, sweep, file=file, changes=changes)
    written = folder / "run.yaml"
    if not written.exists() or not written.stat().st_size:
        files.write(written, files.dump_yaml(run.model_dump(mode="json")))
        if packages := provenance.of_packages(run):
            files.write(folder / "packages.json", files.dump(packages))
    else:
        load(folder)
    if os.path.lexists(folder / "result.json") and read_result(folder) is None:
        refuse_other_format(folder)
        set_aside_result(folder)  # torn: it counts as not finished, and must not keep the next one from being published
    number = max((int(p.name) for p in (folder / "attempts").iterdir() if p.name.isdecimal()), default=0) + 1

    def fill(part: Path) -> None:
        files.write(part / "placement.yaml", files.dump_yaml(placement.model_dump(mode="json")))
        if queued:
            (part / attempts.QUEUED).touch()
        heartbeat.give_sign(part)

    path = folder / "attempts" / str(number)
    try:
        is_first = files.claim_folder(path, fill)
    except FileNotFoundError:
        if not os.path.lexists(folder / "result.json"):
            raise
        is_first = (
            False  # another driver has seen the run end meanwhile, and removed what was half written (`leftovers`)
        )
    if not is_first:
        raise Taken
    return path


def use(
    store: Path,
    run_id: str,
    sweep: str,
    start: bool = False,
    file: Path | None = None,
    changes: Sequence[str] = (),
) -> None:
    """Remember that a sweep uses the run, or that runs of it start from this one's weights; and how: see `uses`.

    Sweeps are names of files, so they can stand as names of files. Several files may have one name: each is a line.
    """
    path = store / run_id / ("starts" if start else "sweeps") / sweep
    if not path.exists():
        _refuse_links(path.parent.parent, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    _add_line(path, "" if file is None else uses.line(file, changes))


def _add_line(path: Path, line: str) -> None:
    """Add a line to a file that lacks it, in one write: a kill leaves no temporary file, whose name would be a sweep's."""
    if not line or (path.exists() and line in files.read_text(path).splitlines()):
        return
    files.append(path, f"{line}\n")


def remember_name(store: Path, sweep: str, file: Path) -> None:
    """Note that a sweep of this name is written in this file; see `same_name`."""
    path = store / "names" / sweep
    path.parent.mkdir(exist_ok=True)
    _add_line(path, uses.line(file))


def same_name(store: Path, sweep: str, file: Path) -> list[Path]:
    """Other files of this name whose runs are in the store, and that are there."""
    others = [Path(each) for each in _files_called(store, sweep) if each != str(file)]
    return [other for other in others if other.is_file() and not _equal(other, file)]


def same_name_in_words(store: Path, sweep: str, file: Path) -> str | None:
    """What is told of `same_name`; None where there is no other file."""
    others = same_name(store, sweep, file)
    word = "another sweep" if len(others) == 1 else f"{len(others)} other sweeps"
    told = f"{word} of this store {are(len(others))} called {sweep}: {', '.join(map(str, others))}"
    apart = "W&B groups them together, and tables lie in folders of their own below one --out: rename one of the files"
    return f"{told}; {apart}" if others else None


def _files_called(store: Path, sweep: str) -> list[str]:
    path = store / "names" / sweep
    return files.read_text(path).splitlines() if path.is_file() else []


def _equal(one: Path, other: Path) -> bool:
    try:
        return files.read_bytes(one) == files.read_bytes(other)
    except OSError:
        return False


def _refuse_links(folder: Path, *more: Path) -> None:
    """Raise ConfigError where what is written into a run's folder would come to lie elsewhere."""
    for each in (folder, *(folder / name for name in ("attempts", "sweeps", "starts", "lock")), *more):
        if each.is_symlink():
            raise ConfigError(
                f"{each}: is a link, and runs are kept in folders; --store can name another place for all"
            )
    if (lock := folder / "lock").exists() and not lock.is_file():
        raise ConfigError(f"{lock}: is no file, as which runs are locked")


def is_start(folder: Path) -> bool:
    """Whether runs of some sweep start from this one's weights, so that these must stay."""
    return (folder / "starts").is_dir()


def load(folder: Path) -> Run:
    """The configuration of the run in this folder.

    Raises:
        ConfigError: if its file is missing, cannot be read, or is that of another run than the folder is called by.
    """
    path = folder / "run.yaml"
    if not path.exists():
        raise ConfigError(no_settings(folder))
    run = config.load(Run, path)
    if is_run(folder.name) and run.id != folder.name:
        why = "it was edited, or another version of its components wrote it"
        raise ConfigError(f"{path}: is not that of run {folder.name}: {why}")
    return run


def no_settings(folder: Path) -> str:
    """What is said of a run whose settings are missing."""
    return f"{folder / 'run.yaml'} is missing, so nothing says what run {folder.name} was"


def settings(folder: Path) -> tuple[dict[str, Any], str | None]:
    """What is written of the run in this folder, and why it cannot be used, if so: a package that is not there."""
    try:
        return load(folder).model_dump(mode="json"), None
    except ConfigError as error:
        try:
            return reading.plain(config.read(folder / "run.yaml").value), str(error)
        except ConfigError:
            return {}, str(error)


def package_of(store: Path, group: str, kind: str) -> str | None:
    """Which package a kind is of, in words, as runs of the store remember it; asked for kinds that are not known."""
    for path in sorted(store.glob("*/packages.json")):
        for name, told in (files.read_json(path) or {}).items():
            if isinstance(told, dict) and f"{group}/{kind}" in (told.get("kinds") or ()):
                return f"it is of the package {name} {told.get('version')}, which is not installed"
    return None


# ---------------------------------------------------------------- out


def scratch(store: Path, host: str, process: int) -> Path:
    """Where a driver tries the first steps of runs, of which nothing is kept."""
    return store / "smoke" / f"{host}.{process}"


def find(store: Path, prefix: str, begun: bool = True) -> str:
    """The whole id of the run that starts with ``prefix``, of those that were ``begun`` or of all that a sweep has named.

    Raises:
        NoRun: if there is none.
        ConfigError: if there is more than one, or ``prefix`` is no beginning of an id.
    """
    if not re.fullmatch(r"[0-9a-f]{1,12}", prefix):
        raise ConfigError(f"'{prefix}' is no id of a run: up to 12 digits of 0-9 and a-f")
    there = [p for p in sorted(store.glob(f"{prefix}*")) if is_run(p.name)]
    found = sorted(p.name for p in there if (p / ("run.yaml" if begun else "sweeps")).exists())
    if not found:
        lacking = [p for p in there if attempts.of(p)]
        raise NoRun(no_settings(lacking[0]) if lacking else no_run(store, prefix))
    if len(found) > 1:
        raise ConfigError(f"'{prefix}' matches {len(found)} runs: {', '.join(found[:8])}")
    return found[0]


class NoRun(ConfigError):
    """No run of the store has such an id."""


def no_run(store: Path, prefix: str) -> str:
    """What is said of an id that no run of the store has."""
    if (line := absent(store)) is not None:
        return f"'{prefix}' matches no run in {store}: {line}"
    planned = "a store has the runs that have begun; pvt-exp plan SWEEP.yaml shows the ids of planned ones"
    return f"'{prefix}' matches no run in {store}: {planned}"


def is_run(name: str) -> bool:
    """Whether a folder of the store is called as runs are; another one that holds a run is a copy."""
    return re.fullmatch(r"[0-9a-f]{12}", name) is not None


def data_of(folder: Path) -> str | None:
    """Where the data were for the newest attempt at a run, if they are still there."""
    for each in reversed(attempts.of(folder)):
        with contextlib.suppress(ConfigError):
            place = config.load(Placement, each / "placement.yaml").data
            if place and Path(place).exists():
                return place
    return None


def files_of(folder: Path) -> list[Path]:
    """The files of the sweeps that use the run, where they were when it was trained for them."""
    return [use.file for use in uses.of(folder)]


def sweeps(folder: Path) -> list[str]:
    """Names of the sweeps that use the run."""
    return sorted(p.name for p in (folder / "sweeps").glob("*"))
