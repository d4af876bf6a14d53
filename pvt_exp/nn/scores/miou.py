"""Mean intersection over union of a whole set, from one confusion matrix (as in PASCAL VOC and ADE20K).

The mean over batches or images is another number:
there a class is weighted by images, not by pixels. Legend: B images, H x W pixels, C classes, N pixels that count.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NAMES = ("mIoU", "pixel_accuracy", "class_accuracy")
PIXELS_AT_ONCE = 2**22
"""Counted together: some 150 MB are held for them."""


@dataclass(frozen=True)
class SemanticScores:
    """What a semantic segmentation scores, in percent."""

    metrics: dict[str, float]
    """``mIoU``; ``pixel_accuracy``; ``class_accuracy``, the mean of the classes' own. Nothing where no pixel counts."""
    iou: tuple[float | None, ...]
    """Of each class; None, and not part of the mean, for a class that is neither there nor predicted."""


class MeanIoU:
    """Counts pixels in integers on the device where they are, and divides at the end."""

    def __init__(self, num_classes: int, ignore: int = 255) -> None:
        self.num_classes, self.ignore = num_classes, ignore
        self.confusion_CC: Tensor | None = None
        """Pixels by true class and predicted class, int64."""

    def update(self, pred_BHW: Tensor, target_BHW: Tensor) -> None:
        """Count the pixels of some images; both are of class indices.

        Raises:
            ValueError: if the shapes differ, or a class is none of the data set's.
        """
        if pred_BHW.shape != target_BHW.shape:
            raise ValueError(f"predictions {tuple(pred_BHW.shape)} and truth {tuple(target_BHW.shape)} differ in shape")
        parts = (torch.split(each.flatten(), PIXELS_AT_ONCE) for each in (pred_BHW, target_BHW))
        for pred_N, target_N in zip(*parts, strict=True):
            self._count(pred_N, target_N)

    def _count(self, pred_N: Tensor, target_N: Tensor) -> None:
        C = self.num_classes
        counted = target_N != self.ignore
        target_N, pred_N = target_N[counted].long(), pred_N[counted].long()
        for what, index_N in (("the truth", target_N), ("a prediction", pred_N)):
            if (wrong := (index_N < 0) | (index_N >= C)).any():
                raise ValueError(
                    f"{what} has the class {int(index_N[wrong][0])}: classes are 0 to {C - 1}, "
                    f"and {self.ignore} in the truth is ignored"
                )
        counts_CC = torch.bincount(target_N * C + pred_N, minlength=C * C).reshape(C, C)
        self.confusion_CC = counts_CC if self.confusion_CC is None else self.confusion_CC + counts_CC

    def join(self, counts: Sequence[Tensor | None]) -> None:
        """Take the counts of all processes, this one's among them, for its own."""
        there = [each for each in counts if each is not None]
        self.confusion_CC = sum(there, torch.zeros_like(there[0])) if there else None

    def compute(self) -> SemanticScores:
        """The scores of all that was counted."""
        if self.confusion_CC is None or not self.confusion_CC.any():
            return SemanticScores({}, (None,) * self.num_classes)
        confusion_CC = self.confusion_CC.cpu().double()
        hit_C, true_C, pred_C = confusion_CC.diagonal(), confusion_CC.sum(1), confusion_CC.sum(0)
        iou_C = 100 * hit_C / (true_C + pred_C - hit_C)  # NaN where the class is nowhere
        overall, of_classes = 100 * hit_C.sum() / true_C.sum(), (100 * hit_C / true_C).nanmean()
        metrics = dict(zip(NAMES, map(float, (iou_C.nanmean(), overall, of_classes)), strict=True))
        return SemanticScores(metrics, tuple(None if value.isnan() else float(value) for value in iou_C))

    def reset(self) -> None:
        """Reset all counts."""
        self.confusion_CC = None
