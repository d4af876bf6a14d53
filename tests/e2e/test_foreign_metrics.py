"""Another package's task declares its metrics: unit, direction and title go from there to tables, tuning, W&B and the
terminal."""

import csv
import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import EXPERIMENT, environment

DEPTH = '''
"""Depth of each pixel, as another package has it."""
from typing import Literal
from pvt_exp.config.metrics import Metric
from pvt_exp.tasks import Task

class Settings(Task):
    kind: Literal["depth"] = "depth"
    image_px: int = 32

    @property
    def declared(self):
        return (
            Metric("rmse_m", "RMSE", "m", larger_is_better=False),
            Metric("ece", "calibration error", "%", larger_is_better=False),
            Metric("bias_m", "bias", "m", larger_is_better=None),
        )

    @property
    def train_px(self):
        return self.image_px, self.image_px
'''
SCENES = """
from typing import ClassVar, Literal
from pvt_exp.datasets import Dataset, Facts

class Settings(Dataset):
    tasks: ClassVar[frozenset[str]] = frozenset({"depth"})
    kind: Literal["scenes"] = "scenes"

    def inspect(self, root):
        return Facts("0", (), {"train": 100, "val": 10})
"""
WORK = """
import json
from pathlib import Path
from types import SimpleNamespace
import optuna
from pvt_exp.drive import board, live
from pvt_exp.plan import expand
from pvt_exp.tune import storage, study
from pvt_exp import store
from pvt_exp.store import trial_record
from pvt_exp.store.outcome import Outcome, outcome_of
from pvt_exp.store.results import publish_result
from pvt_exp.tune.mirror import Mirror
from pvt_exp.config.placement import Placement
optuna.logging.disable_default_handler()
plan = expand.load(Path("sweep.yaml"))[1]
for i, variant in enumerate(plan.variants):
    for run in variant.runs:
        errors = {"rmse_m": 0.512 + i * (1 + run.seed / 50) + run.seed / 100, "ece": 3.5 - i + run.seed / 10}
        scores = {**errors, "bias_m": 0.25, "loss_ratio": 2.0}
        made = {"git": {"sha": None, "dirty": False, "files_sha256": "0"}, "seconds": 1.0}
        publish_result(store.attempt(Path("runs"), run, Placement(), plan.name), {
            "metrics": scores, "best": {"epoch": 1, "metrics": scores}, "epoch": 2, "provenance": made,
            "finished": "2026-01-01T00:00:00Z",
            "metric_info": {each.name: each.info() for each in run.task.declared},
            "cost": {"params": 10, "macs": 10, "input_px": [32, 32]},
            "data": {"name": "scenes", "fingerprint": "0", "images": {}},
        })
of_tuned = expand.load(Path("tuned.yaml"))[1]
(tuning,) = of_tuned.tunings
search = study.Study(Path("runs"), tuning, of_tuned.name, storage.Database("sqlite:///tuned.db"))
search.open()
for rmse in (0.9, 0.4, 0.6):
    trial = search.propose()
    found = {"metrics": {"rmse_m": rmse}, "data": {"fingerprint": "0"}}
    search.tell(trial, Outcome(trial.run.id, "done", result=found))
search.decide()
best = trial_record.chosen(Path("runs"), tuning)
Path("by_ece.yaml").write_text(Path("tuned.yaml").read_text().replace("trials: 3", "trials: 3, metric: ece"))
(by_ece,) = expand.load(Path("by_ece.yaml"))[1].tunings
other = study.Study(Path("runs"), by_ece, "by_ece", storage.Database("sqlite:///tuned.db"))
for ece in (9.0, 2.0, 4.0):
    trial = other.propose()
    other.tell(trial, Outcome(trial.run.id, "done", result={"metrics": {"ece": ece}, "data": {"fingerprint": "0"}}))
other.decide()
of_ece = trial_record.chosen(Path("runs"), by_ece)
mirror = Mirror(lambda: plan, Path("runs"), optuna.storages.InMemoryStorage())
mirror.refresh()
(name,) = mirror.studies
shown = optuna.load_study(study_name=name, storage=mirror.storage)
group = board.Group("row", plan.variants[1].runs, {run.id: "trial 0: x" for run in plan.variants[1].runs})
outcomes = {run.id: outcome_of(Path("runs"), run.id) for run in plan.runs}
print(json.dumps({
    "direction": search.study.direction.name, "scored_by": trial_record.scored_by(tuning), "chosen": best["score"],
    "by_ece": [of_ece["metric"], of_ece["score"], other.trials[1].values == of_ece["values"]],
    "mirror": [shown.direction.name, shown.best_value],
    "live": live._score(SimpleNamespace(outcomes=outcomes, plan=plan), group),
}))
"""


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is made of a sweep whose task is another package's: its table, files, direction of tuning and W&B's sweep."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "depth-1.dist-info").mkdir()
    (folder / "depth-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: depth\nVersion: 1\n")
    (folder / "depth-1.dist-info/entry_points.txt").write_text(
        "[pvt_exp.tasks]\ndepth = depth_task\n[pvt_exp.datasets]\nscenes = depth_scenes\n"
    )
    (folder / "depth_task.py").write_text(DEPTH)
    (folder / "depth_scenes.py").write_text(SCENES)
    rest = "".join(EXPERIMENT.splitlines(keepends=True)[2:])
    (folder / "base.yaml").write_text(f"task: {{kind: depth}}\ndataset: {{kind: scenes, name: scenes}}\n{rest}")
    blocks = "blocks:\n  - one_at_a_time: {depth: {deeper: {backbone.depths: [2, 1, 1, 1]}}}\n"
    (folder / "sweep.yaml").write_text(f"base: base.yaml\nseeds: [0, 1, 2]\n{blocks}")
    tune = (
        "tune: {space: {optim.lr: {low: 1.0e-3, high: 1.0e-2}}, trials: 3, sampler: random, holdout: {fraction: 0.2}}\n"
    )
    (folder / "tuned.yaml").write_text(f"base: base.yaml\nseeds: [0]\n{tune}blocks:\n  - variants: {{one: {{}}}}\n")

    def python(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=folder,
            env=environment(PYTHONPATH=str(folder)),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    of_w_and_b = python("-m", "pvt_exp", "wandb", "sweep", "sweep.yaml", "--print")
    told: dict[str, Any] = {"wandb": of_w_and_b, **json.loads(python("-c", WORK))}
    told["table"] = json.loads(python("-m", "pvt_exp", "report", "sweep.yaml", "--json", "--out", "out"))
    told["runs"] = python("-m", "pvt_exp", "runs", "list")
    told["folder"] = folder
    return told


def test_a_foreign_tasks_metrics_have_their_units_and_directions_in_json(foreign: dict[str, Any]) -> None:
    columns = {column["key"]: column for column in foreign["table"]["columns"]}
    assert {key: columns[key]["title"] for key in ("rmse_m", "ece", "bias_m", "loss_ratio", "difference")} == {
        "rmse_m": "RMSE (m)", "ece": "calibration error (%)", "bias_m": "bias (m)", "loss_ratio": "loss_ratio",
        "difference": "Δ RMSE",
    }  # fmt: skip
    assert [(columns[key]["unit"], columns[key]["larger_is_better"]) for key in ("rmse_m", "ece", "bias_m")] == [
        ("m", False), ("%", False), ("m", None),
    ]  # fmt: skip
    assert (columns["loss_ratio"]["unit"], columns["loss_ratio"]["larger_is_better"]) == ("", None)


def test_the_smallest_error_of_a_foreign_task_is_best(foreign: dict[str, Any]) -> None:
    rows = [row for group in foreign["table"]["groups"] for row in group["rows"]]
    best = {key: [row["cells"][key]["best"] for row in rows] for key in ("rmse_m", "ece", "bias_m", "loss_ratio")}
    assert best == {
        "rmse_m": [True, False], "ece": [False, True], "bias_m": [False] * 2, "loss_ratio": [False] * 2,
    }  # fmt: skip
    assert rows[0]["cells"]["rmse_m"]["text"] == "0.522 ± 0.010"
    notes = [note["text"] for note in foreign["table"]["notes"]]
    assert "loss_ratio: the task does not declare it, so its unit and better direction are not known." in notes
    assert any(note.startswith("Δ: difference from the base's mean, in m, ±") for note in notes)
    assert any("smaller is better" in note for note in notes)


def test_the_files_of_a_foreign_task_say_the_same(foreign: dict[str, Any]) -> None:
    (folder,) = {path.parent for path in foreign["folder"].glob("out/**/table.csv")}
    assert "**0.522** ± 0.010" in (folder / "table.md").read_text()
    for form in ("md", "html", "tex"):
        text = (folder / f"table.{form}").read_text()
        assert "RMSE" in text
        assert "(m)" in text
        assert "rmse_m" not in text
    (row, _) = csv.DictReader((folder / "table.csv").open())
    assert float(row["rmse_m"]) == pytest.approx(0.522)


def test_tuning_and_w_and_b_go_by_the_foreign_tasks_first_metric(foreign: dict[str, Any]) -> None:
    assert (foreign["direction"], foreign["scored_by"]) == ("MINIMIZE", ["rmse_m", False])
    assert foreign["chosen"] == 0.4
    assert foreign["by_ece"] == ["ece", 2.0, True]
    assert foreign["mirror"] == ["MINIMIZE", 0.512]
    assert foreign["live"] == "1.512"
    assert "name: rmse_m" in foreign["wandb"]
    assert "goal: minimize" in foreign["wandb"]


def test_the_terminal_has_the_foreign_tasks_units(foreign: dict[str, Any]) -> None:
    assert "rmse_m 0.512 m  ece 3.50 %  bias_m 0.25 m  loss_ratio 2" in foreign["runs"]
