"""Reads images from one folder a class."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pvt_exp.datasets import Split
from pvt_exp.datasets.image_folder import classes_of, images
from pvt_exp.nn.data.images import open_rgb

if TYPE_CHECKING:
    from pvt_exp.datasets.image_folder import Settings


class ImageFolder(Sequence[tuple[Image.Image, int]]):
    """(image, class) by path; the classes are those of the training split, in both splits."""

    def __init__(self, settings: "Settings", root: Path, split: Split) -> None:
        order = {name: number for number, name in enumerate(classes_of(root / settings.train))}
        classes, files, _ = images(root, settings.train if split == "train" else settings.val)
        self.root, self.turn, self.levels = root, settings.exif == "turn", settings.range
        # Two arrays rather than a list of a million strings: Python's reference counts would make forked workers copy
        # the pages of the list one by one, which looks like a leak (pytorch issue 13246).
        self.paths = np.array([os.fsencode(path) for _, path, _ in files])
        self.labels = np.array([order[classes[number]] for number, _, _ in files], dtype=np.int32)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> Any:
        path = self.root / os.fsdecode(self.paths[index])
        return open_rgb(path, self.turn, self.levels), int(self.labels[index])
