"""The metrics of ``task.metrics``: computed another way, handed every prediction, and in a result like any other."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
import torchmetrics

from pvt_exp.config.metrics import Metric
from pvt_exp.metrics import MetricSettings
from pvt_exp.metrics.calibration import Settings as Calibration
from pvt_exp.metrics.dice import Settings as Dice
from pvt_exp.metrics.f1 import Settings as MacroF1
from pvt_exp.nn.metrics.beside import Beside
from pvt_exp.nn.scores.truth import Truth
from pvt_exp.system import files
from pvt_exp.tasks.classification import Settings as Classification
from pvt_exp.tasks.semantic import Settings as Semantic
from tests.nn.test_resume import small, train

CLASSES = 5


def predictions(seed: int, images: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities and classes, of which the last class is never there and never predicted."""
    draw = np.random.default_rng(seed)
    target = draw.integers(CLASSES - 1, size=images)
    logits = draw.normal(size=(images, CLASSES)) * 2
    logits[np.arange(images), target] += 1.5
    logits[:, -1] = -50
    return torch.from_numpy(logits).float().softmax(1), torch.from_numpy(target)


def computed(task: Any, *batches: tuple[Any, Any]) -> tuple[dict[str, float], dict[str, str]]:
    beside = Beside(task)
    for batch in batches:
        beside.update(*batch)
    return beside.compute()


def by_batches(probabilities: torch.Tensor, target: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(zip(probabilities.split(64), target.split(64), strict=True))


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_the_calibration_error_is_that_of_guo_et_al(bins: int) -> None:
    probabilities, target = predictions(0)
    task = Classification(num_classes=CLASSES, metrics=(Calibration(bins=bins),))
    confidence, right = probabilities.max(1).values.double().numpy(), (probabilities.argmax(1) == target).numpy()
    place = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1)
    gaps = [abs(right[place == i].mean() - confidence[place == i].mean()) * (place == i).mean() for i in set(place)]
    assert computed(task, *by_batches(probabilities, target)) == ({"ece": pytest.approx(100 * sum(gaps), rel=1e-4)}, {})


def f1_of(pred: np.ndarray, true: np.ndarray, classes: int) -> float:  # type: ignore[type-arg]
    """Mean of the classes that are there or predicted, from precision and recall."""
    scores = []
    for k in range(classes):
        hit, found, there = ((pred == k) & (true == k)).sum(), (pred == k).sum(), (true == k).sum()
        if found + there:
            precision, recall = (hit / each if each else 0.0 for each in (found, there))
            scores.append(2 * precision * recall / (precision + recall) if hit else 0.0)
    return 100 * float(np.mean(scores))


def test_macro_f1_is_the_mean_of_the_classes_that_are_there_or_predicted() -> None:
    probabilities, target = predictions(1)
    task = Classification(num_classes=CLASSES, metrics=(MacroF1(),))
    due = f1_of(probabilities.argmax(1).numpy(), target.numpy(), CLASSES)
    assert computed(task, *by_batches(probabilities, target)) == ({"f1": pytest.approx(due, rel=1e-5)}, {})


def test_dice_is_counted_over_the_pixels_of_all_images_that_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pvt_exp.nn.metrics.overlap.PIXELS_AT_ONCE", 37)
    draw = np.random.default_rng(2)
    true = [draw.integers(CLASSES - 1, size=(1, *size)) for size in ((9, 14), (20, 5), (7, 7))]
    pred = [np.where(draw.random(each.shape) < 0.6, each, draw.integers(CLASSES - 1, size=each.shape)) for each in true]
    for each in true:
        each[draw.random(each.shape) < 0.1] = 255
    task = Semantic(num_classes=CLASSES, metrics=(Dice(),))
    pairs = [(torch.from_numpy(p), torch.from_numpy(t)) for p, t in zip(pred, true, strict=True)]
    all_true, all_pred = (np.concatenate([each.ravel() for each in images]) for images in (true, pred))
    due = f1_of(all_pred[all_true != 255], all_true[all_true != 255], CLASSES)
    assert computed(task, *pairs) == ({"mDice": pytest.approx(due, rel=1e-5)}, {})


def test_what_nothing_was_scored_by_has_no_value_but_a_reason() -> None:
    ignored = torch.full((1, 4, 4), 255)
    task = Semantic(num_classes=CLASSES, metrics=(Dice(),))
    reason = {"mDice": "nothing that is scored by it is in the images"}
    assert computed(task, (torch.zeros(1, 4, 4).long(), ignored)) == ({}, reason)
    assert computed(task) == ({}, reason)


