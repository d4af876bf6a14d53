"""What is minimised in place of a task's own cross-entropy: ``loss: {kind: bce}``. Each file is a kind.

Contract of a built loss: a `torch.nn.Module` without parameters, called with logits and targets, which gives a scalar:

============== ==================== ========================================================================
task           logits               targets
============== ==================== ========================================================================
classification [B, num_classes]     [B], classes, int64; where images are mixed [B, num_classes], probabilities
semantic       [B, C, H, W]         [B, H, W], classes of the pixels, int64; `IGNORED` is ignored
============== ==================== ========================================================================
"""

from typing import TYPE_CHECKING, Any, ClassVar

from pvt_exp.config.component import Component

if TYPE_CHECKING:
    from torch import nn

IGNORED = 255
"""The class of pixels that do not count."""


class LossSettings(Component):
    """Settings of a loss, light; `build` makes what computes, heavy."""

    tasks: ClassVar[frozenset[str]] = frozenset()
    """Kinds of tasks that it serves."""
    joint: ClassVar[bool] = False
    """Whether it is no mean over images, so that a batch cannot be computed in parts."""

    def build(self, task: Any) -> "nn.Module":
        """What computes, for a task's settings; see the contract above."""
        raise NotImplementedError
