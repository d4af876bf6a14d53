"""A sweep as studies of Optuna, for its dashboard: axes are parameters, runs are trials. So are the trials of its tuning.

Made from the run store, which stays the record.
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pvt_exp.config.metric_names import word_of
from pvt_exp.config.metrics import Metric, value_of
from pvt_exp.config.run import Run
from pvt_exp.plan import Plan, Tuning
from pvt_exp.statistics.variance import eta_squared
from pvt_exp.store import attempts, trial_record
from pvt_exp.store.curves import curve
from pvt_exp.store.outcome import Outcome, outcome_of
from pvt_exp.store.states import State
from pvt_exp.tune import search
from pvt_exp.tune.storage import new_study

STATES: dict[State, str] = {
    "done": "COMPLETE", "running": "RUNNING", "pruned": "PRUNED", "failed": "FAIL", "diverged": "FAIL",
    "out_of_memory": "FAIL", "timed_out": "FAIL", "stale": "FAIL",
}  # fmt: skip
"""Optuna's state of a run. Pending and submitted runs are not shown; a killed one stays as it was."""


@dataclass
class Shown:
    """What the study has of a run."""

    trial: int
    """Its id in the storage."""
    state: str
    """Optuna's."""
    epochs: int = 0
    """How many of its scores."""


@dataclass
class Part:
    """One study."""

    study: int
    """Its id in the storage."""
    metric: str
    distributions: dict[str, Any]
    axes: bool
    """Whether it is of a sweep's rows, and not of trials."""
    shown: dict[str, Shown] = field(default_factory=dict)
    """By run."""


