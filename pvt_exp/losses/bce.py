"""Binary cross-entropy of each class by itself, as in DeiT III (arXiv 2204.07118) and "ResNet strikes back" (2110.00476)."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pvt_exp.losses import LossSettings

if TYPE_CHECKING:
    from torch import nn


class Settings(LossSettings):
    """Each class is a yes or no of its own; the mean over classes. `label_smoothing` of the task holds."""

    tasks: ClassVar[frozenset[str]] = frozenset({"classification"})
    kind: Literal["bce"] = "bce"
    target_threshold: float | None = Field(None, gt=0, lt=1)
    """Probabilities of mixed targets above it count as 1, others as 0 (2110.00476, section 3); none: as they are."""

    def build(self, task: Any) -> "nn.Module":
        from pvt_exp.nn import losses

        return losses.binary_cross_entropy(task.label_smoothing, self.target_threshold)
