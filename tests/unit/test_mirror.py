"""What optuna-dashboard is shown of a sweep: runs as trials, axes as parameters, kept equal to the store."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from pvt_exp import store
from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.plan import Plan, expand
from pvt_exp.store import attempts, progress
from pvt_exp.store.results import publish_result
from pvt_exp.system import files, locks
from pvt_exp.tune.mirror import Mirror


def result(run: Run, top1: float) -> dict[str, Any]:
    costs = {"params": 5_000_000, "macs": 2e9}
    made = {"data": {}, "cost": costs, "provenance": {"seconds": 60.0}}
    return {"run": run.id, "metrics": {"top1": top1}, **made, "finished": files.now()}


@pytest.fixture
def plan(sweep: Path) -> Plan:
    return expand.load(sweep)[1]


def mirrored(plan: Plan, runs: Path) -> tuple[Mirror, optuna.Study]:
    storage = optuna.storages.InMemoryStorage()
    return Mirror(lambda: plan, runs, storage), optuna.load_study(study_name=plan.name, storage=storage)


def test_a_run_is_followed_from_its_start_to_its_end(plan: Plan, tmp_path: Path) -> None:
    mirror, study = mirrored(plan, tmp_path)
    assert mirror.refresh() == 0
    assert study.trials == [], "what waits is not there"
    run = plan.variants[1].runs[1]
    attempt = store.attempt(tmp_path, run, Placement(), plan.name)
    with locks.lock(tmp_path / run.id):
        (attempt / "metrics.csv").write_text("epoch,step,top1\n0,5,10.0\n")
        assert mirror.refresh() == 1
        (trial,) = study.trials
        assert (trial.state.name, trial.intermediate_values) == ("RUNNING", {1: 10.0})
        assert trial.params == {"depth": "deeper", "seed": 1}
        assert mirror.refresh() == 0
        told = {"epoch": 2, "epochs": 2, "fraction": 1.0, "scored_epoch": 2, "metrics": {"top1": 20.0}}
        progress.write(attempt, told)
        assert mirror.refresh() == 1
    assert mirror.refresh() == 0, "what was killed goes on"
    with locks.lock(tmp_path / run.id):
        made = result(run, 43.70000076293945)
        made["metrics"]["seconds"] = 12.5
        publish_result(attempt, made)
    assert mirror.refresh() == 1
    (trial,) = study.trials
    assert (trial.state.name, trial.value, trial.intermediate_values) == ("COMPLETE", 43.7, {1: 10.0, 2: 20.0})
    assert (trial.user_attrs["run"], trial.user_attrs["parameters (M)"]) == (run.id, 5.0)
    assert (trial.user_attrs["seconds"], trial.user_attrs["metrics.seconds"]) == (60.0, 12.5)
    assert mirror.refresh() == 0


def test_a_run_that_is_tried_again_is_another_trial(plan: Plan, tmp_path: Path) -> None:
    mirror, study = mirrored(plan, tmp_path)
    run = plan.variants[0].runs[0]
    attempts.end(store.attempt(tmp_path, run, Placement(), plan.name), "failed", "no room")
    assert mirror.refresh() == 1
    publish_result(store.attempt(tmp_path, run, Placement(), plan.name), result(run, 50.0))
    assert mirror.refresh() == 1
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]
    assert study.trials[0].user_attrs["reason"] == "no room"
    assert study.best_value == 50.0


def test_importance_is_of_the_axes(plan: Plan, tmp_path: Path) -> None:
    for variant, scores in zip(plan.variants, ((10.0, 11.0), (60.0, 61.0)), strict=True):
        for run, score in zip(variant.runs, scores, strict=True):
            publish_result(store.attempt(tmp_path, run, Placement(), plan.name), result(run, score))
    mirror, study = mirrored(plan, tmp_path)
    assert mirror.refresh() == 4
    assert set(optuna.importance.get_param_importances(study)) == {"depth", "seed"}
    assert study.user_attrs["share of the variance: depth"] == "100%"
    assert study.user_attrs["share of the variance: seed"] == "0%"


def test_a_study_from_elsewhere_is_not_written_over(plan: Plan, tmp_path: Path) -> None:
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(study_name=plan.name, storage=storage)
    with pytest.raises(ConfigError, match="a study 'sweep' that is not of this sweep"):
        Mirror(lambda: plan, tmp_path, storage)
