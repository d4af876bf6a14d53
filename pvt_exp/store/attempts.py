"""One try at a run, ``runs/<id>/attempts/<n>``: how it ended, how it is tried again, what it left to go on from."""

import contextlib
import os
import re
from pathlib import Path
from typing import Any, get_args

from pvt_exp.store import result_bounds, result_fields
from pvt_exp.store.states import ENDED, Cause, State
from pvt_exp.system import files, heartbeat

QUEUED = "queued"
"""Name of a file that says of an attempt that its launcher has a queue, in which it may wait."""


def of(folder: Path) -> list[Path]:
    """The tries at a run, oldest first."""
    if (folder / "attempts").is_symlink():
        return []
    try:
        with os.scandir(folder / "attempts") as entries:
            names = [each.name for each in entries if each.name.isdecimal() and each.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [folder / "attempts" / name for name in sorted(names, key=int)]


def run_folder(attempt: Path) -> Path:
    """``runs/<id>`` of ``runs/<id>/attempts/<n>``."""
    return attempt.parent.parent


def end(attempt: Path, state: State, reason: str | None, cause: Cause | None = None, **numbers: Any) -> None:
    """Record how an attempt ended, unless it has said so itself."""
    record = {
        "state": state,
        "reason": reason,
        "cause": cause,
        **numbers,
        "ended": files.now(),
        "log": files.tail(attempt / "log.txt"),
    }
    files.publish(attempt / "end.json", files.dump(record))


def called(attempt: Path) -> str | None:
    """What its sweep calls the run, and its seed, ``depth deep, seed 0``; None where that cannot be read."""
    import yaml

    try:
        with files.opened(attempt / "placement.yaml") as file:
            # quick, for stores of many runs
            told = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        name = told["tracking"]["name"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError, yaml.YAMLError):
        return None
    return name if isinstance(name, str) else None


def ended(attempt: Path) -> dict[str, Any] | None:
    """``state``, ``reason``, ``cause``, ``log``, numbers of an ended attempt; None: not ended, or not in words of ours."""
    told = files.read_json(attempt / "end.json")
    if told is None or told.get("state") not in ("done", *ENDED):
        return None
    reason = told.get("reason")
    lines = told.get("log")
    log = [files.shown(line) for line in lines] if isinstance(lines, list) else []
    cause = told.get("cause") if told.get("cause") in get_args(Cause) else None
    return {**told, "reason": None if reason is None else files.lines(str(reason)), "cause": cause, "log": log}


def try_again(attempt: Path, how: dict[str, Any]) -> None:
    """Remember that the run is to be tried again after this attempt, and how, whatever becomes of the driver."""
    files.write(attempt / "again.json", files.dump(how))


def again(attempt: Path) -> dict[str, Any] | None:
    """What `try_again` was told of an attempt."""
    told = files.read_json(attempt / "again.json") or {}
    texts = all(isinstance(told.get(name), str) for name in ("why", "words"))
    numbers = all(
        type(told.get(name)) in kinds for name, kinds in (("halved", (int,)), ("micro_batch", (int, type(None))))
    )
    return told if texts and numbers and isinstance(told.get("alone"), bool) else None


def has_begun(attempt: Path) -> bool:
    """Whether the attempt's own process has given a sign of life, on whichever machine."""
    if (attempt / "log.txt").exists():
        return True
    beat = heartbeat.of(attempt)
    return beat is not None and beat.number >= 0


def is_queued(attempt: Path) -> bool:
    """Whether a launcher's queue has the attempt, and its process has not begun."""
    return (attempt / QUEUED).exists() and not has_begun(attempt)


def last_error(attempt: Path) -> str | None:
    """The last error in an attempt's log, as Python prints it."""
    for line in reversed(files.tail(attempt / "log.txt", 2000, 200_000)):
        if re.match(r"([A-Za-z_][\w.]*\.)?[A-Z]\w*(Error|Exception)\b", line):
            return line.strip()[:300]
    return None


def prune(attempt: Path, reason: str) -> None:
    """Ask an attempt to end after its epoch."""
    files.write(attempt / "prune", reason)


def stop(attempt: Path, by: str) -> None:
    """Say who stops an attempt, before it is asked to end: all that comes to it is a signal."""
    with contextlib.suppress(OSError):  # a full disk keeps no run from being stopped
        files.publish(attempt / "stop", by)


def stopped(attempt: Path) -> str | None:
    """Who stopped an attempt, if its driver has said so."""
    try:
        return files.line(files.read_text(attempt / "stop"))
    except (OSError, UnicodeDecodeError):
        return None


def pruned(attempt: Path) -> str | None:
    """Why an attempt was asked to end, if it was."""
    try:
        return files.read_text(attempt / "prune")
    except FileNotFoundError:
        return None


def checkpoints(attempt: Path) -> list[Path]:
    """Those that an attempt has written, oldest first: ``epoch=2-step=300.ckpt``, the epoch counted from 0."""
    folder = attempt / "checkpoints"
    there = [] if folder.is_symlink() else folder.glob("*.ckpt")  # what a link leads to is not the store's to remove
    found = {path: re.search(r"step=(\d+)", path.stem) for path in there}
    return sorted(found, key=lambda path: int(step[1]) if (step := found[path]) else -1)


def all_checkpoints(folder: Path) -> list[Path]:
    """Those of a run's attempts, newest first; those of a later attempt come first, whatever a clock said.

    A run that is trained again does not go on from what an earlier result was made with.
    """
    done = _set_aside(folder)
    return [path for each in reversed(of(folder)) if int(each.name) > done for path in reversed(checkpoints(each))]


def _set_aside(folder: Path) -> int:
    """The newest attempt whose result counted and was set aside; 0 where there is none."""
    told = (files.read_json(path) for path in folder.glob("result.set-aside-*.json"))
    good = [
        each
        for each in told
        if each is not None
        and result_fields.problem(each, folder.name) is None
        and result_bounds.problem(each, folder) is None
    ]
    return max((each["provenance"].get("attempt") or 0 for each in good), default=0)
