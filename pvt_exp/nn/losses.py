"""Losses of classification and of semantic segmentation.

Shapes, as suffixes of names: B images, C classes, H x W pixels.
"""

import torch
from timm.loss.binary_cross_entropy import BinaryCrossEntropy
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from pvt_exp.losses import IGNORED

SMOOTH = 1.0
"""Pixels that are added to both parts of the fraction, so that a class that is nowhere has a Dice of almost 1."""


def binary_cross_entropy(smoothing: float, threshold: float | None) -> nn.Module:
    """Timm's, of logits [B, C] and classes [B] or probabilities [B, C]."""
    made: nn.Module = BinaryCrossEntropy(smoothing=smoothing, target_threshold=threshold)
    return made


def cross_entropy_of_pixels(logits_BCHW: Tensor, labels_BHW: Tensor) -> Tensor:
    """The mean over all pixels, those that are ignored too, as mmsegmentation does."""
    return F.cross_entropy(logits_BCHW, labels_BHW, ignore_index=IGNORED, reduction="none").mean()


class CrossEntropyDice(nn.Module):
    """Cross-entropy and soft Dice; both are means over images."""

    def __init__(self, dice_weight: float) -> None:
        super().__init__()
        self.dice_weight = dice_weight

    def forward(self, logits_BCHW: Tensor, labels_BHW: Tensor) -> Tensor:
        counts_B1HW = (labels_BHW != IGNORED)[:, None]
        true_BCHW = torch.zeros_like(logits_BCHW, dtype=torch.float32)
        true_BCHW.scatter_(1, labels_BHW.where(counts_B1HW[:, 0], 0)[:, None], 1.0)
        true_BCHW, pred_BCHW = true_BCHW * counts_B1HW, logits_BCHW.float().softmax(1) * counts_B1HW
        both_BC, sum_BC = (true_BCHW * pred_BCHW).sum((2, 3)), (true_BCHW + pred_BCHW).sum((2, 3))
        dice = ((2 * both_BC + SMOOTH) / (sum_BC + SMOOTH)).mean()
        return cross_entropy_of_pixels(logits_BCHW, labels_BHW) + self.dice_weight * (1 - dice)
