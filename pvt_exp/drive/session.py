"""One call of ``sweep`` or ``run``: look at what is there, drive what is missing, say how it went."""

import gc
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from pvt_exp import store
from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.cost import estimate
from pvt_exp.datasets import Dataset, Facts
from pvt_exp.drive import registry, replaced, tuning
from pvt_exp.drive import smoke as smoke_steps
from pvt_exp.drive.driver import NO_MORE, Halted, Source, drive
from pvt_exp.drive.live import View
from pvt_exp.drive.placing import DriverContext, Where, place, start_of
from pvt_exp.drive.state import SweepState
from pvt_exp.launchers import Launcher, at_once
from pvt_exp.plan import Plan, site
from pvt_exp.store import code_changes, status, trial_record
from pvt_exp.store.outcome import Outcome, outcome_of
from pvt_exp.store.results import kept_weights, refuse_other_format
from pvt_exp.store.states import ENDED, GOING, RETRYABLE, State
from pvt_exp.system import files, machine, signals
from pvt_exp.system.words import are, duration, several

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""
HALTED = 3
"""The trials were stopped by ``pvt-exp stop`` or ``on_error``; nothing more is to be trained."""


@signals.as_ctrl_c()
def train(console: Console, planned: Plan, context: DriverContext, smoke: bool = False) -> int:
    """Train what a plan lacks and say how it went. With ``smoke`` one step of each architecture comes first.

    Returns:
        0 if every run is done, 1 if some are not, `INTERRUPTED`.

    Raises:
        ConfigError: before anything is written, for words that cannot be used and for data that do not fit.
    """
    again, runs = _states(context.retry), context.store
    where, facts, problems = _inspect(planned, context)
    outcomes = status.outcomes(runs, planned, where.fingerprints)
    to_do = status.to_do(planned, outcomes, (*RETRYABLE, *again))
    told = [problem for run in to_do for problem in (*problems.get(run.dataset, ()), *_lacks_weights(runs, run))]
    if told:
        raise ConfigError(dict.fromkeys(told))
    for run in to_do:
        if outcomes[run.id].cause == "result_not_valid":
            refuse_other_format(runs / run.id)
            name = f"{planned.names[run.id]}, seed {run.seed} ({run.id})"
            _say(console, f"{name}: {outcomes[run.id].reason}; it is trained again")
    store.create(runs)
    _remember(console, planned, runs, outcomes)
    if line := code_changes.in_words(planned, outcomes, code_changes.other(planned, outcomes)):
        _say(console, line)
    if not to_do:
        return tell(console, planned, outcomes)
    again_done = replaced.of(to_do, outcomes)
    for line in replaced.before(planned, runs, again_done):
        _say(console, line)
    _announce(console, planned, context, outcomes, to_do)
    for line in site.in_words({run.dataset: facts[run.dataset] for run in to_do if run.dataset in facts}):
        _say(console, line)
    rows = {planned.names[run.id]: run for run in to_do}
    for line in estimate.will_not_fit(rows, context.launcher, context.placement):
        _say(console, line)
    try:
        if smoke and _first_steps(console, planned, where, to_do) and context.policy.on_error == "stop":
            raise Halted("on_error: stop; nothing was trained")
    except Halted as halted:
        _say(console, f"stopped: {halted}")
        return tell(console, planned, outcomes)
    except KeyboardInterrupt:
        _say(console, "stopped; nothing was trained")
        return INTERRUPTED
    state, view = SweepState(planned, outcomes), View(console)
    ended = _drive(console, view, state, where, again)
    for line in replaced.after(planned, runs, again_done):
        _say(console, line)
    if ended == INTERRUPTED:
        return INTERRUPTED
    _say(console, f"trained {several(state.trained, 'run')} in {duration(view.seconds)}")
    return tell(console, planned, state.outcomes)


