"""Reads the made shapes.

Legend: N images, K objects of an image, H W pixels.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as rle

from pvt_exp.nn.data.instances import Target

Array = NDArray[Any]


class Shapes(Sequence[tuple[Image.Image, Any]]):
    """(image, target of the task), from arrays that stay on disk; an image's id is its index."""

    def __init__(self, folder: Path, classes: tuple[str, ...], task: str) -> None:
        self.folder, self.classes, self.task = folder, classes, task
        self.category_ids = tuple(range(1, len(classes) + 1))
        self.labels = np.load(folder / "labels.npy", allow_pickle=False)

    def __reduce__(self) -> tuple[type["Shapes"], tuple[Path, tuple[str, ...], str]]:
        return Shapes, (self.folder, self.classes, self.task)  # a mapped array would be pickled with its content

    @cached_property
    def images(self) -> Array:
        """[N, H, W, 3], mapped: loading processes share the system's cache of the file."""
        return self._map("images")

    @cached_property
    def instances(self) -> Array:
        """[N, H, W]: 0 on the ground, k on the k-th visible shape."""
        return self._map("instances")

    @cached_property
    def instance_classes(self) -> Array:
        """[N, K]: 1 + the class of the k-th visible shape, 0 for none."""
        return self._map("instance_classes")

    def _map(self, name: str) -> Array:
        array: Array = np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return array

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> Any:
        return Image.fromarray(np.array(self.images[index])), self._target(index)

    def _target(self, index: int) -> Any:
        if self.task == "classification":
            return int(self.labels[index])
        if self.task == "semantic":  # the ground is class 0, so the numbers on disk are the labels
            return np.concatenate([[np.uint8(0)], self.instance_classes[index]])[self.instances[index]]
        masks_KHW = self._masks(index)
        target = Target(
            image_id=index,
            boxes=np.array([_box(mask) for mask in masks_KHW], dtype=np.float32).reshape(-1, 4),
            labels=self.instance_classes[index, : len(masks_KHW)].astype(np.int64) - 1,
            crowd=np.zeros(len(masks_KHW), dtype=np.bool_),
            area=masks_KHW.sum((1, 2), dtype=np.float32),
        )
        if self.task == "instance":
            target["masks"] = masks_KHW
        return target

    def contents(self) -> list[set[int]]:
        """The shapes of each image that count for the task, by their place among the classes."""
        if self.task == "classification":
            return [{number} for number in self.labels.tolist()]
        return [{number - 1 for number in seen if number} for seen in self.instance_classes.tolist()]

    def _masks(self, index: int) -> NDArray[np.uint8]:
        seen = np.count_nonzero(self.instance_classes[index])
        numbers_K11 = np.arange(1, seen + 1)[:, None, None]
        masks_KHW: NDArray[np.uint8] = (self.instances[index][None] == numbers_K11).astype(np.uint8)
        return masks_KHW

    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each image."""
        return [self.images.shape[1:3]] * len(self)

    def ground_truth(self) -> dict[str, Any]:
        """The objects in COCO's format; ids of annotations and categories start at 1."""
        annotations: list[dict[str, Any]] = []
        for index in range(len(self)):
            coded = rle.encode(np.asfortranarray(self._masks(index).transpose(1, 2, 0)))
            for category, mask in zip(self.instance_classes[index], coded, strict=False):
                annotations.append(
                    {
                        "id": len(annotations) + 1,  # pycocotools takes a match with id 0 for none
                        "image_id": index,
                        "category_id": int(category),
                        "bbox": rle.toBbox(mask).tolist(),
                        "area": int(rle.area(mask)),
                        "iscrowd": 0,
                        "segmentation": {**mask, "counts": mask["counts"].decode()},
                    }
                )
        return {
            "images": [{"id": n, "height": h, "width": w} for n, (h, w) in enumerate(self.sizes())],
            "annotations": annotations,
            "categories": [{"id": n, "name": name} for n, name in zip(self.category_ids, self.classes, strict=True)],
        }


def _box(mask_HW: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom edge of what is seen."""
    rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
