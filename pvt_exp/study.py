"""The trials inside one variant: proposed by Optuna, kept in ``runs/tuning/<key>/``, scored by their runs.

    runs/tuning/<key>/trials.jsonl      a line a trial, written before its run starts: number, values, run
    runs/tuning/<key>/choice.json       the best values, once every trial has ended

The runs and these files are the truth. Optuna's study, in a database of its own, is made from them whenever a driver starts,
so losing it loses nothing, and no trial is lost or repeated however a driver ends.
"""

import json
import os
import re
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from pvt_exp import files, store
from pvt_exp.config import ConfigError
from pvt_exp.plan import Tuning
from pvt_exp.schema import Run
from pvt_exp.space import in_words
from pvt_exp.store import Outcome

FOLDER = "tuning"
DIGITS = 4
"""Of a drawn number: what a table can name is what is trained."""


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
        lines = file.read_text().split("\n")
    except FileNotFoundError:
        return []
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


def choice(runs: Path, tuning: Tuning) -> dict[str, Any] | None:
    """The values that the trials chose; None until as many as are due have ended."""
    told = files.read_json(place(runs, tuning) / "choice.json")
    if told is None or told.get("trials") != tuning.tune.trials:
        return None
    values: dict[str, Any] = told["values"]
    return values


def scored_by(tuning: Tuning) -> tuple[str, bool]:
    """What trials are scored by, and whether more of it is better."""
    task = tuning.first.task
    return task.metric, task.larger_is_better