@signals.as_ctrl_c()
def tune(console: Console, planned: Plan, context: DriverContext) -> int:
    """Run the trials of the variants whose values are not chosen yet, and choose; as `train` does for the runs.

    Returns:
        0 if all values are chosen now, 1 if some could not be, `HALTED`, or `INTERRUPTED`.
    """
    again, runs = tuple(s for s in _states(context.retry) if s != "done"), context.store  # a trial is never done anew
    tuning.check(planned, runs)
    trials = tuning.first_trials(planned)
    where, facts, problems = _inspect(trials, context)
    if told := [problem for run in trials.order for problem in problems.get(run.dataset, ())]:
        raise ConfigError(dict.fromkeys(told))
    store.create(runs)
    with tuning.alone(planned, runs):
        before = tuning.known(planned, runs)
        searches = tuning.Searches(planned, runs.resolve(), again)
        outcomes = status.outcomes(runs, before, where.fingerprints)
        state = SweepState(before, outcomes, f"{planned.name}: trials", searches.budget)
        ended = len(outcomes) - state.count(*RETRYABLE, *GOING)
        _say(
            console,
            f"{planned.name}: {several(len(searches.studies), 'variant')} to tune, {several(searches.budget, 'trial')}, "
            f"{ended} known already; at once: {at_once(context.launcher, context.placement.workers)}",
        )
        _tell_of_links(console, runs)
        for line in site.in_words(facts):
            _say(console, line)
        searches.look(state.board())
        if ended := _drive(console, View(console), state, where, again, searches):
            return ended
        for line in searches.decide(state.board()):
            _say(console, line)
    return 1 if searches.undecided else 0


class _Inspected(NamedTuple):
    """What there is on this machine for the runs of a plan."""

    where: Where
    facts: dict[Dataset, Facts]
    problems: Mapping[Dataset, Sequence[str]]
    """Why data cannot be trained on."""


def _inspect(planned: Plan, context: DriverContext) -> _Inspected:
    """Look at the machine and at the data. Raises ConfigError for what cannot be used."""
    _refuse_elsewhere()
    _check_shares(planned, context.placement, context.launcher)
    roots, facts, problems = site.inspect(planned, site.places(context.data), site.load())
    store.check(context.store)
    return _Inspected(context.with_data(roots, site.fingerprints(facts)), facts, problems)


def _remember(console: Console, planned: Plan, runs: Path, outcomes: Mapping[str, Outcome]) -> None:
    """Note in the store which runs the sweep uses, and its name; say so where another one is called like it."""
    sweep_file = planned.file if planned.verb == "sweep" else None  # an experiment has no table, and no name to share
    if sweep_file is not None:
        store.remember_name(runs, planned.name, sweep_file)
    if sweep_file is not None and (line := store.same_name_in_words(runs, planned.name, sweep_file)):
        _say(console, f"note: {line}")
    for run in planned.order:
        if run.id in outcomes:
            store.use(runs, run.id, planned.name, file=planned.file, changes=planned.changes)
            if (start := start_of(run)) is not None and (runs / start).is_dir():
                store.use(runs, start, planned.name, start=True)


def _announce(
    console: Console, planned: Plan, context: DriverContext, outcomes: Mapping[str, Outcome], to_do: Sequence[Run]
) -> None:
    """Say what is to be trained, and how much of it at once."""
    needs = sum(run.id in outcomes for run in planned.pretraining_runs)
    doing = {run.id for run in to_do}
    blocked = sum(seen.state in RETRYABLE and seen.id not in doing for seen in outcomes.values())
    _say(
        console,
        f"{planned.name}: {several(len(planned.variants), 'variant')} x {several(len(planned.seeds), 'seed')} = "
        f"{several(len(planned.runs), 'run')}, "
        + (f"and {several(needs, 'pretraining run')} they start from, " if needs else "")
        + f"{len(outcomes) - len(to_do) - blocked} known already, {len(to_do)} to train"
        + (f", {blocked} that cannot start" if blocked else "")
        + f"; at once: {at_once(context.launcher, context.placement.workers)}",
    )
    _tell_of_links(console, context.store)


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)


