"""Why a run is in its state, and what a person can do: `pvt-exp why`."""

import contextlib
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pvt_exp import config, store
from pvt_exp.cli.planned import Planned
from pvt_exp.config import ConfigError, DataError
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.datasets import Dataset
from pvt_exp.drive import registry
from pvt_exp.plan import site
from pvt_exp.store import attempts, progress, status, uses
from pvt_exp.store.outcome import WENT_AWAY, Outcome, outcome_of
from pvt_exp.store.results import refuse_other_format
from pvt_exp.store.states import GOING, RETRYABLE
from pvt_exp.store.status import ENDED_AS
from pvt_exp.store.uses import Use
from pvt_exp.system import files, heartbeat
from pvt_exp.system.words import duration

DO: dict[str, str] = {
    "failed": "read the log and fix the error, then {again} --retry failed",
    "diverged": "this is its result; to train the same again: {again} --retry diverged",
    "out_of_memory": "free memory, give a smaller --micro-batch or set ghost_batch_size, then {again} --retry out_of_memory",
    "timed_out": "see where it hung (the log's end), then {again} --retry timed_out; stall_minutes sets the limit",
    "killed": "{again} continues it",
    "pruned": "nothing: it is a trial that was worse than others",
    "stale": "{again} --retry stale trains it again; the old result is kept beside it",
}
"""What a person can do, with the command that trains the run in the place of ``{again}``."""


def why_json(runs: Path, run_id: str, planned: Planned | None = None) -> dict[str, Any]:
    """Fields of ``pvt-exp why --json``: how a run stands, how it came to that, and what a person can do.

    Of a run that the store does not know ``planned`` says where it is planned.
    """
    folder, seen = runs / run_id, outcome_of(runs, run_id)
    run, problem = None, ""
    tries = attempts.of(folder)
    if (folder / "run.yaml").exists() or tries:
        try:
            run = store.load(folder)
        except ConfigError as error:
            problem = str(error)
    if run is not None and seen.state == "done":
        at_hand = _at_hand(runs, run) | (_at_hand(runs, run.pretraining) if run.pretraining is not None else {})
        seen = status.look(runs, run, at_hand, store.is_start(folder))
    used = uses.of(folder) or ([planned.use] if planned is not None else [])
    sweeps = store.sweeps(folder) or [use.sweep for use in used]
    alive = [driver for sweep in sweeps for driver in registry.of(runs, sweep)]
    made = (seen.result or {}).get("provenance", {}).get("attempt") if seen.state == "done" else None
    logs = [log for each in tries if (log := each / "log.txt").exists()]
    is_open = seen.state not in ("done", *GOING)
    return {
        "id": run_id,
        "name": _name(tries, planned),
        "state": seen.state,
        "reason": seen.reason,
        "cause": seen.cause,
        "problem": problem or None,
        "sweeps": sweeps,
        "attempts": [_end(each, made) for each in (tries[:-1] if seen.state in GOING else tries)],
        "result_from": made,
        "running": _running(tries[-1]) if seen.state in GOING else None,
        "waits_for": _waits(runs, run, seen) if is_open else None,
        "drivers": [
            {"sweep": each.sweep, "process": each.process, "host": each.host, "started": each.started} for each in alive
        ],
        "log": str(logs[-1]) if logs else None,
        "do": _next(seen, _command(runs, used, _data(folder, run)), bool(alive), folder) if is_open else None,
    }


def why(found: dict[str, Any]) -> list[str]:
    """The same in lines."""
    sweeps, alive = found["sweeps"], found["drivers"]
    lines = [f"{found['id']} is {found['state']}" + (f" (of {', '.join(sweeps)})" if sweeps else "")]
    lines += [f"row: {found['name']}"] if found["name"] else []
    lines += [f"it cannot be used here: {found['problem']}"] if found["problem"] else []
    lines += [_end_in_words(each) for each in found["attempts"]]
    if found["cause"] == "result_not_valid" and found["attempts"] and found["attempts"][-1]["state"] == "done":
        lines[-1] += "; its result does not count"
    if found["state"] == "done":
        made = found["result_from"]
        source = (
            "its result does not say which attempt it is from" if made is None else f"its result is from attempt {made}"
        )
        lines.append(f"{source}; pvt-exp runs show {found['id']} prints it")
    if found["reason"] and (found["state"] == "stale" or found["cause"] == "result_not_valid"):
        lines.append(found["reason"])
    lines += filter(None, (found["running"], found["waits_for"]))
    if found["log"] and not any(found["log"] in line for line in lines):
        lines.append(f"log: {found['log']}")
    if found["do"]:
        lines.append(found["do"])
    elif alive and found["state"] in RETRYABLE:
        each = alive[0]
        lines.append(
            f"it waits for its turn: {each['sweep']} is driven by process {each['process']} on {each['host']} since "
            f"{each['started']}"
        )
    return lines


