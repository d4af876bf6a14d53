"""Faster R-CNN (arXiv 1506.01497) and Mask R-CNN (1703.06870) on torchvision's parts, over any backbone and neck.

Shapes, as suffixes of names: as in `pvt_exp.nn.dense.boxes` and `pvt_exp.nn.dense.masks`.

The neck gives four maps, of strides 4 to 32; P6 is every second cell of the last. Proposals come from all five, regions
are cut out of the first four. As in mmdetection, boxes are regressed for the classes alone and not for the background,
masks likewise, and RoIAlign is aligned. Losses are torchvision's; only the beta of smooth L1 is a setting. Inside,
label 0 is the background; outside, labels start at 0.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, max_pool2d, pad, smooth_l1_loss
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead, concat_box_prediction_layers
from torchvision.ops import roi_align

from pvt_exp.nn.dense.boxes import Anchors, Sizes, Target, mask_padding, to_float32
from pvt_exp.nn.dense.detector import Detector
from pvt_exp.nn.dense.masks import cut

BOX_SIDE, MASK_SIDE = 7, 14  # of a region's features
TINY = torch.finfo(torch.float32).tiny


class Proposals(RegionProposalNetwork):  # type: ignore[misc]
    """The region proposal network: regions that may hold an object, and its losses ``rpn_class`` and ``rpn_box``."""

    def __init__(self, anchors: Anchors, width: int, most: int, smooth_l1_beta: float) -> None:
        before = {"training": 2000, "testing": 1000}  # of one map, before NMS
        after = {"training": most, "testing": most}
        # anchors in the padding have a score of 0, which is below the threshold
        super().__init__(anchors, RPNHead(width, anchors.per_cell), 0.7, 0.3, 256, 0.5, before, after, 0.7, TINY)
        self.smooth_l1_beta = smooth_l1_beta

    def forward(
        self, levels: list[Tensor], sizes: Sizes, targets: list[Target] | None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        logits, offsets = self.head(levels)
        counts = [x.shape[1] * x.shape[2] * x.shape[3] for x in logits]
        logits, offsets = (to_float32(x) for x in concat_box_prediction_layers(logits, offsets))
        anchors_N4, outside_BN = self.anchor_generator(levels, sizes)
        anchors = [anchors_N4] * len(sizes)
        boxes_BN4 = self.box_coder.decode(offsets.detach(), anchors).view(len(sizes), -1, 4)
        scores_BN = logits.detach().view_as(outside_BN).masked_fill(outside_BN, -torch.inf)
        proposals, _ = self.filter_proposals(boxes_BN4, scores_BN, sizes, counts)
        if not self.training:
            return proposals, {}
        there = [mask_padding(anchors_N4, outside_N) for outside_N in outside_BN]
        labels, matched = self.assign_targets_to_anchors(there, targets)
        labels = [x.masked_fill(outside_N, -1) for x, outside_N in zip(labels, outside_BN, strict=True)]
        losses = self.compute_loss(logits, offsets, labels, self.box_coder.encode(matched, anchors))
        return proposals, dict(zip(("rpn_class", "rpn_box"), losses, strict=True))

    def compute_loss(
        self, logits: Tensor, offsets: Tensor, labels: list[Tensor], wanted: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Losses over sampled anchors: whether they hold an object, and the box offsets of those that do."""
        held, empty = (torch.cat(chosen).nonzero()[:, 0] for chosen in self.fg_bg_sampler(labels))
        sample = torch.cat([held, empty])
        box = box_loss(offsets[held], torch.cat(wanted)[held], self.smooth_l1_beta) / len(sample)
        return binary_cross_entropy_with_logits(logits.flatten()[sample], torch.cat(labels)[sample]), box


def box_loss(offsets_P4: Tensor, wanted_P4: Tensor, beta: float) -> Tensor:
    """Smooth L1, summed: quadratic below beta; with a beta of 0 it is L1."""
    return smooth_l1_loss(offsets_P4, wanted_P4, reduction="sum", beta=beta)


class RegionAlign(nn.Module):
    """The features [P, C, side, side] of each region, from the map on which it is 14 to 28 cells to_float32.

    That is equation 1 of arXiv 1612.03144. Torchvision's own learns the strides from the first image that it sees, and
    from its size without padding, so that a small first image would put every region on the wrong map.
    """

    def __init__(self, strides: tuple[int, ...], side: int) -> None:
        super().__init__()
        self.strides, self.side = strides, side

    def forward(self, levels: list[Tensor], boxes: list[Tensor]) -> Tensor:
        image = [x_P4.new_full((len(x_P4), 1), i) for i, x_P4 in enumerate(boxes)]
        regions = torch.cat([torch.cat(image), torch.cat(boxes)], 1)
        sides = (regions[:, 3:] - regions[:, 1:3]).prod(1).sqrt()
        level = (sides / (14 * self.strides[0]) + 1e-6).log2().floor().clamp(0, len(self.strides) - 1)
        features = to_float32(levels[0].new_zeros(len(regions), levels[0].shape[1], self.side, self.side))
        for i, stride in enumerate(self.strides):
            here = torch.where(level == i)[0]
            x_BCHW = to_float32(levels[i])
            features[here] = roi_align(x_BCHW, regions[here].to(x_BCHW), self.side, 1 / stride, aligned=True)
        return features


