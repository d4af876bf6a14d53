"""Expected calibration error (Guo et al. 2017, arXiv 1706.04599, section 2): how far confidence is from accuracy."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pvt_exp.config.metrics import Metric
from pvt_exp.metrics import MetricSettings

if TYPE_CHECKING:
    from pvt_exp.nn.metrics.calibration import CalibrationError

PAPERS_BINS = 15
"""Of Guo et al., Table 1."""


class Settings(MetricSettings):
    """Mean over bins of the confidence's distance from the accuracy, weighted by the images in the bin."""

    tasks: ClassVar[frozenset[str]] = frozenset({"classification"})
    kind: Literal["calibration"] = "calibration"
    bins: int = Field(PAPERS_BINS, ge=1, le=10_000)
    """Bins of equal width from 0 to 1 into which images are sorted by the probability of their likeliest class."""

    @property
    def declared(self) -> tuple[Metric, ...]:
        title = "ECE" if self.bins == PAPERS_BINS else f"ECE ({self.bins} bins)"
        return (Metric("ece", title, "%", larger_is_better=False),)

    def build(self, task: Any) -> "CalibrationError":
        from pvt_exp.nn.metrics.calibration import CalibrationError

        return CalibrationError(task.num_classes, n_bins=self.bins)