def test_each_validation_starts_anew() -> None:
    probabilities, target = predictions(3)
    beside = Beside(Classification(num_classes=CLASSES, metrics=(MacroF1(), Calibration())))
    beside.update(probabilities, target)
    first = beside.compute()
    beside.update(probabilities, target)
    assert beside.compute() == first


class Answer(torchmetrics.Metric):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def update(self, predictions: Any, targets: Any) -> None:
        pass

    def compute(self) -> Any:
        return self.answer


class Mine(MetricSettings):
    tasks: ClassVar[frozenset[str]] = frozenset({"classification"})
    kind: Literal["mine"] = "mine"
    answer: Any = None
    names: tuple[str, ...] = ("a", "b")

    @property
    def declared(self) -> tuple[Metric, ...]:
        return tuple(Metric(name, name, "", True) for name in self.names)

    def build(self, task: Any) -> Any:
        return Answer(self.answer) if self.answer is not list else []


class Task:
    def __init__(self, *metrics: MetricSettings) -> None:
        self.metrics = metrics


def test_a_metric_of_several_values_gives_them_by_name() -> None:
    found = computed(Task(Mine(answer={"a": torch.tensor(1.5), "b": float("inf")})), (0, 0))
    assert found == ({"a": 1.5}, {"b": "it is infinite"})


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"c": 1.0}, "metric mine computed c and declares a, b"),
        (1.0, "metric mine computed one value and declares a, b; give a mapping"),
    ],
)
def test_a_metric_that_computes_what_it_does_not_declare_is_told(answer: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        computed(Task(Mine(answer=answer)), (0, 0))


def test_a_metric_that_builds_something_else_is_told() -> None:
    with pytest.raises(TypeError, match=r"task.metrics: metric mine builds a list, no torchmetrics.Metric"):
        Beside(Task(Mine(answer=list)))


def test_the_truth_of_an_image_has_corners_labels_and_crowds() -> None:
    annotations = [
        {"image_id": 7, "category_id": 9, "bbox": [1, 2, 3, 4], "iscrowd": 0},
        {"image_id": 7, "category_id": 3, "bbox": [0, 0, 5, 5], "iscrowd": 1},
    ]
    truth = Truth({"annotations": annotations}, (3, 9))
    found = truth.of(7)
    assert found["boxes"].tolist() == [[1, 2, 4, 6], [0, 0, 5, 5]]
    assert (found["labels"].tolist(), found["crowd"].tolist()) == ([1, 0], [False, True])
    assert found["annotations"] == annotations
    assert truth.of(8)["boxes"].shape == (0, 4)


@pytest.mark.parametrize(("kind", "names"), [("classification", {"f1", "ece"}), ("semantic", {"mDice"})])
def test_a_result_has_the_metrics_beside_the_tasks_own(
    kind: str, names: set[str], experiment: Path, tmp_path: Path
) -> None:
    run = small(kind, experiment)
    assert train(run, tmp_path, "runs")
    result = files.read_json(tmp_path / "runs" / run.id / "result.json")
    assert result is not None
    assert names <= set(result["metrics"]) | set(result["unscored"])
    assert all(0 <= result["metrics"][name] <= 100 for name in names)
    assert {name: result["metric_info"][name]["unit"] for name in names} == dict.fromkeys(names, "%")
    assert names <= set(result["best"]["metrics"])


class Boxes(torchmetrics.Metric):
    def __init__(self) -> None:
        super().__init__()
        self.add_state("true", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("images", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, predictions: Any, targets: Any) -> None:
        assert len(predictions) == len(targets)
        assert all(
            found["boxes"].device == true["boxes"].device for found, true in zip(predictions, targets, strict=True)
        )
        self.images += len(targets)
        self.true += sum(len(each["boxes"]) for each in targets)

    def compute(self) -> Any:
        return {"a": self.true, "b": self.images}


class Counting(Mine):
    kind: Literal["counting"] = "counting"  # type: ignore[assignment]

    def build(self, task: Any) -> Any:
        return Boxes()


@pytest.mark.parametrize("kind", ["detection", "instance"])
def test_metrics_of_detection_get_the_truth_of_every_image(kind: str, experiment: Path, tmp_path: Path) -> None:
    run = small(kind, experiment)
    run = run.model_copy(update={"task": run.task.model_copy(update={"metrics": (Counting(),)})})
    assert train(run, tmp_path, "runs")
    result = files.read_json(tmp_path / "runs" / run.id / "result.json")
    assert result is not None
    truth = run.dataset.open(tmp_path / "data", "val", run.task.kind).ground_truth()
    assert result["metrics"]["b"] == len(truth["images"]) > 0
    assert result["metrics"]["a"] == len(truth["annotations"]) > 0
