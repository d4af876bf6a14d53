"""What the verbs that train share: one driver context of what was typed, and the sweep driven and shown."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from pvt_exp.cli import views
from pvt_exp.cli.options import Agent, Training, data_sets
from pvt_exp.config.run import Run
from pvt_exp.config.sweep import Policy
from pvt_exp.drive import session
from pvt_exp.drive.live import View
from pvt_exp.drive.placing import DriverContext
from pvt_exp.drive.session import Tuned
from pvt_exp.plan import Plan

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def context(
    typed: Training | Agent,
    store_: Path,
    launcher: Any,
    runs: Iterable[Run],
    policy: Policy | None = None,
    retry: Sequence[str] = (),
    alone: bool = False,
) -> DriverContext:
    """Where and how runs are trained: a ``launcher`` and its settings, with what was typed.

    Args:
        typed: The verb's options.
        store_: The run store.
        launcher: As the sweep has it.
        runs: All that may be trained, for which data are loaded.
        policy: The sweep's; none: as by default.
        retry: The words after ``--retry``.
        alone: Whether there is one run only: on the CPU all cores are its own.

    Raises:
        ConfigError: for places that are not here.
    """
    launcher = typed.launcher(launcher)
    if alone and "cpu_slots" in type(launcher).model_fields and not launcher.slots()[0].gpus:
        launcher = launcher.model_copy(update={"cpu_slots": 1})
    placement = typed.placement(typed.loading(launcher.slots(), runs))
    return DriverContext(store_, launcher, placement, data_sets(typed.data), retry, policy or Policy())


def choose_again(terminal: Console, planned: Plan, context: DriverContext) -> bool:
    """`session.choose_again`, told; whether the values of a variant were set aside."""
    kept = session.choose_again(planned, context)
    views.print_set_aside(terminal, kept)
    return bool(kept)


def tune(terminal: Console, planned: Plan, context: DriverContext) -> Tuned:
    """`session.tune`, shown."""
    tuned = session.tune(planned, context, View(terminal))
    views.print_tuned(terminal, tuned)
    return tuned


def train(terminal: Console, planned: Plan, context: DriverContext, smoke: bool = False) -> int:
    """`session.train`, shown; the exit status: 0 if every run is done, 1 if some are not, or `INTERRUPTED`."""
    driven = session.train(planned, context, View(terminal), smoke)
    views.print_driven(terminal, planned, driven)
    if driven.end == "interrupted":
        return INTERRUPTED
    return 0 if driven.count("done") == len(driven.outcomes) else 1
