"""Anchors, and what both detectors do with boxes.

Shapes, as suffixes of names:
    B images    N anchors, over maps, rows, columns and shapes, which is the order of the heads' outputs    K classes
    H, W height and width of a map    P boxes

Boxes are x1, y1, x2, y2 in pixels. An image is padded at its right and its bottom, to the batch's size; what lies there
is neither trained on nor detected. The networks themselves do see it: a convolution within its reach of the edge,
RoIAlign at the edge, and PVT's attention, like v1's table of positions, all over the image.
"""

from math import sqrt

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

Sizes = list[tuple[int, int]]
"""Height and width of each image, without its padding."""
Target = dict[str, Tensor]
RATIOS = (0.5, 1.0, 2.0)  # height over width


def to_float32(x: Tensor) -> Tensor:
    """The tensor in float32 or wider: bfloat16 has 8 bits of precision, and a pixel's position needs 11."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class Anchors(nn.Module):
    """Boxes at every cell of a pyramid: three shapes for each size, around the cell's first corner.

    Not torchvision's generator: that rounds them to whole pixels, and takes for a map's stride what the image's size is
    over the map's, which is wrong for odd sizes (800 / 13 = 61 and not 64) and depends on the padding.
    """

    def __init__(self, strides: tuple[int, ...], scales: list[float]) -> None:
        """``scales`` are an anchor's side over its map's stride.

        Raises:
            ValueError: if a scale is under 1, so that objects between the cells would match no anchor.
        """
        super().__init__()
        if min(scales) < 1:
            raise ValueError(f"anchor_scale must be at least 1, not {min(scales):g}: anchors would not cover the image")
        self.strides = strides
        sides = [(scale / sqrt(ratio), scale * sqrt(ratio)) for ratio in RATIOS for scale in scales]
        self.shapes = [[-w / 2, -h / 2, w / 2, h / 2] for w, h in sides]

    @property
    def per_cell(self) -> int:
        return len(self.shapes)

    def forward(self, maps: list[Tensor], sizes: Sizes) -> tuple[Tensor, Tensor]:
        """Anchors [N, 4] for a pyramid, and [B, N]: whether they belong to a cell in an image's padding."""
        boxes, outside = [], []
        device = maps[0].device
        limits_B2 = torch.tensor([(width, height) for height, width in sizes], device=device)
        for x_BCHW, stride in zip(maps, self.strides, strict=True):
            H, W = x_BCHW.shape[2:]
            y_HW, x_HW = torch.meshgrid(
                torch.arange(H, device=device) * stride, torch.arange(W, device=device) * stride, indexing="ij"
            )
            corners = torch.stack([x_HW, y_HW], 2).view(-1, 1, 2)
            shapes = stride * torch.tensor(self.shapes, device=device)
            boxes.append((corners.repeat(1, 1, 2) + shapes).view(-1, 4))
            beyond = (corners >= limits_B2[:, None, None]).any(3)
            outside.append(beyond.expand(-1, -1, self.per_cell).flatten(1))
        return torch.cat(boxes), torch.cat(outside, 1)


def mask_padding(anchors_N4: Tensor, outside_N: Tensor) -> Tensor:
    """The anchors, with those in the padding shrunk to points, which match no object."""
    return anchors_N4.masked_fill(outside_N[:, None], 0)


def best(
    boxes_P4: Tensor, scores_P: Tensor, labels_P: Tensor, size: tuple[int, int], nms_threshold: float, most: int
) -> dict[str, Tensor]:
    """Clip the boxes to the image, drop empty ones, and apply NMS by class; best first."""
    boxes_P4 = clip_boxes_to_image(boxes_P4, size)
    there = remove_small_boxes(boxes_P4, 1e-2)
    boxes_P4, scores_P, labels_P = boxes_P4[there], scores_P[there], labels_P[there]
    kept = batched_nms(boxes_P4, scores_P, labels_P, nms_threshold)[:most]
    return {"boxes": boxes_P4[kept], "scores": scores_P[kept], "labels": labels_P[kept]}


def to_original(boxes_P4: Tensor, size: tuple[int, int], original: tuple[int, int]) -> Tensor:
    """Boxes in an image of ``size`` as boxes in the image of ``original`` size that it was resized from."""
    (height, width), (old_height, old_width) = size, original
    y, x = old_height / height, old_width / width
    return boxes_P4 * boxes_P4.new_tensor([x, y, x, y])


def full_sizes(images: Tensor, sizes: Sizes | None) -> Sizes:
    """The images' sizes; None: no image is padded, and each has the batch's size."""
    return sizes if sizes is not None else [tuple(images.shape[2:])] * len(images)  # type: ignore[list-item]
