"""Boxes: RetinaNet (arXiv 1708.02002) or Faster R-CNN (1506.01497), set up as in PVT's papers (2102.12122, section 5.2)."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pvt_exp.config import Frozen
from pvt_exp.config.metrics import Metric
from pvt_exp.tasks._dense import Dense, Px, pad_to_multiple

if TYPE_CHECKING:
    from pvt_exp.config.run import Run
    from pvt_exp.nn.data.loader import Pipeline
    from pvt_exp.nn.tasks.detection import Detector


class Found(Frozen):
    """What counts as a detection."""

    score_threshold: float = Field(0.05, ge=0, lt=1)
    """Detections that score less are dropped before they are compared."""
    nms_threshold: float = Field(0.5, gt=0, le=1)
    """Of two boxes of one class that overlap more than this (IoU), the better one stays."""
    max_detections: int = Field(100, ge=1)
    """Most of an image, the best ones; COCO's figure is 100."""


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


class RetinaNet(Found):
    """One stage, focal loss, over maps of strides 8 to 128."""

    kind: Literal["retinanet"] = "retinanet"
    head_width: int = Field(256, ge=1)
    """Channels of the head's convolutions."""
    head_convs: int = Field(4, ge=0)
    """Convolutions before the last one, of classes and of boxes each."""
    anchor_scale: float = Field(4.0, ge=1)
    """Side of a map's smallest anchor over the map's stride."""


class TwoStage(Found):
    """What Faster and Mask R-CNN share: proposals over maps of strides 4 to 64, then a head for each."""

    head_width: int = Field(1024, ge=1)
    """Width of the two layers of the box head."""
    anchor_scale: float = Field(8.0, ge=1)
    """Side of a map's anchors over the map's stride."""
    max_proposals: int = Field(1000, ge=1)
    """Most proposals of an image."""
    sampled_regions: int = Field(512, ge=1)
    """Proposals of an image that the head is trained on, a quarter of them objects where there are so many."""
    smooth_l1_beta: float = Field(1 / 9, ge=0)
    """Error of an offset below which its loss is square (smooth L1), as torchvision has it; 0: L1, as mmdetection 2 has."""


class FasterRCNN(TwoStage):
    """Two stages, boxes."""

    kind: Literal["faster_rcnn"] = "faster_rcnn"


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

    def build(self, run: "Run") -> "Detector":
        from pvt_exp.nn.tasks.detection import Detector

        return Detector(run)

    def pipeline(self) -> "Pipeline":
        from pvt_exp.nn.data.augment_boxes import pipeline

        return pipeline(self)


class Settings(Boxes):
    """Boxes and their classes, scored as COCO does."""

    kind: Literal["detection"] = "detection"
    detector: Annotated[RetinaNet | FasterRCNN, Field(discriminator="kind")] = RetinaNet()
    """What finds the boxes in the pyramid."""

    @property
    def declared(self) -> tuple[Metric, ...]:
        return average_precisions(self.detector.max_detections, shown=("AP", "AP50", "AP75"))

    def model(self, backbone: Any) -> Any:
        """The detector over a built backbone."""
        settings = self.detector.model_dump(exclude={"kind"})
        if self.detector.kind == "retinanet":
            from pvt_exp.nn.dense.retinanet import RetinaNet as OneStage

            return OneStage(
                backbone, self.neck.build(backbone.channels, backbone.strides, 8), self.num_classes, **settings
            )
        from pvt_exp.nn.dense.mask_rcnn import FasterRCNN as BoxesOnly

        return BoxesOnly(backbone, self.neck.build(backbone.channels, backbone.strides), self.num_classes, **settings)
