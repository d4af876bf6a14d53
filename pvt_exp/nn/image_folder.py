"""Reads images from one folder a class."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pvt_exp.datasets.image_folder import classes_of, images
from pvt_exp.nn.images import open_rgb


class ImageFolder(Sequence[tuple[Image.Image, int]]):
    """(image, class) by path; the classes are those of the training split, in both splits."""

    def __init__(self, root: Path, train: str, folder: str) -> None:
        order = {name: number for number, name in enumerate(classes_of(root / train))}
        classes, files, _ = images(root, folder)
        self.root = root
        # Two arrays rather than a list of a million strings: Python's reference counts would make forked workers copy
        # the pages of the list one by one, which looks like a leak (pytorch issue 13246).
        self.paths = np.array([os.fsencode(path) for _, path, _ in files])
        self.labels = np.array([order[classes[number]] for number, _, _ in files], dtype=np.int32)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> Any:
        return open_rgb(self.root / os.fsdecode(self.paths[index])), int(self.labels[index])