class BoxPredictor(nn.Module):
    """Logits of the background and the classes, and a box's offsets for each, which for the background are 0."""

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.classify, self.regress = nn.Linear(dim, num_classes + 1), nn.Linear(dim, 4 * num_classes)
        for layer, std in ((self.classify, 0.01), (self.regress, 0.001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return to_float32(self.classify(features)), pad(to_float32(self.regress(features)), (4, 0))


class Regions(RoIHeads):  # type: ignore[misc]
    """The heads on each region: its class, its box and, with a mask head, its mask."""

    smooth_l1_beta: float

    def forward(
        self, levels: list[Tensor], proposals: list[Tensor], sizes: Sizes, targets: list[Target] | None
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        if self.training:
            return [], self.losses(levels, proposals, targets)
        logits, offsets = self.box_predictor(self.box_head(self.box_roi_pool(levels, proposals)))
        found = self.postprocess_detections(logits, offsets, proposals, sizes)
        detections = [dict(zip(("boxes", "scores", "labels"), each, strict=True)) for each in zip(*found, strict=True)]
        if self.has_mask():
            labels = torch.cat([each["labels"] for each in detections])
            masks = self.masks(levels, [each["boxes"] for each in detections], labels).sigmoid()
            counts = [len(each["labels"]) for each in detections]
            for each, masks_PSS in zip(detections, torch.split(masks, counts), strict=True):
                each["masks"] = masks_PSS
        return detections, {}

    def losses(self, levels: list[Tensor], proposals: list[Tensor], targets: Any) -> dict[str, Tensor]:
        """Losses over sampled proposals; that of the masks over those that hold an object."""
        regions, matched, labels, offsets = self.select_training_samples(proposals, targets)
        logits, predicted = self.box_predictor(self.box_head(self.box_roi_pool(levels, regions)))
        labels_P = torch.cat(labels)
        objects_P = labels_P.nonzero()[:, 0]
        own_P4 = predicted.view(len(labels_P), -1, 4)[objects_P, labels_P[objects_P]]  # those of the object's class
        box = box_loss(own_P4, torch.cat(offsets)[objects_P], self.smooth_l1_beta) / len(labels_P)
        losses = {"class": cross_entropy(logits, labels_P), "box": box}
        if not self.has_mask():
            return losses
        held = [torch.where(label > 0)[0] for label in labels]
        boxes = [x[i] for x, i in zip(regions, held, strict=True)]
        logits = self.masks(levels, boxes, torch.cat([x[i] for x, i in zip(labels, held, strict=True)]))
        objects = [x[i] for x, i in zip(matched, held, strict=True)]
        wanted = [
            cut(target["masks"], boxes_P4, objects_P, logits.shape[-1])
            for target, boxes_P4, objects_P in zip(targets, boxes, objects, strict=True)
        ]
        # the mean over no region is NaN; the sum still gives every weight a gradient of 0
        some = len(logits) > 0
        losses["mask"] = binary_cross_entropy_with_logits(logits, torch.cat(wanted)) if some else logits.sum()
        return losses

    def masks(self, levels: list[Tensor], boxes: list[Tensor], labels_P: Tensor) -> Tensor:
        """Logits [P, S, S] of each region's mask for its label, which is 1 for the first class."""
        logits_PKSS = self.mask_predictor(self.mask_head(self.mask_roi_pool(levels, boxes)))
        return to_float32(logits_PKSS[torch.arange(len(labels_P), device=labels_P.device), labels_P - 1])


class FasterRCNN(Detector):
    """Two-stage detector."""

    joint_loss = True
    """Losses are means over the anchors and regions of all images of a group, and not of each image."""

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module,
        num_classes: int,
        *,
        head_width: int = 1024,
        anchor_scale: float = 8.0,
        max_proposals: int = 1000,
        sampled_regions: int = 512,
        smooth_l1_beta: float = 1 / 9,
        score_threshold: float = 0.05,
        nms_threshold: float = 0.5,
        max_detections: int = 100,
    ) -> None:
        """``anchor_scale`` is an anchor's side over its map's stride, at least 1; ``sampled_regions`` are of each image."""
        super().__init__()
        self.backbone, self.neck, self.num_classes, self.max_proposals = backbone, neck, num_classes, max_proposals
        pyramid: Any = neck
        self.width, self.strides = int(pyramid.width), tuple(pyramid.strides)
        anchors = Anchors((*self.strides, 2 * self.strides[-1]), [anchor_scale])
        self.proposals = Proposals(anchors, self.width, max_proposals, smooth_l1_beta)
        box_head = TwoMLPHead(self.width * BOX_SIDE**2, head_width)
        for layer in (box_head.fc6, box_head.fc7):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.regions = Regions(
            RegionAlign(self.strides, BOX_SIDE), box_head, BoxPredictor(head_width, num_classes),
            0.5, 0.5, sampled_regions, 0.25, None, score_threshold, nms_threshold, max_detections,
        )  # fmt: skip
        self.regions.smooth_l1_beta = smooth_l1_beta

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """The neck's maps and P6."""
        levels: list[Tensor] = self.neck(self.backbone(images))
        return [*levels, max_pool2d(levels[-1], 1, 2)]

    def raw(self, images: Tensor) -> list[Any]:
        """All that MACs are counted over: no RoIAlign and no NMS, and the most regions that an image may have."""
        regions = images.new_zeros(self.max_proposals, self.width, BOX_SIDE, BOX_SIDE)
        return [
            self.proposals.head(self.pyramid(images)),
            self.regions.box_predictor(self.regions.box_head(regions)),
        ]

    def shaped_loss(self, images: Tensor) -> Tensor:
        """A loss with the tensors that training has if every image has the most regions and masks. For counting memory."""
        levels = self.pyramid(images)
        logits, offsets = (
            torch.stack([to_float32(x).sum() for x in maps]).sum() for maps in self.proposals.head(levels)
        )
        regions, share = self.regions, self.regions.fg_bg_sampler.positive_fraction
        sampled = len(images) * regions.fg_bg_sampler.batch_size_per_image
        scores, boxes = regions.box_predictor(regions.box_head(self._cut(levels, sampled, BOX_SIDE)))
        losses = [logits, offsets, cross_entropy(scores, scores.new_empty(sampled, dtype=torch.long)), boxes.sum()]
        if regions.has_mask():
            count = int(sampled * share)
            masks = regions.mask_predictor(regions.mask_head(self._cut(levels, count, MASK_SIDE)))
            masks_PSS = to_float32(masks[torch.arange(count), torch.zeros(count, dtype=torch.long)])
            losses.append(binary_cross_entropy_with_logits(masks_PSS, torch.zeros_like(masks_PSS)))
        return torch.stack(losses).sum()

    def _cut(self, levels: list[Tensor], count: int, side: int) -> Tensor:
        """Features of ``count`` regions, all from the finest map."""
        finest_BCHW = to_float32(levels[0])
        features = roi_align(finest_BCHW, finest_BCHW.new_empty(count, 5), side, 1.0, aligned=True)
        return torch.zeros_like(features).index_put((torch.arange(count),), features)

    def losses(self, levels: list[Tensor], sizes: Sizes, targets: list[Target]) -> dict[str, Tensor]:
        """``rpn_class`` and ``rpn_box`` of the proposals, and ``class``, ``box`` and perhaps ``mask`` of the regions."""
        inner = [{**target, "labels": target["labels"] + 1} for target in targets]
        proposals, of_proposals = self.proposals(levels, sizes, inner)
        _, of_regions = self.regions(levels, proposals, sizes, inner)
        return {**of_proposals, **of_regions}

    def detections(self, levels: list[Tensor], sizes: Sizes) -> list[dict[str, Tensor]]:
        """See `Detector`."""
        proposals, _ = self.proposals(levels, sizes, None)
        found: list[dict[str, Tensor]]
        found, _ = self.regions(levels, proposals, sizes, None)
        for each in found:
            each["labels"] = each["labels"] - 1
        return found


class MaskRCNN(FasterRCNN):
    """Faster R-CNN with a mask for each object.

    A target also has ``masks`` [P, H, W] of 0 and 1, and so have the detections, as `Pasted` at the image's size or at its
    original's.
    """

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module,
        num_classes: int,
        *,
        mask_width: int = 256,
        mask_convs: int = 4,
        **settings: Any,
    ) -> None:
        super().__init__(backbone, neck, num_classes, **settings)
        regions = self.regions
        regions.mask_roi_pool = RegionAlign(self.strides, MASK_SIDE)
        regions.mask_head = MaskRCNNHeads(self.width, (mask_width,) * mask_convs, 1)
        regions.mask_predictor = MaskRCNNPredictor(mask_width, mask_width, num_classes)
        for layer in (regions.mask_predictor.conv5_mask, regions.mask_predictor.mask_fcn_logits):
            nn.init.zeros_(layer.bias)

    def raw(self, images: Tensor) -> list[Any]:
        features = images.new_zeros(self.regions.detections_per_img, self.width, MASK_SIDE, MASK_SIDE)
        return [*super().raw(images), self.regions.mask_predictor(self.regions.mask_head(features))]
