"""What became of a run, from its files: where a killed run is noticed, and a result of other data."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pvt_exp.config.run import Run
from pvt_exp.datasets import Dataset
from pvt_exp.store import attempts
from pvt_exp.store.results import read_checked, read_result
from pvt_exp.store.states import Cause, State
from pvt_exp.system import files, heartbeat, locks

WENT_AWAY = "it went away without a word: killed, or its machine lost"
"""The reason of an attempt that has ended and did not say so."""


@dataclass(frozen=True)
class Outcome:
    """What became of one run."""

    id: str
    state: State
    reason: str | None = None
    """Why there is no result, in words."""
    result: dict[str, Any] | None = None
    """``result.json`` where the state is ``done`` (or ``stale``)."""
    attempts: int = 0
    cause: Cause | None = None
    """Why there is no result, as data: what is done about it follows from this, and not from ``reason``."""


def _tried(result: dict[str, Any]) -> int:
    """How many attempts it took to come to a result, which names the one that did; 0: it does not say."""
    made = result.get("provenance")
    number = made.get("attempt") if isinstance(made, dict) else None
    return number if type(number) is int else 0


def outcome_of(store: Path, run_id: str, epochs: int | None = None) -> Outcome:
    """What became of a run, from its files; ``epochs``: the run's, if they are known, or else they are read."""
    folder = f"{store}/{run_id}"
    found, wrong = read_checked(folder, run_id, epochs)
    if found is not None:
        return Outcome(run_id, "done", result=found, attempts=_tried(found))
    wrong = wrong and f"its result.json does not count: {files.line(wrong)}"
    not_valid: Cause | None = "result_not_valid" if wrong else None
    latest = attempts.of(Path(folder))
    if not latest:
        return Outcome(run_id, "pending", wrong, cause=not_valid)
    count = len(latest)
    if locks.is_locked(Path(folder)) or locks.is_held(latest[-1] / "placement.yaml"):
        return Outcome(run_id, _going(latest[-1]), attempts=count)
    newest = _newest(latest)
    told = attempts.ended(newest)
    if told is None and (beat := heartbeat.of(newest)) is not None and not beat.here:
        return Outcome(run_id, _going(newest), f"on {beat.host}, process {beat.process}", attempts=count)
    if told is None or told["state"] == "done":
        torn = told is not None
        if torn and (found := read_result(folder)) is not None:  # it was published while we looked
            return Outcome(run_id, "done", result=found)
        why = wrong or WENT_AWAY
        if torn and wrong is None:
            why = "its result is gone"
        return Outcome(run_id, "killed", why, attempts=count, cause=not_valid)
    if told["state"] == "out_of_memory" and (left := attempts.again(newest)) is not None:
        return Outcome(run_id, "killed", f"{left['why']}; it is to be tried {left['words']}", attempts=count)
    return Outcome(run_id, told["state"], told["reason"], attempts=count, cause=told["cause"])


def _going(attempt: Path) -> State:
    return "submitted" if attempts.is_queued(attempt) else "running"


def _newest(tries: Sequence[Path]) -> Path:
    """The newest that was begun; a driver of this machine that died before its process was may have left a later one."""

    def is_begun(attempt: Path) -> bool:
        if (attempt / "end.json").exists() or (attempt / "log.txt").exists():
            return True
        beat = heartbeat.of(attempt)
        return beat is not None and not beat.here  # its machine knows

    return next(filter(is_begun, reversed(tries)), tries[-1])


def outcomes_of(
    store: Path, runs: Iterable[Run], fingerprints: Mapping[Dataset, str] | None = None
) -> dict[str, Outcome]:
    """What became of each run. One of other data than those at hand, or whose pretraining is, is ``stale``."""
    found, asked = {}, tuple(runs)
    many = len(asked) > 100  # then it is quicker to list the store than to look for each, and else slower
    there: set[str] = set()
    if store.is_dir():
        with os.scandir(store) as entries:  # an error where it may not be read
            there = {entry.name for entry in entries} if many else there
    for run in asked:
        begun = run.id in there if many else (store / run.id).is_dir()
        seen = outcome_of(store, run.id, run.epochs) if begun else Outcome(run.id, "pending")
        for dataset, word, trained_on in other_data(run, seen.result, fingerprints or {}):
            reason = f"{word} on data {trained_on}; at hand are {(fingerprints or {})[dataset]}"
            seen = replace(seen, state="stale", reason=reason)
        found[run.id] = seen
    return found


def other_data(
    run: Run, result: dict[str, Any] | None, fingerprints: Mapping[Dataset, str]
) -> list[tuple[Dataset, str, str]]:
    """The data sets that a result follows from and that are others at hand: what was trained on them, and what they were."""
    return [
        (dataset, word, then)
        for dataset, word, then in (_data(run, result) if result else ())
        if then and fingerprints.get(dataset) not in (None, "", then)
    ]


def _data(run: Run, result: dict[str, Any]) -> Iterator[tuple[Dataset, str, str | None]]:
    """The data sets that a result follows from, and the fingerprints that they had."""
    yield run.dataset, "trained", (result.get("data") or {}).get("fingerprint")
    if run.pretraining is not None:
        start = result.get("provenance", {}).get("pretrained") or {}
        yield run.pretraining.dataset, "its pretraining was", start.get("data")