class Study:
    """Proposes the trials of one variant and takes their scores."""

    def __init__(self, runs: Path, tuning: Tuning, name: str, url: str) -> None:
        """``name`` is the sweep's; ``url`` of the database that Optuna's study is kept in."""
        self.runs, self.tuning, self.url = runs, tuning, url
        self.folder = place(runs, tuning)
        self.folder.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(self.folder / "trials.jsonl")
        self.name = f"{name} / {tuning.name} / {tuning.key}"
        self.trials = trials(runs, tuning)
        self.told: dict[int, Outcome] = {}
        """Trials that have ended, by number."""
        self._seen: dict[int, int] = {}

    def open(self) -> None:
        """Make Optuna's study. Raises ConfigError for a storage that cannot be used."""
        _ = self.study

    @cached_property
    def study(self) -> Any:
        """Optuna's, with what was tried before."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = open_storage(self.url)
        larger = scored_by(self.tuning)[1]
        try:
            old = optuna.load_study(study_name=self.name, storage=storage)
        except KeyError:
            pass
        else:
            if old.user_attrs.get("pvt_exp") != self.tuning.key:
                raise ConfigError(
                    f"tune.storage: there is a study '{self.name}' that pvt_exp did not make; name another storage"
                )
            optuna.delete_study(study_name=self.name, storage=storage)
        made = optuna.create_study(
            study_name=self.name,
            storage=storage,
            direction="maximize" if larger else "minimize",
            pruner=self._pruner(),
        )
        made.set_user_attr("pvt_exp", self.tuning.key)
        made.set_user_attr("optuna", optuna.__version__)
        made.set_user_attr("tune", self._told)
        for trial in self.trials:
            made.add_trial(
                optuna.trial.create_trial(
                    state=optuna.trial.TrialState.RUNNING,
                    params=trial.values,
                    distributions=self.distributions,
                    user_attrs={"run": trial.run.id},
                )
            )
        return made

    @cached_property
    def distributions(self) -> dict[str, Any]:
        """The space in Optuna's words."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        found: dict[str, Any] = {}
        for name, values in self.tuning.tune.space.items():
            if values.choices:
                found[name] = CategoricalDistribution(values.choices)
            elif values.whole:
                assert isinstance(values.low, int)
                assert isinstance(values.high, int)
                found[name] = IntDistribution(values.low, values.high, log=values.log, step=int(values.step or 1))
            else:
                assert values.low is not None
                assert values.high is not None
                found[name] = FloatDistribution(values.low, values.high, log=values.log, step=values.step)
        return found

    def propose(self) -> Trial | None:
        """A further trial, on record before it is returned; None where as many as are due were proposed."""
        number, tune = len(self.trials), self.tuning.tune
        if number >= tune.trials:
            return None
        if tune.sampler == "grid":
            self.study.enqueue_trial(tune.grid()[number])
        else:
            self.study.sampler = self._sampler(number)
        asked = self.study.ask(fixed_distributions=self.distributions)
        values = {name: _short(value, tune.space[name]) for name, value in asked.params.items()}
        trial = Trial(number, values, self.tuning.trial(values))
        asked.set_user_attr("run", trial.run.id)
        line = json.dumps({"number": number, "values": values, "run": trial.run.id})
        with (self.folder / "trials.jsonl").open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.trials.append(trial)
        return trial

    def tell(self, trial: Trial, seen: Outcome) -> None:
        """Take in how a trial ended, once; one that the same command tries again has not ended."""
        from optuna.trial import TrialState

        if trial.number in self.told or seen.state in (*store.PASSES, "running"):
            return
        if seen.result is not None:
            self.study.tell(trial.number, seen.result["metrics"][scored_by(self.tuning)[0]])
        else:
            self.study.tell(trial.number, state=TrialState.PRUNED if seen.state == "pruned" else TrialState.FAIL)
        self.told[trial.number] = seen

    def is_hopeless(self, trial: Trial, epoch: int, score: float) -> bool:
        """Whether the pruner would end a trial that scores so after an epoch, from 1 on."""
        if self.tuning.tune.pruner is None or self._seen.get(trial.number, 0) >= epoch:
            return False
        import optuna

        self._seen[trial.number] = epoch
        going = optuna.trial.Trial(self.study, self.study.trials[trial.number]._trial_id)
        going.report(score, epoch)
        return bool(going.should_prune())

    def decide(self) -> dict[str, Any] | None:
        """Record the best values, if every trial has ended and one of them has a score."""
        tune = self.tuning.tune
        if len(self.told) < tune.trials:
            return None
        metric, larger = scored_by(self.tuning)
        scores = {n: seen.result["metrics"][metric] for n, seen in self.told.items() if seen.result is not None}
        if not scores:
            return None
        best = (max if larger else min)(scores, key=lambda number: scores[number])
        told = {
            "trials": tune.trials,
            "values": self.trials[best].values,
            "run": self.trials[best].run.id,
            "metric": metric,
            "score": scores[best],
            "ended": {
                seen.state: sum(each.state == seen.state for each in self.told.values()) for seen in self.told.values()
            },
            "tune": self._told,
            "optuna": self.study.user_attrs["optuna"],
            "decided": store.now(),
        }
        files.write(self.folder / "choice.json", files.dump(told))
        values: dict[str, Any] = told["values"]
        return values

    @property
    def _told(self) -> dict[str, Any]:
        """The settings as a record has them, without a URL that may hold a password."""
        return self.tuning.tune.model_dump(mode="json", exclude={"storage"})

    def _sampler(self, number: int) -> Any:
        """Seeded for each trial anew, so that a driver that starts again proposes what the first would have."""
        from optuna import samplers

        tune = self.tuning.tune
        seed = (tune.seed + 7919 * number) % 2**32
        if tune.sampler == "random":
            return samplers.RandomSampler(seed=seed)
        if tune.sampler == "cmaes":
            return samplers.CmaEsSampler(seed=seed)
        return samplers.TPESampler(seed=seed, n_startup_trials=max(2, min(10, tune.trials // 3)))

    def _pruner(self) -> Any:
        from optuna import pruners

        which = self.tuning.tune.pruner
        if which == "median":
            return pruners.MedianPruner(n_startup_trials=3)
        if which == "hyperband":
            return pruners.HyperbandPruner(max_resource=self.tuning.first.epochs)
        return pruners.NopPruner()


def _cut_torn_line(file: Path) -> None:
    """Take away what a killed driver left of a line, so that the next one does not stand behind it."""
    if file.exists() and not (text := file.read_bytes()).endswith(b"\n"):
        os.truncate(file, text.rfind(b"\n") + 1)


def open_storage(url: str) -> Any:
    """A database of studies.

    Raises:
        ConfigError: if it cannot be reached, or its driver is not installed.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return optuna.storages.get_storage(url)
    except (ImportError, SQLAlchemyError, ValueError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        shown = re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", url)
        raise ConfigError(f"tune.storage {shown}: cannot be used: {why.replace(url, shown)}") from None


def _short(value: Any, space: Any) -> Any:
    if not isinstance(value, float) or space.choices:
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), space.low), space.high)