def _at_hand(runs: Path, run: Run) -> dict[Dataset, str]:
    """The fingerprint of the data that its newest attempt was given, as they are now."""
    tries = attempts.of(runs / run.id)
    with contextlib.suppress(ConfigError, DataError, OSError):
        root = config.load(Placement, tries[-1] / "placement.yaml").data if tries else None
        found = run.dataset.inspect(Path(root)).fingerprint if root else None
        return {run.dataset: found} if found else {}
    return {}


def _end(attempt: Path, made: int | None) -> dict[str, Any]:
    """How an attempt ended. One that has not said so, and has not ``made`` the result, went away without a word."""
    log = attempt / "log.txt"
    heard = [each.stat().st_mtime for each in (log, attempt / heartbeat.NAME) if each.exists()]
    silent = {"state": "done"} if attempt.name == str(made) else {"state": "killed", "reason": WENT_AWAY}
    told = attempts.ended(attempt) or silent
    return {
        "attempt": int(attempt.name),
        **{name: told.get(name) for name in ("state", "reason", "cause", "ended")},
        "heard": files.time_of(max(heard)) if heard else None,
        "log": str(log) if log.exists() else None,
    }


def _end_in_words(end: dict[str, Any]) -> str:
    reason = f": {files.line(end['reason'])}" if end["reason"] else ""
    when = end["ended"] or (f"last heard of at {end['heard']}" if end["heard"] else "never heard of")
    log = f"; its log: {end['log']}" if end["log"] and end["ended"] is None else ""
    return f"attempt {end['attempt']}: {end['state']}{reason} ({when}){log}"


def _running(attempt: Path) -> str:
    now = progress.read(attempt)
    if attempts.is_queued(attempt):
        return "it waits in its launcher's queue"
    if now is None:
        return f"it has made no step yet; its log: {attempt / 'log.txt'}"
    ago = duration(max(0.0, time.time() - (attempt / progress.NAME).stat().st_mtime))
    return (
        f"in epoch {now['epoch']} of {now['epochs']}, {100 * now['fraction']:.0f} % done; last sign of life {ago} ago"
    )


def _waits(runs: Path, run: Run | None, seen: Outcome) -> str | None:
    """What a run waits for that comes before it."""
    if run is None or run.pretraining is None or seen.state not in RETRYABLE:
        return None
    need = outcome_of(runs, run.pretraining.id)
    if need.state == "done":
        return None
    because = f": {files.line(need.reason)}" if need.reason else ""
    return f"it starts from {need.id}, which {ENDED_AS.get(need.state, need.state)}{because}; pvt-exp why {need.id}"


def _name(tries: Sequence[Path], planned: Planned | None) -> str | None:
    """What a run is called in its sweep, with its seed."""
    if planned is not None:
        return f"{planned.name}, seed {planned.run.seed}"
    called = next(filter(None, map(attempts.called, tries)), None)
    return called and files.shown(called)


def _command(runs: Path, used: Sequence[Use], data: Sequence[str]) -> str:
    """What trains a run, as it can be typed here: the command of a file that it was trained for and that is still there."""
    words = ["pvt-exp", "sweep", "SWEEP.yaml"]
    for use in used:
        with contextlib.suppress(ConfigError, OSError):
            verb = "sweep" if "base" in config.read(use.file).value else "run"
            words = ["pvt-exp", verb, str(use.shown), *use.changes, *data]
            break
    return shlex.join([*words, *([] if runs == Path("runs") else ["--store", str(runs)])])


def _data(folder: Path, run: Run | None) -> list[str]:
    """``--data`` as the newest attempt had it, where the data would not be found without."""
    place = store.data_of(folder) if run is not None and not run.dataset.made else None
    if run is None or place is None:
        return []
    with contextlib.suppress(ConfigError):
        if site.locate(run.dataset, {}, site.load()) is not None:
            return []
    return ["--data", f"{run.dataset.name}={place}"]


def _next(seen: Outcome, command: str, is_driven: bool, folder: Path) -> str | None:
    """What a person can do; None where its turn comes by itself."""
    if seen.cause == "result_not_valid":
        try:
            refuse_other_format(folder)
        except ConfigError as error:
            return f"what to do: {str(error).partition('; ')[2]}"
        if not is_driven:
            return f"what to do: {command} trains it again; this result.json is kept beside the new one"
    if seen.state in RETRYABLE and is_driven:
        return None
    if seen.state == "pending":
        return f"it has not begun, and no process trains its sweep now; to train it: {command}"
    return f"what to do: {DO.get(seen.state, '{again}').format(again=command)}"
