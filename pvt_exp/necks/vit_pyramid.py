"""Simple feature pyramid of ViTDet (arXiv 2203.16527, section 3), for backbones whose maps all have one stride."""

from typing import TYPE_CHECKING, Literal

from pvt_exp.necks import Neck, Strides

if TYPE_CHECKING:
    from pvt_exp.nn.dense.vit_pyramid import ViTPyramid

PATCHES = (4, 8, 16, 32)


class Settings(Neck):
    """Maps of strides 4, 8, 16 and 32, each made from the last map of a plain ViT by itself."""

    kind: Literal["vit_pyramid"] = "vit_pyramid"

    def check(self, strides: Strides) -> None:
        if len(set(strides)) != 1:
            raise ValueError(
                f"vit_pyramid is for a plain ViT and the backbone's maps have strides {', '.join(map(str, strides))}; "
                "write neck: {kind: fpn}"
            )
        if strides[-1] not in PATCHES:
            raise ValueError(
                f"vit_pyramid makes strides 4, 8, 16 and 32 by doubling and halving, which patches of {strides[-1]} "
                f"pixels do not allow; take a ViT with patches of {', '.join(map(str, PATCHES[:-1]))} or {PATCHES[-1]}"
            )

    def build(self, channels: tuple[int, ...], strides: Strides, finest: int = 4) -> "ViTPyramid":
        from pvt_exp.nn.dense.vit_pyramid import ViTPyramid

        self.check(strides)
        return ViTPyramid(channels[-1], strides[-1], self.width, finest)
