"""Drive one sweep: plan, launch what is missing, watch, collect. There is no queue: what is left is plan minus results."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pvt_exp import store
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.config.sweep import Policy, StopIfFirst
from pvt_exp.datasets import Dataset
from pvt_exp.drive import registry
from pvt_exp.drive.board import Board
from pvt_exp.drive.recovery import AS_BEFORE, Recovery
from pvt_exp.launchers import BUSY, Ended, Launcher, Slot, Work
from pvt_exp.plan import Plan, Variant
from pvt_exp.store import attempts, code_copy, progress, status
from pvt_exp.store.leftovers import tidy
from pvt_exp.store.outcome import Outcome, outcome_of
from pvt_exp.store.results import kept_weights, set_aside_result
from pvt_exp.store.states import PASSES, State
from pvt_exp.system import heartbeat, locks, signals
from pvt_exp.system.words import several
from pvt_exp.tracking import client, labels

ERRORS: tuple[State, ...] = ("failed", "out_of_memory", "timed_out")
"""What ``on_error: stop`` is about. A diverged run is a result, a killed one goes on."""
DYING_S = 10.0
"""How long a process that was killed may hold its lock."""


class Halted(Exception):
    """A sweep was stopped by `pvt_exp.drive.registry.stop`, or because of how its runs end, as its ``on_error`` says."""


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
    policy: Policy


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

    A run starts when its pretraining is done; one whose pretraining has ended otherwise stays pending, with that reason.
    The runs that a ``source`` proposes join the board's plan.

    Raises:
        Halted: where the driver is asked to stop, or ``on_error`` says so; what ran has written its checkpoints.
    """
    with registry.driving(where.store, board.plan.name, where.placement.command, board.plan.file) as asked:
        _Driver(plan, where, board, retry, show, source, asked).drive()


