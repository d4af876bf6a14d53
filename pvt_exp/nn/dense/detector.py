"""What detectors share: losses in training; in testing, detections in the pixels of the original images.

Shapes, as suffixes of names: as in `pvt_exp.nn.dense.boxes`.
"""

from typing import Any

from torch import Tensor, nn

from pvt_exp.nn.dense.boxes import Sizes, Target, full_sizes, to_original
from pvt_exp.nn.dense.masks import Pasted


class Detector(nn.Module):
    """A detector has a `pyramid`, `losses` and `detections`."""

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """The maps that the heads compute on."""
        raise NotImplementedError

    def losses(self, levels: list[Tensor], sizes: Sizes, targets: list[Target]) -> dict[str, Tensor]:
        """The losses of a batch, by name."""
        raise NotImplementedError

    def detections(self, levels: list[Tensor], sizes: Sizes) -> list[dict[str, Tensor]]:
        """For each image what `forward` returns, in the padded image's pixels; ``masks`` at the size of the mask head."""
        raise NotImplementedError

    def forward(
        self,
        images: Tensor,
        targets: list[Target] | None = None,
        sizes: Sizes | None = None,
        originals: Sizes | None = None,
    ) -> Any:
        """Losses in training; in testing, for each image, ``boxes`` [P, 4], ``labels`` and ``scores`` [P], best first.

        Args:
            images: [B, 3, H, W], padded.
            targets: for each image ``boxes`` [P, 4] and ``labels`` [P], from 0.
            sizes: height and width of each image without its padding; None: no image is padded.
            originals: sizes of the images before they were resized. Detections are in their pixels, or else in those
                of the padded image.
        """
        sizes = full_sizes(images, sizes)
        levels = self.pyramid(images)
        if self.training:
            assert targets is not None, "training needs targets"
            return self.losses(levels, sizes, targets)
        found: list[dict[str, Any]] = self.detections(levels, sizes)
        for each, size, original in zip(found, sizes, originals or sizes, strict=True):
            each["boxes"] = to_original(each["boxes"], size, original)
            if "masks" in each:
                each["masks"] = Pasted(each["masks"], each["boxes"], original)
        return found
