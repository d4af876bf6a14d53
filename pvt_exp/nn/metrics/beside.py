"""The metrics that a task takes beside its usual ones, during validation."""

import math
from collections.abc import Mapping
from typing import Any

import torchmetrics
from torch import nn

from pvt_exp.metrics import MetricSettings
from pvt_exp.nn import ranks


class Beside(nn.Module):
    """Builds the metrics of a task, hands predictions and targets to each, and computes all at the end."""

    def __init__(self, task: Any) -> None:
        """Raises TypeError if a kind builds what is no `torchmetrics.Metric`."""
        super().__init__()
        self.settings: tuple[MetricSettings, ...] = task.metrics
        built = [each.build(task) for each in self.settings]
        for settings, each in zip(self.settings, built, strict=True):
            if not isinstance(each, torchmetrics.Metric):
                what = type(each).__name__
                raise TypeError(f"task.metrics: {_kind(settings)} builds a {what}, no torchmetrics.Metric")
        self.built = nn.ModuleList(built)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.settings)

    def update(self, predictions: Any, targets: Any) -> None:
        """Give each metric predictions and targets as `pvt_exp.metrics` has them."""
        for built in self.built:
            built.update(predictions, targets)  # type: ignore[operator]

    def compute(self) -> tuple[dict[str, float], dict[str, str]]:
        """The values by name, and why others have none; then starts anew. All ranks must call it.

        Raises:
            ValueError: if a metric computes what its settings do not declare.
        """
        values: dict[str, float] = {}
        for settings, built in zip(self.settings, self.built, strict=True):
            assert isinstance(built, torchmetrics.Metric)
            if ranks.any_of(built.update_called):
                values |= _named(settings, built.compute())
            built.reset()
        names = [each.name for settings in self.settings for each in settings.declared]
        scored = {name: value for name, value in values.items() if math.isfinite(value)}
        return scored, {name: _why_not(values.get(name)) for name in names if name not in scored}


def _named(settings: MetricSettings, computed: Any) -> dict[str, float]:
    declared = [each.name for each in settings.declared]
    if not isinstance(computed, Mapping):
        if len(declared) != 1:
            raise ValueError(f"{_kind(settings)} computed one value and declares {', '.join(declared)}; give a mapping")
        computed = {declared[0]: computed}
    if unknown := [name for name in computed if name not in declared]:
        raise ValueError(f"{_kind(settings)} computed {unknown[0]} and declares {', '.join(declared)}")
    return {name: float(value) for name, value in computed.items()}


def _why_not(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "nothing that is scored by it is in the images"
    return "it is infinite"


def _kind(settings: MetricSettings) -> str:
    return f"metric {settings.kind}"  # type: ignore[attr-defined]
