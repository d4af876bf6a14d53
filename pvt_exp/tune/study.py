"""Optuna's study of one variant: proposes its trials, takes their scores, and says which to prune.

The runs and the record (`pvt_exp.store.trial_record`) are the truth. Optuna's study, in a database of its own, is made
from them whenever a driver starts, so it can be deleted, and no trial is lost or repeated however a driver ends.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

from pvt_exp.config import ConfigError
from pvt_exp.config.metrics import value_of
from pvt_exp.plan import Tuning
from pvt_exp.store import trial_record
from pvt_exp.store.curves import curve
from pvt_exp.store.outcome import Outcome
from pvt_exp.store.states import GOING, RETRYABLE
from pvt_exp.store.trial_record import Trial, scored_by
from pvt_exp.system import files
from pvt_exp.tune import search
from pvt_exp.tune.storage import Database, new_study

DIGITS = 4
"""Significant digits of a drawn number, so that a table shows exactly the value that is trained."""


class Study:
    """Proposes the trials of one variant and takes their scores."""

    def __init__(self, runs: Path, tuning: Tuning, sweep: str, database: Database) -> None:
        """``database`` is what Optuna's study is kept in."""
        self.runs, self.tuning, self.database = runs, tuning, database
        self._kept: tuple[Any, Any] | None = None
        self.folder = trial_record.place(runs, tuning)
        self.folder.mkdir(parents=True, exist_ok=True)
        trial_record.cut_torn_line(self.folder / "trials.jsonl")
        self.name = f"{sweep} / {tuning.name} / {tuning.key}"
        self.trials = trial_record.trials(runs, tuning)
        self.told: dict[int, Outcome] = {}
        """Trials that have ended, by number."""
        self._seen: dict[int, int] = {}
        self._record = {
            "sweep": sweep,
            "variant": tuning.name,
            "tune": tuning.tune.model_dump(mode="json", exclude={"storage"}),  # whose URL may hold a password
        }

    def open(self) -> None:
        """Make Optuna's study. Raises ConfigError for a storage or a sampler that cannot be used."""
        search.check(self.tuning.tune)
        self.database.tried(lambda: self.study)
        files.publish(self.folder / "study.json", files.dump({**self._record, "optuna": self._optuna}))

    @property
    def study(self) -> Any:
        """Optuna's, with what was tried before; made anew where the database has failed since."""
        try:
            storage = self.database.storage
            if self._kept is None or self._kept[0] is not storage:
                self._kept = storage, self._make(storage)
        except ConfigError as error:
            raise ConfigError(f"tune: {problem}" for problem in error.problems) from None
        return self._kept[1]

    def _make(self, storage: Any) -> Any:
        import optuna

        metric, larger = scored_by(self.tuning)
        pruner = search.pruner(self.tuning.tune, self.tuning.first.epochs)
        made = new_study(storage, self.name, self.tuning.key, larger, pruner=pruner)
        made.set_user_attr("optuna", self._optuna)
        made.set_user_attr("tune", self._record["tune"])
        for trial in self.trials:
            scores = curve(self.runs / trial.run.id, metric)
            self._seen[trial.number] = max(scores, default=0)
            made.add_trial(
                optuna.trial.create_trial(
                    state=optuna.trial.TrialState.RUNNING,
                    params=trial.values,
                    distributions=self.distributions,
                    user_attrs={"run": trial.run.id},
                    intermediate_values=scores,
                )
            )
        for number, seen in self.told.items():
            self._tell(made, number, seen)
        return made

    @cached_property
    def distributions(self) -> dict[str, Any]:
        """The space in Optuna's words."""
        return search.distributions(self.tuning.tune)

    @cached_property
    def _optuna(self) -> dict[str, Any]:
        return search.told(self.tuning.tune, self.tuning.first.epochs)

    def propose(self) -> Trial | None:
        """A new trial, recorded before it is returned; None when all trials were proposed."""
        number = len(self.trials)
        if number >= self.tuning.tune.trials:
            return None
        trial = self.database.tried(lambda: self._ask(number))
        trial_record.add(self.runs, self.tuning, trial)
        self.trials.append(trial)
        return trial

    def _ask(self, number: int) -> Trial:
        study, tune = self.study, self.tuning.tune
        if tune.sampler == "grid":
            study.enqueue_trial(tune.grid()[number])
        else:
            study.sampler = search.sampler(tune, number)
        asked = study.ask(fixed_distributions=self.distributions)
        values = {name: _short(value, tune.space[name]) for name, value in asked.params.items()}
        trial = Trial(number, values, self.tuning.trial(values))
        asked.set_user_attr("run", trial.run.id)
        return trial

    def tell(self, trial: Trial, seen: Outcome) -> None:
        """Record how a trial ended, once. One that the same command tries again has not ended."""
        if trial.number in self.told or seen.state in (*RETRYABLE, *GOING):
            return
        self.database.tried(lambda: self._tell(self.study, trial.number, seen))
        self.told[trial.number] = seen

    def _tell(self, study: Any, number: int, seen: Outcome) -> None:
        from optuna.trial import TrialState

        score = None if seen.result is None else value_of(seen.result, scored_by(self.tuning)[0])
        if score is not None:
            study.tell(number, score)
        else:
            study.tell(number, state=TrialState.PRUNED if seen.state == "pruned" else TrialState.FAIL)

    def should_prune(self, trial: Trial, epoch: int, score: float) -> bool:
        """Whether the pruner would end a trial with this score after this epoch, counted from 1."""
        if self.tuning.tune.pruner is None or self._seen.get(trial.number, 0) >= epoch:
            return False
        prune = self.database.tried(lambda: self._report(trial, epoch, score))
        self._seen[trial.number] = epoch
        return prune

    def _report(self, trial: Trial, epoch: int, score: float) -> bool:
        import optuna

        study, storage = self.study, self.database.storage
        number = storage.get_trial_id_from_study_id_trial_number(
            storage.get_study_id_from_name(self.name), trial.number
        )
        going = optuna.trial.Trial(study, number)
        if epoch not in storage.get_trial(number).intermediate_values:
            going.report(score, epoch)
        return bool(going.should_prune())

    def decide(self) -> dict[str, Any] | None:
        """Record the best values, if every trial has ended and one of them has a score."""
        tune = self.tuning.tune
        if len(self.told) < tune.trials:
            return None
        metric, larger = scored_by(self.tuning)
        results = {n: seen.result for n, seen in self.told.items() if seen.result is not None}
        scores = {n: score for n, result in results.items() if (score := value_of(result, metric)) is not None}
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
            "tune": self._record["tune"],
            "optuna": self._optuna,
            "data": results[best]["data"]["fingerprint"],
            "decided": files.now(),
        }
        files.write(self.folder / "choice.json", files.dump(told))
        values: dict[str, Any] = told["values"]
        return values


def _short(value: Any, space: Any) -> Any:
    if not isinstance(value, float) or space.choices:
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), space.low), space.high)
