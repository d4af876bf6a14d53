"""What is checked before anything is launched: what was typed, this machine, the data, and what runs start from."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pvt_exp import store
from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.drive.placing import DriverContext, Where, start_of
from pvt_exp.launchers import Launcher
from pvt_exp.plan import Plan
from pvt_exp.plan.data_sets import AtHand
from pvt_exp.store import trial_record
from pvt_exp.store.outcome import Outcome, outcome_of
from pvt_exp.store.results import kept_weights, refuse_other_format
from pvt_exp.store.states import ENDED, State
from pvt_exp.system import machine


class Checked(NamedTuple):
    """What there is on this machine for the runs of a plan."""

    where: Where
    data: AtHand

    def require(self, to_do: Iterable[Run]) -> None:
        """Raise ConfigError where runs cannot be trained on their data, or lack the weights that they start from."""
        problems = dict.fromkeys(
            problem
            for run in to_do
            for problem in (*self.data.problems.get(run.dataset, ()), *_lacks_weights(self.where.store, run))
        )
        if problems:
            raise ConfigError(problems)


def check(planned: Plan, context: DriverContext) -> Checked:
    """Look at the machine, the data and the store. Raises ConfigError for what cannot be used."""
    if (why := machine.lacks_for_training()) is not None:
        raise ConfigError(why)
    _shares(planned, context.placement, context.launcher)
    data = context.data.of(planned)
    store.check(context.store)
    return Checked(context.with_data(data), data)


def retried(words: Sequence[str]) -> tuple[State, ...]:
    """The words after ``--retry`` as states. Raises ConfigError for a word that is none."""
    known: tuple[State, ...] = (*ENDED, "stale", "done")
    if unknown := sorted(set(words) - set(known)):
        raise ConfigError(f"--retry {unknown[0]}: one of {', '.join(known)}")
    return tuple(state for state in known if state in words)


def not_valid(to_do: Sequence[Run], outcomes: Mapping[str, Outcome], runs: Path) -> list[Run]:
    """The runs whose results do not count. Raises ConfigError for one of another format, which is not replaced."""
    found = [run for run in to_do if outcomes[run.id].cause == "result_not_valid"]
    for run in found:
        refuse_other_format(runs / run.id)
    return found


def same_searches(plan: Plan, runs: Path) -> None:
    """That what was begun goes on as it was begun.

    Raises:
        ConfigError: if a study of this sweep was interrupted, and its space or what searches it has changed since.
    """
    problems = []
    for each in plan.undecided:
        if (found := trial_record.interrupted(runs, each, plan.name)) is not None:
            folder, differ = found
            problems.append(
                f"tune: {each.name} has trials of another {' and '.join(differ)}, interrupted before a choice: go on with "
                f"that one, or remove {folder} to begin anew (its runs stay)"
            )
    if problems:
        raise ConfigError(problems)


def _shares(planned: Plan, placement: Placement, launcher: Launcher) -> None:
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
