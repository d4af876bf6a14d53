"""The arrays that `coco_index` wrote, of the annotations whose categories are classes.

Legend: N annotations.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Rows:
    """Images, and their annotations by place; mapped from the disk unless categories are left out or become others."""

    def __init__(self, folder: Path, of: dict[int, int] | None) -> None:
        """``of`` gives the class of each category's id; none: they are the same."""
        self.images: NDArray[Any] = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        self.annotations: NDArray[Any] = np.load(folder / "annotations.npy", mmap_mode="r", allow_pickle=False)
        self.others = 0
        """Annotations of categories that are no class."""
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
