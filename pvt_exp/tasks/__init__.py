"""What is learnt: loss, head, augmentation, metrics. Each file is a kind; here is what they share."""

from typing import TYPE_CHECKING, ClassVar

from pvt_exp.component import Component
from pvt_exp.datasets import Facts

if TYPE_CHECKING:
    from pvt_exp.backbones import Backbone
    from pvt_exp.nn.loader import Pipeline
    from pvt_exp.nn.training import Training
    from pvt_exp.schema import Run


class Task(Component):
    """Settings of a task, light; `build` makes the LightningModule, heavy."""

    metric: ClassVar[str]
    """The metric that tables show first and that `best` goes by."""
    larger_is_better: ClassVar[bool] = True
    shown: ClassVar[tuple[str, ...]] = ()
    """The metrics that a table shows unless it says otherwise; empty: all that there are."""

    @property
    def train_px(self) -> tuple[int, int]:
        """Height and width of a training image."""
        raise NotImplementedError

    @property
    def test_px(self) -> tuple[int, int]:
        """Height and width of the largest image in testing."""
        return self.train_px

    @property
    def counted_px(self) -> tuple[int, int]:
        """Height and width that multiply-accumulates are counted at."""
        return self.train_px

    def check_backbone(self, backbone: "Backbone") -> None:
        """Raise ValueError if the backbone cannot serve this task, as far as that can be seen before it is built."""
        try:
            backbone.check(*self.train_px)
        except ValueError as error:
            raise ValueError(f"backbone: {error}; see also the task's image size") from None

    def check_data(self, facts: Facts) -> None:
        """Raise DataError if the data do not fit what the run says of them."""

    def build(self, run: "Run") -> "Training":
        """The model with its loss, metrics, optimizer and schedule."""
        raise NotImplementedError

    def pipeline(self) -> "Pipeline":
        """From what a reader gives to batches; see `pvt_exp.nn.loader`."""
        raise NotImplementedError