def choose_again(console: Console, planned: Plan, runs: Path, data: Sequence[str], retry: Sequence[str]) -> bool:
    """Set aside what was tuned on other data than those at hand, if ``--retry stale`` says so; whether something was.

    Where the old values are kept is told; other sweeps with the same variant and search use the new ones then.

    Raises:
        ConfigError: if something should be, and it does not.
    """
    if all(each.chosen is None for each in planned.tunings):
        return False
    _, facts, _ = site.inspect(planned, site.places(data), site.load())
    told = tuning.outdated(planned, runs, site.fingerprints(facts))
    if told and "stale" not in retry:
        raise ConfigError(f"{problem}; --retry stale chooses anew" for problem in told.values())
    for each in planned.tunings:
        if each.name in told:
            kept = trial_record.set_aside_choice(runs, each)
            _say(
                console,
                f"{each.name}: its values are chosen anew, for all sweeps that tune it so; the old ones: {kept}",
            )
    return bool(told)


def _tell_of_links(console: Console, runs: Path) -> None:
    """Say that results are published in another way than usual, where that is so."""
    if not files.has_links(runs):
        told = (
            f"note: {runs} has no hard links; a result is published by a folder's rename, of which the first wins too"
        )
        console.print(told, highlight=False, soft_wrap=True)


def _first_steps(console: Console, planned: Plan, where: Where, to_do: Sequence[Run]) -> bool:
    """Whether the first step of some architecture failed for good, which is told. Raises Halted where it is asked to stop.

    One that was killed, or ran out of memory, is tried again by the sweep, alone and with fewer images at once.
    """
    tried = smoke_steps.chosen(where.store, to_do)
    if tried:
        console.print(
            f"one step of each of {len(tried)} architectures first (--no-smoke leaves it out)", highlight=False
        )

    def told(failed: smoke_steps.Failed) -> None:
        name, reason = planned.names[failed.run.id], files.line(failed.reason)
        console.print(f"  {failed.state}  {name}: {reason}", highlight=False, soft_wrap=True)

    placed = partial(place, where=where, plan=planned)
    with registry.driving(where.store, planned.name, where.placement.command, planned.file) as asked:
        minutes = where.policy.stall_minutes
        failed = smoke_steps.try_out(where.store, where.launcher, tried, placed, told, minutes, lambda: bool(asked))
        if asked:
            raise Halted("as pvt-exp stop asks for; nothing was trained")
    return any(each.state not in ("killed", "out_of_memory") for each in failed)


def _drive(
    console: Console,
    view: View,
    state: SweepState,
    where: Where,
    again: tuple[State, ...],
    source: Source = NO_MORE,
) -> int:
    """Drive the state's plan and show it; 0, or `HALTED`, or `INTERRUPTED`."""
    gc.enable()
    try:
        with view:
            drive(state, where, again, view.show, source)
    except Halted as halted:
        console.print(f"stopped: {halted}", highlight=False, soft_wrap=True)
        return HALTED
    except KeyboardInterrupt:
        left = state.count(*RETRYABLE, *GOING)
        console.print(
            f"stopped: {state.count('done')} of {several(len(state.outcomes), 'run')} {are(len(state.outcomes))} done, "
            f"{left} {are(left)} left. "
            "What was under way goes on from its last checkpoint with the same command.",
            highlight=False,
        )
        return INTERRUPTED
    finally:
        _say_untold(console, state.untold)
    return 0


def _say_untold(console: Console, untold: Mapping[str, set[str]]) -> None:
    """What W&B was not told of runs that ended, by reason."""
    whys = sorted(untold, key=lambda why: -len(untold[why]))
    for why in whys[:3]:
        console.print(
            f"W&B, of {several(len(untold[why]), 'run')}: {why}", highlight=False, soft_wrap=True, markup=False
        )
    if len(whys) > 3:
        console.print(f"W&B: and {len(whys) - 3} other problems; the logs of the attempts have them", highlight=False)


