"""Cross-entropy plus soft Dice (arXiv 1606.04797, section 3), which is usual for small objects in medical images."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pvt_exp.losses import LossSettings

if TYPE_CHECKING:
    from torch import nn


class Settings(LossSettings):
    """Cross-entropy, and 1 less the mean over images and classes of the soft Dice coefficient."""

    tasks: ClassVar[frozenset[str]] = frozenset({"semantic"})
    kind: Literal["cross_entropy_dice"] = "cross_entropy_dice"
    dice_weight: float = Field(1.0, gt=0)
    """Weight of the Dice part; the cross-entropy's is 1."""

    def build(self, task: Any) -> "nn.Module":
        from pvt_exp.nn import losses

        return losses.CrossEntropyDice(self.dice_weight)
