"""What the tasks with a pyramid of maps share. Sizes are in pixels, height before width."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pvt_exp.config import DataError
from pvt_exp.config.component import one_of
from pvt_exp.datasets import Facts
from pvt_exp.necks.fpn import Settings as Fpn
from pvt_exp.system.words import several
from pvt_exp.tasks import MOST_CLASSES, Task

if TYPE_CHECKING:
    from pvt_exp.backbones import Backbone

DIVISOR = 32
"""Images are padded or resized to multiples of it, the coarsest stride of a pyramid."""
Px = Annotated[int, Field(ge=16, le=8192)]
Side = Annotated[int, Field(ge=32, le=8192, multiple_of=DIVISOR)]


def pad_to_multiple(px: float) -> int:
    """The next multiple of `DIVISOR`."""
    return -int(-px // DIVISOR) * DIVISOR


class Dense(Task):
    """Settings that detection and segmentation share."""

    num_classes: int = Field(ge=1, le=MOST_CLASSES)
    """Checked against the data before anything is launched; for ``semantic``, with the background where it is a class."""
    neck: one_of("necks") = Fpn()  # type: ignore[valid-type]
    """What makes a pyramid of the backbone's maps."""
    pos_embed_px: int = Field(224, ge=16, le=4096)
    """Side of the images that position embeddings are made for, as in pretraining; they are interpolated to others."""
    macs_px: tuple[Side, Side] | None = None
    """Height and width that multiply-accumulates are counted at; none: those of training."""
    flip: float = Field(0.5, ge=0, le=1)
    """Probability that a training image is mirrored."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Of R, G, B in 0 to 1; the default is ImageNet's."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def counted_px(self) -> tuple[int, int]:
        return self.macs_px or self.train_px

    def check_data(self, facts: Facts) -> None:
        if why := facts.unfit.get(self.kind):  # type: ignore[attr-defined]
            raise DataError(why)
        names = facts.class_names(self.kind)  # type: ignore[attr-defined]
        if len(names) != self.num_classes:
            with_ground = f" ({names[0]} among them)" if len(names) > len(facts.classes) else ""
            raise DataError(
                f"the data have {several(len(names), 'class', 'classes')}{with_ground} and"
                f" the run says task.num_classes: {self.num_classes}"
            )

    def check_backbone(self, backbone: "Backbone") -> None:
        super().check_backbone(backbone)
        if strides := getattr(backbone, "strides", None):  # those of timm's models are known when they are built
            try:
                self.neck.check(strides)
            except ValueError as error:
                raise ValueError(f"task.neck: {error}") from None
