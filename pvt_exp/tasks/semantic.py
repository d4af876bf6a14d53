"""A class for each pixel: Semantic FPN (arXiv 1901.02446), in the set-up of PVT's papers (2102.12122, section 5.3)."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pvt_exp.config.component import one_of
from pvt_exp.config.metrics import Metric
from pvt_exp.tasks import MOST_CLASSES
from pvt_exp.tasks._dense import Dense, Px, Side, pad_to_multiple

if TYPE_CHECKING:
    from pvt_exp.config.run import Run
    from pvt_exp.nn.data.loader import Pipeline
    from pvt_exp.nn.tasks.semantic import Segmenter


class Settings(Dense):
    """The class of each pixel, scored by the mean over classes of intersection over union."""

    kind: Literal["semantic"] = "semantic"
    num_classes: int = Field(ge=2, le=MOST_CLASSES)
    """Checked against the data before anything is launched; with the background where it is a class."""
    head_width: int = Field(128, ge=1)
    """Channels of the head."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Probability that a channel is dropped before the last layer."""
    short_px: Px = 512
    """An image is resized until its short side is this, or its long side `long_px`, whichever is first."""
    long_px: Px = 2048
    """Most that the long side may be."""
    scale: tuple[float, float] = (0.5, 2.0)
    """In training both sides are multiplied by a number that is drawn between these."""
    crop_px: tuple[Side, Side] = (512, 512)
    """Height and width of the part that is trained on; smaller images are padded."""
    crop_most: float = Field(0.75, gt=0, le=1)
    """A part in which one class has more than this share of the pixels is drawn anew, up to ten times; 1: never."""
    loss: one_of("losses", task="semantic") | None = None  # type: ignore[valid-type]
    """What is minimised; none: cross-entropy."""
    photometric: bool = True
    """Random brightness, contrast, saturation and hue in training (arXiv 1512.02325, section 2.2)."""

    @property
    def declared(self) -> tuple[Metric, ...]:
        return (
            Metric("mIoU", "mIoU", "%", True),
            Metric("pixel_accuracy", "pixel accuracy", "%", True),
            Metric("class_accuracy", "class accuracy", "%", True, shown=False),
        )

    @property
    def train_px(self) -> tuple[int, int]:
        return pad_to_multiple(self.crop_px[0]), pad_to_multiple(self.crop_px[1])

    @property
    def test_px(self) -> tuple[int, int]:
        return pad_to_multiple(min(self.short_px, self.long_px)), pad_to_multiple(self.long_px)

    def model(self, backbone: Any) -> Any:
        """The network over a built backbone."""
        from pvt_exp.nn.dense.semantic_fpn import SemanticFPN

        neck = self.neck.build(backbone.channels, backbone.strides)
        return SemanticFPN(backbone, neck, self.num_classes, head_width=self.head_width, dropout=self.dropout)

    def build(self, run: "Run") -> "Segmenter":
        from pvt_exp.nn.tasks.semantic import Segmenter

        return Segmenter(run)

    def pipeline(self) -> "Pipeline":
        from pvt_exp.nn.data.augment_semantic import pipeline

        return pipeline(self)
