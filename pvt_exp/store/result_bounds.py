"""What a run's own configuration says a result cannot be: a percentage outside 0 to 100, an epoch that is not its last."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pvt_exp import config
from pvt_exp.config import ConfigError
from pvt_exp.config.run import Run
from pvt_exp.system import files

ROUNDING = 1e-3
"""By so much a percentage may be outside, as it is a mean of float32."""
_EPOCHS = re.compile(rb"^epochs: ([0-9]+)\s*$", re.MULTILINE)


def problem(found: dict[str, Any], folder: Path | str, epochs: int | None = None) -> str | None:
    """What is wrong with a result, whose fields are what they must be, of the run in this folder; None where nothing is.

    ``epochs``: the run's, if they are known, or else they are read.
    """
    if (last := epochs or _epochs(folder)) is not None:
        wrong = _wrong_epoch(found, last)
        if wrong is not None and (epochs is not None or not _is_edited(Path(folder))):
            return wrong
    outside = [each for each in _scores(found) if not -ROUNDING <= each[2] <= 100 + ROUNDING]
    percent = _percentages(found, folder, {name for _, name, _ in outside}) if outside else set()
    for where, name, score in outside:
        if name in percent:
            return f"{where}.{name}: {score:g} is outside 0 to 100, and its unit is %"
    return None


def _wrong_epoch(found: dict[str, Any], last: int) -> str | None:
    if (epoch := found.get("epoch")) is not None and epoch != last:
        return f"epoch: {epoch} is not the last of the run's {last} epochs"
    if (best := (found.get("best") or {}).get("epoch")) is not None and not 1 <= best <= last:
        return f"best.epoch: {best} is none of the run's epochs, 1 to {last}"
    return None


def _is_edited(folder: Path) -> bool:
    """Whether the run's file is that of another run, and so says nothing about the result; its readers tell."""
    try:
        return config.load(Run, folder / "run.yaml").id != folder.name
    except ConfigError:
        return False


def _epochs(folder: Path | str) -> int | None:
    """Of the run; a line of its file, as reading YAML takes far longer."""
    try:
        line = _EPOCHS.search(files.read_bytes(f"{folder}/run.yaml"))
    except OSError:
        return None
    return int(line[1]) if line else None


def _scores(found: dict[str, Any]) -> Iterator[tuple[str, str, float]]:
    """Where it stands, name and value of each."""
    for where, scores in (("metrics", found["metrics"]), ("best.metrics", (found.get("best") or {}).get("metrics"))):
        for name, score in (scores or {}).items():
            yield where, name, score


def _percentages(found: dict[str, Any], folder: Path | str, names: set[str]) -> set[str]:
    """Which of the names are percentages: as the result says, and of what it says nothing, as the run's task declares."""
    told: dict[str, Any] = found.get("metric_info") or {}
    units = {name: told[name]["unit"] for name in names if name in told}
    if len(units) < len(names):
        try:
            task = config.load(Run, Path(folder, "run.yaml")).task
        except ConfigError:  # of a package that is not there
            return {name for name, unit in units.items() if unit == "%"}
        units |= {name: task.describe(name).unit for name in names - units.keys()}
    return {name for name, unit in units.items() if unit == "%"}
