"""Reads CIFAR-10 and CIFAR-100 with torchvision, which refuses any file whose MD5 sum is not the official one.

The official files are pickles. The sum is checked before they are loaded, so nobody else's pickle is ever run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from torchvision.datasets import CIFAR10, CIFAR100

from pvt_exp.config import DataError
from pvt_exp.datasets import Split


class Cifar(Sequence[tuple[Image.Image, int]]):
    """(image, class) in the official order."""

    def __init__(self, folder: Path, classes: int, split: Split) -> None:
        folder = folder.resolve()  # "." has no name
        official = {10: CIFAR10, 100: CIFAR100}[classes]
        dataset = type(official.__name__, (official,), {"base_folder": folder.name})
        try:
            data = dataset(folder.parent, train=split == "train", download=False)
        except RuntimeError:
            raise DataError(
                f"{folder}: not the official CIFAR-{classes}: a file's MD5 sum differs; download it again"
            ) from None
        self.images = data.data  # uint8 [N, 32, 32, 3]
        self.labels = data.targets

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> Any:
        return Image.fromarray(self.images[index]), int(self.labels[index])
