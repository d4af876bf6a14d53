"""Transforms of an image and its label map, in training and in testing, as in mmsegmentation.

All randomness is drawn from torch's global generator, which `seeding.draw_from` makes follow from the sample.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F  # noqa: N812

from pvt_exp.datasets._mask_values import IGNORED
from pvt_exp.nn.data.augment import ToNormalTensor
from pvt_exp.nn.data.augment_boxes import collate, fit
from pvt_exp.nn.data.loader import Pipeline
from pvt_exp.nn.data.packed import packed
from pvt_exp.tasks._dense import pad_to_multiple

if TYPE_CHECKING:
    from pvt_exp.tasks.semantic import Settings

TRIES = 10
VAL_IMAGES = 16


def pipeline(task: "Settings") -> Pipeline:
    """From images and label maps to batches."""
    return Pipeline(Train(task), Test(task), collate, val_images=VAL_IMAGES, blank=np.zeros((1, 1), np.uint8))


class Train:
    """Random scale, random crop that is not all of one class, random flip, colour distortion, normalise, pad."""

    def __init__(self, task: "Settings") -> None:
        self.task, self.normal = task, ToNormalTensor(task.mean, task.std)
        self.distort = v2.RandomPhotometricDistort() if task.photometric else None

    def __call__(self, image: Any, target: NDArray[np.uint8]) -> tuple[Tensor, dict[str, Any]]:
        task, original = self.task, (image.height, image.width)
        labels: Any = tv_tensors.Mask(torch.from_numpy(np.array(target))[None])
        low, high = task.scale
        scale = low + (high - low) * float(torch.rand(()))
        size = fit(*original, max(1, round(task.short_px * scale)), max(1, round(task.long_px * scale)))
        image, labels = F.resize(image, list(size)), F.resize(labels, list(size))[0]  # a Mask's are never mixed
        part = self._part(labels)
        image, labels = F.crop(image, *part), F.crop(labels, *part)
        if torch.rand(()) < task.flip:
            image, labels = F.horizontal_flip(image), F.horizontal_flip(labels)
        if self.distort is not None:
            image = self.distort(image)
        padded = torch.full(task.crop_px, IGNORED, dtype=torch.uint8)
        padded[: labels.shape[0], : labels.shape[1]] = labels
        pixels = torch.zeros(3, *task.crop_px)
        pixels[:, : labels.shape[0], : labels.shape[1]] = self.normal(image)
        return pixels, {"target": padded, "size": task.crop_px, "original": original, "id": 0}

    def _part(self, labels: Tensor) -> tuple[int, int, int, int]:
        """Top, left, height and width of the crop."""
        height, width = (min(side, whole) for side, whole in zip(self.task.crop_px, labels.shape, strict=True))
        top = left = 0
        for _ in range(TRIES):
            top = int(torch.randint(0, labels.shape[0] - height + 1, ()))
            left = int(torch.randint(0, labels.shape[1] - width + 1, ()))
            if self.task.crop_most >= 1:
                break
            counts = torch.bincount(labels[top : top + height, left : left + width].flatten(), minlength=256)[:IGNORED]
            if (counts > 0).sum() > 1 and counts.max() < self.task.crop_most * counts.sum():
                break
        return top, left, height, width


class Test:
    """Scale to a size that is a multiple of 32, normalise; the label map stays as it is on disk."""

    __test__ = False  # for pytest

    def __init__(self, task: "Settings") -> None:
        self.task, self.normal = task, ToNormalTensor(task.mean, task.std)

    def __call__(self, image: Image.Image, target: NDArray[np.uint8]) -> tuple[Tensor, dict[str, Any]]:
        original = (image.height, image.width)
        height, width = fit(*original, self.task.short_px, self.task.long_px)
        size = (pad_to_multiple(height), pad_to_multiple(width))
        resized: Any = F.resize(image, list(size))
        return self.normal(resized), {"target": packed(target), "size": size, "original": original, "id": 0}