def _refuse_elsewhere() -> None:
    if (why := machine.lacks_for_training()) is not None:
        raise ConfigError(why)


def _states(retry: Sequence[str]) -> tuple[State, ...]:
    """The words after ``--retry`` as states."""
    known: tuple[State, ...] = (*ENDED, "stale", "done")
    if unknown := sorted(set(retry) - set(known)):
        raise ConfigError(f"--retry {unknown[0]}: one of {', '.join(known)}")
    return tuple(state for state in known if state in retry)


def _check_shares(planned: Plan, placement: Placement, launcher: Launcher) -> None:
    """Raise ConfigError for a run whose groups cannot be cut, or shared by its GPUs, evenly."""
    each = launcher.gpus_per_run
    for run in (r for r in planned.order if r.batch_size // r.ghost_batch_size % each):
        images, groups = run.batch_size, run.batch_size // run.ghost_batch_size
        would = f"a ghost_batch_size of {images // each} would do" if images % each == 0 else "another batch_size would"
        raise ConfigError(
            f"gpus_per_run {each}: a batch of {images} images is {groups} group{'s'[: groups > 1]} of "
            f"{run.ghost_batch_size} (ghost_batch_size: images that are mixed, and over which BatchNorm takes its "
            f"statistics), which {each} GPUs cannot share evenly; {would}"
        )
    if (size := placement.micro_batch) and (bad := next((r for r in planned.order if r.ghost_batch_size % size), None)):
        raise ConfigError(f"--micro-batch {size}: does not divide the run's ghost_batch_size {bad.ghost_batch_size}")


def _lacks_weights(runs: Path, run: Run) -> list[str]:
    """Why a run cannot start from ``pretrained: runs/<id>``, if it cannot."""
    start = None if run.pretraining is not None else start_of(run)
    if start is None or kept_weights(runs, start) is not None:
        return []
    seen = outcome_of(runs, start)
    why = "its weights were not kept" if seen.state == "done" else f"it is {seen.state}"
    return [f"backbone.pretrained: runs/{start}: {why}; a run starts from one that is done, with its last checkpoint"]


def tell(console: Console, planned: Plan, outcomes: Mapping[str, Outcome]) -> int:
    """Which runs are done, why the others are not, and how to go on. Returns 0 if all are done, else 1."""
    bad = [seen for seen in outcomes.values() if seen.state != "done"]
    total, done = len(planned.runs), sum(outcomes[run.id].state == "done" for run in planned.runs)
    if not bad:
        console.print(
            f"{planned.name}: all {total} runs are done" if total > 1 else f"{planned.name}: the run is done",
            highlight=False,
        )
        return 0
    console.print(f"{planned.name}: {done} of {several(total, 'run')} {are(total)} done; not done:", highlight=False)
    told, seeds = [seen for seen in bad if seen.reason], {run.id: run.seed for run in planned.order}
    for seen in told[:20]:
        reason = files.line(seen.reason) if seen.reason else ""
        name = f"{planned.names[seen.id]}, seed {seeds[seen.id]} ({seen.id})"
        console.print(f"  {name} {seen.state}: {reason}", highlight=False, soft_wrap=True)
    if len(told) > 20:
        console.print(f"  and {len(told) - 20} more", highlight=False)
    if others := Counter(seen.state for seen in bad if not seen.reason):
        console.print("  " + ", ".join(f"{count} {state}" for state, count in others.items()), highlight=False)
    states = sorted({seen.state for seen in bad} - set(RETRYABLE) - set(GOING))
    again = " ".join(f"--retry {state}" for state in states if state != "done")
    console.print(f"try them again: the same command{' with ' + again if again else ''}", highlight=False)
    return 1
