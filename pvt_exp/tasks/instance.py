"""Boxes and masks, in the set-up of PVT's papers (arXiv 2102.12122, section 5.2)."""

from typing import Literal

from pvt_exp.config.component import one_of
from pvt_exp.config.metrics import Metric
from pvt_exp.detectors.mask_rcnn import Settings as MaskRCNN
from pvt_exp.tasks.detection import Boxes, average_precisions


class Settings(Boxes):
    """Objects and their masks, scored as COCO does, by the mask and by the box."""

    kind: Literal["instance"] = "instance"
    detector: one_of("detectors", task="instance", usual="mask_rcnn") = MaskRCNN()  # type: ignore[valid-type]
    """What finds the objects in the pyramid."""

    @property
    def declared(self) -> tuple[Metric, ...]:
        most = self.detector.max_detections
        return tuple(each for kind in ("mask", "box") for each in average_precisions(most, kind, shown=("AP", "AP50")))
