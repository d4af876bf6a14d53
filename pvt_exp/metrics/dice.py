"""Mean Dice coefficient of a whole set: the mean over classes of 2 TP / (2 TP + FP + FN), counted in pixels."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pvt_exp.config.metrics import Metric
from pvt_exp.metrics import MetricSettings

if TYPE_CHECKING:
    from pvt_exp.nn.metrics.overlap import Dice


class Settings(MetricSettings):
    """From the pixels of all images together, as mIoU is, not a mean over images; absent classes do not count."""

    tasks: ClassVar[frozenset[str]] = frozenset({"semantic"})
    kind: Literal["dice"] = "dice"

    @property
    def declared(self) -> tuple[Metric, ...]:
        return (Metric("mDice", "mDice", "%", larger_is_better=True),)

    def build(self, task: Any) -> "Dice":
        from pvt_exp.nn.metrics.overlap import Dice

        return Dice(task.num_classes)
