"""The targets of detection and of instance segmentation.

Legend: N objects of an image, H W its pixels.
"""

from collections.abc import Sequence
from typing import Any, NotRequired, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class Target(TypedDict):
    """The objects of one image. Crowds are among them: training leaves them out, evaluation ignores what falls on them."""

    image_id: int
    boxes: NDArray[np.float32]
    """[N, 4], left, top, right and bottom edge in pixels; inside the image and larger than nothing."""
    labels: NDArray[np.int64]
    """[N], a class's place in the data set's list of classes, from 0."""
    crowd: NDArray[np.bool_]
    """[N], whether the box is around many objects that were not annotated one by one."""
    area: NDArray[np.float32]
    """[N], pixels of the mask, or of the box where there is none; sorts objects into small, medium and large."""
    masks: NotRequired[Sequence[NDArray[np.uint8]] | NDArray[np.uint8]]
    """N of [H, W] of 0 and 1, an array or decoded one by one; for the task ``instance``."""


class Instances(Protocol):
    """Samples of the task ``detection`` or ``instance``."""

    category_ids: tuple[int, ...]
    """The id in `ground_truth` of each class."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Image.Image, Target]: ...

    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each image, without decoding one."""
        ...

    def ground_truth(self) -> dict[str, Any]:
        """The annotations in COCO's format: ``images``, ``annotations`` and ``categories``."""
        ...
