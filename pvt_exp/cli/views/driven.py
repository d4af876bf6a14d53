"""What is told when a sweep was driven: how it ended, what is not done and why, and how to go on."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pvt_exp.plan import Plan
from pvt_exp.store.outcome import Outcome
from pvt_exp.store.states import GOING, RETRYABLE
from pvt_exp.system import files
from pvt_exp.system.words import are, duration, several

if TYPE_CHECKING:
    from pvt_exp.drive.session import Driven, Tuned

MOST_REASONS = 20
MOST_UNTOLD = 3


def print_set_aside(console: Console, kept: Mapping[str, Path]) -> None:
    """The variants whose values are chosen anew, and where the old ones are."""
    for name, path in kept.items():
        _say(console, f"{name}: its values are chosen anew, for all sweeps that tune it so; the old ones: {path}")


def print_tuned(console: Console, tuned: "Tuned") -> None:
    """How the trials ended, and what was chosen."""
    _print_end(console, tuned.driven)
    for line in tuned.chosen:
        _say(console, line)


def print_driven(console: Console, planned: Plan, driven: "Driven") -> None:
    """How the runs ended, and what is left to do."""
    _print_end(console, driven)
    for line in driven.set_aside:
        _say(console, line)
    if driven.end == "interrupted":
        return
    if driven.launched:
        _say(console, f"trained {several(driven.trained, 'run')} in {duration(driven.seconds)}")
    _print_not_done(console, planned, driven.outcomes)


def _print_end(console: Console, driven: "Driven") -> None:
    if driven.end == "halted":
        _say(console, f"stopped: {driven.why}")
    elif driven.end == "interrupted" and not driven.launched:
        _say(console, "stopped; nothing was trained")
    elif driven.end == "interrupted":
        left, runs = driven.count(*RETRYABLE, *GOING), len(driven.outcomes)
        _say(
            console,
            f"stopped: {driven.count('done')} of {several(runs, 'run')} {are(runs)} done, {left} {are(left)} left. "
            "What was under way goes on from its last checkpoint with the same command.",
        )
    whys = sorted(driven.untold, key=lambda why: -len(driven.untold[why]))
    for why in whys[:MOST_UNTOLD]:
        _say(console, f"W&B, of {several(len(driven.untold[why]), 'run')}: {why}")
    if len(whys) > MOST_UNTOLD:
        _say(console, f"W&B: and {len(whys) - MOST_UNTOLD} other problems; the logs of the attempts have them")


def _print_not_done(console: Console, planned: Plan, outcomes: Mapping[str, Outcome]) -> None:
    """Which runs are done, why the others are not, and how to go on."""
    bad = [seen for seen in outcomes.values() if seen.state != "done"]
    total, done = len(planned.runs), sum(outcomes[run.id].state == "done" for run in planned.runs)
    if not bad:
        _say(console, f"{planned.name}: all {total} runs are done" if total > 1 else f"{planned.name}: the run is done")
        return
    _say(console, f"{planned.name}: {done} of {several(total, 'run')} {are(total)} done; not done:")
    told, seeds = [seen for seen in bad if seen.reason], {run.id: run.seed for run in planned.order}
    for seen in told[:MOST_REASONS]:
        reason = files.line(seen.reason) if seen.reason else ""
        _say(console, f"  {planned.names[seen.id]}, seed {seeds[seen.id]} ({seen.id}) {seen.state}: {reason}")
    if len(told) > MOST_REASONS:
        _say(console, f"  and {len(told) - MOST_REASONS} more")
    if others := Counter(seen.state for seen in bad if not seen.reason):
        _say(console, "  " + ", ".join(f"{count} {state}" for state, count in others.items()))
    states = sorted({seen.state for seen in bad} - set(RETRYABLE) - set(GOING))
    again = " ".join(f"--retry {state}" for state in states if state != "done")
    _say(console, f"try them again: the same command{' with ' + again if again else ''}")


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True, markup=False)
