"""What is learnt: loss, head, augmentation, metrics. Each file is a kind; here is what they share."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import model_validator

from pvt_exp.config.component import Component, in_words, of_package, one_of, origin
from pvt_exp.config.metric_names import wrong_among
from pvt_exp.config.metrics import Metric, undeclared, wrong_in
from pvt_exp.datasets import Facts

if TYPE_CHECKING:
    from pvt_exp.backbones import Backbone
    from pvt_exp.config.run import Run
    from pvt_exp.nn.data.loader import Pipeline
    from pvt_exp.nn.tasks.training import Training


MOST_CLASSES = 1_000_000
"""More than any data set has: a slip of the keyboard would fill the memory."""


class Task(Component):
    """Settings of a task, light; `build` makes the LightningModule, heavy."""

    groups_by_shape: ClassVar[bool] = False
    """Whether images are grouped by their shape, as `Pipeline.shapes` does; then a rest of each shape is left out."""

    metrics: tuple[one_of("metrics"), ...] = ()  # type: ignore[valid-type]
    """Metrics beside the task's usual ones: ``[{kind: f1}]``."""

    @property
    def declared(self) -> tuple[Metric, ...]:
        """The task's usual metrics, at least one; tuning and the best epoch go by the first."""
        raise ValueError(f"kind {self._kind} declares no metrics; it needs a property 'declared', docs/tables.md")

    @property
    def all_metrics(self) -> tuple[Metric, ...]:
        """The metrics of its results: the usual ones, then those of `metrics`."""
        return (*self.declared, *(each for settings in self.metrics for each in settings.declared))

    @property
    def first_metric(self) -> Metric:
        """What tables show first, and what tuning and the best epoch go by.

        Raises:
            ValueError: if the task declares none, or does not say which direction of it is better.
        """
        return self._first_of(self.declared)

    def _first_of(self, declared: tuple[Metric, ...]) -> Metric:
        if not declared:
            raise ValueError(f"kind {self._kind} declares no metrics")
        first = declared[0]
        if first.larger_is_better is None:
            raise ValueError(
                f"kind {self._kind} declares {first.name} first and does not say whether larger is better, "
                "which tuning and the best epoch go by"
            )
        return first

    @model_validator(mode="after")
    def _declares_its_metrics(self) -> "Task":
        names = [each.name for each in _declared_by(self)]
        self._first_of(self.declared)
        if len(set(names)) < len(names):
            raise ValueError(f"kind {self._kind} declares a metric twice: {', '.join(names)}")
        for settings in self.metrics:
            if self._kind not in settings.tasks:
                serves = ", ".join(sorted(settings.tasks))
                raise ValueError(f"metrics: kind {settings.kind} does not score {self._kind}; it scores {serves}")
            names += (own := [each.name for each in _declared_by(settings)])
            if twice := next((name for name in own if names.count(name) > 1), None):
                raise ValueError(f"metrics: kind {settings.kind} computes {twice}, which another metric is called")
        if wrong := wrong_among(names):
            raise ValueError(f"metrics: {wrong}")
        return self

    @property
    def metric(self) -> str:
        """The name of the first metric."""
        return self.first_metric.name

    @property
    def larger_is_better(self) -> bool:
        """The direction of the first metric."""
        return bool(self.first_metric.larger_is_better)

    def describe(self, name: str) -> Metric:
        """What is declared of a metric; one that is not declared has no unit and no direction."""
        return next((each for each in self.all_metrics if each.name == name), undeclared(name))

    @property
    def _kind(self) -> str:
        return str(getattr(self, "kind", type(self).__module__))

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
        """From samples to batches; see `pvt_exp.nn.data.loader`."""
        raise NotImplementedError


def _declared_by(settings: Any) -> tuple[Metric, ...]:
    """What a task or a metric, maybe of another package, declares; raises ValueError with what is wrong with it."""
    try:
        declared: tuple[Metric, ...] = settings.declared
        wrong = wrong_in(declared)
    except Exception as error:
        if isinstance(error, ValueError) and origin(type(settings)) is None:
            raise  # ours says what it is about
        wrong = in_words(error)
    if wrong:
        kind = getattr(settings, "kind", "")
        raise ValueError(f"{of_package(type(settings))}: the property 'declared' of kind {kind}: {wrong}")
    return declared
