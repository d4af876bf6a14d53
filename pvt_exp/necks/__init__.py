"""What turns a backbone's maps into a pyramid of one width. Each file is a kind; here is what they share.

Contract of a built neck (``pvt_exp/nn/``): ``forward(maps)`` takes all maps of the backbone, fine to coarse, and gives
maps [B, ``width``, H, W] at the declared ``strides``, fine to coarse, each stride twice the one before.
"""

from typing import TYPE_CHECKING

from pydantic import Field

from pvt_exp.config.component import Component

if TYPE_CHECKING:
    from torch import nn

Strides = tuple[int, ...]


class Neck(Component):
    """Settings of a neck, light; `build` makes the module, heavy."""

    width: int = Field(256, ge=1)
    """Channels of every map of the pyramid."""

    def check(self, strides: Strides) -> None:
        """Raise ValueError with the reason if no pyramid can be made of a backbone's maps of these strides."""
        raise NotImplementedError

    def build(self, channels: tuple[int, ...], strides: Strides, finest: int = 4) -> "nn.Module":
        """The module for a backbone's maps; maps of strides under ``finest`` (RetinaNet: 8) are not made."""
        raise NotImplementedError
