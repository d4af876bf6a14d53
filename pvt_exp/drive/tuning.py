"""Trials inside the variants of a sweep, side by side: a `driver.Source` over a `Study` a variant."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from pvt_exp.config import ConfigError
from pvt_exp.config.space import at_edge, edge_in_words
from pvt_exp.datasets import Dataset
from pvt_exp.drive.board import Board, Group
from pvt_exp.drive.driver import Source
from pvt_exp.plan import Plan, Tuning, Variant
from pvt_exp.store import attempts, trial_record
from pvt_exp.store.states import GOING, State
from pvt_exp.store.trial_record import Trial
from pvt_exp.system import locks
from pvt_exp.tune.storage import Database
from pvt_exp.tune.study import Study


def first_trials(plan: Plan) -> Plan:
    """A trial of each undecided variant, to see before anything is launched whether data and settings fit."""
    variants = []
    for each in plan.undecided:
        variants.append(Variant(({"trial of": each.name},), (each.first,)))
    return Plan(plan.name, (variants[0].runs[0].seed,), tuple(variants), file=plan.file, changes=plan.changes)


def known(plan: Plan, runs: Path) -> Plan:
    """The trials that were proposed so far, each as a variant with one seed."""
    found = [variant(each, trial) for each in plan.undecided for trial in trial_record.trials(runs, each)]
    return Plan(plan.name, (plan.undecided[0].tune.seed,), tuple(found), file=plan.file, changes=plan.changes)


def variant(tuning: Tuning, trial: Trial) -> Variant:
    """A trial as a row of the live table."""
    return Variant(({"": f"{tuning.name}, {trial.name}"},), (trial.run,))


class Searches(Source):
    """Proposes trials of the variants in turn, tells each study how its own ended, and prunes."""

    def __init__(self, plan: Plan, runs: Path, retry: Sequence[State] = ()) -> None:
        """``retry`` are the states that are tried again, so that they are no end yet."""
        named, own = plan.tunings[0].tune.storage, runs / trial_record.FOLDER / f"{plan.name}.db"
        self.database = Database(named) if named else Database(f"sqlite:///{own}", own)
        self.studies = [Study(runs, each, plan.name, self.database) for each in plan.undecided]
        self.runs, self.retry = runs, retry
        self.undecided: list[str] = []
        """The variants for which `decide` could choose nothing."""
        for each in self.studies:
            each.open()  # says what is wrong with the storage before anything is trained

    @property
    def budget(self) -> int:
        """Trials of all variants together."""
        return sum(each.tuning.tune.trials for each in self.studies)

    def propose(self) -> Variant | None:
        """A trial of the variant that has the fewest so far."""
        for each in sorted(self.studies, key=lambda each: len(each.trials)):
            if (trial := each.propose()) is not None:
                return variant(each.tuning, trial)
        return None

    def groups(self) -> Sequence[Group]:
        return [_group(each) for each in self.studies]

    def look(self, board: Board) -> None:
        """Tell the studies what has ended, and ask trials that should be pruned to end."""
        for each in self.studies:
            for trial in each.trials:
                seen = board.outcomes.get(trial.run.id)
                if seen is None:
                    continue
                if seen.state in GOING:
                    self._prune(each, trial, board)
                elif seen.state not in self.retry:
                    each.tell(trial, seen)

    def _prune(self, one: Study, trial: Trial, board: Board) -> None:
        now = board.going.get(trial.run.id)
        steps = now.progress if now is not None else None
        metric = one.tuning.metric
        name = metric.name
        if steps is None or name not in steps["metrics"]:
            return
        epoch, value = steps["scored_epoch"], steps["metrics"][name]
        if one.should_prune(trial, epoch, value):
            attempt = attempts.of(self.runs / trial.run.id)[-1]
            why = f"its {name} after epoch {epoch} was {metric.text(value)}, worse than that of other trials"
            attempts.prune(attempt, why)

    def decide(self, board: Board) -> list[str]:
        """Record what was chosen; what is to be said of it, a line a variant."""
        self.retry = ()
        self.look(board)
        self.undecided = [each.tuning.name for each in self.studies if each.decide() is None]
        self.database.renew()
        said = [f"{name}: nothing is chosen yet: trials are left, or none has a score" for name in self.undecided]
        for each in self.studies:
            values = trial_record.choice(self.runs, each.tuning) or {}
            if told := edge_in_words(values, at_edge(each.tuning.tune.space, values)):
                said.append(f"{each.tuning.name}: chosen {told}")
        return said


def _group(one: Study) -> Group:
    runs = tuple(trial.run for trial in one.trials)
    return Group(
        one.tuning.name,
        runs,
        {trial.run.id: trial.name for trial in one.trials},
        one.tuning.tune.trials,
        one.tuning.metric,
    )


def outdated(plan: Plan, runs: Path, fingerprints: Mapping[Dataset, str]) -> dict[str, str]:
    """Variants whose values were chosen on other data than those at hand: name to what is wrong."""
    found = {}
    for each in plan.tunings:
        then = (trial_record.chosen(runs, each) or {}).get("data")
        now = fingerprints.get(each.first.dataset)
        if then and now and then != now:
            found[each.name] = f"{each.name}: its values were chosen on data {then}; at hand are {now}"
    return found


@contextlib.contextmanager
def alone(plan: Plan, runs: Path) -> Iterator[None]:
    """Hold the trials of the undecided variants: one driver proposes at a time.

    Raises:
        ConfigError: if another process of this machine does.
    """
    with ExitStack() as held:
        for each in plan.undecided:
            folder = trial_record.place(runs, each)
            folder.mkdir(parents=True, exist_ok=True)
            if not held.enter_context(locks.lock(folder)):
                raise ConfigError(f"{each.name}: another process tunes it; wait for that one, or stop it")
        yield
