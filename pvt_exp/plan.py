"""The frozen list of a sweep's runs, and of those that they start from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from pvt_exp.config import ConfigError
from pvt_exp.schema import Run


@dataclass(frozen=True)
class Variant:
    """A run without its seed: one row of a table."""

    labels: tuple[dict[str, str], ...]
    """How the sweep calls it, axis -> choice; several where several blocks spell the same configuration.

    The base has the empty mapping among them. ``cumulative`` steps and ``variants`` have the axis ``""``."""
    runs: tuple[Run, ...]
    """One a seed, in the order of the sweep's seeds."""

    @property
    def is_base(self) -> bool:
        """Whether this is the row that differences are taken to."""
        return {} in self.labels

    @property
    def name(self) -> str:
        """What to call it in one line: ``depth deep``, or ``base``."""
        label = {} if self.is_base else self.labels[0]
        return ", ".join(f"{axis} {choice}".strip() for axis, choice in label.items()) or "base"


class Pretraining(NamedTuple):
    """A first stage: what one or more variants start from, with each of the seeds."""

    name: str
    """``pretraining of depth deep``."""
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Plan:
    """A sweep made concrete: the frozen list of its runs."""

    name: str
    seeds: tuple[int, ...]
    variants: tuple[Variant, ...]
    merged: int = 0
    """How many spelled variants were equal to an earlier one."""
    removed: int = 0
    """How many `where` removed."""

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Every run once, the first seed of every variant first, so that a whole table exists early."""
        return tuple(variant.runs[i] for i in range(len(self.seeds)) for variant in self.variants)

    @cached_property
    def pretrainings(self) -> tuple[Pretraining, ...]:
        """What must be trained before the variants, those first that others of them start from; each run once."""
        if all(variant.runs[0].need is None for variant in self.variants):
            return ()
        listed = {run.id for run in self.runs}
        found: list[Pretraining] = []

        def add(name: str, runs: Sequence[Run]) -> None:
            needs = {run.need.id: run.need for run in runs if run.need is not None and run.need.id not in listed}
            if needs:
                listed.update(needs)
                add(f"pretraining of {name}", list(needs.values()))
                found.append(Pretraining(f"pretraining of {name}", tuple(needs.values())))

        for variant in self.variants:
            add(variant.name, variant.runs)
        return tuple(found)

    @cached_property
    def needs(self) -> tuple[Run, ...]:
        """The runs of all `pretrainings`."""
        return tuple(run for pretraining in self.pretrainings for run in pretraining.runs)

    @cached_property
    def order(self) -> tuple[Run, ...]:
        """All runs in the order in which they are trained: seed by seed, and what a run needs before it."""
        found: dict[str, Run] = {}

        def add(run: Run) -> None:
            if run.need is not None:
                add(run.need)
            found.setdefault(run.id, run)

        for i in range(len(self.seeds)):
            runs = [variant.runs[i] for variant in self.variants]
            for run in runs:
                if run.need is not None:
                    add(run.need)
            for run in runs:
                add(run)
        return tuple(found.values())

    @property
    def groups(self) -> "tuple[Pretraining | Variant, ...]":
        """The pretrainings and the variants: runs that differ in their seed only."""
        return *self.pretrainings, *self.variants

    @cached_property
    def names(self) -> dict[str, str]:
        """What to call each run in one line, by its id: its variant or pretraining."""
        return {run.id: group.name for group in self.groups for run in group.runs}

    def only(self, wanted: Sequence[str]) -> "Plan":
        """The same plan with the variants that one of the words names: a variant, an axis, a choice, or a run's id.

        Raises:
            ConfigError: if a word names none.
        """
        kept: list[Variant] = []
        for word in wanted:
            found = [v for v in self.variants if _named(v, word)]
            if not found:
                names = ", ".join(dict.fromkeys(v.name for v in self.variants[:12]))
                raise ConfigError(f"--only {word}: no variant, axis, choice or run of {self.name}; it has {names}")
            kept += [v for v in found if v not in kept]
        return Plan(self.name, self.seeds, tuple(v for v in self.variants if v in kept))


def _named(variant: Variant, word: str) -> bool:
    names = {variant.name, *(w for label in variant.labels for pair in label.items() for w in pair)} - {""}
    return word in names or (len(word) >= 4 and any(run.id.startswith(word) for run in variant.runs))


def single(run: Run, name: str) -> Plan:
    """The plan of one run."""
    return Plan(name, (run.seed,), (Variant(({},), (run,)),))
