"""Feature pyramid network (arXiv 1612.03144, section 3), for backbones that have maps of several strides."""

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from pvt_exp.necks import Neck, Strides

if TYPE_CHECKING:
    from pvt_exp.nn.dense.fpn import FPN


class Settings(Neck):
    """Each map gets what the coarser ones know, from the top down."""

    kind: Literal["fpn"] = "fpn"

    def check(self, strides: Strides) -> None:
        if len(set(strides)) < 2:
            raise ValueError(
                f"fpn needs maps of several strides and the backbone's are {_list(strides)}; write neck: "
                "{kind: vit_pyramid} for a plain ViT"
            )
        if any(coarse != 2 * fine for fine, coarse in pairwise(strides)):
            raise ValueError(f"fpn needs strides that double from map to map and the backbone's are {_list(strides)}")

    def build(self, channels: tuple[int, ...], strides: Strides, finest: int = 4) -> "FPN":
        from pvt_exp.nn.dense.fpn import FPN

        self.check(strides)
        return FPN(channels, strides, self.width, finest)


def _list(strides: Strides) -> str:
    return ", ".join(map(str, strides))
