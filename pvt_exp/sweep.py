"""Drive one sweep: plan, launch what is missing, watch, collect. There is no queue: what is left is plan minus results."""

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from pvt_exp import files, standing, store, tracked, worker
from pvt_exp.board import Board
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
    _Driver(plan, where, board, retry, show, source).drive()


class _Driver:
    def __init__(
        self,
        plan: Plan,
        where: Where,
        board: Board,
        retry: Sequence[State],
        show: Callable[[Board, Run | None], None],
        source: Source,
    ) -> None:
        self.where, self.board, self.retry, self.show, self.source = where, board, retry, show, source
        self.tried = (*store.PASSES, *retry)
        to_do = standing.to_do(plan, board.outcomes, self.tried)
        self.by_id = {run.id: run for run in to_do}
        self.waiting = {run.id: run for run in to_do if board.outcomes[run.id].state in self.tried}
        self.elsewhere = [run for run in to_do if board.outcomes[run.id].state == "running"]
        """Those that another driver trains."""
        self.starts = {run.need.id for run in to_do if run.need is not None}
        self.held: dict[str, ExitStack] = {}
        """What says of each run that was launched here, and may not hold its lock yet, that it runs."""
        board.slots = min(len(where.launcher.slots()), max(1, len(self.waiting)))

    def drive(self) -> None:
        while True:
            self._launch()
            if not self.elsewhere:
                break
            time.sleep(0.5)  # all that is left is trained by another driver: wait for it
            self._return_free()
            self.show(self.board, None)
        for run in self.waiting.values():
            self.board.outcomes[run.id] = standing.waiting(self.board.outcomes[run.id], run, self.board.outcomes)

    def _launch(self) -> None:
        """Train what can be trained here, until nothing of it is left."""
        launched = self.where.launcher.launch(self._next_attempt)
        try:
            for ended in launched:
                run = self.by_id[store.run_folder(ended.attempt).name] if ended else None
                self._collect(run, ended)
                self.source.look(self.board)
                self.show(self.board, run)
        except KeyboardInterrupt:
            self.board.stopping = True
            self.show(self.board, None)
            raise
        finally:
            launched.close()  # type: ignore[attr-defined]
            for each in self.held.values():
                each.close()

    def _next_attempt(self, slot: Slot) -> Path | None:
        self._return_free()
        while (attempt := self._start(slot)) is None and not self.waiting:
            if (variant := self.source.propose()) is None:
                return None
            new = _join(self.board, variant, self.where)
            self.by_id.update(new)
            self.waiting.update(new)
        return attempt

    def _start(self, slot: Slot) -> Path | None:
        """The attempt at the first run that can start."""
        where, board = self.where, self.board
        for run in tuple(self.waiting.values()):
            if run.need is not None and board.outcomes[run.need.id].state != "done":
                continue
            del self.waiting[run.id]
            before = board.outcomes[run.id]
            now = standing.look(where.store, run, where.fingerprints, run.id in self.starts)
            if now.state == "running" or store.is_locked(where.store / run.id):
                self.elsewhere.append(run)
            elif now.state not in self.tried or (now.state in self.retry and now.attempts > before.attempts):
                board.outcomes[run.id] = now  # another driver has brought it to an end meanwhile
            else:
                return self._attempt(run, slot, now)
        return None

    def _attempt(self, run: Run, slot: Slot, now: Outcome) -> Path:
        where, board = self.where, self.board
        if now.state == "stale":
            store.set_aside_result(where.store / run.id)
        attempt = store.attempt(where.store, run, _place(run, slot, where, board.plan), board.plan.name)
        self.held[run.id] = ExitStack()
        self.held[run.id].enter_context(store.launched(attempt))
        board.started[run.id] = time.monotonic()
        board.outcomes[run.id] = Outcome(run.id, "running", attempts=int(attempt.name))
        return attempt

    def _return_free(self) -> None:
        """Runs that another process has let go of wait again; those it finished fall out when their turn comes."""
        free = [run for run in self.elsewhere if not store.is_locked(self.where.store / run.id)]
        for run in free:
            self.elsewhere.remove(run)
            self.waiting[run.id] = run

    def _collect(self, run: Run | None, ended: Ended | None) -> None:
        """Take in how a run ended, or how those that go now stand."""
        board = self.board
        if run is None or ended is None:
            _read_progress(self.where.store, board)
            return
        self.held.pop(run.id).close()
        for kept in (board.started, board.progress, board.first):
            kept.pop(run.id, None)
        if ended.code == worker.BUSY:
            self.elsewhere.append(run)
            return
        if ended.attempt.exists() and not (ended.attempt / "end.json").exists():
            name = signal.Signals(-ended.code).name if ended.code < 0 else f"exit status {ended.code}"
            store.end(ended.attempt, "killed", f"ended by {name}")
        board.outcomes[run.id] = store.outcome(self.where.store, run.id)
        board.trained += ended.attempt.exists()


def _join(board: Board, variant: Variant, where: Where) -> dict[str, Run]:
    """Add a proposed variant to the board's plan; the runs that were not in it, by id."""
    board.plan = replace(board.plan, variants=(*board.plan.variants, variant))
    new = {run.id: run for run in board.plan.order if run.id not in board.outcomes}
    for run in new.values():
        board.outcomes[run.id] = standing.look(where.store, run, where.fingerprints, is_start=run not in variant.runs)
    return new


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
