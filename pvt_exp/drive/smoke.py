"""One step of each architecture before a sweep starts, so that a row that cannot be trained is known now and not in days."""

import contextlib
import os
import platform
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pvt_exp import store
from pvt_exp.config import identity
from pvt_exp.config.placement import Placement, Tracking
from pvt_exp.config.run import Run
from pvt_exp.drive.going import end_hung
from pvt_exp.launchers import Launcher, Slot, Work
from pvt_exp.store import attempts, code_copy
from pvt_exp.system import heartbeat

MATTERS = ("task", "dataset", "backbone", "ghost_batch_size", "batch_size", "precision", "ema_decay")
"""Fields of a run that decide whether a step of it works, or its memory."""


class Failed(NamedTuple):
    """A run whose first step failed."""

    run: Run
    state: str
    reason: str


def chosen(runs: Path, to_do: Sequence[Run]) -> list[Run]:
    """The first run of each architecture, if it was never begun; none where all are of one: the first run shows as much."""
    first: dict[str, Run] = {}
    for run in to_do:
        key = " ".join(identity.canonical(getattr(run, name)) for name in MATTERS)
        if run.pretraining is None:  # else its weights are not there yet
            first.setdefault(key, run)
    new = [run for run in first.values() if not attempts.of(runs / run.id)]
    return new if len(first) > 1 else []


def try_out(
    runs: Path,
    launcher: Launcher,
    tried: Sequence[Run],
    place: Callable[[Run, Slot], Placement],
    tell: Callable[[Failed], None],
    stall_minutes: float,
    halt: Callable[[], object],
) -> list[Failed]:
    """Train one step of each run and score one batch, in the launcher's slots; nothing of it is kept. Those that fail.

    One that takes longer than ``stall_minutes`` is ended; where ``halt()`` says so all are.
    """
    waiting, failed = list(tried), []
    folder = store.scratch(runs, platform.node(), os.getpid())  # two drivers may try the same run at once
    going: dict[Path, float] = {}
    clock = heartbeat.Clock()

    def next_attempt(slot: Slot) -> Path | None:
        if not waiting:
            return None
        run = waiting.pop(0)
        shutil.rmtree(folder / run.id, ignore_errors=True)
        placement = place(run, slot).model_copy(update={"smoke": True, "tracking": Tracking(mode="disabled")})
        attempt = store.attempt(folder, run, placement, "smoke", queued=launcher.has_queue)
        going[attempt] = clock.look()
        return attempt

    def hung() -> list[Path]:
        now = clock.look()
        going.update(dict.fromkeys(filter(attempts.is_queued, going), now))  # its time is not counted in a queue
        over = [attempt for attempt, since in going.items() if now - since > 60 * stall_minutes]
        for attempt in over:
            end_hung(attempt, f"no step in {stall_minutes:g} minutes")
        return over

    by_id = {run.id: run for run in tried}
    launched = launcher.launch(Work(next_attempt, hung, lambda: code_copy.freeze(runs)))
    try:
        for ended in launched:
            if halt():
                break
            if ended is None:
                continue
            del going[ended.attempt]
            run = by_id[attempts.run_folder(ended.attempt).name]
            told = attempts.ended(ended.attempt) or {
                "state": "killed",
                "reason": ended.why or f"exit status {ended.code}",
            }
            if told["state"] != "done":
                failed.append(Failed(run, told["state"], str(told["reason"])))
                tell(failed[-1])
            shutil.rmtree(attempts.run_folder(ended.attempt), ignore_errors=True)
    finally:
        launched.close()  # type: ignore[attr-defined]
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # another driver's is still there
            folder.parent.rmdir()
    return failed
