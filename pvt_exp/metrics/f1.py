"""Macro F1: the mean over classes of the harmonic mean of precision and recall, as torchmetrics computes it."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pvt_exp.config.metrics import Metric
from pvt_exp.metrics import MetricSettings

if TYPE_CHECKING:
    from pvt_exp.nn.metrics.overlap import MacroF1


class Settings(MetricSettings):
    """Every class counts the same, however many images it has; a class neither there nor predicted does not count."""

    tasks: ClassVar[frozenset[str]] = frozenset({"classification"})
    kind: Literal["f1"] = "f1"

    @property
    def declared(self) -> tuple[Metric, ...]:
        return (Metric("f1", "macro F1", "%", larger_is_better=True),)

    def build(self, task: Any) -> "MacroF1":
        from pvt_exp.nn.metrics.overlap import MacroF1

        return MacroF1(task.num_classes, average="macro", validate_args=False)
