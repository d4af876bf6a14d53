"""F1 of classes, in percent, and Dice, which is the F1 of pixels."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassF1Score

IGNORED = 255
"""The class of pixels that do not count, see `pvt_exp.nn.data.augment_semantic`."""
PIXELS_AT_ONCE = 2**22
"""Counted together, so that a large photograph takes no gigabytes."""


class MacroF1(MulticlassF1Score):
    """Torchmetrics', in percent; NaN where nothing was counted. Takes probabilities [B, C] or classes, and classes [B]."""

    def compute(self) -> Tensor:
        counted: Any = self.tp + self.fp + self.fn  # type: ignore[operator]
        if not counted.any():
            return torch.tensor(torch.nan)
        return 100 * super().compute()


class Dice(MacroF1):
    """Takes classes of pixels, predicted and true, of any shape."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="macro", ignore_index=IGNORED, validate_args=False)

    def update(self, preds: Tensor, target: Tensor) -> None:
        parts = (torch.split(each.flatten(), PIXELS_AT_ONCE) for each in (preds, target))
        for preds_N, target_N in zip(*parts, strict=True):
            super().update(preds_N, target_N)
