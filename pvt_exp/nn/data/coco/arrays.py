"""The arrays of a COCO file: their fields, and how they are opened again for the categories that are classes.

Legend: N annotations.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
IMAGE = np.dtype([("id", "<i8"), ("height", "<i4"), ("width", "<i4"), ("first", "<i8"), ("end", "<i8")])
"""``first`` to ``end`` are its annotations."""
ANNOTATION = np.dtype(
    [
        ("id", "<i8"),
        ("image", "<i8"),
        ("category", "<i8"),
        ("bbox", "<f8", (4,)),
        ("area", "<f8"),
        ("crowd", "?"),
        ("form", "u1"),
        ("at", "<i8"),
        ("size", "<i8"),
    ]
)
"""``image`` is a row, ``category`` the id; its mask is ``size`` bytes of `masks` from ``at``."""


class Rows:
    """Images and their annotations; memory-mapped unless categories are left out or merged."""

    def __init__(self, folder: Path, of: dict[int, int] | None) -> None:
        """``of`` maps a category id to the id of its class; None: each category is a class."""
        self.images: NDArray[Any] = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        self.annotations: NDArray[Any] = np.load(folder / "annotations.npy", mmap_mode="r", allow_pickle=False)
        self.others = 0
        """Annotations whose category is not among the classes."""
        if of is not None:
            self._choose(of)

    def _choose(self, of: dict[int, int]) -> None:
        kept_N = np.isin(self.annotations["category"], list(of))
        self.others = int((~kept_N).sum())
        before = np.concatenate([[0], np.cumsum(kept_N)])
        self.images, self.annotations = np.array(self.images), self.annotations[kept_N]
        for end in ("first", "end"):
            self.images[end] = before[self.images[end]]
        numbers, places_N = np.unique(self.annotations["category"], return_inverse=True)
        if len(numbers):
            self.annotations["category"] = np.array([of[number] for number in numbers.tolist()])[places_N]

    def empty(self) -> int:
        """Images without an annotation."""
        return int((self.images["first"] == self.images["end"]).sum())

    def crowds(self) -> int:
        """Annotations that are crowds."""
        return int(self.annotations["crowd"].sum())

    def present(self) -> set[int]:
        """The ids of the classes of which there is an object."""
        return set(np.unique(self.annotations["category"][~self.annotations["crowd"]]).tolist())


def corners(bbox_N4: Array, height: Any, width: Any) -> NDArray[np.float32]:
    """[N, 4] of left, top, width, height as left, top, right, bottom inside the image."""
    x, y, w, h = bbox_N4.T
    edges = np.stack([np.clip(x, 0, width), np.clip(y, 0, height), np.clip(x + w, 0, width), np.clip(y + h, 0, height)])
    return edges.T.astype(np.float32)
