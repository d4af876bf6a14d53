"""RetinaNet (arXiv 1708.02002) on torchvision's heads, matcher, losses and NMS, over any backbone and neck.

Shapes, as suffixes of names: as in `pvt_exp.nn.dense.boxes`, and Q for the N * K scores of an image.

The neck's maps (strides 8, 16 and 32 in the papers: build it with ``finest=8``) get two coarser ones. P6 is a
convolution of the backbone's last map, as in mmdetection's ``on_input`` and the published counts; a plain ViT has no map
of the neck's last stride, and there P6 comes from the neck's last map (``on_output``). P7 is one of P6, as in
mmdetection 2.13, which PVT's code is on; RetinaNet's paper has a ReLU between them.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.retinanet import RetinaNetClassificationHead, RetinaNetRegressionHead
from torchvision.ops import box_iou, sigmoid_focal_loss

from pvt_exp.nn.dense.boxes import Anchors, Sizes, Target, best, mask_padding, to_float32
from pvt_exp.nn.dense.detector import Detector

CANDIDATES = 1000  # of one map that go into NMS
PRIOR = 0.01  # of an object at an anchor, at the start (section 4.1)


def tower(in_dim: int, dim: int, convs: int) -> nn.Sequential:
    """Convolutions with a ReLU each, started as the paper does (section 4.1)."""
    layers: list[nn.Module] = []
    for i in range(convs):
        conv = nn.Conv2d(dim if i else in_dim, dim, 3, padding=1)
        nn.init.normal_(conv.weight, std=0.01)
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        layers += [conv, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class RetinaNet(Detector):
    """One-stage detector."""

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module,
        num_classes: int,
        *,
        head_width: int = 256,
        head_convs: int = 4,
        anchor_scale: float = 4.0,
        score_threshold: float = 0.05,
        nms_threshold: float = 0.5,
        max_detections: int = 100,
    ) -> None:
        """``anchor_scale`` is the smallest anchor's side over its map's stride; at least 1."""
        super().__init__()
        self.backbone, self.neck, self.num_classes = backbone, neck, num_classes
        body: Any = backbone
        pyramid: Any = neck
        width, last = pyramid.width, pyramid.strides[-1]
        self.on_input = body.strides[-1] == last
        self.p6 = nn.Conv2d(body.channels[-1] if self.on_input else width, width, 3, 2, 1)
        self.p7 = nn.Conv2d(width, width, 3, 2, 1)
        for conv in (self.p6, self.p7):
            nn.init.xavier_uniform_(conv.weight)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        scales = [anchor_scale * 2 ** (i / 3) for i in range(3)]
        self.anchors = Anchors((*pyramid.strides, 2 * last, 4 * last), scales)
        self.classification = RetinaNetClassificationHead(head_width, self.anchors.per_cell, num_classes, PRIOR)
        self.classification.conv = tower(width, head_width, head_convs)
        self.regression = RetinaNetRegressionHead(head_width, self.anchors.per_cell)
        self.regression.conv = tower(width, head_width, head_convs)
        self.matcher = Matcher(0.5, 0.4, allow_low_quality_matches=True)
        self.coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.score_threshold, self.nms_threshold = score_threshold, nms_threshold
        self.max_detections = max_detections

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """The neck's maps and P6 and P7."""
        maps = self.backbone(images)
        levels: list[Tensor] = self.neck(maps)
        p6 = self.p6(maps[-1] if self.on_input else levels[-1])
        return [*levels, p6, self.p7(p6)]

    def raw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """All that MACs are counted over, without NMS: logits and box offsets."""
        levels = self.pyramid(images)
        return self.classification(levels), self.regression(levels)

    def shaped_loss(self, images: Tensor) -> Tensor:
        """A loss with the tensors that training has if every anchor counts. For counting memory."""
        levels = self.pyramid(images)
        logits_BNK, offsets_BN4 = to_float32(self.classification(levels)), to_float32(self.regression(levels))
        counted = torch.arange(logits_BNK.shape[1])
        parts = [
            sigmoid_focal_loss(logits_NK[counted], torch.zeros_like(logits_NK)[counted], reduction="sum")
            for logits_NK in logits_BNK
        ]
        return torch.stack(parts).sum() + offsets_BN4.sum()

    def losses(self, levels: list[Tensor], sizes: Sizes, targets: list[Target]) -> dict[str, Tensor]:
        """``class`` and ``box``, see `matched_losses`."""
        logits_BNK, offsets_BN4 = to_float32(self.classification(levels)), to_float32(self.regression(levels))
        anchors_N4, outside_BN = self.anchors(levels, sizes)
        return self.matched_losses(logits_BNK, offsets_BN4, anchors_N4, outside_BN, targets)

    def detections(self, levels: list[Tensor], sizes: Sizes) -> list[dict[str, Tensor]]:
        """See `Detector`."""
        logits_BNK, offsets_BN4 = to_float32(self.classification(levels)), to_float32(self.regression(levels))
        anchors_N4, outside_BN = self.anchors(levels, sizes)
        counts = [x_BCHW.shape[2] * x_BCHW.shape[3] * self.anchors.per_cell for x_BCHW in levels]
        logits_BNK = logits_BNK.masked_fill(outside_BN[..., None], -torch.inf)
        return [
            self.detect(scores_NK, offsets_N4, anchors_N4, counts, size)
            for scores_NK, offsets_N4, size in zip(logits_BNK.sigmoid(), offsets_BN4, sizes, strict=True)
        ]

    def matched_losses(
        self, logits_BNK: Tensor, offsets_BN4: Tensor, anchors_N4: Tensor, outside_BN: Tensor, targets: list[Target]
    ) -> dict[str, Tensor]:
        """Focal loss and L1, each over the matched anchors of its image, then the mean of the images."""
        matches = []
        for target, outside_N in zip(targets, outside_BN, strict=True):
            if len(target["boxes"]):
                matched_N = self.matcher(box_iou(target["boxes"], mask_padding(anchors_N4, outside_N)))
            else:
                matched_N = torch.full_like(outside_N, Matcher.BELOW_LOW_THRESHOLD, dtype=torch.int64)
            matches.append(matched_N.masked_fill(outside_N, Matcher.BETWEEN_THRESHOLDS))
        outputs = {"cls_logits": logits_BNK, "bbox_regression": offsets_BN4}
        return {
            "class": self.classification.compute_loss(targets, outputs, matches),
            "box": self.regression.compute_loss(targets, outputs, [anchors_N4] * len(targets), matches),
        }

    def detect(
        self, scores_NK: Tensor, offsets_N4: Tensor, anchors_N4: Tensor, counts: list[int], size: tuple[int, int]
    ) -> dict[str, Tensor]:
        """The detections of one image: the best scores of each map, decoded, and NMS over all."""
        boxes, scores, labels = [], [], []
        for level in zip(*(torch.split(x, counts) for x in (scores_NK, offsets_N4, anchors_N4)), strict=True):
            scores_Q = level[0].flatten()
            candidates = torch.where(scores_Q > self.score_threshold)[0]
            scores_Q, order = scores_Q[candidates].topk(min(CANDIDATES, len(candidates)))
            candidates = candidates[order]
            anchor = candidates // self.num_classes
            boxes.append(self.coder.decode_single(level[1][anchor], level[2][anchor]))
            scores.append(scores_Q)
            labels.append(candidates % self.num_classes)
        return best(
            torch.cat(boxes), torch.cat(scores), torch.cat(labels), size, self.nms_threshold, self.max_detections
        )
