"""Reads the made shapes."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class Shapes(Sequence[tuple[Image.Image, int]]):
    """(image, class of the largest shape), from arrays that stay on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.labels = np.load(folder / "labels.npy", allow_pickle=False)

    def __reduce__(self) -> tuple[type["Shapes"], tuple[Path]]:
        return Shapes, (self.folder,)  # a mapped array would be pickled with its content

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """[N, H, W, 3], mapped: loading processes share the system's cache of the file."""
        images: NDArray[np.uint8] = np.load(self.folder / "images.npy", mmap_mode="r", allow_pickle=False)
        return images

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> Any:
        return Image.fromarray(np.array(self.images[index])), int(self.labels[index])
