"""The record of the trials inside one variant, ``runs/tuning/<key>/``.

study.json        which sweep and variant it was made for, the space, and how Optuna searches it
trials.jsonl      a line a trial, written before its run starts: number, values, run
choice.json       the best values, once every trial has ended
"""

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from pvt_exp.config import ConfigError
from pvt_exp.config.run import Run
from pvt_exp.config.space import at_edge, in_words
from pvt_exp.plan import Plan, Tuning
from pvt_exp.store.outcome import outcome_of
from pvt_exp.system import files

FOLDER = "tuning"


class Trial(NamedTuple):
    """One setting that is tried."""

    number: int
    values: dict[str, Any]
    run: Run

    @property
    def name(self) -> str:
        """``trial 3: optim.lr 0.00123``."""
        return f"trial {self.number}: {in_words(self.values)}"


def place(runs: Path, tuning: Tuning) -> Path:
    """The folder of a variant's trials."""
    return runs / FOLDER / tuning.key


def trials(runs: Path, tuning: Tuning) -> list[Trial]:
    """The trials that were proposed so far, at most as many as are due.

    Raises:
        ConfigError: if the file was edited, so that a line is no trial or its run another.
    """
    file = place(runs, tuning) / "trials.jsonl"
    try:
        lines = files.read_text(file).split("\n")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or 'not a text file'}") from None
    found: list[Trial] = []
    for line in lines[:-1]:  # a line that a killed driver left torn has no end, and its run was not started
        try:
            told = json.loads(line)
            trial = Trial(told["number"], told["values"], tuning.trial(told["values"]))
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{file}: line {len(found) + 1} is no trial; was it edited?") from None
        if trial.run.id != told["run"]:
            raise ConfigError(
                f"{file}: trial {trial.number} is the run {trial.run.id}, and the file says {told['run']}"
            )
        found.append(trial)
    return found[: tuning.tune.trials]


def progress(plan: Plan, runs: Path) -> list[dict[str, Any]]:
    """How the trials of each variant stand; fields of ``--json``, see docs/json.md."""
    told = []
    for each in plan.tunings:
        metric, larger = scored_by(each)
        tried: list[dict[str, Any]] = []
        for trial in trials(runs, each):
            seen = outcome_of(runs, trial.run.id)
            score = seen.result["metrics"].get(metric) if seen.result is not None else None
            tried.append(
                {
                    "number": trial.number,
                    "values": trial.values,
                    "run": trial.run.id,
                    "state": seen.state,
                    "score": score,
                }
            )
        scores: list[float] = [trial["score"] for trial in tried if trial["score"] is not None]
        told.append(
            {
                "name": each.name,
                "trials": each.tune.trials,
                "tried": tried,
                "metric": metric,
                "unit": each.metric.unit,
                "best": (max if larger else min)(scores) if scores else None,
                "chosen": each.chosen,
                "at_edge": at_edge(each.tune.space, each.chosen or {}),
            }
        )
    return told


def choice(runs: Path, tuning: Tuning) -> dict[str, Any] | None:
    """The values that the trials chose; None until as many as are due have ended."""
    told = chosen(runs, tuning)
    return None if told is None else told["values"]


def chosen(runs: Path, tuning: Tuning) -> dict[str, Any] | None:
    """The whole record of what the trials chose."""
    told = files.read_json(place(runs, tuning) / "choice.json")
    return None if told is None or told.get("trials") != tuning.tune.trials else told


def set_aside_choice(runs: Path, tuning: Tuning) -> Path:
    """Have the values chosen anew; the old record stays beside it under another name, which is returned."""
    file = place(runs, tuning) / "choice.json"
    return file.replace(file.with_name(f"choice.set-aside-{time.time_ns()}.json"))


def interrupted(runs: Path, tuning: Tuning, sweep: str) -> tuple[Path, list[str]] | None:
    """A study of this variant that has not come to its end and that was searched otherwise: its folder, what differs."""
    now = tuning.tune.model_dump(mode="json", exclude={"trials", "storage"})
    for file in sorted((runs / FOLDER).glob("*/study.json")):
        told, folder = files.read_json(file) or {}, file.parent
        if (told.get("sweep"), told.get("variant")) != (sweep, tuning.name) or folder == place(runs, tuning):
            continue
        differ = [name for name in now if told["tune"].get(name) != now[name]]
        if differ and (folder / "trials.jsonl").exists() and not (folder / "choice.json").exists():
            return folder, differ
    return None


def scored_by(tuning: Tuning) -> tuple[str, bool]:
    """What trials are scored by, and whether more of it is better."""
    return tuning.metric.name, bool(tuning.metric.larger_is_better)


def add(runs: Path, tuning: Tuning, trial: Trial) -> None:
    """Put a trial on record, before its run starts."""
    line = json.dumps({"number": trial.number, "values": trial.values, "run": trial.run.id})
    files.append(place(runs, tuning) / "trials.jsonl", line + "\n", sync=True)


def cut_torn_line(file: Path) -> None:
    """Take away what a killed driver left of a line, so that the next one does not stand behind it."""
    if file.exists() and not (text := files.read_bytes(file)).endswith(b"\n"):
        os.truncate(file, text.rfind(b"\n") + 1)
