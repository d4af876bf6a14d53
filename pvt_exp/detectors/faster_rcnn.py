"""Faster R-CNN (arXiv 1506.01497)."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pvt_exp.detectors._two_stage import TwoStage

if TYPE_CHECKING:
    from pvt_exp.necks import Neck
    from pvt_exp.nn.dense.mask_rcnn import FasterRCNN


class Settings(TwoStage):
    """Two stages, boxes."""

    tasks: ClassVar[frozenset[str]] = frozenset({"detection"})
    kind: Literal["faster_rcnn"] = "faster_rcnn"

    def build(self, backbone: Any, neck: "Neck", num_classes: int) -> "FasterRCNN":
        from pvt_exp.nn.dense.mask_rcnn import FasterRCNN

        return FasterRCNN(backbone, neck.build(backbone.channels, backbone.strides), num_classes, **self.own())
