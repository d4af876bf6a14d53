"""The data sets of one command: where they lie, what they hold, and what is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pvt_exp.config import ConfigError, DataError, excluded
from pvt_exp.config.run import Run
from pvt_exp.datasets import Dataset, Facts
from pvt_exp.plan import Plan, enlarged, site, whole_batches
from pvt_exp.system.words import several

if TYPE_CHECKING:
    from pvt_exp.datasets import Contents

PARTS = {"train": "not held out", "val": "held out"}
"""What the parts of the training images are called, beside the data's own splits, where runs have a `holdout`."""


class AtHand(NamedTuple):
    """What there is on this machine of the data of a plan."""

    roots: dict[str, Path]
    """The folder of each data set, by its name."""
    facts: dict[Dataset, Facts]
    """Of each data set that can be trained on."""
    problems: dict[Dataset, list[str]]
    """What is wrong with the others, a line each."""

    @property
    def fingerprints(self) -> dict[Dataset, str]:
        """The fingerprint of each data set that is at hand."""
        return {dataset: found.fingerprint for dataset, found in self.facts.items() if found.fingerprint}

    @property
    def unfit(self) -> list[str]:
        """Why data that are here cannot be trained on."""
        return [line for each, told in self.problems.items() if each.name in self.roots for line in told]

    @property
    def absent(self) -> list[str]:
        """Of which data sets nothing says where they are."""
        return [line for each, told in self.problems.items() if each.name not in self.roots for line in told]

    def as_json(self) -> list[dict[str, object]]:
        """``data`` of ``pvt-exp plan --json``: what is there of each data set."""
        return [
            {
                "name": dataset.name,
                "folder": str(self.roots[dataset.name]),
                "fingerprint": found.fingerprint,
                "images": found.images,
                "counts": found.counts,
                "left_out": excluded.as_json(found.left_out),
            }
            for dataset, found in self.facts.items()
        ]


class DataSets:
    """Finds the data sets of plans, and remembers what it has listed: of a large one on a network that takes minutes.

    A command has one such object, and passes it on. Made data that are not there yet are looked for again.
    """

    def __init__(self, flags: Mapping[str, str] | None = None, otherwise: Mapping[str, Path] | None = None) -> None:
        """See `site.load` for what else says where data are.

        Args:
            flags: The folders after ``--data``, as `site.places` reads them.
            otherwise: Where data are of which nothing says it.
        """
        self.flags, self.otherwise, self.site = dict(flags or {}), dict(otherwise or {}), site.load()
        self._facts: dict[tuple[Dataset, Path], Facts | DataError] = {}
        self._contents: dict[tuple[Dataset, Path, str], Contents] = {}

    def of(self, plan: Plan) -> AtHand:
        """Where each data set of a plan lies, what it holds, and what is wrong. Nothing is made.

        Raises:
            ConfigError: for a ``--data`` name that no run of the plan uses.
        """
        found = AtHand({}, {}, {})
        runs = first_runs(plan)
        names = {run.dataset.name for run in runs}
        if unknown := sorted(set(self.flags) - names):
            uses = ", ".join(sorted(names))
            raise ConfigError(f"--data {unknown[0]}: {plan.name} uses no such data set; it uses {uses}")
        for run in _different(runs):
            root = self.locate(run.dataset)
            if root is None:
                found.problems.setdefault(run.dataset, []).append(site.no_folder(run.dataset.name))
                continue
            found.roots[run.dataset.name] = root
            try:
                facts = self._check(run, root)
            except DataError as error:
                found.problems.setdefault(run.dataset, []).append(f"data set {run.dataset.name}: {error}")
            else:
                known = found.facts.get(run.dataset, facts)
                found.facts[run.dataset] = self._with_parts(known, facts, run, root)
        return found

    def locate(self, dataset: Dataset) -> Path | None:
        """The folder of a data set; None where nothing says it."""
        return site.locate(dataset, self.flags, self.site) or self.otherwise.get(dataset.name)

    def _check(self, run: Run, root: Path) -> Facts:
        """What a run's data hold. Raises DataError for what the run cannot be trained on."""
        found = self._list(run.dataset, root)
        found.check_val(run.holdout is not None)
        run.task.check_data(found)
        images = found.images["train"]
        images -= run.holdout.held(images) if run.holdout else 0
        if images < run.batch_size:
            raise DataError(f"{images} training images do not fill one batch of {run.batch_size}")
        run.dataset.check_readable(root, found, run.task.kind, run.holdout)
        return found

    def _list(self, dataset: Dataset, root: Path) -> Facts:
        """What a data set holds, listed once."""
        found = self._facts.get((dataset, root))
        if found is None:
            try:
                found = dataset.inspect(root)
            except DataError as error:
                found = error
            if isinstance(found, DataError) or found.fingerprint:  # else it is not made yet
                self._facts[dataset, root] = found
        if isinstance(found, DataError):
            raise found
        return found

    def _with_parts(self, known: Facts, found: Facts, run: Run, root: Path) -> Facts:
        """What is known of a data set, with what is told of the two parts that a run makes of its training images."""
        if run.holdout is None:
            return known
        key = run.dataset, root, run.task.kind
        contents = self._contents.get(key)
        if contents is None:
            contents = run.dataset.contents(root, found, run.task.kind)
            if found.fingerprint:
                self._contents[key] = contents
        parts, told = found.parted(run.holdout, contents).left_out, dict(known.left_out)
        for split, name in PARTS.items():
            own = [line for line in parts[split] if line not in found.left_out.get(split, ())]
            told[name] = tuple(dict.fromkeys((*told.get(name, ()), *own)))
        return known._replace(left_out=told)


def in_words(facts: Mapping[Dataset, Facts], runs: Iterable[Run]) -> list[str]:
    """What is there of each data set, and under it what is left out or changed, a line each; and what runs leave out."""
    lines: dict[str, None] = {}
    runs = list(runs)
    for dataset, found in facts.items():
        images = ", ".join(f"{several(number, 'image')} in {split}" for split, number in found.images.items())
        told = "\n".join(f"  {line}" for line in excluded.in_words(found.left_out))
        lines[f"data {dataset.name}: {images}" + (f"; left out or changed:\n{told}" if told else "")] = None
    return [
        *(line for words in lines for line in words.splitlines()),
        *whole_batches.in_words(runs, facts),
        *enlarged.in_words(runs),
    ]


def first_runs(plan: Plan) -> list[Run]:
    """One run of each row, and of each pretraining, and a trial of each row whose values are not chosen yet."""
    return [group.runs[0] for group in plan.groups] + [each.first for each in plan.tunings if each.chosen is None]


def _different(runs: list[Run]) -> Iterator[Run]:
    """The runs without those that ask the same of the same data as one before."""
    seen: set[tuple[object, ...]] = set()
    for run in runs:
        key = run.dataset, run.task, run.batch_size, run.holdout
        if key not in seen:
            seen.add(key)
            yield run
