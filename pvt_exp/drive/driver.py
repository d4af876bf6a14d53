"""Drive one sweep: plan, launch what is missing, watch, collect. There is no queue: what is left is plan minus results."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pvt_exp import store
from pvt_exp.config.run import Run
from pvt_exp.config.sweep import StopIfFirst
from pvt_exp.drive import registry
from pvt_exp.drive.board import Board, Group
from pvt_exp.drive.going import Going, end_hung
from pvt_exp.drive.placing import Where, place
from pvt_exp.drive.state import DrivenRun, SweepState
from pvt_exp.launchers import BUSY, Ended, Slot, Work
from pvt_exp.plan import Variant
from pvt_exp.store import attempts, code_copy, status
from pvt_exp.store.leftovers import tidy
from pvt_exp.store.outcome import Outcome, outcome_of
from pvt_exp.store.results import set_aside_result
from pvt_exp.store.states import GOING, RETRYABLE, State
from pvt_exp.system import heartbeat, locks, signals
from pvt_exp.system.words import several
from pvt_exp.tracking import client

ERRORS: tuple[State, ...] = ("failed", "out_of_memory", "timed_out")
"""What ``on_error: stop`` is about. A diverged run is a result, a killed one goes on."""
DYING_S = 10.0
"""How long a process that was killed may hold its lock."""


class Halted(Exception):
    """A sweep was stopped by `pvt_exp.drive.registry.stop`, or because of how its runs end, as its ``on_error`` says."""


class Source:
    """Proposes further runs while a plan is driven. This one has none."""

    def propose(self) -> Variant | None:
        """One more run, as a variant with one seed; asked for when a place is free and nothing known waits for it."""
        return None

    def look(self, board: Board) -> None:
        """Take in what runs have come to; called often."""

    def groups(self) -> Sequence[Group]:
        """What is shown instead of the plan's variants; empty: those."""
        return ()


NO_MORE = Source()


def drive(
    state: SweepState,
    where: Where,
    retry: Sequence[State],
    show: Callable[[Board, Run | None], None],
    asked: registry.Asked,
    source: Source = NO_MORE,
) -> None:
    """Train what has no result yet. ``show(board, run)`` is called as runs end, and often in between with None.

    A run starts when its pretraining is done; one whose pretraining has ended otherwise stays pending, with that reason.
    The runs that a ``source`` proposes join the state's plan. ``asked`` is the driver's entry in the `registry`.

    Raises:
        Halted: where the driver is asked to stop, or ``on_error`` says so; what ran has written its checkpoints.
    """
    _Driver(state, where, retry, show, source, asked).drive()


