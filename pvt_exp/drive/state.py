"""What a driver knows of its runs, in one place, a record each. The driver alone writes it; views get a `Board` of it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from pvt_exp.config.run import Run
from pvt_exp.drive.board import Board, Group
from pvt_exp.drive.going import Going
from pvt_exp.drive.recovery import Tries
from pvt_exp.plan import Plan, Variant
from pvt_exp.store.outcome import Outcome
from pvt_exp.store.states import State

Where = Literal["waiting", "elsewhere", "here", "over"]
"""Waits for a slot; is trained by another driver; was launched by this one; has ended, or is not this driver's to train."""


@dataclass
class DrivenRun:
    """A run that a driver is to train."""

    run: Run
    tries: Tries
    where: Where = "over"
    going: Going | None = None
    """Its attempt, where this driver has launched it."""
    is_lost: bool = False
    """Whether another machine began it and went away with it."""


class SweepState:
    """The runs of a plan, what became of each, and where those that are to be trained are now."""

    def __init__(self, plan: Plan, outcomes: Mapping[str, Outcome], title: str = "", expected: int = 0) -> None:
        self.plan, self.title, self.expected = plan, title, expected
        self._outcomes = dict(outcomes)
        self._counts = Counter(seen.state for seen in self._outcomes.values())  # kept; counting anew takes all runs
        self.runs: dict[str, DrivenRun] = {}
        self._at: dict[Where, dict[str, DrivenRun]] = {"waiting": {}, "elsewhere": {}, "here": {}, "over": {}}
        self.starts: set[str] = set()
        """Runs that others, which are to be trained, start from."""
        self.slots = 1
        self.stopping = False
        """Whether the runs were asked to stop, and write their checkpoints."""
        self.trained = 0
        """Runs that this driver has brought to an end."""
        self.untold: dict[str, set[str]] = {}
        """What W&B was not told of runs that ended here: why, and of which."""

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """What became of each run, by id."""
        return MappingProxyType(self._outcomes)

    def put(self, seen: Outcome) -> None:
        """Note what became of a run."""
        if (before := self._outcomes.get(seen.id)) is not None:
            self._counts[before.state] -= 1
        self._counts[seen.state] += 1
        self._outcomes[seen.id] = seen

    def count(self, *states: State) -> int:
        """Runs in one of the states."""
        return sum(self._counts[state] for state in states)

    def extend(self, variant: Variant) -> list[Run]:
        """Add a variant to the plan; its runs that were not known before."""
        self.plan = replace(self.plan, variants=(*self.plan.variants, variant))
        return [run for run in self.plan.order if run.id not in self._outcomes]

    def take(self, runs: Iterable[Run], retries: int) -> list[DrivenRun]:
        """Have a record of each run."""
        taken = [DrivenRun(run, Tries(run, retries)) for run in runs]
        self.runs.update({each.run.id: each for each in taken})
        self.starts |= {each.run.pretraining.id for each in taken if each.run.pretraining is not None}
        return taken

    def move(self, each: DrivenRun, to: Where, first: bool = False) -> None:
        """Have a run elsewhere than before; ``first``: before all that are there."""
        self._at[each.where].pop(each.run.id, None)
        each.where = to
        if first:
            self._at[to] = {each.run.id: each, **self._at[to]}
        else:
            self._at[to][each.run.id] = each

    def at(self, where: Where) -> Sequence[DrivenRun]:
        """The runs that are there, in order."""
        return tuple(self._at[where].values())

    @property
    def going(self) -> dict[str, Going]:
        """The attempts that were launched here and are not over, by the run's id."""
        return {run_id: each.going for run_id, each in self._at["here"].items() if each.going is not None}

    def board(self, trials: Sequence[Group] = (), ended: Run | None = None) -> Board:
        """What a view shows now, with ``trials`` instead of the plan's variants; ``ended`` is the run that just did."""
        again = self.runs[ended.id].tries.again if ended is not None else None
        return Board(
            self.plan,
            self.outcomes,
            +self._counts,
            self.going,
            again.words if again else None,
            trials,
            self.title or self.plan.name,
            self.slots,
            self.expected,
            self.stopping,
        )
