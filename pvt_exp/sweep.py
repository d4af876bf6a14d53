"""Drive one sweep: plan, launch what is missing, watch, collect. There is no queue: what is left is plan minus results."""

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pvt_exp import files, standing, store, tracked, worker
from pvt_exp.datasets import Dataset
from pvt_exp.launchers import Ended, Launcher, Slot
from pvt_exp.plan import Plan, Pretraining, Variant
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


@dataclass(frozen=True)
class Group:
    """Runs that are shown in one line."""

    name: str
    runs: tuple[Run, ...]
    trials: dict[str, str] = field(default_factory=dict)
    """What to call each run, by id, where they are trials, of which the best counts; empty: seeds, whose mean counts."""
    due: int = 0
    """How many runs there will be; 0: no others."""


@dataclass
class Board:
    """How a sweep stands while it is driven: what a view shows."""

    plan: Plan
    outcomes: dict[str, Outcome]
    slots: int = 1
    expected: int = 0
    """Runs there will be, where more are proposed than are known."""
    title: str = ""
    """What is shown; the plan's name where it is empty."""
    trials: Sequence[Group] = ()
    """What is shown instead of the plan's variants."""
    trained: int = 0
    """Runs that this driver has brought to an end."""
    started: dict[str, float] = field(default_factory=dict)
    """When each run that goes now began, on the monotonic clock."""
    progress: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The newest ``progress.json`` of each run that goes now."""
    first: dict[str, tuple[float, float]] = field(default_factory=dict)
    """When the first progress of each was seen, and how much it was: start-up is not part of a run's pace."""

    @property
    def groups(self) -> Sequence[Group]:
        """The lines of what is shown: the pretrainings that count, and the variants."""
        listed = [Group(group.name, group.runs) for group in self.plan.groups]
        return self.trials or [group for group in listed if any(run.id in self.outcomes for run in group.runs)]

    def count(self, *states: State) -> int:
        """Runs in one of the states."""
        return sum(seen.state in states for seen in self.outcomes.values())

    def seconds_left(self) -> float | None:
        """Time until the sweep is done, from the runs of the same variant, else from all runs; None: nothing to go by."""
        both: tuple[Sequence[Pretraining | Variant], ...] = (self.plan.pretrainings, self.plan.variants)
        stages = [(groups, *self._parts_left(groups)) for groups in both]
        paces = [pace for _, _, mean in stages for pace in mean.values()]
        if not paces:
            return None
        left = longest = 0.0
        for groups, parts, mean in stages:
            overall = sum(mean.values()) / len(mean) if mean else sum(paces) / len(paces)
            seconds = [mean.get(name, overall) * part for name, part in parts]
            if groups is self.plan.variants:
                seconds += [overall] * (self.expected - len(self.outcomes))
            left, longest = left + sum(seconds), max(longest, *seconds, 0.0)
        return max(longest, left / self.slots)

    def _parts_left(self, groups: Sequence[Pretraining | Variant]) -> tuple[list[tuple[str, float]], dict[str, float]]:
        """What part of each run of one stage is left, by the name of its group; and the seconds that a run of it takes."""
        parts: list[tuple[str, float]] = []
        known: dict[str, list[float]] = {}
        for group in groups:
            for run in group.runs:
                seen = self.outcomes.get(run.id)
                if seen is None:
                    continue
                if seen.result is not None:
                    known.setdefault(group.name, []).append(seen.result["provenance"]["seconds"])
                elif run.id in self.started:
                    fraction = self.progress.get(run.id, {}).get("fraction", 0.0)
                    since, at_first = self.first.get(run.id, (0.0, fraction))
                    if fraction - at_first > 0.02:
                        pace = (time.monotonic() - since) / (fraction - at_first)
                        known.setdefault(group.name, []).append(pace)
                    parts.append((group.name, 1 - fraction))
                elif seen.state in ("pending", "running"):
                    parts.append((group.name, 1.0))
        return parts, {name: sum(seconds) / len(seconds) for name, seconds in known.items()}


class Source:
    """Proposes further runs while a plan is driven. This one has none."""

    def propose(self) -> Variant | None:
        """One more run, as a variant with one seed; asked for when a place is free and nothing known waits for it."""
        return None

    def look(self, board: Board) -> None:
        """Take in what runs have come to; called often."""


NO_MORE = Source()


