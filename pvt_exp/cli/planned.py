"""Runs that are planned and have not begun: which sweep or experiment has the run that somebody asks for by its id."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pvt_exp import config, plan, store
from pvt_exp.config import ConfigError
from pvt_exp.config.run import Run
from pvt_exp.drive import cleaning
from pvt_exp.plan import Plan, expand, pretraining
from pvt_exp.store import uses
from pvt_exp.store.uses import Use
from pvt_exp.system.words import some

COUNTED = ("match", "where")
"""Fields of a sweep for which models are counted, which takes long; so these sweeps are not expanded to find a run."""


class Planned(NamedTuple):
    """A run that has not begun."""

    run: Run
    name: str
    """Its row, ``depth deep``."""
    use: Use
    """The file whose plan it is in."""


def find(runs: Path, prefix: str) -> Planned:
    """The planned run whose id begins with ``prefix``, of the files that the store knows and that are here.

    Raises:
        ConfigError: if there is none, or several; it names the files that were not looked at.
    """
    found: dict[str, Planned] = {}
    left: list[str] = []
    for path in _files(runs):
        try:
            planned = _plan(path, runs)
        except (ConfigError, OSError, ValueError):
            planned = None
        if planned is None:
            left.append(str(path))
            continue
        for run in planned.order:
            if run.id.startswith(prefix):
                use = Use(planned.name, path.resolve(), ())
                found.setdefault(run.id, Planned(run, planned.names[run.id], use))
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise ConfigError(f"'{prefix}' matches {len(found)} planned runs: {', '.join(list(found)[:8])}")
    about = f"; files that were not looked at: {some(left)}" if left else ""
    raise ConfigError(f"{store.no_run(runs, prefix)}{about}")


def _files(runs: Path) -> Iterator[Path]:
    """Sweeps that were launched on this store, and what is in the usual folders and in the current one; each once."""
    seen = set()
    here = [*cleaning.in_folders(), *sorted(Path().glob("*.y*ml"))]
    for path in (*here, *uses.named_files(runs)):
        if path.is_file() and (real := path.resolve()) not in seen:
            seen.add(real)
            yield path


def _plan(path: Path, runs: Path) -> Plan | None:
    """The plan of a file; an empty one of a file of another kind, and None where it takes long to make."""
    keys = config.read(path).value
    if "base" in keys:
        return None if set(COUNTED) & set(keys) else expand.load(path, find=lambda word: store.find(runs, word))[1]
    if "task" in keys:
        run = pretraining.experiment(path, find=lambda word: store.find(runs, word))
        return plan.single(run, path.stem, path.resolve())
    return Plan(path.stem, (0,), ())
