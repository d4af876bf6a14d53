"""Mask R-CNN (arXiv 1703.06870), set up as in PVT's papers (2102.12122, section 5.2)."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pvt_exp.detectors._two_stage import TwoStage

if TYPE_CHECKING:
    from pvt_exp.necks import Neck
    from pvt_exp.nn.dense.mask_rcnn import MaskRCNN


class Settings(TwoStage):
    """Two stages, boxes and a mask in each."""

    tasks: ClassVar[frozenset[str]] = frozenset({"instance"})
    kind: Literal["mask_rcnn"] = "mask_rcnn"
    mask_width: int = Field(256, ge=1)
    """Channels of the mask head."""
    mask_convs: int = Field(4, ge=1, le=100)
    """Convolutions of the mask head."""

    def build(self, backbone: Any, neck: "Neck", num_classes: int) -> "MaskRCNN":
        from pvt_exp.nn.dense.mask_rcnn import MaskRCNN

        return MaskRCNN(backbone, neck.build(backbone.channels, backbone.strides), num_classes, **self.own())
