"""Which epoch of a run is its best: by the task's first metric, in the direction that the task declares."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pvt_exp import store
from pvt_exp.config.metrics import Metric
from pvt_exp.config.placement import Placement
from pvt_exp.plan import pretraining
from pvt_exp.store import progress
from pvt_exp.tasks import classification
from pvt_exp.train.record import Record


class Errors(classification.Settings):
    """A task whose first metric is better when smaller."""

    @property
    def declared(self) -> tuple[Metric, ...]:
        return Metric("errors", "errors", "", larger_is_better=False), *super().declared


@pytest.mark.parametrize(("task", "metric", "best"), [(Errors, "errors", min), (classification.Settings, "top1", max)])
@pytest.mark.parametrize(
    "scores",
    [
        [3.0, 1.0, 2.0],
        [1.0, 2.0, 3.0],
        [3.0, 2.0, 1.0],
        [2.0, 2.0, 2.0],
        [None, 2.0, 1.0],
        [2.0, None, 3.0],
        [-1.0, 0.0, -2.0],
    ],
)
def test_the_best_epoch_is_the_first_with_the_best_score(
    task: type[classification.Settings],
    metric: str,
    best: Any,
    scores: list[float | None],
    experiment: Path,
    tmp_path: Path,
) -> None:
    run = pretraining.experiment(experiment)
    attempt = store.attempt(store.create(tmp_path / "runs"), run, Placement(), "base")
    run = run.model_copy(update={"task": task(num_classes=4, image_px=32), "epochs": len(scores)})
    facts: Any = SimpleNamespace(fingerprint="f")
    record = Record(run, attempt, facts)
    for epoch, score in enumerate(scores):
        given = {"loss": torch.tensor(0.5)} | ({} if score is None else {metric: torch.tensor(score)})
        trainer: Any = SimpleNamespace(callback_metrics=given, current_epoch=epoch)
        module: Any = SimpleNamespace(unscored={}, per_class=[], task=run.task)
        record.on_validation_end(trainer, module)
    known = [score for score in scores if score is not None]
    assert record.best["metrics"][metric] == best(known)
    assert record.best["epoch"] == scores.index(best(known)) + 1
    assert (progress.read(attempt) or {})["best"][metric] == best(known)
