"""A task declares its metrics: unit, direction and title go from there to tables, tuning, W&B and the terminal."""

import pytest

from pvt_exp import config
from pvt_exp.config.component import kinds
from pvt_exp.config.metrics import LOSS, Metric, described, number
from pvt_exp.detectors.mask_rcnn import Settings as MaskRCNN
from pvt_exp.detectors.retinanet import Settings as RetinaNet
from pvt_exp.tables import Source, ablation
from pvt_exp.tables._metrics import ranks
from pvt_exp.tasks import Task
from pvt_exp.tasks.classification import Settings as Classification
from pvt_exp.tasks.detection import Settings as Detection
from pvt_exp.tasks.instance import Settings as Instance
from tests.unit.test_tables import BASE, sweep


def test_a_task_that_declares_nothing_or_no_direction_is_told() -> None:
    with pytest.raises(ValueError, match="declares no metrics; it needs a property 'declared'"):
        config.make(Task, {})

    class Aimless(Task):
        @property
        def declared(self) -> tuple[Metric, ...]:
            return (Metric("bias", "bias", "", None),)

    with pytest.raises(ValueError, match="declares bias first and does not say whether larger is better"):
        config.make(Aimless, {})

    class Double(Task):
        @property
        def declared(self) -> tuple[Metric, ...]:
            return (LOSS, LOSS)

    with pytest.raises(ValueError, match="declares a metric twice: loss, loss"):
        config.make(Double, {})


def test_our_tasks_declare_each_metric_once_with_a_direction() -> None:
    for settings in kinds("tasks").values():
        declared = config.make(settings, {"num_classes": 2}).declared  # type: ignore[attr-defined]
        assert len({each.name for each in declared}) == len(declared)
        assert all(each.larger_is_better is not None for each in declared)


@pytest.mark.parametrize(("most", "title"), [(100, "AP"), (300, "AP (300 detections)"), (20, "AP (20 detections)")])
def test_ap_of_another_number_of_detections_than_cocos_is_called_so(most: int, title: str) -> None:
    detection = Detection(num_classes=3, detector=RetinaNet(max_detections=most))
    assert detection.describe("AP").title == title
    instance = Instance(num_classes=3, detector=MaskRCNN(max_detections=most))
    assert (instance.describe("mask_AP").title, instance.describe("box_AP").title) == (f"mask {title}", f"box {title}")
    assert detection.describe("AP").head == ("AP (%)" if most == 100 else f"AP ({most} detections, %)")


def test_rows_with_other_numbers_of_detections_are_marked() -> None:
    plan, outcomes = sweep([(BASE, [30.0] * 3), (({"detections": "300"},), [31.0] * 3)])
    for variant, most in zip(plan.variants, (100, 300), strict=True):
        for run in variant.runs:
            run.task = Detection(num_classes=3, detector=RetinaNet(max_detections=most))
            found = outcomes[run.id].result
            found["metrics"] = {"AP": found["metrics"]["top1"]}
    made = ablation.Settings(sweep="s.yaml").build([Source(plan, outcomes)])
    (mark,) = made.rows[1].marks
    assert {note.mark: note.text for note in made.notes}[mark] == "its AP is AP (300 detections, %)"
    assert made.columns[0].title == "AP (%)"
    assert not made.rows[0].marks


def test_a_name_says_nothing() -> None:
    """Neither 'loss' in a name makes a loss, nor its absence a score in percent."""
    assert Classification(num_classes=4).describe("floss") == Metric("floss", "floss", "", None, is_declared=False)
    assert Classification(num_classes=4).describe("score").unit == ""
    assert ranks([1.0, 2.0, 3.0], None) == (None, None)
    assert ranks([1.0, 2.0, 3.0], False) == (1.0, 2.0)
    assert ranks([1.0, 2.0, 3.0], True) == (3.0, 2.0)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        (Metric("a", "a", "%", True), 71.234, "71.23 %"),
        (Metric("a", "a", "m", False), 0.51234, "0.5123 m"),
        (LOSS, 0.9, "0.9"),
        (LOSS, 4.21e43, "4.21e+43"),
        (Metric("a", "a", "%", True), 4.21e43, "4.210e+43 %"),
    ],
)
def test_a_value_alone_is_short_and_has_its_unit(metric: Metric, value: float, text: str) -> None:
    assert metric.text(value) == text


def test_a_result_says_its_units_itself() -> None:
    told = {
        "metrics": {"top1": 71.0, "x": 2.0},
        "metric_info": {"top1": Classification(num_classes=2).declared[0].info()},
    }
    assert described(told) == ["top1 71.00 %", "x 2"]
    for odd in (None, [], {"x": 3}, {"x": {"unit": 3}}):
        assert described({"metrics": {"x": 2.0}, "metric_info": odd}) == ["x 2"]


def test_numbers_are_never_minus_zero_and_never_long() -> None:
    assert [number(value, 2) for value in (-0.001, 12.5, -2.5e300, 9_999_999.0)] == [
        "0.00", "12.50", "-2.500e+300", "9999999.00",
    ]  # fmt: skip
    assert number(2.5e300, 1, "+") == "+2.500e+300"
