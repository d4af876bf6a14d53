"""What can be written under ``metrics:`` of a task, and what its metrics are then."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import ValidationError

from pvt_exp import config
from pvt_exp.config import ConfigError, identity
from pvt_exp.config.component import Component, kinds
from pvt_exp.config.metrics import Metric
from pvt_exp.config.run import Run
from pvt_exp.metrics import MetricSettings, calibration, f1
from pvt_exp.plan import expand
from pvt_exp.tasks import Task
from pvt_exp.tasks.classification import Settings as Classification
from pvt_exp.tasks.semantic import Settings as Semantic
from tests.conftest import EXPERIMENT


def test_a_tasks_metrics_are_its_usual_ones_and_those_it_takes_beside() -> None:
    task = Classification(num_classes=4, metrics=(f1.Settings(), calibration.Settings(bins=10)))
    assert [each.name for each in task.all_metrics] == ["top1", "loss", "top5", "f1", "ece"]
    assert task.describe("ece") == Metric("ece", "ECE (10 bins)", "%", larger_is_better=False)
    assert task.first_metric.name == "top1"


def test_every_metric_declares_what_the_tasks_it_scores_do_not() -> None:
    scored = set()
    for settings in kinds("metrics").values():
        for task in settings.tasks:  # type: ignore[attr-defined]
            made = config.make(kinds("tasks")[task], {"num_classes": 4, "metrics": [{"kind": settings().kind}]})  # type: ignore[attr-defined]
            assert len(made.all_metrics) > len(made.declared)  # type: ignore[attr-defined]
            scored.add(task)
    assert scored >= {"classification", "semantic"}


def test_a_metric_that_does_not_score_the_task_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "base.yaml"
    path.write_text(EXPERIMENT.replace("image_px: 32}", "image_px: 32, metrics: [{kind: dice}]}", 1))
    with pytest.raises(
        ConfigError, match=r"base.yaml:1: task.metrics: kind dice does not score classification; it scores"
    ):
        config.load(Run, path)


def test_two_metrics_of_one_name_are_an_error() -> None:
    with pytest.raises(ValidationError, match="metrics: kind f1 computes f1, which another metric is called"):
        Classification(num_classes=4, metrics=(f1.Settings(), f1.Settings()))


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ("top1", "kind mine computes top1, which another metric is called"),
        ("seconds", "metric seconds: tables mean something else by seconds"),
        ("top1_std", "metric top1_std: a table of top1 has a column of this name"),
        (3, "the property 'declared' of kind mine: entry 0: name, title and unit must be text"),
    ],
)
def test_what_a_metric_of_another_package_declares_is_checked(declared: Any, why: str) -> None:
    class Mine(MetricSettings):
        tasks: ClassVar[frozenset[str]] = frozenset({"classification"})
        kind: Literal["mine"] = "mine"

        @property
        def declared(self) -> tuple[Metric, ...]:
            return (Metric(declared, "mine", "", True),)

    class Taking(Classification):
        kind: Literal["classification"] = "classification"
        metrics: tuple[Mine, ...] = ()  # type: ignore[assignment]

    with pytest.raises(ValidationError) as told:
        Taking(num_classes=4, metrics=(Mine(),))
    assert why in told.value.errors()[0]["msg"]


def test_a_metric_counts_in_the_id_and_none_leaves_it_as_it_was(experiment: Path) -> None:
    """The golden ids hold the second; here is why: the field is named once, for every task."""
    run = config.load(Run, experiment)
    assert "metrics" not in identity.texts(run.task)
    more = config.load(Run, experiment, ["task.metrics=[{kind: f1}]"])
    assert more.id != run.id
    assert more.id != config.load(Run, experiment, ["task.metrics=[{kind: calibration}]"]).id
    assert "metrics" not in identity.texts(Semantic(num_classes=3))


def test_a_field_that_was_added_to_a_class_is_neutral_in_all_that_derive_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Other(Component):
        metrics: tuple[int, ...] = ()

    monkeypatch.setitem(identity.ADDED, "Dense.flip", 0.5)
    assert "flip" not in identity.texts(Semantic(num_classes=3))
    assert "flip" in identity.texts(Semantic(num_classes=3, flip=0.25))
    assert "metrics" in identity.texts(Other()), "is no task"


TUNED = """\
base: base.yaml
seeds: [0]
tune: {space: {optim.lr: {low: 1.0e-3, high: 1.0e-2}}, trials: 3, sampler: random%s}
blocks:
  - variants: {one: {}}
"""


def tuning(experiment: Path, more: str) -> Any:
    path = experiment.with_name("tuned.yaml")
    path.write_text(TUNED % more)
    (found,) = expand.load(path, ["task.metrics=[{kind: calibration}]"])[1].tunings
    return found


def test_trials_are_scored_by_the_metric_that_tune_names(experiment: Path) -> None:
    usual, same, other = (tuning(experiment, more) for more in ("", ", metric: top1", ", metric: ece"))
    assert [each.metric.name for each in (usual, same, other)] == ["top1", "top1", "ece"]
    assert [each.metric.larger_is_better for each in (usual, other)] == [True, False]
    assert usual.key == same.key != other.key


def test_a_metric_to_tune_by_that_is_not_there_is_an_error_with_its_line(experiment: Path) -> None:
    with pytest.raises(ConfigError, match=r"tuned.yaml:3: tune.metric: base has no metric ec; did you mean ece"):
        tuning(experiment, ", metric: ec")


def test_a_task_takes_metrics_whoever_made_it() -> None:
    assert all(
        issubclass(settings, Task) and "metrics" in settings.model_fields for settings in kinds("tasks").values()
    )
