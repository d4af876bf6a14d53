"""Label maps of large images, compressed until they are scored: a batch of 16 of 24 megapixels would take 0.4 GB.

Legend: H W pixels.
"""

import zlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PIXELS = 2**22
"""Least pixels of a label map that is compressed; smaller ones are not worth the time."""


class Packed:
    """A label map as compressed bytes, which stay on the CPU when a batch is moved to a GPU."""

    def __init__(self, labels_HW: NDArray[np.uint8]) -> None:
        self.shape = labels_HW.shape
        self._bytes = zlib.compress(np.ascontiguousarray(labels_HW).data, 1)

    def unpacked(self) -> Tensor:
        """The map [H, W], uint8."""
        return torch.frombuffer(bytearray(zlib.decompress(self._bytes)), dtype=torch.uint8).reshape(self.shape)


def packed(labels_HW: NDArray[np.uint8]) -> "Tensor | Packed":
    """The map as a tensor, or packed if it is large."""
    return Packed(labels_HW) if labels_HW.size > PIXELS else torch.from_numpy(np.array(labels_HW))


def unpacked(target: Any, device: torch.device) -> Tensor:
    """A map [H, W] on a device, whatever `packed` made of it."""
    return target.unpacked().to(device) if isinstance(target, Packed) else target
