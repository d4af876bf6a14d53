"""How a sweep stands while it is driven: what a view shows, and how long it will take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pvt_exp.config.metrics import Metric
from pvt_exp.config.run import Run
from pvt_exp.drive.going import Going
from pvt_exp.plan import Plan, Pretraining, Variant
from pvt_exp.store.outcome import Outcome
from pvt_exp.store.states import GOING, State


@dataclass(frozen=True)
class Group:
    """Runs that are shown in one line."""

    name: str
    runs: tuple[Run, ...]
    trials: dict[str, str] = field(default_factory=dict)
    """What to call each run, by id, where they are trials, of which the best counts; empty: seeds, whose mean counts."""
    due: int = 0
    """How many runs there will be; 0: no others."""
    scored_by: Metric | None = None
    """The metric that trials are scored by; none: the task's first."""

    @property
    def metric(self) -> Metric:
        """The metric that is shown; there must be a run."""
        found: Metric = self.scored_by or self.runs[0].task.first_metric
        return found


@dataclass(frozen=True)
class Board:
    """How a sweep stands at a moment while it is driven."""

    plan: Plan
    outcomes: Mapping[str, Outcome]
    """What became of each run, by id."""
    states: Mapping[State, int]
    """How many runs are in each state."""
    going: Mapping[str, Going] = field(default_factory=dict)
    """The attempts that were launched here and are not over, by the run's id."""
    again: str | None = None
    """How the run that has just ended is tried again."""
    trials: Sequence[Group] = ()
    """What is shown instead of the plan's variants."""
    title: str = ""
    slots: int = 1
    expected: int = 0
    """Runs there will be, where more are proposed than are known."""
    stopping: bool = False
    """Whether the runs were asked to stop, and write their checkpoints."""

    @property
    def groups(self) -> Sequence[Group]:
        """The lines of what is shown: the pretrainings that count, and the variants."""
        listed = [Group(group.name, group.runs) for group in self.plan.groups]
        return self.trials or [group for group in listed if any(run.id in self.outcomes for run in group.runs)]

    def seconds_left(self) -> float | None:
        """Time until the sweep is done, from the runs of the same variant, else from all runs; None: nothing to go by."""
        both: tuple[Sequence[Pretraining | Variant], ...] = (self.plan.pretrainings, self.plan.variants)
        stages = [(groups, *self._parts_left(groups)) for groups in both]
        paces = [pace for _, _, mean in stages for pace in mean.values()]
        if not paces:
            return None
        left = longest = 0.0
        for groups, parts, mean in stages:
            overall = sum(mean.values()) / len(mean) if mean else sum(paces) / len(paces)
            seconds = [mean.get(name, overall) * part for name, part in parts]
            if groups is self.plan.variants:
                seconds += [overall] * (self.expected - len(self.outcomes))
            left, longest = left + sum(seconds), max(longest, *seconds, 0.0)
        return max(longest, left / self.slots)

    def _parts_left(self, groups: Sequence[Pretraining | Variant]) -> tuple[list[tuple[str, float]], dict[str, float]]:
        """What part of each run of one stage is left, by the name of its group; and the seconds that a run of it takes."""
        parts: list[tuple[str, float]] = []
        known: dict[str, list[float]] = {}
        for group in groups:
            name = group.name
            for run in group.runs:
                seen = self.outcomes.get(run.id)
                if seen is None:
                    continue
                if seen.result is not None:
                    known.setdefault(name, []).append(seen.result["provenance"]["seconds"])
                elif (now := self.going.get(run.id)) is not None:
                    if (pace := now.seconds_per_run()) is not None:
                        known.setdefault(name, []).append(pace)
                    parts.append((name, 1 - now.fraction))
                elif seen.state in ("pending", *GOING):
                    parts.append((name, 1.0))
        return parts, {name: sum(seconds) / len(seconds) for name, seconds in known.items()}