class Mirror:
    """Keeps studies in a storage equal to the store: call `refresh` from time to time."""

    def __init__(self, read: Callable[[], Plan], runs: Path, storage: Any) -> None:
        """``read`` gives the plan; it is asked again while values are still to be chosen.

        Raises:
            ConfigError: if a study's name is taken by one that was not made here.
        """
        self.read, self.runs, self.storage = read, runs, storage
        self.plan = read()
        self.parts: dict[str, Part] = {}
        """By the name of the study; those of the sweep's own runs first."""
        self.without: dict[str, str] = {}
        """Why the result of a run does not count, by its id."""
        axes = {**self.plan.axes, **({"seed": self.plan.seeds} if len(self.plan.seeds) > 1 else {})}
        for row in self.plan.rows:
            if self._of(row.first) not in self.parts:
                self._add(self._of(row.first), _one_of(axes), row.first.task.first_metric, axes=True)
        for each in self.plan.tunings:
            self._add(self._trials_of(each), search.distributions(each.tune), each.metric, axes=False)

    @property
    def studies(self) -> list[str]:
        """Names of the studies."""
        return list(self.parts)

    def refresh(self) -> int:
        """Take in what has happened since; how many trials changed."""
        if any(each.chosen is None for each in self.plan.tunings):
            self.plan = self.read()
        changed = dict.fromkeys(self.parts, 0)
        for name, run, params in self._wanted():
            changed[name] += self._follow(self.parts[name], run, params)
        for name, part in self.parts.items():
            if changed[name] and part.axes:
                self._tell_importance(part)
        return sum(changed.values())

    def _tell_importance(self, part: Part) -> None:
        """Beside Optuna's, which sees the best tenth of the trials: few runs are a single trial then, which says nothing."""
        from optuna.trial import TrialState

        done = [trial for trial in self.storage.get_all_trials(part.study) if trial.state == TrialState.COMPLETE]
        for axis in part.distributions:
            share = eta_squared([trial.params[axis] for trial in done], [trial.value for trial in done])
            if share is not None:
                self.storage.set_study_user_attr(part.study, f"share of the variance: {axis}", f"{share:.0%}")

    def _wanted(self) -> Iterator[tuple[str, Run, dict[str, Any]]]:
        """Every run that is to be shown: its study, and its parameters there."""
        for variant in self.plan.variants:
            where = self.plan.coordinates(variant)
            for run in variant.runs:
                seed = {"seed": run.seed} if len(self.plan.seeds) > 1 else {}
                yield self._of(run), run, {**where, **seed}
        for each in self.plan.tunings:
            for trial in trial_record.trials(self.runs, each):
                yield self._trials_of(each), trial.run, trial.values

    def _of(self, run: Run) -> str:
        """Runs with another metric than the first row's have a study of their own: scores of one study compare."""
        metric = run.task.metric
        same = metric == self.plan.rows[0].first.task.metric
        return self.plan.name if same else f"{self.plan.name} ({metric})"

    def _trials_of(self, tuning: Tuning) -> str:
        return f"{self.plan.name}: trials of {tuning.name}"

    def _add(self, name: str, distributions: dict[str, Any], metric: Metric, axes: bool) -> None:
        made = new_study(self.storage, name, f"mirror of {self.plan.name}", bool(metric.larger_is_better))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that names of metrics are an experiment of Optuna's
            made.set_metric_names([metric.name])
        self.parts[name] = Part(self.storage.get_study_id_from_name(name), metric.name, distributions, axes)

    def _follow(self, part: Part, run: Run, params: dict[str, Any]) -> bool:
        seen = outcome_of(self.runs, run.id)
        if seen.cause == "result_not_valid":
            self.without[run.id] = seen.reason or ""
        state = _state(seen, part.metric)
        there = part.shown.get(run.id)
        if state is None or (there is not None and there.state == state != "RUNNING"):
            return False
        scores = curve(self.runs / run.id, part.metric)
        if there is None or there.state != "RUNNING":  # one that is tried again is another trial
            part.shown[run.id] = self._new(part, run, params, seen, scores)
            return True
        return self._go_on(part, there, run, seen, scores)

    def _new(self, part: Part, run: Run, params: dict[str, Any], seen: Outcome, scores: dict[int, float]) -> Shown:
        from optuna.trial import TrialState, create_trial

        state = _state(seen, part.metric) or "FAIL"
        trial = create_trial(
            state=TrialState[state],
            value=_score(seen, part.metric),
            params=params,
            distributions={name: part.distributions[name] for name in params},
            user_attrs=_attributes(run, seen),
            intermediate_values=scores,
        )
        trial.datetime_start, trial.datetime_complete = self._times(seen)
        number = self.storage.create_new_trial(part.study, template_trial=trial)
        return Shown(number, state, len(scores))

    def _go_on(self, part: Part, there: Shown, run: Run, seen: Outcome, scores: dict[int, float]) -> bool:
        from optuna.trial import TrialState

        new = sorted(scores)[there.epochs :]
        for epoch in new:
            self.storage.set_trial_intermediate_value(there.trial, epoch, scores[epoch])
        there.epochs = len(scores)
        state = _state(seen, part.metric) or "FAIL"
        if state == "RUNNING":
            return bool(new)
        for name, value in _attributes(run, seen).items():
            self.storage.set_trial_user_attr(there.trial, name, value)
        score = _score(seen, part.metric)
        self.storage.set_trial_state_values(there.trial, TrialState[state], None if score is None else [score])
        there.state = state
        return True

    def _times(self, seen: Outcome) -> tuple[datetime | None, datetime | None]:
        """When training began and ended, in local time, as Optuna expects."""
        if seen.result is not None:
            if (when := seen.result.get("finished")) is None:
                ended = datetime.fromtimestamp((self.runs / seen.id / "result.json").stat().st_mtime)
            else:
                ended = _local(when)
            return ended - timedelta(seconds=seen.result["provenance"]["seconds"]), ended
        latest = attempts.of(self.runs / seen.id)[-1]
        begun = datetime.fromtimestamp((latest / "placement.yaml").stat().st_mtime)
        return begun, None if seen.state == "running" else datetime.fromtimestamp(latest.stat().st_mtime)


def _state(seen: Outcome, metric: str) -> str | None:
    """Optuna's state. A finished run without a score is FAIL: Optuna has no complete trial without a value."""
    state = STATES.get(seen.state)
    return "FAIL" if state == "COMPLETE" and _score(seen, metric) is None else state


def _score(seen: Outcome, metric: str) -> float | None:
    """Score of a finished run, rounded to 6 significant digits, as many as float32 has."""
    score = value_of(seen.result, metric) if seen.result is not None and seen.state == "done" else None
    return None if score is None else float(f"{score:.6g}")


def _one_of(axes: dict[str, Any]) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution

    return {axis: CategoricalDistribution(choices) for axis, choices in axes.items()}


def _attributes(run: Run, seen: Outcome) -> dict[str, Any]:
    """What the dashboard shows beside a trial's score."""
    found: dict[str, Any] = {"run": run.id, "state": seen.state}
    if seen.reason:
        found["reason"] = seen.reason[:1000]
    if seen.result is not None:
        costs = seen.result["cost"]
        found |= {"seconds": seen.result["provenance"]["seconds"]}
        found |= {"parameters (M)": costs["params"] / 1e6} if costs["params"] is not None else {}
        found |= {"MACs (G)": costs["macs"] / 1e9} if costs["macs"] is not None else {}
        found |= {word_of(name): value for name, value in seen.result["metrics"].items()}
    return found


def _local(when: str) -> datetime:
    return datetime.fromisoformat(when).astimezone().replace(tzinfo=None)
