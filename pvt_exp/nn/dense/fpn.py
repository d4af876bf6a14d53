"""Feature pyramid network (arXiv 1612.03144, section 3) with biases and no norm, as in mmdetection and torchvision."""

from torch import Tensor, nn
from torch.nn.functional import interpolate


class FPN(nn.Module):
    """Maps of one width, each the sum of a 1 x 1 convolution of its own and the next coarser one, then 3 x 3.

    A coarser map is repeated to the size of the finer one, whatever that is: maps of odd sizes are no multiples.
    """

    def __init__(self, channels: tuple[int, ...], strides: tuple[int, ...], width: int, finest: int = 4) -> None:
        super().__init__()
        self._kept = [i for i, stride in enumerate(strides) if stride >= finest]
        self.width, self.strides = width, tuple(strides[i] for i in self._kept)
        self.lateral = nn.ModuleList(nn.Conv2d(channels[i], width, 1) for i in self._kept)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in self._kept)
        for conv in (*self.lateral, *self.smooth):
            nn.init.xavier_uniform_(conv.weight)
            nn.init.zeros_(conv.bias)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The pyramid [B, width, H, W] of a backbone's maps, fine to coarse."""
        pyramid = [conv(maps[i]) for i, conv in zip(self._kept, self.lateral, strict=True)]
        for i in range(len(pyramid) - 2, -1, -1):
            fine = pyramid[i]
            pyramid[i] = fine + interpolate(pyramid[i + 1], fine.shape[2:], mode="nearest")
        return [conv(x_BCHW) for conv, x_BCHW in zip(self.smooth, pyramid, strict=True)]
