"""Image classification with the DeiT-style recipe of both PVT papers (arXiv 2102.12122, section 5.1; 2106.13797, 4.1)."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from pvt_exp.config import DataError, Frozen
from pvt_exp.config.component import one_of
from pvt_exp.config.metrics import LOSS, Metric
from pvt_exp.datasets import Facts
from pvt_exp.system.words import several
from pvt_exp.tasks import MOST_CLASSES, Task

if TYPE_CHECKING:
    from pvt_exp.config.run import Run
    from pvt_exp.nn.data.loader import Pipeline
    from pvt_exp.nn.tasks.classification import Classifier


METRICS = (Metric("top1", "top-1", "%", True), LOSS, Metric("top5", "top-5", "%", True))


class Augment(Frozen):
    """What is done to each training image, drawn from (seed, epoch, sample)."""

    crop_scale: tuple[float, float] | None = (0.08, 1.0)
    """Area of the random crop as a share of the image; none: resize and centre crop, as in testing."""
    crop_ratio: tuple[float, float] = (0.75, 4 / 3)
    """Aspect ratio of the random crop."""
    flip: float = Field(0.5, ge=0, le=1)
    """Probability of a horizontal flip."""
    color_jitter: float | None = Field(None, gt=0)
    """Strength of brightness, contrast and saturation jitter; not beside `rand_augment`, as in timm."""
    rand_augment: str | None = Field(None, pattern=r"^rand(-[a-z]+[0-9.]+)+$")
    """timm's word for RandAugment (arXiv 1909.13719), for instance ``rand-m9-mstd0.5-inc1``."""
    erasing: float = Field(0.0, ge=0, le=1)
    """Probability of random erasing with noise (arXiv 1708.04896)."""
    repeats: int = Field(1, ge=1)
    """How often an image is drawn in one epoch, each time augmented anew, of correspondingly fewer images (1902.05509)."""

    @model_validator(mode="after")
    def _all_take_effect(self) -> "Augment":
        if self.color_jitter is not None and self.rand_augment is not None:
            raise ValueError("color_jitter has no effect beside rand_augment; leave one out")
        if self.crop_scale is None and self.crop_ratio != type(self).model_fields["crop_ratio"].default:
            raise ValueError("crop_ratio has no effect where crop_scale is null")
        return self


class Mixing(Frozen):
    """Mixup (arXiv 1710.09412) and CutMix (1905.04899), drawn once for each group of `Run.ghost_batch_size` images."""

    mixup: float = Field(0.8, ge=0)
    """Alpha of mixup's Beta distribution; 0 is off."""
    cutmix: float = Field(1.0, ge=0)
    """Alpha of CutMix's Beta distribution; 0 is off."""
    probability: float = Field(1.0, ge=0, le=1)
    """How likely a group is mixed at all."""
    switch: float = Field(0.5, ge=0, le=1)
    """How likely a mixed group gets CutMix rather than mixup, where both are on."""

    @model_validator(mode="after")
    def _mixes(self) -> "Mixing":
        if not self.mixup and not self.cutmix:
            raise ValueError("mixup and cutmix are both 0; write mixing: null")
        return self


class Settings(Task):
    """Top-1 accuracy on a labelled set of images."""

    kind: Literal["classification"] = "classification"
    num_classes: int = Field(ge=2, le=MOST_CLASSES)
    """Checked against the data before anything is launched."""
    image_px: int = Field(224, ge=16, le=4096)
    """Side of the square that is trained and tested on."""
    crop_pct: float = Field(0.875, gt=0, le=1)
    """In testing the short side is resized to ``image_px / crop_pct``, then the centre is cropped."""
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Of R, G, B in 0 to 1; the default is ImageNet's."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    loss: one_of("losses", task="classification") | None = None  # type: ignore[valid-type]
    """What is minimised; none: cross-entropy. The metric ``loss`` is cross-entropy in any case."""
    augment: Augment = Augment()
    mixing: Mixing | None = None

    @property
    def declared(self) -> tuple[Metric, ...]:
        return METRICS

    @property
    def train_px(self) -> tuple[int, int]:
        return self.image_px, self.image_px

    def check_data(self, facts: Facts) -> None:
        if len(facts.classes) != self.num_classes:
            raise DataError(
                f"the data have {several(len(facts.classes), 'class', 'classes')} and"
                f" the run says task.num_classes: {self.num_classes}"
            )

    def build(self, run: "Run") -> "Classifier":
        from pvt_exp.nn.tasks.classification import Classifier

        return Classifier(run)

    def pipeline(self) -> "Pipeline":
        from pvt_exp.nn.data.augment import pipeline

        return pipeline(self)
