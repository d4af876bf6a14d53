"""mIoU and its kin, beside numpy and torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex
from torchmetrics.segmentation import MeanIoU as PerImageIoU

from pvt_exp.nn.scores.miou import MeanIoU

Pair = tuple[torch.Tensor, torch.Tensor]


def images(seed: int, number: int = 6, classes: int = 7, height: int = 9, width: int = 14) -> Pair:
    """Predictions right in most pixels; classes of unequal size, and the last two in some images only."""
    draw = np.random.default_rng(seed)
    share = np.arange(classes, 0, -1) ** 2.0
    target = draw.choice(classes, (number, height, width), p=share / share.sum())
    target[1:][target[1:] >= classes - 2] = 0
    pred = np.where(draw.random(target.shape) < 0.6, target, draw.integers(classes, size=target.shape))
    target[draw.random(target.shape) < 0.1] = 255
    return torch.from_numpy(pred), torch.from_numpy(target.astype(np.uint8))


def counted(pred: torch.Tensor, target: torch.Tensor, classes: int, batch: int = 2) -> MeanIoU:
    metric = MeanIoU(classes)
    for p, t in zip(pred.split(batch), target.split(batch), strict=True):
        metric.update(p, t)
    return metric


def by_hand(pred: torch.Tensor, target: torch.Tensor, classes: int) -> tuple[list[float | None], list[float], float]:
    """IoU of each class, accuracy of each class in the truth, pixel accuracy: from sets of pixels."""
    p, t = pred.numpy()[target.numpy() != 255], target.numpy()[target.numpy() != 255]
    iou: list[float | None] = []
    accuracy = []
    for k in range(classes):
        union = np.logical_or(p == k, t == k).sum()
        iou.append(100 * np.logical_and(p == k, t == k).sum() / union if union else None)
        if (t == k).any():
            accuracy.append(100 * (p[t == k] == k).mean())
    return iou, accuracy, 100 * (p == t).mean()


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_are_those_of_counting_by_hand(seed: int) -> None:
    pred, target = images(seed)
    scores = counted(pred, target, 9).compute()  # of nine classes two are nowhere
    iou, accuracy, pixels = by_hand(pred, target, 9)
    assert scores.iou[7:] == (None, None) == tuple(iou[7:])
    assert scores.iou[:7] == pytest.approx(iou[:7])
    assert scores.metrics == pytest.approx(
        {"mIoU": np.mean(iou[:7]), "pixel_accuracy": pixels, "class_accuracy": np.mean(accuracy)}  # type: ignore[arg-type]
    )


def test_a_class_only_predicted_counts_as_zero_and_has_no_accuracy() -> None:
    metric = MeanIoU(4)
    metric.update(torch.tensor([[[0, 0, 1, 2]]]), torch.tensor([[[0, 0, 1, 1]]]))
    scores = metric.compute()
    assert scores.iou == (100, 50, 0, None)
    assert scores.metrics == {"mIoU": 50, "pixel_accuracy": 75, "class_accuracy": 75}


@pytest.mark.parametrize("seed", range(3))
def test_torchmetrics_says_the_same_where_it_means_the_same(seed: int) -> None:
    pred, target = images(seed)
    scores, long = counted(pred, target, 7).compute(), target.long()
    of_the_set = MulticlassJaccardIndex(7, ignore_index=255)
    each = MulticlassJaccardIndex(7, ignore_index=255, average="none")
    accuracy = MulticlassAccuracy(7, ignore_index=255, average="none")
    for p, t in zip(pred.split(2), long.split(2), strict=True):
        for metric in (of_the_set, each, accuracy):
            metric.update(p, t)
    assert scores.metrics["mIoU"] == pytest.approx(100 * float(of_the_set.compute()), abs=1e-4)
    assert scores.iou == pytest.approx((100 * each.compute()).tolist(), abs=1e-4)
    there = [k for k in range(7) if (target == k).any()]  # its own mean takes what is not there as wrong
    assert scores.metrics["class_accuracy"] == pytest.approx(100 * float(accuracy.compute()[there].mean()), abs=1e-4)
    # Its MeanIoU is the mean of the images' own, which is ours for one image only; it knows no pixels to ignore.
    per_image = PerImageIoU(7, input_format="index")
    whole = long.masked_fill(long == 255, 0)
    assert counted(pred[:1], whole[:1], 7).compute().metrics["mIoU"] == pytest.approx(
        100 * float(per_image(pred[:1], whole[:1])), abs=1e-4
    )


def test_the_mean_of_the_batches_is_another_number() -> None:
    target = torch.tensor([[[0, 0, 0, 1]], [[1, 1, 1, 1]]])
    pred = torch.tensor([[[0, 0, 0, 0]], [[1, 1, 1, 1]]])
    together = counted(pred, target, 2, batch=1).compute().metrics["mIoU"]
    assert together == counted(pred, target, 2, batch=2).compute().metrics["mIoU"] == pytest.approx((75 + 80) / 2)
    apart = [counted(p, t, 2).compute().metrics["mIoU"] for p, t in zip(pred.split(1), target.split(1), strict=True)]
    assert apart == pytest.approx([(75 + 0) / 2, 100])
    assert abs(sum(apart) / 2 - together) > 8


def test_what_was_predicted_where_the_truth_is_unknown_does_not_count() -> None:
    pred, target = images(1)
    other = torch.where(target == 255, (pred + 1) % 7, pred)
    assert not torch.equal(other, pred)
    assert counted(other, target, 7).compute() == counted(pred, target, 7).compute()


def test_counts_are_whole_numbers_and_exact_beyond_what_floats_hold() -> None:
    metric = counted(*images(2), classes=7)
    assert metric.confusion_CC is not None
    assert metric.confusion_CC.dtype == torch.int64
    assert int(metric.confusion_CC.sum()) == int((images(2)[1] != 255).sum())
    metric.confusion_CC[0, 0] = 2**53
    metric.update(torch.zeros(1, 1, 1, dtype=torch.int64), torch.zeros(1, 1, 1, dtype=torch.int64))
    assert int(metric.confusion_CC[0, 0]) == 2**53 + 1


def test_nothing_counted_has_no_figures_and_reset_forgets() -> None:
    metric = counted(*images(0), classes=7)
    metric.reset()
    assert metric.compute().metrics == {}
    metric.update(torch.zeros(1, 2, 2, dtype=torch.int64), torch.full((1, 2, 2), 255))
    assert metric.compute().metrics == {}
    assert metric.compute().iou == (None,) * 7


@pytest.mark.parametrize(
    ("pred", "target", "said"),
    [
        ([[[0, 1]]], [[[0, 7]]], "the truth has the class 7: classes are 0 to 6, and 255 in the truth is ignored"),
        ([[[0, 1]]], [[[-1, 1]]], "the truth has the class -1"),
        ([[[0, 9]]], [[[0, 1]]], "a prediction has the class 9"),
        ([[[0, 1]]], [[[0], [1]]], r"predictions \(1, 1, 2\) and truth \(1, 2, 1\) differ in shape"),
    ],
)
def test_a_class_that_is_none_is_told(pred: list[object], target: list[object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MeanIoU(7).update(torch.tensor(pred), torch.tensor(target))
