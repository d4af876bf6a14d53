"""Transforms of images and their objects, in training and in testing, as in mmdetection 2.

All randomness is drawn from torch's global generator, which `seeding.draw_from` makes follow from the sample.

Shapes, as suffixes of names: P objects of an image    H W its pixels
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F  # noqa: N812

from pvt_exp.nn.data.augment import ToNormalTensor
from pvt_exp.nn.data.instances import Target
from pvt_exp.nn.data.loader import Batch, Pipeline
from pvt_exp.tasks._dense import pad_to_multiple

if TYPE_CHECKING:
    from pvt_exp.tasks.detection import Boxes

VAL_IMAGES = 8
LEAST_PX = 1.0  # sides of what a crop leaves of a box; less is no object any more


def pipeline(task: "Boxes") -> Pipeline:
    """From images and their objects to padded batches."""
    blank = {"image_id": 0}
    return Pipeline(Train(task), Test(task), collate, shapes=orientations, val_images=VAL_IMAGES, blank=blank)


def orientations(samples: Any) -> list[int]:
    """1 for a landscape image, 0 for a portrait one: images of one orientation need little padding."""
    return [int(width > height) for height, width in samples.sizes()]


def fit(height: int, width: int, short_px: int, long_px: int) -> tuple[int, int]:
    """The size with this short side, or with this long side if that is smaller."""
    scale = min(short_px / min(height, width), long_px / max(height, width))
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def draw(numbers: tuple[int, ...]) -> int:
    """One of them, drawn at random."""
    return numbers[int(torch.randint(len(numbers), ()))]


class Objects:
    """An image and its objects, which go through each step together.

    For masks the steps are recorded, and applied to one mask at a time at the end: all masks of a large photograph at
    once would take gigabytes.
    """

    def __init__(self, image: Image.Image, target: Target) -> None:
        self.image = image
        self.rows = torch.from_numpy(~target["crowd"]).nonzero()[:, 0]
        """Indices into the target of the objects that are left; crowds are left out."""
        size = (image.height, image.width)
        boxes = torch.from_numpy(target["boxes"])[self.rows]
        self.boxes = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=size)
        self.labels = torch.from_numpy(target["labels"])[self.rows]
        self.masks = target.get("masks")
        self.steps: list[Callable[[Any], Any]] = []

    @property
    def size(self) -> tuple[int, int]:
        return self.image.height, self.image.width

    def apply(self, step: Callable[..., Any], *args: Any) -> None:
        """Apply a torchvision transform to the image and its objects."""
        self.image, self.boxes = step(self.image, *args), step(self.boxes, *args)
        self.steps.append(lambda mask: step(mask, *args))

    def resize(self, height: int, width: int) -> None:
        if (height, width) != self.size:
            self.apply(F.resize, [height, width])

    def crop(self, top: int, left: int, height: int, width: int) -> None:
        """Crop; objects that are wholly outside are dropped."""
        self.apply(F.crop, top, left, height, width)
        boxes: Any = F.clamp_bounding_boxes(self.boxes)
        there = ((boxes[:, 2:] - boxes[:, :2]) >= LEAST_PX).all(1)
        self.boxes = tv_tensors.wrap(boxes[there], like=self.boxes)
        self.labels, self.rows = self.labels[there], self.rows[there]

    def target(self) -> dict[str, Tensor]:
        """What a detector learns from."""
        found = {"boxes": self.boxes.as_subclass(Tensor), "labels": self.labels}
        if self.masks is not None:
            found["masks"] = torch.zeros(len(self.rows), *self.size, dtype=torch.uint8)
            for mask_HW, row in zip(found["masks"], self.rows.tolist(), strict=True):
                mask_HW.copy_(self._mask(row))
        return found

    def _mask(self, row: int) -> Tensor:
        assert self.masks is not None
        mask_1HW: Any = tv_tensors.Mask(torch.from_numpy(self.masks[row])[None])
        for step in self.steps:
            mask_1HW = step(mask_1HW)
        return mask_1HW[0].as_subclass(Tensor)  # type: ignore[no-any-return]


class Train:
    """Random crop, random short side, random flip, normalise."""

    def __init__(self, task: "Boxes") -> None:
        self.task, self.normal = task, ToNormalTensor(task.mean, task.std)

    def __call__(self, image: Image.Image, target: Target) -> tuple[Tensor, dict[str, Any]]:
        seen, original = Objects(image, target), (image.height, image.width)
        if self.task.crop is not None and torch.rand(()) < 0.5:
            self._crop(seen)
        seen.resize(*fit(*seen.size, draw(self.task.short_px), self.task.long_px))
        if torch.rand(()) < self.task.flip:
            seen.apply(F.horizontal_flip)
        rest = {"target": seen.target(), "size": seen.size, "original": original, "id": target["image_id"]}
        return self.normal(seen.image), rest

    def _crop(self, seen: Objects) -> None:
        crop = self.task.crop
        assert crop is not None
        seen.resize(*fit(*seen.size, draw(crop.short_px), self.task.long_px))
        least, most = crop.side_px
        sides = [int(torch.randint(min(least, side), min(most, side) + 1, ())) for side in seen.size]
        start = [int(torch.randint(0, whole - side + 1, ())) for whole, side in zip(seen.size, sides, strict=True)]
        seen.crop(*start, *sides)


class Test:
    """Scale to the short side of testing, normalise; the truth is looked up by the image's id."""

    __test__ = False  # for pytest

    def __init__(self, task: "Boxes") -> None:
        self.task, self.normal = task, ToNormalTensor(task.mean, task.std)

    def __call__(self, image: Image.Image, target: Target) -> tuple[Tensor, dict[str, Any]]:
        original = (image.height, image.width)
        size = fit(*original, self.task.test_short_px, self.task.test_long_px)
        resized: Any = image if size == original else F.resize(image, list(size))
        rest = {"target": {}, "size": size, "original": original, "id": target["image_id"]}
        return self.normal(resized), rest


def collate(samples: list[tuple[Tensor, dict[str, Any]]]) -> Batch:
    """``image`` padded with zeros to the largest, in multiples of 32; ``target``, ``sizes``, ``originals``, ``ids``."""
    height = pad_to_multiple(max(image.shape[1] for image, _ in samples))
    width = pad_to_multiple(max(image.shape[2] for image, _ in samples))
    images = samples[0][0].new_zeros(len(samples), 3, height, width)
    for padded, (image, _) in zip(images, samples, strict=True):
        padded[:, : image.shape[1], : image.shape[2]] = image
    names = {"target": "target", "sizes": "size", "originals": "original", "ids": "id"}
    return {"image": images} | {name: [rest[of] for _, rest in samples] for name, of in names.items()}
