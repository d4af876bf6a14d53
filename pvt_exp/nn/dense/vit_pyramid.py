"""Simple feature pyramid of ViTDet (arXiv 2203.16527, section 3 and appendix A.2): each map from the last one alone."""

from math import log2

from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn

STRIDES = (4, 8, 16, 32)


def rescale(dim: int, doublings: int) -> tuple[list[nn.Module], int]:
    """Layers that double a map's sides so many times, or halve them if negative, and the channels they leave.

    Each doubling halves the channels; between two there is a norm and a GELU.
    """
    if doublings < 0:
        step = 2**-doublings
        return [nn.MaxPool2d(step, step, ceil_mode=True)], dim
    layers: list[nn.Module] = []
    for i in range(doublings):
        layers += [LayerNorm2d(dim), nn.GELU()] if i else []
        layers.append(nn.ConvTranspose2d(dim, dim // 2, 2, 2))
        dim //= 2
    return layers, dim


class ViTPyramid(nn.Module):
    """Maps of strides 4, 8, 16 and 32 from a map of stride 4, 8, 16 or 32 with ``channels``."""

    def __init__(self, channels: int, stride: int, width: int, finest: int = 4) -> None:
        super().__init__()
        self.width, self.strides = width, tuple(s for s in STRIDES if s >= finest)
        self.branches = nn.ModuleList()
        for target in self.strides:
            layers, dim = rescale(channels, round(log2(stride / target)))
            layers += [nn.Conv2d(dim, width, 1, bias=False), LayerNorm2d(width)]
            layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), LayerNorm2d(width)]
            self.branches.append(nn.Sequential(*layers))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The pyramid [B, width, H, W] of the last of a backbone's maps, fine to coarse."""
        return [branch(maps[-1]) for branch in self.branches]
