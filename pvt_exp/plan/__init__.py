"""The frozen list of a sweep's runs, and of those that they start from."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pvt_exp.config import ConfigError
from pvt_exp.config.metrics import Metric
from pvt_exp.config.run import Run
from pvt_exp.config.space import Tune
from pvt_exp.plan.matching import Matched
from pvt_exp.plan.published import Figure
from pvt_exp.system import spelling
from pvt_exp.system.words import some

MOST_NAMED = 12
"""Rows that a message names."""


@dataclass(frozen=True)
class Variant:
    """A run without its seed: one row of a table."""

    labels: tuple[dict[str, str], ...]
    """How the sweep calls it, axis -> choice; several where several blocks spell the same configuration.

    The base has the empty mapping among them. ``cumulative`` steps and ``variants`` have the axis ``""``."""
    runs: tuple[Run, ...]
    """One a seed, in the order of the sweep's seeds."""
    unlike: tuple[str, ...] = ()
    """In what its recipe differs from the base's besides what the sweep studies, in words."""
    matched: Matched | None = None
    """The field that was scaled to the base's cost."""
    unmatched: str | None = None
    """Why `match` could not scale it to the base's cost, and how far it is from it."""
    published: tuple[Figure, ...] = ()
    """What the sweep says that others have published of it, in its order."""
    origin: str = ""
    """``file:line`` where its last change is written; of the base, where the base begins."""

    @property
    def first(self) -> Run:
        """With the first seed."""
        return self.runs[0]

    @property
    def is_base(self) -> bool:
        """Whether this is the row that differences are taken to."""
        return {} in self.labels

    @property
    def name(self) -> str:
        """What to call it in one line: ``depth deep``, or ``base``."""
        return called(self.labels)


def called(labels: Sequence[dict[str, str]]) -> str:
    """A variant's name in one line, from what a sweep calls it."""
    label = {} if {} in labels else labels[0]
    return ", ".join(f"{axis} {choice}".strip() for axis, choice in label.items()) or "base"


INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that are not shown: Default_Ignorable_Code_Point of Unicode 16, DerivedCoreProperties.txt."""


@lru_cache(4096)
def alike(name: str) -> str:
    """The same for names that one takes for each other: case, spaces, forms of Unicode and invisible characters aside."""
    if name.isascii():
        return " ".join(name.lower().split())
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    visible = "".join(" " if c.isspace() else c for c in INVISIBLE.sub("", plain) if unicodedata.category(c) != "Cf")
    return " ".join(visible.split())


class Merged(NamedTuple):
    """A spelling that came out equal to a row that was spelled before."""

    name: str
    into: str
    """The name of that row."""


class Pretraining(NamedTuple):
    """What one or more variants start from: its runs, one a seed."""

    name: str
    """``pretraining of depth deep``."""
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Tuning:
    """What is tried inside one variant before it is trained."""

    labels: tuple[dict[str, str], ...]
    """The variant's."""
    tune: Tune
    make: Callable[[dict[str, Any]], Run]
    """The variant with some values of the space, by field."""
    chosen: dict[str, Any] | None = None
    """The best values by field, once all trials have ended."""
    origin: str = ""
    """``file:line``, as of a `Variant`."""

    def trial(self, values: dict[str, Any]) -> Run:
        """The run of a trial: scored on held out images, with the trials' own seed."""
        held = {"holdout": self.tune.holdout.model_dump(mode="json")}
        return self.make({**values, **held}).with_seeds([self.tune.seed])[0]

    @cached_property
    def first(self) -> Run:
        """A trial, with the first value of each field."""
        return self.trial({name: values.ends[0] for name, values in self.tune.space.items()})

    @property
    def metric(self) -> Metric:
        """What trials are scored by."""
        task = self.first.task
        found: Metric = task.first_metric if self.tune.metric is None else task.describe(self.tune.metric)
        return found

    @cached_property
    def key(self) -> str:
        """Twelve hex digits: the same for equal variants, spaces and ways to search, in any sweep."""
        how = self.tune.model_dump(mode="json", exclude={"trials", "storage", "holdout", "seed"})
        if how["metric"] in (None, self.first.task.metric):  # a study that was begun before there was a choice goes on
            del how["metric"]
        return hashlib.sha256(f"{self.first.id} {json.dumps(how, sort_keys=True)}".encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """The variant's."""
        return called(self.labels)


@dataclass(frozen=True)
class Plan:
    """A sweep made concrete: the frozen list of its runs."""

    name: str
    seeds: tuple[int, ...]
    variants: tuple[Variant, ...]
    merged: tuple[Merged, ...] = ()
    """The spelled variants that were equal to an earlier one."""
    removed: tuple[str, ...] = ()
    """The names of those that `where` removed."""
    tunings: tuple[Tuning, ...] = ()
    """What is tried first, one a variant. A variant is among `variants` once its values are chosen."""
    file: Path | None = None
    """The file that it is the plan of, whole; none: it is of none."""
    changes: tuple[str, ...] = ()
    """What was typed after the file, as it was typed: ``optim.lr=1e-3``."""
    verb: Literal["sweep", "run"] = "sweep"
    """What trains that file: ``pvt-exp sweep FILE``, or of one experiment ``pvt-exp run FILE``."""

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Every run once, the first seed of every variant first, so that a whole table exists early."""
        return tuple(variant.runs[i] for i in range(len(self.seeds)) for variant in self.variants)

    @cached_property
    def pretrainings(self) -> tuple[Pretraining, ...]:
        """What must be trained before the variants, those first that others of them start from; each run once."""
        if all(variant.runs[0].pretraining is None for variant in self.variants):
            return ()
        listed = {run.id for run in self.runs}
        found: list[Pretraining] = []

        def add(name: str, runs: Sequence[Run]) -> None:
            needs = {
                run.pretraining.id: run.pretraining
                for run in runs
                if run.pretraining is not None and run.pretraining.id not in listed
            }
            if needs:
                listed.update(needs)
                add(f"pretraining of {name}", list(needs.values()))
                found.append(Pretraining(f"pretraining of {name}", tuple(needs.values())))

        for variant in self.variants:
            add(variant.name, variant.runs)
        return tuple(found)

    @cached_property
    def pretraining_runs(self) -> tuple[Run, ...]:
        """The runs of all `pretrainings`."""
        return tuple(run for pretraining in self.pretrainings for run in pretraining.runs)

    @cached_property
    def order(self) -> tuple[Run, ...]:
        """All runs in the order in which they are trained: seed by seed, and what a run needs before it."""
        found: dict[str, Run] = {}

        def add(run: Run) -> None:
            if run.pretraining is not None:
                add(run.pretraining)
            found.setdefault(run.id, run)

        for i in range(len(self.seeds)):
            runs = [variant.runs[i] for variant in self.variants]
            for run in runs:
                if run.pretraining is not None:
                    add(run.pretraining)
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
        return {run_id: group.name for run_id, group in self.group_of.items()}

    @cached_property
    def group_of(self) -> "dict[str, Pretraining | Variant]":
        """The pretraining or variant that each run is of, by its id."""
        return {run.id: group for group in reversed(self.groups) for run in group.runs}

    @cached_property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """The choices of each axis that rows differ in, the base's first. Rows without one: ``variant``."""
        found: dict[str, dict[str, None]] = {}
        rows = sorted(self.rows, key=lambda row: {} not in row.labels)
        for label in (label for row in rows for label in row.labels):
            for axis in label:
                found.setdefault(axis or "variant", {})
        for row in rows:
            for axis, choice in self._coordinates(row, tuple(found)).items():
                found[axis][choice] = None
        return {axis: tuple(choices) for axis, choices in found.items() if len(choices) > 1}

    @cached_property
    def rows(self) -> tuple[Variant | Tuning, ...]:
        """The variants, and what is tuned for them first."""
        return *self.variants, *self.tunings

    @cached_property
    def undecided(self) -> tuple[Tuning, ...]:
        """The variants whose values are still to be chosen."""
        return tuple(each for each in self.tunings if each.chosen is None)

    def coordinates(self, row: Variant | Tuning) -> dict[str, str]:
        """The row's choice of every one of the `axes`."""
        return self._coordinates(row, tuple(self.axes))

    def _coordinates(self, row: Variant | Tuning, axes: Sequence[str]) -> dict[str, str]:
        own = {axis or "variant": choice for axis, choice in ({} if {} in row.labels else row.labels[0]).items()}
        return {axis: own.get(axis) or self._base.get(axis, "base") for axis in axes}

    def same_choices(self) -> tuple[Variant | Tuning, Variant | Tuning] | None:
        """Two rows that have one choice of every axis, which a table could not tell apart; None where there are none."""
        seen: dict[tuple[str, ...], Variant | Tuning] = {}
        for row in self.tunings or self.variants:
            first = seen.setdefault(tuple(map(alike, self.coordinates(row).values())), row)
            if first is not row:
                return first, row
        return None

    @cached_property
    def _base(self) -> dict[str, str]:
        """The choices that the base is equal to, by axis."""
        labels = next((row.labels for row in self.rows if {} in row.labels), ())
        return {axis or "variant": choice for label in labels for axis, choice in label.items()}

    def only(self, wanted: Sequence[str]) -> "Plan":
        """The same plan with the variants that one of the words names: a variant, an axis, a choice, or a run's id.

        Raises:
            ConfigError: if a word names none.
        """
        chosen: set[int] = set()
        for word in wanted:
            found = {id(each) for each in self.rows if _named(each, word)}
            if not found:
                raise ConfigError(f"--only {word}: no variant, axis, choice or run of {self.name}{self._has(word)}")
            chosen |= found
        variants = tuple(each for each in self.variants if id(each) in chosen)
        of_runs = {each.name for each in variants}
        tunings = tuple(each for each in self.tunings if id(each) in chosen or each.name in of_runs)
        return Plan(self.name, self.seeds, variants, tunings=tunings, file=self.file, changes=self.changes)

    def _has(self, word: str) -> str:
        """What a word may have meant, and the rows; in quotes, as names hold commas."""
        names = list(dict.fromkeys(name for each in self.rows for name in _names(each)))
        rows = list(dict.fromkeys(each.name for each in self.rows))
        listed = some((f"'{name}'" for name in rows), MOST_NAMED)
        return spelling.hint(word, names, quote="'") + f"; it has {listed}"


def _names(each: Variant | Tuning) -> list[str]:
    """The names by which ``--only`` finds a row: its own, and those of its axes and choices."""
    words = (each.name, *(word for label in each.labels for pair in label.items() for word in pair))
    return [word for word in words if word]


def _named(each: Variant | Tuning, word: str) -> bool:
    runs = each.runs if isinstance(each, Variant) else ()
    return word in _names(each) or (len(word) >= 4 and any(run.id.startswith(word) for run in runs))


def single(run: Run, name: str, file: Path | None = None, changes: Sequence[str] = ()) -> Plan:
    """The plan of one run."""
    return Plan(name, (run.seed,), (Variant(({},), (run,)),), file=file, changes=tuple(changes), verb="run")
