"""How a sweep stands while it is driven: what a view shows, and how long it will take."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pvt_exp.config.run import Run
from pvt_exp.plan import Plan, Pretraining, Variant
from pvt_exp.store.outcome import Outcome
from pvt_exp.store.states import State


@dataclass(frozen=True)
class Group:
    """Runs that are shown in one line."""

    name: str
    runs: tuple[Run, ...]
    trials: dict[str, str] = field(default_factory=dict)
    """What to call each run, by id, where they are trials, of which the best counts; empty: seeds, whose mean counts."""
    due: int = 0
    """How many runs there will be; 0: no others."""


@dataclass
class Board:
    """How a sweep stands while it is driven: what a view shows."""

    plan: Plan
    outcomes: Mapping[str, Outcome]
    """What became of each run, by id; `put` changes it."""
    states: Counter[State] = field(init=False)
    """How many runs are in each state: there may be too many to be counted whenever one of them ends."""
    slots: int = 1
    expected: int = 0
    """Runs there will be, where more are proposed than are known."""
    title: str = ""
    """What is shown; the plan's name where it is empty."""
    trials: Sequence[Group] = ()
    """What is shown instead of the plan's variants."""
    stopping: bool = False
    """Whether the runs were asked to stop, and write their checkpoints."""
    again: dict[str, str] = field(default_factory=dict)
    """Of the runs that are tried again: how."""
    trained: int = 0
    """Runs that this driver has brought to an end."""
    untold: dict[str, set[str]] = field(default_factory=dict)
    """What W&B was not told of runs that ended here: why, and of which."""
    started: dict[str, float] = field(default_factory=dict)
    """When each run that goes now began, on the monotonic clock."""
    progress: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The newest ``progress.json`` of each run that goes now."""
    first: dict[str, tuple[float, float]] = field(default_factory=dict)
    """When the first progress of each was seen, and how much it was: start-up is not part of a run's pace."""

    def __post_init__(self) -> None:
        self.outcomes = self._outcomes = dict(self.outcomes)
        self.states = Counter(seen.state for seen in self._outcomes.values())

    def put(self, seen: Outcome) -> None:
        """What became of a run, in place of what was known of it."""
        if (before := self._outcomes.get(seen.id)) is not None:
            self.states[before.state] -= 1
        self.states[seen.state] += 1
        self._outcomes[seen.id] = seen

    @property
    def groups(self) -> Sequence[Group]:
        """The lines of what is shown: the pretrainings that count, and the variants."""
        listed = [Group(group.name, group.runs) for group in self.plan.groups]
        return self.trials or [group for group in listed if any(run.id in self.outcomes for run in group.runs)]

    def count(self, *states: State) -> int:
        """Runs in one of the states."""
        return sum(self.states[state] for state in states)

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
                elif run.id in self.started:
                    fraction = self.progress.get(run.id, {}).get("fraction", 0.0)
                    since, at_first = self.first.get(run.id, (0.0, fraction))
                    if fraction - at_first > 0.02:
                        pace = (time.monotonic() - since) / (fraction - at_first)
                        known.setdefault(name, []).append(pace)
                    parts.append((name, 1 - fraction))
                elif seen.state in ("pending", "running"):
                    parts.append((name, 1.0))
        return parts, {name: sum(seconds) / len(seconds) for name, seconds in known.items()}