class _Driver:
    def __init__(
        self,
        state: SweepState,
        where: Where,
        retry: Sequence[State],
        show: Callable[[Board, Run | None], None],
        source: Source,
        asked: registry.Asked,
    ) -> None:
        self.state, self.where, self.retry, self.show, self.source, self.asked = (
            state,
            where,
            retry,
            show,
            source,
            asked,
        )
        self.slots = where.launcher.slots()
        self.clock, self.watch = heartbeat.Clock(), heartbeat.Watch()
        self.ends: list[State] = []
        """Of the runs that ended here, in order."""
        tried = (*RETRYABLE, *retry)
        for each in state.take(status.to_do(state.plan, state.outcomes, tried), where.policy.retries):
            known = state.outcomes[each.run.id].state
            state.move(each, "waiting" if known in tried else "elsewhere" if known in GOING else "over")
            self._recall(each)
        state.slots = min(len(self.slots), max(1, len(state.at("waiting"))))

    def _recall(self, each: DrivenRun) -> None:
        """How it is to be tried again, as the driver before this one has decided."""
        if self.state.outcomes[each.run.id].state == "killed":
            tries = reversed(attempts.of(self.where.store / each.run.id))  # those after it may have been killed
            if (left := next(filter(None, map(attempts.again, tries)), None)) is not None:
                each.tries.recall(left)

    def drive(self) -> None:
        self._halt_if_asked()
        while True:
            self._launch()
            if not self.state.at("elsewhere"):
                break
            time.sleep(0.5)  # all that is left is trained by another driver: wait for it
            self._halt_if_asked()
            self._return_free()
            self._show(None)
        for each in self.state.at("waiting"):
            outcomes = self.state.outcomes
            self.state.put(status.waiting(outcomes[each.run.id], each.run, outcomes))

    def _launch(self) -> None:
        """Train what can be trained here, until nothing of it is left."""
        work = Work(self._next_attempt, self._hung, lambda: code_copy.freeze(self.where.store), attempts.stop)
        launched = self.where.launcher.launch(work)
        try:
            for ended in launched:
                run = self._collect(ended) if ended else None
                if run is None:
                    self._look()
                self.source.look(self.state.board())
                self._show(run)
                self._halt_if_asked()
                if run is not None:
                    self._halt_on_error(run)
        except (KeyboardInterrupt, Halted) as asked:
            for going in self.state.going.values():
                attempts.stop(going.attempt, signals.by(asked))
            self.state.stopping = True
            self._show(None)
            raise
        finally:
            launched.close()  # type: ignore[attr-defined]
            for run_id, going in self.state.going.items():
                going.lock.close()
                self.state.put(outcome_of(self.where.store, run_id))  # some ended while they were asked to stop

    def _show(self, ended: Run | None) -> None:
        self.show(self.state.board(self.source.groups(), ended), ended)

    # ------------------------------------------------------------ starting

    def _next_attempt(self, slot: Slot) -> Path | None:
        self._return_free()
        while (attempt := self._start(slot)) is None and not self.state.at("waiting"):
            if (variant := self.source.propose()) is None:
                return None
            self._join(variant)
        return attempt

    def _join(self, variant: Variant) -> None:
        """Take what was proposed into the plan, and have its new runs wait."""
        new = self.state.extend(variant)
        for run in new:
            is_start = run not in variant.runs
            self.state.put(status.look(self.where.store, run, self.where.fingerprints, is_start))
        for each in self.state.take(new, self.where.policy.retries):
            self.state.move(each, "waiting")

    def _start(self, slot: Slot) -> Path | None:
        """The attempt at the first run that can start."""
        beside = [run_id for run_id, going in self.state.going.items() if _share(slot, going.slot)]
        if any(self.state.runs[run_id].tries.alone for run_id in beside):
            return None
        for each in self.state.at("waiting"):
            need = each.run.pretraining
            if need is not None and self.state.outcomes[need.id].state != "done":
                continue
            if beside and each.tries.alone:
                return None  # the place empties for it
            if (attempt := self._try(each, slot)) is not None:
                return attempt
        return None

    def _try(self, each: DrivenRun, slot: Slot) -> Path | None:
        """An attempt at the run; None where another driver trains it, or has brought it to an end meanwhile."""
        before, folder = self.state.outcomes[each.run.id], self.where.store / each.run.id
        is_start = each.run.id in self.state.starts
        now = status.look(self.where.store, each.run, self.where.fingerprints, is_start)
        if now.state in GOING and each.is_lost:
            each.is_lost = False
            now = replace(now, state="killed", reason="its machine was lost")
        if now.state in GOING or locks.is_locked(folder):
            self.state.move(each, "elsewhere")
        elif not self._is_open(each, now, before):
            self._end(each, now)
        else:
            try:
                return self._attempt(each, slot, now)
            except store.Taken:
                self.state.move(each, "elsewhere")
        return None

    def _is_open(self, each: DrivenRun, now: Outcome, before: Outcome) -> bool:
        """Whether a run is still to be tried, and no other driver has tried it since this one looked last (``before``)."""
        untouched = now.attempts == before.attempts and now.result == before.result
        return now.state in RETRYABLE or (untouched and (now.state in self.retry or each.tries.how is not None))

    def _attempt(self, each: DrivenRun, slot: Slot, now: Outcome) -> Path:
        run, where, plan = each.run, self.where, self.state.plan
        if now.state in ("stale", "done"):
            set_aside_result(where.store / run.id)
        placement = place(run, slot, where, plan)
        if (how := each.tries.how) is not None:
            less = {"micro_batch": how.micro_batch} if how.micro_batch else {}
            placement = placement.model_copy(update={"recovering": how.why, **less})
        queued = where.launcher.has_queue
        attempt = store.attempt(where.store, run, placement, plan.name, plan.file, queued, plan.changes)
        lock = ExitStack()
        lock.enter_context(locks.launched(attempt))
        each.going = Going(attempt, slot, placement, lock, self.clock.look(), is_queued=queued)
        self.state.move(each, "here")
        self.state.put(Outcome(run.id, "submitted" if queued else "running", attempts=int(attempt.name)))
        return attempt

    # ------------------------------------------------------------ runs of other drivers

    def _return_free(self) -> None:
        """Runs that another process has let go of wait again; those it finished fall out when their turn comes."""
        for each in self.state.at("elsewhere"):
            if self._is_free(each):
                self.state.move(each, "waiting")

    def _is_free(self, each: DrivenRun) -> bool:
        """Whether nobody trains a run: locks tell that of this machine, and signs of life of others."""
        folder = self.where.store / each.run.id
        if locks.is_locked(folder):
            return False
        tries = attempts.of(folder)
        beat = heartbeat.of(tries[-1]) if tries else None
        if not tries or (beat is not None and beat.here) or (tries[-1] / "end.json").exists():
            return True
        if not self.watch.is_gone(tries[-1]):
            return False
        each.is_lost = True
        return True

    # ------------------------------------------------------------ what goes, and what ended

    def _look(self) -> None:
        """See how far the runs are, and end those that make no step."""
        now = self.clock.look()
        for each in self.state.at("here"):
            if each.going is not None:
                before, each.going = each.going, each.going.looked_at(now)
                if before.is_queued and not each.going.is_queued:
                    self.state.put(replace(self.state.outcomes[each.run.id], state="running"))
                self._end_if_hung(each, each.going, now)

    def _end_if_hung(self, each: DrivenRun, going: Going, now: float) -> None:
        minutes = self.where.policy.stall_minutes
        if going.is_hung or going.is_queued or now - going.moved <= 60 * minutes:
            return
        where = f" after epoch {going.progress['epoch']}" if going.progress else " since it was started"
        end_hung(going.attempt, f"no step for {minutes:g} minutes{where}")
        each.going = replace(going, is_hung=True)

    def _hung(self) -> set[Path]:
        return {going.attempt for going in self.state.going.values() if going.is_hung}

    def _collect(self, ended: Ended) -> Run:
        """Take in how the attempt at a run ended, and decide whether it is tried again."""
        each = self.state.runs[attempts.run_folder(ended.attempt).name]
        assert each.going is not None
        going, each.going = each.going, None
        has_checkpoint = bool(attempts.checkpoints(going.attempt))
        going.lock.close()
        if ended.code != BUSY:
            self._note(each, ended)
        seen = self._outcome_of_ended(each.run) if ended.code != BUSY else None
        if seen is None or seen.state in GOING:  # another driver trains it
            self.state.move(each, "elsewhere")
            return each.run
        self._end(each, seen)
        self._try_again(each, going, seen, has_checkpoint, ended.attempt.exists())
        return each.run

    def _note(self, each: DrivenRun, ended: Ended) -> None:
        """Record an end that the run's process has not recorded itself; and what W&B was not told."""
        if ended.attempt.exists() and not (ended.attempt / "end.json").exists():
            name = signals.name(-ended.code) if ended.code < 0 else f"exit status {ended.code}"
            attempts.end(ended.attempt, "killed", ended.why or f"ended by {name}")
        for why in client.said_untold(ended.attempt):
            self.state.untold.setdefault(why, set()).add(each.run.id)

    def _try_again(self, each: DrivenRun, going: Going, seen: Outcome, has_checkpoint: bool, is_kept: bool) -> None:
        end = attempts.ended(going.attempt)
        is_done = end is not None and end["state"] == "done"  # with a result that cannot be read, again and again
        shared = sum(_share(going.slot, other) for other in self.slots) > 1
        micro_batch = going.placement.micro_batch or each.run.ghost_batch_size
        if each.tries.next(seen, has_checkpoint and not is_done, shared, micro_batch) is None:
            self.state.trained += is_kept
            self.ends.append(seen.state)
            return
        if seen.state == "out_of_memory":
            attempts.try_again(going.attempt, each.tries.record())
        self.state.move(each, "waiting", first=True)

    def _outcome_of_ended(self, run: Run) -> Outcome:
        """How a run stands whose process has ended; one that was killed may hold its lock for a moment more."""
        deadline = time.monotonic() + DYING_S
        while (seen := outcome_of(self.where.store, run.id, run.epochs)).state in GOING and time.monotonic() < deadline:
            time.sleep(0.05)
        return seen

    def _end(self, each: DrivenRun, seen: Outcome) -> None:
        self.state.move(each, "over")
        self.state.put(seen)
        if seen.state == "done":
            tidy(self.where.store / seen.id)

    # ------------------------------------------------------------ stopping

    def _halt_if_asked(self) -> None:
        if self.asked:
            raise Halted("as pvt-exp stop asks for")

    def _halt_on_error(self, run: Run) -> None:
        on_error, seen = self.where.policy.on_error, self.state.outcomes[run.id]
        if on_error == "stop" and seen.state in ERRORS and self.state.runs[run.id].tries.again is None:
            raise Halted(f"on_error: stop, and {run.id} {seen.state}: {seen.reason}")
        due = isinstance(on_error, StopIfFirst) and len(self.ends) == on_error.stop_if_first
        if due and not {"done", "pruned"}.intersection(self.ends):
            raise Halted(f"on_error: none of the first {several(len(self.ends), 'run')} has a result")


def _share(slot: Slot, other: Slot) -> bool:
    """Whether two places are on one GPU, or both on the CPU."""
    return bool(set(slot.gpus) & set(other.gpus)) or not (slot.gpus or other.gpus)
