"""Boxes, in the set-up of PVT's papers (arXiv 2102.12122, section 5.2)."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pvt_exp.config import Frozen
from pvt_exp.config.component import one_of
from pvt_exp.config.metrics import Metric
from pvt_exp.detectors.retinanet import Settings as RetinaNet
from pvt_exp.tasks._dense import Dense, Px, pad_to_multiple

if TYPE_CHECKING:
    from pvt_exp.config.run import Run
    from pvt_exp.nn.data.loader import Pipeline
    from pvt_exp.nn.tasks.detection import Detector


COCO_DETECTIONS = 100
"""Detections of an image that count in COCO's own AP."""


def average_precisions(max_detections: int, prefix: str = "", shown: tuple[str, ...] = ()) -> tuple[Metric, ...]:
    """COCO's metrics of one kind of detection; the title says how many detections count where that is not COCO's number."""
    of = "" if max_detections == COCO_DETECTIONS else f" ({max_detections} detections)"
    before = f"{prefix} " if prefix else ""
    return tuple(
        Metric(f"{prefix}_{name}" if prefix else name, f"{before}{name}{of}", "%", True, shown=name in shown)
        for name in ("AP", "AP50", "AP75", "APs", "APm", "APl")
    )


class Crop(Frozen):
    """DETR's second way to scale (arXiv 2005.12872, section 4), taken for half of the images."""

    short_px: tuple[Px, ...] = Field((400, 500, 600), min_length=1)
    """The short side is resized to one of these first."""
    side_px: tuple[Px, Px] = (384, 600)
    """Then a rectangle is cut whose sides are drawn between these; what is left is resized as the others are."""


class Boxes(Dense):
    """What detection and instance segmentation share: images keep their aspect ratio and are padded."""

    groups_by_shape: ClassVar[bool] = True

    short_px: tuple[Px, ...] = Field((800,), min_length=1)
    """Short side of a training image, one of these; less where the long side would be over `long_px`."""
    long_px: Px = 1333
    """Most that the long side of a training image may be."""
    test_short_px: Px = Field(default_factory=lambda said: max(said["short_px"]))
    """Short side in testing; less where the long side would be over `test_long_px`. Left out: the largest `short_px`."""
    test_long_px: Px = Field(default_factory=lambda said: said["long_px"])
    """Most that the long side may be in testing. Left out: `long_px`."""
    crop: Crop | None = None
    """Cut a part out of half of the training images first; none: never."""

    @property
    def train_px(self) -> tuple[int, int]:
        short = max(self.short_px)
        return pad_to_multiple(min(short, self.long_px)), pad_to_multiple(max(short, self.long_px))

    @property
    def test_px(self) -> tuple[int, int]:
        return pad_to_multiple(min(self.test_short_px, self.test_long_px)), pad_to_multiple(
            max(self.test_short_px, self.test_long_px)
        )

    def model(self, backbone: Any) -> Any:
        """The detector over a built backbone."""
        return self.detector.build(backbone, self.neck, self.num_classes)  # type: ignore[attr-defined]

    def build(self, run: "Run") -> "Detector":
        from pvt_exp.nn.tasks.detection import Detector

        return Detector(run)

    def pipeline(self) -> "Pipeline":
        from pvt_exp.nn.data.augment_boxes import pipeline

        return pipeline(self)


class Settings(Boxes):
    """Boxes and their classes, scored as COCO does."""

    kind: Literal["detection"] = "detection"
    detector: one_of("detectors", task="detection") = RetinaNet()  # type: ignore[valid-type]
    """What finds the boxes in the pyramid."""

    @property
    def declared(self) -> tuple[Metric, ...]:
        return average_precisions(self.detector.max_detections, shown=("AP", "AP50", "AP75"))
