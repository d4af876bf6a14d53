"""Reads images and masks of class numbers.

Legend: H W pixels.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pvt_exp.datasets import DataError, Split
from pvt_exp.nn.images import BadImage, open_rgb, reading, size_of

if TYPE_CHECKING:
    from pvt_exp.datasets.semantic_folder import Settings

NO_CLASS = 254  # in the table of labels: a value that stands for nothing


class SemanticFolder(Sequence[tuple[Image.Image, NDArray[np.uint8]]]):
    """(image, labels [H, W]) by path."""

    def __init__(self, settings: "Settings", root: Path, split: Split) -> None:
        self.settings, self.root, self.split = settings, root, split
        # Two arrays rather than lists of strings, whose reference counts would make forked workers copy their pages.
        images, masks = zip(*settings.pairs(root, split), strict=True)
        self.images, self.masks = (np.array([os.fsencode(path) for path in paths]) for paths in (images, masks))
        self.classes = len(settings.names(root))
        labels = [settings.label(value, self.classes) for value in range(2**16)]
        self.table = np.array([NO_CLASS if label is None else label for label in labels], dtype=np.uint8)

    def __reduce__(self) -> tuple[type["SemanticFolder"], tuple["Settings", Path, Split]]:
        return SemanticFolder, (self.settings, self.root, self.split)  # listing is faster than sending a long list

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Any:
        image = open_rgb(self._path(self.images, index), self.settings.exif == "turn", self.settings.range)
        return image, self._labels(index, image.size)

    def check(self, index: int) -> None:
        """Read a mask, and of its image only the size.

        Raises:
            DataError: as reading the image would.
        """
        path = self._path(self.images, index)
        with reading(path), Image.open(path) as image:
            size = size_of(image, self.settings.exif == "turn")
        self._labels(index, size)

    def _path(self, paths: Any, index: int) -> Path:
        return self.root / os.fsdecode(paths[index])

    def _labels(self, index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        path = self._path(self.masks, index)
        with reading(path), Image.open(path) as mask:
            mode, values_HW = mask.mode, np.asarray(mask)
        if mode not in ("1", "L", "P") and not mode.startswith("I"):
            due = "where a mask has one channel, whose values are class numbers"
            raise DataError(f"{path}: pixels of mode {mode}, {due}; convert the masks, colour by colour")
        if values_HW.shape[::-1] != size:
            measured = "{} x {} pixels, and its image {} x {}".format(*values_HW.shape[::-1], *size)
            raise BadImage(f"{path}: the mask has {measured}: {self._path(self.images, index)}")
        if values_HW.dtype.itemsize > 2 and not 0 <= values_HW.min() <= values_HW.max() < len(self.table):
            raise self._no_class(path, max(values_HW.max(), values_HW.min(), key=abs))
        labels_HW: NDArray[np.uint8] = self.table[values_HW.astype(np.uint16, copy=False)]
        if (labels_HW == NO_CLASS).any():
            raise self._no_class(path, values_HW[labels_HW == NO_CLASS].max())
        return labels_HW

    def _no_class(self, path: Path, value: int) -> DataError:
        first = int(self.settings.reduce_zero)
        numbered = f"the {self.classes} classes are {first} to {self.classes + first - 1} in the masks"
        ignored = "nothing" if self.settings.ignore_index is None else self.settings.ignore_index
        fields = "dataset.classes, dataset.ignore_index and dataset.reduce_zero"
        return DataError(f"{path}: has the value {value}; {numbered}, ignored is {ignored}; see {fields}")
