"""Settings of this machine: the folders of data sets."""

import os
from collections.abc import Sequence
from pathlib import Path

from pvt_exp import config
from pvt_exp.config import ConfigError, DataError, excluded
from pvt_exp.config.placement import Site
from pvt_exp.config.run import Run
from pvt_exp.datasets import Dataset, Facts
from pvt_exp.plan import Plan
from pvt_exp.system import machine
from pvt_exp.system.words import several

PARTS = {"train": "not held out", "val": "held out"}
"""What the parts of the training images are called, beside the data's own splits, where runs have a `holdout`."""


def load(own: Path = Path("site.yaml")) -> Site:
    """``$PVT_EXP_SITE``, else ``site.yaml`` in the current folder or where ``own`` says, else nothing special."""
    named = os.environ.get("PVT_EXP_SITE")
    path = Path(named) if named else own
    return config.load(Site, path, may_be_empty=True) if named or os.path.lexists(path) else Site()


def places(words: Sequence[str]) -> dict[str, str]:
    """``--data NAME=PATH`` words as a mapping.

    Raises:
        ConfigError: for a word of another form, and for a folder that does not exist.
    """
    found = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not (name and equals and path):
            raise ConfigError(f"--data {word}: write NAME=PATH")
        if not machine.expanded(path).is_dir():
            raise ConfigError(f"--data {word}: no such folder: {path}")
        found[name] = path
    return found


def locate(dataset: Dataset, flags: dict[str, str], site: Site) -> Path | None:
    """The folder of a data set: ``--data``, ``$PVT_EXP_DATA/NAME``, `site.yaml`; made ones default to ``data/``."""
    name = dataset.name
    parent = os.environ.get("PVT_EXP_DATA")
    if name in flags:
        return machine.expanded(flags[name]).resolve()
    if parent and ((Path(parent) / name).is_dir() or dataset.made):
        return (Path(parent) / name).resolve()
    if name in site.data:
        return machine.expanded(site.data[name]).resolve()
    return Path("data", name).resolve() if dataset.made else None


def inspect(
    plan: Plan, flags: dict[str, str], site: Site
) -> tuple[dict[str, Path], dict[Dataset, Facts], dict[Dataset, list[str]]]:
    """Where each data set of a plan lies, what it holds, and what is wrong, a line each. Nothing is made.

    Raises:
        ConfigError: for a ``--data`` name that no run of the plan uses.
    """
    roots: dict[str, Path] = {}
    facts: dict[Dataset, Facts] = {}
    problems: dict[Dataset, list[str]] = {}
    runs = [group.runs[0] for group in plan.groups] + [each.first for each in plan.tunings if each.chosen is None]
    used = {run.dataset.name for run in runs}
    if unknown := sorted(set(flags) - used):
        raise ConfigError(f"--data {unknown[0]}: {plan.name} uses no such data set; it uses {', '.join(sorted(used))}")
    looked: set[tuple[object, ...]] = set()
    for run in runs:
        name, key = run.dataset.name, (run.dataset, run.task, run.batch_size, run.holdout)
        if key in looked:
            continue
        looked.add(key)
        root = locate(run.dataset, flags, site)
        if root is None:
            problems.setdefault(run.dataset, []).append(
                f"data set {name}: no folder is given; use --data {name}=PATH, $PVT_EXP_DATA or site.yaml"
            )
            continue
        roots[name] = root
        try:
            found = run.dataset.inspect(root)
            found.check_val(run.holdout is not None)
            run.task.check_data(found)
            images = found.images["train"]
            images -= run.holdout.held(images) if run.holdout else 0
            if images < run.batch_size:
                raise DataError(f"{images} training images do not fill one batch of {run.batch_size}")
            run.dataset.check_readable(root, found, run.task.kind, run.holdout)
        except DataError as error:
            problems.setdefault(run.dataset, []).append(f"data set {name}: {error}")
        else:
            facts[run.dataset] = _with_parts(facts.get(run.dataset, found), found, run, root)
    return roots, facts, problems


def _with_parts(known: Facts, found: Facts, run: Run, root: Path) -> Facts:
    """What is known of a data set, with what is told of the two parts that a run makes of its training images."""
    if run.holdout is None:
        return known
    contents = run.dataset.contents(root, found, run.task.kind)
    parts, told = found.parted(run.holdout, contents).left_out, dict(known.left_out)
    for split, name in PARTS.items():
        own = [line for line in parts[split] if line not in found.left_out.get(split, ())]
        told[name] = tuple(dict.fromkeys((*told.get(name, ()), *own)))
    return known._replace(left_out=told)


def fingerprints(facts: dict[Dataset, Facts]) -> dict[Dataset, str]:
    """The fingerprint of each data set that is at hand."""
    return {dataset: found.fingerprint for dataset, found in facts.items() if found.fingerprint}


def in_words(facts: dict[Dataset, Facts]) -> list[str]:
    """What is there of each data set, and under it what is left out or changed, a line each."""
    lines: dict[str, None] = {}
    for dataset, found in facts.items():
        images = ", ".join(f"{several(number, 'image')} in {split}" for split, number in found.images.items())
        told = "\n".join(f"  {line}" for line in excluded.in_words(found.left_out))
        lines[f"data {dataset.name}: {images}" + (f"; left out or changed:\n{told}" if told else "")] = None
    return [line for words in lines for line in words.splitlines()]


def as_json(roots: dict[str, Path], facts: dict[Dataset, Facts]) -> list[dict[str, object]]:
    """``data`` of ``pvt-exp plan --json``: what is there of each data set."""
    return [
        {
            "name": dataset.name,
            "folder": str(roots[dataset.name]),
            "fingerprint": found.fingerprint,
            "images": found.images,
            "counts": found.counts,
            "left_out": excluded.as_json(found.left_out),
        }
        for dataset, found in facts.items()
    ]
