"""One call of ``sweep`` or ``run``: look at what is there, drive what is missing, and return what became of it.

Nothing is printed here: what is to be told meanwhile goes to a `View`, and the command line prints the outcome.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from pvt_exp import store
from pvt_exp.config import ConfigError
from pvt_exp.config.run import Run
from pvt_exp.cost import estimate
from pvt_exp.drive import checks, registry, replaced, tuning
from pvt_exp.drive import smoke as smoke_steps
from pvt_exp.drive.checks import Checked
from pvt_exp.drive.driver import NO_MORE, Halted, Source, drive
from pvt_exp.drive.live import View
from pvt_exp.drive.placing import DriverContext, Where, place, start_of
from pvt_exp.drive.registry import Asked
from pvt_exp.drive.state import SweepState
from pvt_exp.launchers import at_once
from pvt_exp.plan import Plan, data_sets
from pvt_exp.store import code_changes, status, trial_record
from pvt_exp.store.outcome import Outcome
from pvt_exp.store.states import GOING, RETRYABLE, State
from pvt_exp.system import files, signals
from pvt_exp.system.words import several

End = Literal["over", "halted", "interrupted"]


@dataclass(frozen=True)
class Driven:
    """What became of a plan that was driven."""

    outcomes: Mapping[str, Outcome]
    end: End = "over"
    """``halted``: by ``pvt-exp stop`` or ``on_error``; ``interrupted``: by a signal, as Ctrl-C is."""
    why: str = ""
    """Why it was halted."""
    launched: bool = False
    """Whether runs were launched, besides first steps."""
    trained: int = 0
    """Runs that were brought to an end."""
    seconds: float = 0.0
    """Since the first of them could be launched."""
    untold: Mapping[str, set[str]] = field(default_factory=dict)
    """What W&B was not told of runs that ended: why, and of which."""
    set_aside: Sequence[str] = ()
    """Where the results are that were replaced, a line each."""

    def count(self, *states: State) -> int:
        """Runs in one of the states."""
        return sum(seen.state in states for seen in self.outcomes.values())


@dataclass(frozen=True)
class Tuned:
    """What became of the trials of a plan."""

    driven: Driven
    chosen: Sequence[str] = ()
    """What is to be told of the values that were chosen, a line each."""
    undecided: Sequence[str] = ()
    """The variants for which nothing could be chosen."""


@signals.as_ctrl_c()
def train(planned: Plan, context: DriverContext, view: View, smoke: bool = False) -> Driven:
    """Train what a plan lacks. With ``smoke`` one step of each architecture comes first.

    Raises:
        ConfigError: before anything is written, for words that cannot be used and for data that do not fit.
    """
    again, runs = checks.retried(context.retry), context.store
    found = checks.check(planned, context)
    outcomes = status.outcomes(runs, planned, found.where.fingerprints)
    to_do = status.to_do(planned, outcomes, (*RETRYABLE, *again))
    found.require(to_do)
    not_valid = checks.not_valid(to_do, outcomes, runs)
    store.create(runs)
    for run in not_valid:
        name = f"{planned.names[run.id]}, seed {run.seed} ({run.id})"
        view.say(f"{name}: {outcomes[run.id].reason}; it is trained again")
    for line in _remember(planned, runs, outcomes):
        view.say(line)
    if changes := code_changes.in_words(planned, outcomes, code_changes.other(planned, outcomes)):
        view.say(changes)
    if not to_do:
        return Driven(outcomes)
    done_again = replaced.of(to_do, outcomes)
    for line in (*replaced.before(planned, runs, done_again), *_announced(planned, context, found, outcomes, to_do)):
        view.say(line)
    rows = {planned.names[run.id]: run for run in to_do}
    for line in estimate.will_not_fit(rows, context.launcher, context.placement):
        view.say(line)
    with _registered(found.where, planned) as asked:
        try:
            if smoke and _first_steps(view, planned, found.where, to_do, asked) and context.policy.on_error == "stop":
                return Driven(outcomes, "halted", "on_error: stop; nothing was trained")
        except Halted as halted:
            return Driven(outcomes, "halted", str(halted))
        except KeyboardInterrupt:
            return Driven(outcomes, "interrupted")
        set_aside = partial(replaced.after, planned, runs, done_again)
        return _drive(view, SweepState(planned, outcomes), found.where, again, asked, set_aside=set_aside)


@signals.as_ctrl_c()
def tune(planned: Plan, context: DriverContext, view: View) -> Tuned:
    """Run the trials of the variants whose values are not chosen yet, and choose; as `train` does for the runs."""
    again = tuple(state for state in checks.retried(context.retry) if state != "done")  # a trial is never done anew
    runs = context.store
    checks.same_searches(planned, runs)
    trials = tuning.first_trials(planned)
    found = checks.check(trials, context)
    found.require(trials.order)
    store.create(runs)
    with tuning.alone(planned, runs):
        before = tuning.known(planned, runs)
        searches = tuning.Searches(planned, runs.resolve(), again)
        outcomes = status.outcomes(runs, before, found.where.fingerprints)
        state = SweepState(before, outcomes, f"{planned.name}: trials", searches.budget)
        ended = len(outcomes) - state.count(*RETRYABLE, *GOING)
        view.say(
            f"{planned.name}: {several(len(searches.studies), 'variant')} to tune, {several(searches.budget, 'trial')}, "
            f"{ended} known already; at once: {at_once(context.launcher, context.placement.workers)}"
        )
        for line in (*_about_links(runs), *data_sets.in_words(found.data.facts, trials.order)):
            view.say(line)
        searches.look(state.board())
        with _registered(found.where, planned) as asked:
            driven = _drive(view, state, found.where, again, asked, searches)
        if driven.end != "over":
            return Tuned(driven)
        chosen = searches.decide(state.board())
    return Tuned(driven, chosen, searches.undecided)


def choose_again(planned: Plan, context: DriverContext) -> dict[str, Path]:
    """Set aside what was tuned on other data than those at hand, if ``--retry stale`` says so.

    Returns:
        Where the old values are kept, by the names of the variants. Other sweeps with the same variant and search use the
        new ones then.

    Raises:
        ConfigError: if something should be set aside, and ``--retry`` does not say so.
    """
    if all(each.chosen is None for each in planned.tunings):
        return {}
    outdated = tuning.outdated(planned, context.store, context.data.of(planned).fingerprints)
    if outdated and "stale" not in context.retry:
        raise ConfigError(f"{problem}; --retry stale chooses anew" for problem in outdated.values())
    tunings = [each for each in planned.tunings if each.name in outdated]
    return {each.name: trial_record.set_aside_choice(context.store, each) for each in tunings}


def _remember(planned: Plan, runs: Path, outcomes: Mapping[str, Outcome]) -> list[str]:
    """Note in the store which runs the sweep uses, and its name; what is told where another one is called like it."""
    said: list[str] = []
    if planned.verb == "sweep" and planned.file is not None:  # an experiment has no table, and no name to share
        store.remember_name(runs, planned.name, planned.file)
        if line := store.same_name_in_words(runs, planned.name, planned.file):
            said.append(f"note: {line}")
    for run in planned.order:
        if run.id in outcomes:
            store.use(runs, run.id, planned.name, file=planned.file, changes=planned.changes)
            if (start := start_of(run)) is not None and (runs / start).is_dir():
                store.use(runs, start, planned.name, start=True)
    return said


def _announced(
    planned: Plan, context: DriverContext, found: Checked, outcomes: Mapping[str, Outcome], to_do: Sequence[Run]
) -> Iterator[str]:
    """What is to be trained, how much of it at once, and on which data, a line each."""
    needs = sum(run.id in outcomes for run in planned.pretraining_runs)
    doing = {run.id for run in to_do}
    blocked = sum(seen.state in RETRYABLE and seen.id not in doing for seen in outcomes.values())
    yield (
        f"{planned.name}: {several(len(planned.variants), 'variant')} x {several(len(planned.seeds), 'seed')} = "
        f"{several(len(planned.runs), 'run')}, "
        + (f"and {several(needs, 'pretraining run')} they start from, " if needs else "")
        + f"{len(outcomes) - len(to_do) - blocked} known already, {len(to_do)} to train"
        + (f", {blocked} that cannot start" if blocked else "")
        + f"; at once: {at_once(context.launcher, context.placement.workers)}"
    )
    yield from _about_links(context.store)
    yield from _about_place(context.store, found.data.roots)
    facts = found.data.facts
    of_these = {run.dataset: facts[run.dataset] for run in to_do if run.dataset in facts}
    yield from data_sets.in_words(of_these, to_do)


def _about_links(runs: Path) -> list[str]:
    """That results are published in another way than usual, where that is so."""
    if files.has_links(runs):
        return []
    return [f"note: {runs} has no hard links; a result is published by a folder's rename, of which the first wins too"]


def _about_place(runs: Path, roots: Mapping[str, Path]) -> list[str]:
    """That the store lies among the data, which are then listed with it."""
    here = runs.resolve()
    names = [name for name, root in roots.items() if here == root or root in here.parents]
    return [f"note: the store {runs} is inside the folder of the data set {name}" for name in names]


def _registered(where: Where, planned: Plan) -> AbstractContextManager[Asked]:
    """Be known as a driver of the plan, so that ``pvt-exp stop`` finds it."""
    return registry.driving(where.store, planned.name, where.placement.command, planned.file)


def _first_steps(view: View, planned: Plan, where: Where, to_do: Sequence[Run], asked: Asked) -> bool:
    """Whether the first step of some architecture failed for good, which is told. Raises Halted where it is asked to stop.

    One that was killed, or ran out of memory, is tried again by the sweep, alone and with fewer images at once.
    """
    tried = smoke_steps.chosen(where.store, to_do)
    if tried:
        view.say(f"one step of each of {len(tried)} architectures first (--no-smoke leaves it out)")

    def tell(failed: smoke_steps.Failed) -> None:
        view.say(f"  {failed.state}  {planned.names[failed.run.id]}: {files.line(failed.reason)}")

    placed = partial(place, where=where, plan=planned)
    minutes = where.policy.stall_minutes
    failed = smoke_steps.try_out(where.store, where.launcher, tried, placed, tell, minutes, lambda: bool(asked))
    if asked:
        raise Halted("as pvt-exp stop asks for; nothing was trained")
    return any(each.state not in ("killed", "out_of_memory") for each in failed)


def _drive(
    view: View,
    state: SweepState,
    where: Where,
    again: tuple[State, ...],
    asked: Asked,
    source: Source = NO_MORE,
    set_aside: Callable[[], Sequence[str]] = tuple,
) -> Driven:
    """Drive the state's plan and show it."""
    gc.enable()
    end: End = "over"
    why = ""
    try:
        with view:
            drive(state, where, again, view.show, asked, source)
    except Halted as halted:
        end, why = "halted", str(halted)
    except KeyboardInterrupt:
        end = "interrupted"
    return Driven(state.outcomes, end, why, True, state.trained, view.seconds, state.untold, set_aside())