def drive(
    plan: Plan,
    where: Where,
    board: Board,
    retry: Sequence[State],
    show: Callable[[Board, Run | None], None],
    source: Source = NO_MORE,
) -> None:
    """Train what has no result yet. ``show(board, run)`` is called as runs end, and often in between with None.

    A run starts when its first stage is done; one whose first stage has ended otherwise stays pending, with that reason.
    The runs that a ``source`` proposes join the board's plan.
    """
    tried = (*store.PASSES, *retry)
    to_do = standing.to_do(plan, board.outcomes, tried)
    waiting = {run.id: run for run in to_do if board.outcomes[run.id].state in tried}
    elsewhere = [run for run in to_do if board.outcomes[run.id].state == "running"]
    starts = {run.need.id for run in to_do if run.need is not None}
    board.slots = min(len(where.launcher.slots()), max(1, len(waiting)))

    held: dict[str, ExitStack] = {}

    def next_attempt(slot: Slot) -> Path | None:
        _return_free(where.store, elsewhere, waiting)
        while (attempt := start(slot)) is None and not waiting and (variant := source.propose()) is not None:
            by_id.update(more := _join(board, variant, where))
            waiting.update(more)
        return attempt

    def start(slot: Slot) -> Path | None:
        for run in tuple(waiting.values()):
            if run.need is not None and board.outcomes[run.need.id].state != "done":
                continue
            del waiting[run.id]
            before = board.outcomes[run.id]
            now = standing.look(where.store, run, where.fingerprints, run.id in starts)
            if now.state == "running" or store.is_locked(where.store / run.id):
                elsewhere.append(run)
            elif now.state not in tried or (now.state in retry and now.attempts > before.attempts):
                board.outcomes[run.id] = now  # another driver has brought it to an end meanwhile
            else:
                if now.state == "stale":
                    store.set_aside_result(where.store / run.id)
                attempt = store.attempt(where.store, run, _place(run, slot, where, board.plan), plan.name)
                held[run.id] = ExitStack()
                held[run.id].enter_context(store.launched(attempt))
                board.started[run.id] = time.monotonic()
                board.outcomes[run.id] = Outcome(run.id, "running", attempts=int(attempt.name))
                return attempt
        return None

    by_id = {run.id: run for run in to_do}
    while True:
        launched = where.launcher.launch(next_attempt)
        try:
            for ended in launched:
                run = by_id[store.run_folder(ended.attempt).name] if ended else None
                _collect(where.store, board, run, ended, elsewhere, held)
                source.look(board)
                show(board, run)
        finally:
            launched.close()  # type: ignore[attr-defined]
            for each in held.values():
                each.close()
        if not elsewhere:
            break
        time.sleep(0.5)  # all that is left is trained by another driver: wait for it
        _return_free(where.store, elsewhere, waiting)
        show(board, None)
    for run in waiting.values():
        board.outcomes[run.id] = standing.waiting(board.outcomes[run.id], run, board.outcomes)


def _return_free(runs: Path, elsewhere: list[Run], waiting: dict[str, Run]) -> None:
    """Runs that another process has let go of wait again; those it finished fall out when their turn comes."""
    free = [run for run in elsewhere if not store.is_locked(runs / run.id)]
    for run in free:
        elsewhere.remove(run)
        waiting[run.id] = run


def _join(board: Board, variant: Variant, where: Where) -> dict[str, Run]:
    """Add a proposed variant to the board's plan; the runs that were not in it, by id."""
    board.plan = replace(board.plan, variants=(*board.plan.variants, variant))
    new = {run.id: run for run in board.plan.order if run.id not in board.outcomes}
    for run in new.values():
        board.outcomes[run.id] = standing.look(where.store, run, where.fingerprints, is_start=run not in variant.runs)
    return new


def _collect(
    runs: Path,
    board: Board,
    run: Run | None,
    ended: Ended | None,
    elsewhere: list[Run],
    held: dict[str, ExitStack],
) -> None:
    """Take in how a run ended, or how those that go now stand."""
    if run is None or ended is None:
        _read_progress(runs, board)
        return
    held.pop(run.id).close()
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


def _place(run: Run, slot: Slot, where: Where, plan: Plan) -> Placement:
    shared = where.placement
    used_by = {plan.name, *store.sweeps(where.store / run.id)}
    root, weights = where.roots.get(run.dataset.name), _weights(run, where.store)
    return shared.model_copy(
        update={
            "data": str(root) if root else None,
            "weights": str(weights.resolve()) if weights else None,
            "gpus": slot.gpus,
            "threads": slot.threads,
            "tracking": tracked.tracking(shared.tracking, plan, run, used_by),
        }
    )


def _weights(run: Run, runs: Path) -> Path | None:
    """The file that a run's weights to start from are in, here."""
    pretrained = run.backbone.pretrained
    if pretrained is not None and pretrained.path:
        return Path(pretrained.path)
    start = start_of(run)
    return store.weights(runs, start) if start else None


def start_of(run: Run) -> str | None:
    """The id of the run of the store that this one starts from: its first stage, or ``pretrained: runs/<id>``."""
    if run.need is not None:
        return run.need.id
    return run.backbone.pretrained.run if run.backbone.pretrained else None
