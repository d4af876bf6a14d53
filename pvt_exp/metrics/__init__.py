"""Metrics beside a task's usual ones: ``metrics: [{kind: f1}]`` in a task. Each file is a kind; here is what they share.

Contract of a built metric (``pvt_exp/nn/metrics/``): a `torchmetrics.Metric`, so that its states follow the device and are
joined over ranks. ``update(predictions, targets)`` takes a batch of validation, or of semantic segmentation one image:

==================== ============================================== ====================================================
task                 predictions                                    targets
==================== ============================================== ====================================================
classification       [B, num_classes], probabilities, float32       [B], classes, int64
semantic             [1, H, W], classes of the pixels, int64        [1, H, W], int64; 255 is ignored
detection, instance  of each image ``boxes`` [P, 4] (left, top,     of each image ``boxes``, ``labels``, ``crowd`` [P]
                     right, bottom in pixels of the file),          (a box around many objects), and ``annotations``, as
                     ``labels``, ``scores`` [P], maybe ``masks``    COCO has them
==================== ============================================== ====================================================

``compute()`` gives the value of the one metric that is declared, or a mapping of names to values. NaN: nothing to score.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from pvt_exp.config.component import Component
from pvt_exp.config.metrics import Metric

if TYPE_CHECKING:
    import torchmetrics


class MetricSettings(Component):
    """Settings of a metric, light; `build` makes what computes, heavy."""

    tasks: ClassVar[frozenset[str]] = frozenset()
    """Kinds of tasks whose predictions it takes."""

    @property
    def declared(self) -> tuple[Metric, ...]:
        """What it computes: name, title, unit, and which direction is better."""
        raise NotImplementedError

    def build(self, task: Any) -> "torchmetrics.Metric":
        """What computes, for a task's settings; see the contract above."""
        raise NotImplementedError