class _Driver:
    def __init__(
        self,
        plan: Plan,
        where: Where,
        board: Board,
        retry: Sequence[State],
        show: Callable[[Board, Run | None], None],
        source: Source,
        asked: registry.Asked,
    ) -> None:
        self.asked = asked
        self.where, self.board, self.retry, self.show, self.source = where, board, retry, show, source
        self.tried = (*PASSES, *retry)
        to_do = status.to_do(plan, board.outcomes, self.tried)
        self.by_id = {run.id: run for run in to_do}
        self.waiting = {run.id: run for run in to_do if board.outcomes[run.id].state in self.tried}
        self.elsewhere = [run for run in to_do if board.outcomes[run.id].state == "running"]
        """Those that another driver trains."""
        self.starts = {run.pretraining.id for run in to_do if run.pretraining is not None}
        self.held: dict[str, ExitStack] = {}
        """What says of each run that was launched here, and may not hold its lock yet, that it runs."""
        self.slots = where.launcher.slots()
        self.recovery = Recovery(where.policy.retries)
        for run in to_do:
            self._recall(run)
        self.going: dict[str, tuple[Path, Slot, Placement]] = {}
        self.clock = heartbeat.Clock()
        self.moved: dict[str, tuple[Any, float]] = {}
        """The newest progress of each run that goes, and when by `clock` it was first seen."""
        self.hung: set[Path] = set()
        self.watch = heartbeat.Watch()
        self.lost: set[str] = set()
        """Runs that another machine began and went away with."""
        self.ends: list[State] = []
        """Of the runs that ended here, in order."""
        board.slots = min(len(self.slots), max(1, len(self.waiting)))

    def _recall(self, run: Run) -> None:
        """How it is to be tried again, as the driver before this one has decided."""
        if self.board.outcomes[run.id].state == "killed":
            tries = reversed(attempts.of(self.where.store / run.id))  # those after it may have been killed
            if (left := next(filter(None, map(attempts.again, tries)), None)) is not None:
                self.recovery.recall(run.id, left)

    def drive(self) -> None:
        while True:
            self._launch()
            if not self.elsewhere:
                break
            time.sleep(0.5)  # all that is left is trained by another driver: wait for it
            self._halt_if_due(None)
            self._return_free()
            self.show(self.board, None)
        for run in self.waiting.values():
            self.board.put(status.waiting(self.board.outcomes[run.id], run, self.board.outcomes))

    def _launch(self) -> None:
        """Train what can be trained here, until nothing of it is left."""
        work = Work(self._next_attempt, lambda: self.hung, lambda: code_copy.freeze(self.where.store), attempts.stop)
        launched = self.where.launcher.launch(work)
        try:
            for ended in launched:
                run = self.by_id[attempts.run_folder(ended.attempt).name] if ended else None
                self._collect(run, ended)
                self.source.look(self.board)
                self.show(self.board, run)
                self._halt_if_due(run)
        except (KeyboardInterrupt, Halted) as asked:
            for attempt, _, _ in self.going.values():
                attempts.stop(attempt, signals.by(asked))
            self.board.stopping = True
            self.show(self.board, None)
            raise
        finally:
            launched.close()  # type: ignore[attr-defined]
            for each in self.held.values():
                each.close()
            for run_id in self.going:  # some came to their end while they were asked to stop
                self.board.put(outcome_of(self.where.store, run_id))

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
        beside = [run_id for run_id, (_, other, _) in self.going.items() if _share(slot, other)]
        if any(self.recovery.how.get(run_id, AS_BEFORE).alone for run_id in beside):
            return None
        for run in tuple(self.waiting.values()):
            if run.pretraining is not None and board.outcomes[run.pretraining.id].state != "done":
                continue
            if beside and self.recovery.how.get(run.id, AS_BEFORE).alone:
                return None  # the place empties for it
            del self.waiting[run.id]
            before = board.outcomes[run.id]
            now = status.look(where.store, run, where.fingerprints, run.id in self.starts)
            if now.state == "running" and run.id in self.lost:
                self.lost.remove(run.id)
                now = replace(now, state="killed", reason="its machine was lost")
            if now.state == "running" or locks.is_locked(where.store / run.id):
                self.elsewhere.append(run)
            elif not self._is_open(now, before):
                self._ended(now)  # another driver has brought it to an end meanwhile
            else:
                try:
                    return self._attempt(run, slot, now)
                except store.Taken:
                    self.elsewhere.append(run)
        return None

    def _is_open(self, now: Outcome, before: Outcome) -> bool:
        """Whether a run is to be tried, which stood as ``before`` when this driver looked last."""
        anew = now.attempts == before.attempts and now.result == before.result  # else another driver has tried it
        return now.state in PASSES or (anew and (now.state in self.retry or now.id in self.recovery.how))

    def _attempt(self, run: Run, slot: Slot, now: Outcome) -> Path:
        where, board = self.where, self.board
        if now.state in ("stale", "done"):
            set_aside_result(where.store / run.id)
        placement = place(run, slot, where, board.plan)
        how = self.recovery.how.get(run.id, AS_BEFORE)
        if how.why is not None:
            less = {"micro_batch": how.micro_batch} if how.micro_batch else {}
            placement = placement.model_copy(update={"recovering": how.why, **less})
        attempt = store.attempt(where.store, run, placement, board.plan.name, board.plan.file)
        self.going[run.id] = attempt, slot, placement
        self.moved[run.id] = None, self.clock.look()
        self.held[run.id] = ExitStack()
        self.held[run.id].enter_context(locks.launched(attempt))
        board.started[run.id] = time.monotonic()
        board.put(Outcome(run.id, "running", attempts=int(attempt.name)))
        return attempt

    def _return_free(self) -> None:
        """Runs that another process has let go of wait again; those it finished fall out when their turn comes."""
        for run in tuple(self.elsewhere):
            if self._is_free(self.where.store / run.id):
                self.elsewhere.remove(run)
                self.waiting[run.id] = run

    def _is_free(self, folder: Path) -> bool:
        """Whether nobody trains a run: locks tell that of this machine, and signs of life of others."""
        if locks.is_locked(folder):
            return False
        tries = attempts.of(folder)
        beat = heartbeat.of(tries[-1]) if tries else None
        if not tries or (beat is not None and beat.here) or (tries[-1] / "end.json").exists():
            return True
        if not self.watch.is_gone(tries[-1]):
            return False
        self.lost.add(folder.name)
        return True

    def _collect(self, run: Run | None, ended: Ended | None) -> None:
        """Take in how a run ended, or how those that go now stand."""
        board = self.board
        if run is None or ended is None:
            _read_progress(self.where.store, board)
            self._end_hung()
            return
        attempt, slot, placement = self.going.pop(run.id)
        made_progress = bool(attempts.checkpoints(attempt))
        self.held.pop(run.id).close()
        for kept in (board.started, board.progress, board.first):
            kept.pop(run.id, None)
        if ended.code == BUSY:
            self.elsewhere.append(run)
            return
        if ended.attempt.exists() and not (ended.attempt / "end.json").exists():
            name = signals.name(-ended.code) if ended.code < 0 else f"exit status {ended.code}"
            attempts.end(ended.attempt, "killed", ended.why or f"ended by {name}")
        for why in client.said_untold(attempt):
            board.untold.setdefault(why, set()).add(run.id)
        seen = self._outcome_of_ended(run)
        if seen.state == "running":  # another driver has begun it at this moment
            self.elsewhere.append(run)
            return
        self._ended(seen)
        if (told := attempts.ended(attempt)) is not None and told["state"] == "done":
            made_progress = False  # it came to a result that cannot be read, and would come to it again and again
        shared = sum(_share(slot, other) for other in self.slots) > 1
        micro_batch = placement.micro_batch or run.ghost_batch_size
        again = self.recovery.next(run, seen, made_progress, shared, micro_batch)
        if again is None:
            board.again.pop(run.id, None)
            board.trained += ended.attempt.exists()
            self.ends.append(seen.state)
        else:
            if seen.state == "out_of_memory":
                attempts.try_again(attempt, self.recovery.record(run.id))
            board.again[run.id] = again.words
            self.waiting = {run.id: run, **self.waiting}

    def _outcome_of_ended(self, run: Run) -> Outcome:
        """How a run stands whose process has ended; one that was killed may hold its lock for a moment more."""
        deadline = time.monotonic() + DYING_S
        while (
            seen := outcome_of(self.where.store, run.id, run.epochs)
        ).state == "running" and time.monotonic() < deadline:
            time.sleep(0.05)
        return seen

    def _ended(self, seen: Outcome) -> None:
        self.board.put(seen)
        if seen.state == "done":
            tidy(self.where.store / seen.id)

    def _end_hung(self) -> None:
        """Runs that make no step are ended, and it is told."""
        now = self.clock.look()
        for run_id, (attempt, _, _) in self.going.items():
            newest = self.board.progress.get(run_id)
            before, since = self.moved[run_id]
            if newest != before:
                self.moved[run_id] = newest, now
            elif now - since > 60 * self.where.policy.stall_minutes and attempt not in self.hung:
                where = f" after epoch {newest['epoch']}" if newest else " since it was started"
                error = attempts.last_error(attempt)
                log = f"; the last error in its log: {error}" if error else ""
                attempts.end(
                    attempt, "timed_out", f"no step for {self.where.policy.stall_minutes:g} minutes{where}{log}"
                )
                self.hung.add(attempt)

    def _halt_if_due(self, run: Run | None) -> None:
        if self.asked:
            raise Halted("as pvt-exp stop asks for")
        if run is None:
            return
        on_error, seen = self.where.policy.on_error, self.board.outcomes[run.id]
        if on_error == "stop" and seen.state in ERRORS and run.id not in self.board.again:
            raise Halted(f"on_error: stop, and {run.id} {seen.state}: {seen.reason}")
        due = isinstance(on_error, StopIfFirst) and len(self.ends) == on_error.stop_if_first
        if due and not {"done", "pruned"}.intersection(self.ends):
            raise Halted(f"on_error: none of the first {several(len(self.ends), 'run')} has a result")


