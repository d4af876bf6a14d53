"""One call of ``sweep`` or ``run``: look at what is there, drive what is missing, say how it went."""

import gc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pvt_exp import site, store
from pvt_exp.config import ConfigError
from pvt_exp.launchers import Launcher
from pvt_exp.live import View, duration, several
from pvt_exp.plan import Plan
from pvt_exp.schema import Placement
from pvt_exp.store import Outcome, State
from pvt_exp.sweep import Board, Where, drive


def train(
    console: Console,
    planned: Plan,
    runs: Path,
    launcher: Launcher,
    placement: Placement,
    data: Sequence[str],
    retry: Sequence[str],
) -> int:
    """Train what a plan lacks and say how it went; ``data`` and ``retry`` are the words of the command line.

    Returns:
        0 if every run is done, 1 if some are not, 130 after Ctrl-C.

    Raises:
        ConfigError: before anything is written, for words that cannot be used and for data that do not fit.
    """
    known: tuple[State, ...] = (*store.ENDED, "stale")
    if unknown := sorted(set(retry) - set(known)):
        raise ConfigError(f"--retry {unknown[0]}: one of {', '.join(known)}")
    if (size := placement.micro_batch) and (bad := next((r for r in planned.runs if r.group_size % size), None)):
        raise ConfigError(f"--micro-batch {size}: does not divide the run's group_size {bad.group_size}")
    roots, facts, problems = site.inspect(planned, site.places(data), site.load())
    store.check(runs)
    outcomes = store.outcomes(runs, planned.runs, site.fingerprints(facts))
    again = tuple(state for state in known if state in retry)
    to_do = sum(seen.state in (*store.PASSES, *again, "running") for seen in outcomes.values())
    if to_do and problems:
        raise ConfigError(problems)
    store.create(runs)
    for each in planned.runs:
        store.use(runs, each.id, planned.name)
    if not to_do:
        tell(console, planned, outcomes)
        return 0 if all(seen.state == "done" for seen in outcomes.values()) else 1
    board = Board(planned, outcomes)
    slots = launcher.slots()
    gpus = Counter(slot.gpus[0] for slot in slots if slot.gpus)
    on = ", ".join(f"{runs} on GPU {gpu}" for gpu, runs in gpus.items()) or f"{len(slots)} on the CPU"
    have = len(outcomes) - to_do
    console.print(
        f"{planned.name}: {several(len(planned.variants), 'variant')} x {several(len(planned.seeds), 'seed')} = "
        f"{several(len(outcomes), 'run')}, "
        f"{have} known already, {to_do} to train; at once: {on}",
        highlight=False,
        soft_wrap=True,
    )
    where = Where(runs.resolve(), launcher, roots, site.fingerprints(facts), placement)
    view = View(console)
    gc.enable()
    try:
        with view:
            drive(planned, where, board, again, view.show)
    except KeyboardInterrupt:
        left = board.count(*store.PASSES, "running")
        console.print(
            f"stopped: {board.count('done')} of {len(outcomes)} runs are done, {left} are left. "
            "What was under way goes on from its last checkpoint with the same command.",
            highlight=False,
        )
        return 130
    console.print(f"trained {several(board.trained, 'run')} in {duration(view.seconds)}", highlight=False)
    tell(console, planned, board.outcomes)
    return 0 if all(seen.state == "done" for seen in board.outcomes.values()) else 1


def tell(console: Console, planned: Plan, outcomes: dict[str, Outcome]) -> None:
    """Which runs are done, why the others are not, and how to go on."""
    bad = [seen for seen in outcomes.values() if seen.state != "done"]
    if not bad:
        console.print(
            f"{planned.name}: all {len(outcomes)} runs are done"
            if len(outcomes) > 1
            else f"{planned.name}: the run is done",
            highlight=False,
        )
        return
    console.print(
        f"{planned.name}: {len(outcomes) - len(bad)} of {len(outcomes)} runs are done; not done:", highlight=False
    )
    for seen in bad[:20]:
        console.print(
            f"  {seen.id} {seen.state}: {(seen.reason or '').splitlines()[0] if seen.reason else ''}", highlight=False
        )
    if len(bad) > 20:
        console.print(f"  and {len(bad) - 20} more", highlight=False)
    states = sorted({seen.state for seen in bad} - set(store.PASSES) - {"running"})
    again = " ".join(f"--retry {state}" for state in states)
    console.print(f"try them again: the same command{' with ' + again if again else ''}", highlight=False)
