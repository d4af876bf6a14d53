"""Masks of regions: cut out of the truth for training, and pasted into the image as a result. Mask R-CNN's (1703.06870).

Shapes, as suffixes of names: P regions    S side of a region's mask    G objects of an image    H, W its sides

Memory is bounded: an image of 151 objects is worked on a few masks at a time.
"""

import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from torchvision.ops import roi_align

AT_ONCE = 16


def cut(masks_GHW: Tensor, boxes_P4: Tensor, objects_P: Tensor, side: int) -> Tensor:
    """The part of its object's mask that each box covers, as 0 and 1 in a square of ``side`` [P, S, S]."""
    parts = [boxes_P4.new_zeros(0, side, side)]
    for boxes, objects in zip(torch.split(boxes_P4, AT_ONCE), torch.split(objects_P, AT_ONCE), strict=True):
        masks = masks_GHW[objects].to(boxes.dtype)[:, None]
        regions = torch.cat([torch.arange(len(boxes), device=boxes.device)[:, None].to(boxes), boxes], 1)
        parts.append(roi_align(masks, regions, side, aligned=True)[:, 0])
    return (torch.cat(parts) >= 0.5).to(boxes_P4.dtype)


def paste(masks_PSS: Tensor, boxes_P4: Tensor, size: tuple[int, int]) -> Tensor:
    """Where each mask of probabilities, stretched over its box, is over one half: bool [P, H, W]."""
    height, width = size
    out_PHW = torch.zeros(len(boxes_P4), height, width, dtype=torch.bool, device=masks_PSS.device)
    limits = boxes_P4.new_tensor([width, height])
    first = boxes_P4[:, :2].floor().clamp(min=0).long().tolist()
    last = boxes_P4[:, 2:].ceil().minimum(limits).long().tolist()
    for mask_SS, box, (x1, y1), (x2, y2), out_HW in zip(masks_PSS, boxes_P4, first, last, out_PHW, strict=True):
        if x2 <= x1 or y2 <= y1:
            continue
        x_W = (torch.arange(x1, x2, device=box.device) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
        y_H = (torch.arange(y1, y2, device=box.device) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
        y_HW, x_HW = torch.meshgrid(y_H, x_W, indexing="ij")
        grid = torch.stack([x_HW, y_HW], 2).to(mask_SS.dtype)
        out_HW[y1:y2, x1:x2] = grid_sample(mask_SS[None, None], grid[None], align_corners=False)[0, 0] >= 0.5
    return out_PHW