def _share(slot: Slot, other: Slot) -> bool:
    """Whether two places are on one GPU, or both on the CPU."""
    return bool(set(slot.gpus) & set(other.gpus)) or not (slot.gpus or other.gpus)


def _join(board: Board, variant: Variant, where: Where) -> dict[str, Run]:
    """Add a proposed variant to the board's plan; the runs that were not in it, by id."""
    board.plan = replace(board.plan, variants=(*board.plan.variants, variant))
    new = {run.id: run for run in board.plan.order if run.id not in board.outcomes}
    for run in new.values():
        board.put(status.look(where.store, run, where.fingerprints, is_start=run not in variant.runs))
    return new


def _read_progress(runs: Path, board: Board) -> None:
    for run_id in board.started:
        tries = attempts.of(runs / run_id)
        seen = progress.read(tries[-1]) if tries else None
        if seen is not None:
            board.progress[run_id] = seen
            board.first.setdefault(run_id, (time.monotonic(), seen["fraction"]))


def place(run: Run, slot: Slot, where: Where, plan: Plan) -> Placement:
    """How a run is computed in a slot."""
    shared = where.placement
    used_by = {plan.name, *store.sweeps(where.store / run.id)}
    root, weights = where.roots.get(run.dataset.name), _weights(run, where.store)
    return shared.model_copy(
        update={
            "data": str(root) if root else None,
            "weights": str(weights.resolve()) if weights else None,
            "gpus": slot.gpus,
            "ranks": slot.ranks,
            "threads": slot.threads,
            "memory_gb": where.launcher.memory_gb,
            "tracking": labels.tracking(shared.tracking, plan, run, used_by),
        }
    )


def _weights(run: Run, runs: Path) -> Path | None:
    """The file that a run's weights to start from are in, here."""
    pretrained = run.backbone.pretrained
    if pretrained is not None and pretrained.path:
        return Path(pretrained.path)
    start = start_of(run)
    return kept_weights(runs, start) if start else None


def start_of(run: Run) -> str | None:
    """The id of the run of the store that this one starts from: its pretraining, or ``pretrained: runs/<id>``."""
    if run.pretraining is not None:
        return run.pretraining.id
    return run.backbone.pretrained.run if run.backbone.pretrained else None
