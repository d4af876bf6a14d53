"""Boxes and masks: Mask R-CNN (arXiv 1703.06870), in the set-up of PVT's papers (2102.12122, section 5.2)."""

from typing import Any, Literal

from pydantic import Field

from pvt_exp.config.metrics import Metric
from pvt_exp.tasks.detection import Boxes, TwoStage, average_precisions


class MaskRCNN(TwoStage):
    """Two stages, boxes and a mask in each."""

    kind: Literal["mask_rcnn"] = "mask_rcnn"
    mask_width: int = Field(256, ge=1)
    """Channels of the mask head."""
    mask_convs: int = Field(4, ge=1, le=100)
    """Convolutions of the mask head."""


class Settings(Boxes):
    """Objects and their masks, scored as COCO does, by the mask and by the box."""

    kind: Literal["instance"] = "instance"
    detector: MaskRCNN = MaskRCNN()
    """What finds the objects in the pyramid."""

    @property
    def declared(self) -> tuple[Metric, ...]:
        most = self.detector.max_detections
        return tuple(each for kind in ("mask", "box") for each in average_precisions(most, kind, shown=("AP", "AP50")))

    def model(self, backbone: Any) -> Any:
        """The detector over a built backbone."""
        from pvt_exp.nn.dense.mask_rcnn import MaskRCNN as Model

        neck = self.neck.build(backbone.channels, backbone.strides)
        return Model(backbone, neck, self.num_classes, **self.detector.model_dump(exclude={"kind"}))
