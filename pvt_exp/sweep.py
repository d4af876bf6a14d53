"""Drive one sweep: plan, launch what is missing, watch, collect. There is no queue: what is left is plan minus results."""

import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pvt_exp import files, store, worker
from pvt_exp.datasets import Dataset
from pvt_exp.launchers import Ended, Launcher, Slot
from pvt_exp.plan import Plan, Variant
from pvt_exp.schema import Placement, Run
from pvt_exp.store import Outcome, State


@dataclass(frozen=True)
class Where:
    """What a driver knows of this machine for every run it places."""

    store: Path
    launcher: Launcher
    roots: dict[str, Path]
    """Folder of each data set."""
    fingerprints: dict[Dataset, str]
    """Of the data at hand."""
    placement: Placement
    """What all runs share: workers, tracking, keep, command."""


@dataclass
class Board:
    """How a sweep stands while it is driven: what a view shows."""

    plan: Plan
    outcomes: dict[str, Outcome]
    slots: int = 1
    trained: int = 0
    """Runs that this driver has brought to an end."""
    started: dict[str, float] = field(default_factory=dict)
    """When each run that goes now began, on the monotonic clock."""
    progress: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The newest ``progress.json`` of each run that goes now."""
    first: dict[str, tuple[float, float]] = field(default_factory=dict)
    """When the first progress of each was seen, and how much it was: start-up is not part of a run's pace."""

    def count(self, *states: State) -> int:
        """Runs in one of the states."""
        return sum(seen.state in states for seen in self.outcomes.values())

    def seconds_left(self) -> float | None:
        """Time until the sweep is done, from the runs of the same variant, else from all runs; None: nothing to go by."""
        known: dict[str, list[float]] = {}
        pending: list[str] = []
        going: list[tuple[str, float]] = []
        for variant in self.plan.variants:
            for run in variant.runs:
                seen = self.outcomes[run.id]
                if seen.result is not None:
                    known.setdefault(variant.name, []).append(seen.result["provenance"]["seconds"])
                elif run.id in self.started:
                    fraction = self.progress.get(run.id, {}).get("fraction", 0.0)
                    since, at_first = self.first.get(run.id, (0.0, fraction))
                    if fraction - at_first > 0.02:
                        pace = (time.monotonic() - since) / (fraction - at_first)
                        known.setdefault(variant.name, []).append(pace)
                    going.append((variant.name, fraction))
                elif seen.state in ("pending", "running"):
                    pending.append(variant.name)
        if not known:
            return None
        mean = {name: sum(seconds) / len(seconds) for name, seconds in known.items()}
        overall = sum(mean.values()) / len(mean)
        left = sum(mean.get(name, overall) for name in pending)
        longest = max((mean.get(name, overall) * (1 - part) for name, part in going), default=0.0)
        left += sum(mean.get(name, overall) * (1 - part) for name, part in going)
        return max(longest, left / self.slots)


def drive(
    plan: Plan, where: Where, board: Board, retry: Sequence[State], show: Callable[[Board, Run | None], None]
) -> None:
    """Train what has no result yet. ``show(board, run)`` is called as runs end, and often in between with None."""
    variant_of = {run.id: variant for variant in plan.variants for run in variant.runs}
    tried = (*store.PASSES, *retry)
    waiting = deque(run for run in plan.runs if board.outcomes[run.id].state in tried)
    elsewhere = [run for run in plan.runs if board.outcomes[run.id].state == "running"]
    board.slots = min(len(where.launcher.slots()), max(1, len(waiting)))

    def next_attempt(slot: Slot) -> Path | None:
        _return_free(where.store, elsewhere, waiting)
        while waiting:
            run = waiting.popleft()
            before, now = board.outcomes[run.id], store.outcomes(where.store, [run], where.fingerprints)[run.id]
            if now.state == "running" or store.is_locked(where.store / run.id):
                elsewhere.append(run)
            elif now.state not in tried or (now.state in retry and now.attempts > before.attempts):
                board.outcomes[run.id] = now  # another driver has brought it to an end meanwhile
            else:
                if now.state == "stale":
                    store.set_aside_result(where.store / run.id)
                attempt = store.attempt(where.store, run, _place(run, variant_of[run.id], slot, where, plan), plan.name)
                board.started[run.id] = time.monotonic()
                board.outcomes[run.id] = Outcome(run.id, "running", attempts=int(attempt.name))
                return attempt
        return None

    by_id = {run.id: run for run in plan.runs}
    while True:
        launched = where.launcher.launch(next_attempt)
        try:
            for ended in launched:
                if ended is None:
                    _read_progress(where.store, board)
                    show(board, None)
                    continue
                run = by_id[store.run_folder(ended.attempt).name]
                _collect(where.store, board, run, ended, elsewhere)
                show(board, run)
        finally:
            launched.close()  # type: ignore[attr-defined]
        if not elsewhere:
            return
        time.sleep(0.5)  # all that is left is trained by another driver: wait for it
        _return_free(where.store, elsewhere, waiting)
        show(board, None)


def _return_free(runs: Path, elsewhere: list[Run], waiting: deque[Run]) -> None:
    """Runs that another process has let go of wait again; those it finished fall out when their turn comes."""
    free = [run for run in elsewhere if not store.is_locked(runs / run.id)]
    for run in free:
        elsewhere.remove(run)
        waiting.append(run)


def _collect(runs: Path, board: Board, run: Run, ended: Ended, elsewhere: list[Run]) -> None:
    board.started.pop(run.id, None)
    board.progress.pop(run.id, None)
    board.first.pop(run.id, None)
    if ended.code == worker.BUSY:
        elsewhere.append(run)
        return
    if ended.attempt.exists() and not (ended.attempt / "end.json").exists():
        name = signal.Signals(-ended.code).name if ended.code < 0 else f"exit status {ended.code}"
        store.end(ended.attempt, "killed", f"ended by {name}")
    board.outcomes[run.id] = store.outcome(runs, run.id)
    board.trained += ended.attempt.exists()


def _read_progress(runs: Path, board: Board) -> None:
    for run_id in board.started:
        tries = store.attempts(runs / run_id)
        seen = files.read_json(tries[-1] / "progress.json") if tries else None
        if seen is not None:
            board.progress[run_id] = seen
            board.first.setdefault(run_id, (time.monotonic(), seen["fraction"]))


def _place(run: Run, variant: Variant, slot: Slot, where: Where, plan: Plan) -> Placement:
    pretrained = run.backbone.pretrained
    shared = where.placement
    used_by = {plan.name, *store.sweeps(where.store / run.id)}
    tracking = shared.tracking.model_copy(
        update={
            "group": plan.name,
            "name": f"{variant.name}, seed {run.seed}",
            "tags": tuple(sorted(name[:64] for name in used_by)),
        }
    )
    root = where.roots.get(run.dataset.name)
    return shared.model_copy(
        update={
            "data": str(root) if root else None,
            "weights": str(Path(pretrained.path).resolve()) if pretrained and pretrained.path else None,
            "gpus": slot.gpus,
            "threads": slot.threads,
            "tracking": tracking,
        }
    )
