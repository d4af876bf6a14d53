"""Mask R-CNN's masks of regions (1703.06870): cropped from the truth for training, and pasted into the image as results.

Shapes, as suffixes of names: P regions    S side of a region's mask    G objects of an image    H, W its sides

Memory is bounded: an image of 151 objects is worked on a few masks at a time, and a photograph of 24 megapixels one mask and
a strip of rows at a time.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from torchvision.ops import roi_align

AT_ONCE = 16
PIXELS_AT_ONCE = 2**22
"""Pixels of an image that a mask is resized to at once; they take some 100 MB."""


def cut(masks_GHW: Tensor, boxes_P4: Tensor, objects_P: Tensor, side: int) -> Tensor:
    """The part of its object's mask that each box covers, as 0 and 1 in a square of ``side`` [P, S, S]."""
    parts = [boxes_P4.new_zeros(0, side, side)]
    for boxes, objects in zip(torch.split(boxes_P4, AT_ONCE), torch.split(objects_P, AT_ONCE), strict=True):
        masks = masks_GHW[objects].to(boxes.dtype)[:, None]
        regions = torch.cat([torch.arange(len(boxes), device=boxes.device)[:, None].to(boxes), boxes], 1)
        parts.append(roi_align(masks, regions, side, aligned=True)[:, 0])
    return (torch.cat(parts) >= 0.5).to(boxes_P4.dtype)


class Pasted(Sequence[Tensor]):
    """The masks of an image's regions as bool [H, W]; each is pasted into the image on access."""

    def __init__(self, masks_PSS: Tensor, boxes_P4: Tensor, size: tuple[int, int]) -> None:
        """Masks of probabilities, the boxes that they are stretched over, and the image's height and width."""
        self.masks_PSS, self.boxes_P4, self.size = masks_PSS, boxes_P4, size
        limits = boxes_P4.new_tensor(size[::-1])
        first = boxes_P4[:, :2].floor().clamp(min=0).long()
        last = boxes_P4[:, 2:].ceil().minimum(limits).long()
        self._windows: list[list[int]] = torch.cat([first, last], 1).tolist()

    def __len__(self) -> int:
        return len(self.masks_PSS)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]
        out_HW = torch.zeros(self.size, dtype=torch.bool, device=self.masks_PSS.device)
        x1, y1, x2, y2 = self._windows[index]
        if x2 > x1 and y2 > y1:
            rows = max(1, PIXELS_AT_ONCE // (x2 - x1))
            for top in range(y1, y2, rows):
                bottom = min(y2, top + rows)
                out_HW[top:bottom, x1:x2] = _stretched(
                    self.masks_PSS[index], self.boxes_P4[index], (x1, top, x2, bottom)
                )
        return out_HW

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self), *self.size

    def chunks(self) -> Iterator[Tensor]:
        """The masks in order, bool [n, H, W], a few at a time."""
        most = at_once(self.size)
        for start in range(0, len(self), most):
            yield torch.stack([self[n] for n in range(start, min(start + most, len(self)))])


def at_once(size: tuple[int, int]) -> int:
    """How many masks of a height and width fit into memory at once."""
    return max(1, 4 * PIXELS_AT_ONCE // (size[0] * size[1]))


def paste(masks_PSS: Tensor, boxes_P4: Tensor, size: tuple[int, int]) -> Tensor:
    """Where each mask of probabilities, stretched over its box, is over one half: bool [P, H, W]."""
    return torch.cat([boxes_P4.new_zeros(0, *size, dtype=torch.bool), *Pasted(masks_PSS, boxes_P4, size).chunks()])


def _stretched(mask_SS: Tensor, box: Tensor, window: tuple[int, int, int, int]) -> Tensor:
    """The part of a stretched mask in a window (left, top, right, bottom) of the image: bool."""
    x1, y1, x2, y2 = window
    x_W = (torch.arange(x1, x2, device=box.device) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
    y_H = (torch.arange(y1, y2, device=box.device) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
    y_HW, x_HW = torch.meshgrid(y_H, x_W, indexing="ij")
    grid = torch.stack([x_HW, y_HW], 2).to(mask_SS.dtype)
    return grid_sample(mask_SS[None, None], grid[None], align_corners=False)[0, 0] >= 0.5
