"""Semantic FPN (arXiv 1901.02446, section 3.1), with the head of mmsegmentation that both PVT papers use.

The pyramid's maps are brought to the finest one's size, a convolution at each step, and summed; a 1 x 1 convolution
classifies the sum. Norms are BatchNorm, to be synchronised where a batch is spread over GPUs.
"""

from math import log2
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate


def scale_head(in_dim: int, dim: int, doublings: int) -> nn.Sequential:
    """Convolution, norm and ReLU, then twice the size, so many times; without doublings, once and at the same size."""
    layers: list[nn.Module] = []
    for step in range(max(doublings, 1)):
        conv = nn.Conv2d(in_dim if step == 0 else dim, dim, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        layers += [conv, nn.BatchNorm2d(dim), nn.ReLU(inplace=True)]
        if doublings:
            layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
    return nn.Sequential(*layers)


class SemanticFPN(nn.Module):
    """Images [B, 3, H, W] to logits [B, num_classes, H / 4, W / 4], the size of the neck's finest map.

    Training needs more than one value a channel at the coarsest map: images of more than 32 pixels, or a batch of two.
    """

    def __init__(
        self, backbone: nn.Module, neck: nn.Module, num_classes: int, *, head_width: int = 128, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.backbone, self.neck = backbone, neck
        pyramid: Any = neck
        finest = pyramid.strides[0]
        self.scale_heads = nn.ModuleList(
            scale_head(pyramid.width, head_width, round(log2(stride / finest))) for stride in pyramid.strides
        )
        self.dropout = nn.Dropout2d(dropout)  # of whole channels
        self.classify = nn.Conv2d(head_width, num_classes, 1)
        nn.init.normal_(self.classify.weight, std=0.01)
        nn.init.zeros_(self.classify.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        maps: list[Tensor] = self.neck(self.backbone(images))
        size = maps[0].shape[2:]
        total: Tensor = self.scale_heads[0](maps[0])
        for head, x_BCHW in zip(self.scale_heads[1:], maps[1:], strict=True):
            # a map of odd size, twice the coarser one's, is one row or column short of it
            total = total + interpolate(head(x_BCHW), size, mode="bilinear", align_corners=False)
        logits: Tensor = self.classify(self.dropout(total))
        return logits
