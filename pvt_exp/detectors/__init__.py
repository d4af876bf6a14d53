"""What finds objects in a pyramid of maps: ``detector: {kind: retinanet}``. Each file is a kind; here is what they share.

Contract of a built detector: a `pvt_exp.nn.dense.detector.Detector`, which has ``backbone``, ``neck`` and ``num_classes``;
``raw(images)``, all that MACs are counted over; and ``shaped_loss(images)``, a loss with the shapes of training, for memory.
``joint_loss`` is True where a loss is a mean over all images of a batch, so that a batch cannot be split.
"""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from pvt_exp.config.component import Component

if TYPE_CHECKING:
    from pvt_exp.necks import Neck
    from pvt_exp.nn.dense.detector import Detector


class DetectorSettings(Component):
    """Settings of a detector, light; `build` makes the module, heavy."""

    tasks: ClassVar[frozenset[str]] = frozenset()
    """Kinds of tasks that it serves: ``detection`` for boxes, ``instance`` for boxes and masks."""

    score_threshold: float = Field(0.05, ge=0, lt=1)
    """Detections that score less are dropped before they are compared."""
    nms_threshold: float = Field(0.5, gt=0, le=1)
    """Of two boxes of one class that overlap more than this (IoU), the better one stays."""
    max_detections: int = Field(100, ge=1)
    """Most of an image, the best ones; COCO's figure is 100."""

    def build(self, backbone: Any, neck: "Neck", num_classes: int) -> "Detector":
        """The detector over a built backbone, with a neck that it builds from its settings."""
        raise NotImplementedError

    def own(self) -> dict[str, Any]:
        """The fields and their values, without the kind: arguments of our detectors."""
        return self.model_dump(exclude={"kind"})
