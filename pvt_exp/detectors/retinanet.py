"""RetinaNet (arXiv 1708.02002), set up as in PVT's papers (2102.12122, section 5.2)."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pvt_exp.detectors import DetectorSettings

if TYPE_CHECKING:
    from pvt_exp.necks import Neck
    from pvt_exp.nn.dense.retinanet import RetinaNet


class Settings(DetectorSettings):
    """One stage, focal loss, over maps of strides 8 to 128."""

    tasks: ClassVar[frozenset[str]] = frozenset({"detection"})
    kind: Literal["retinanet"] = "retinanet"
    head_width: int = Field(256, ge=1)
    """Channels of the head's convolutions."""
    head_convs: int = Field(4, ge=0)
    """Convolutions before the last one, of classes and of boxes each."""
    anchor_scale: float = Field(4.0, ge=1)
    """Side of a map's smallest anchor over the map's stride."""

    def build(self, backbone: Any, neck: "Neck", num_classes: int) -> "RetinaNet":
        from pvt_exp.nn.dense.retinanet import RetinaNet

        return RetinaNet(backbone, neck.build(backbone.channels, backbone.strides, 8), num_classes, **self.own())
