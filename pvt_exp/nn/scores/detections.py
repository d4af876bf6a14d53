"""Collects a model's detections in COCO's results format, and scores them.

Legend: N detections of an image, H W its pixels.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from pycocotools import mask as rle
from torch import Tensor

from pvt_exp.nn.dense.masks import Pasted, at_once
from pvt_exp.nn.scores.coco_eval import Json, Kind, Scores, evaluate


class Detections:
    """Collects a model's detections of a data set, image by image, and scores them at its end.

    Masks are kept as RLE, so that an image takes kilobytes. An image that was not added counts as one without
    detections, unless `compute` is told of it. Where several processes see a share of the images each, `images` is joined
    before `compute`.
    """

    def __init__(
        self, ground_truth: Json, category_ids: Sequence[int], kinds: Sequence[Kind] = ("boxes",), max_dets: int = 100
    ) -> None:
        """``category_ids`` gives the id in the ground truth of each label."""
        self.ground_truth, self.category_ids, self.kinds, self.max_dets = ground_truth, category_ids, kinds, max_dets
        self.images: dict[int, list[dict[str, Any]]] = {}
        """What was found, by the image's id."""

    def update(self, image_ids: Sequence[int], predictions: Sequence[Mapping[str, Any]]) -> None:
        """Take in what was found in some images.

        Args:
            image_ids: as in the ground truth.
            predictions: an image's N detections: ``boxes`` [N, 4], x and y of two corners in pixels of the image as it is on
                disk; ``scores`` [N]; ``labels`` [N], indices into ``category_ids``; where masks are scored ``masks``
                [N, H, W], bool or of zeros and ones, or `Pasted`.

        Raises:
            ValueError: if an image was handed in before.
        """
        for image_id, found in zip(map(int, image_ids), predictions, strict=True):
            if image_id in self.images:
                raise ValueError(f"image {image_id} was handed in twice; its detections would count twice")
            first_N2, second_N2 = found["boxes"].detach().cpu().double().chunk(2, dim=1)
            boxes = torch.cat([first_N2, second_N2 - first_N2], dim=1)
            scores, labels = found["scores"].tolist(), found["labels"].tolist()
            assert all(0 <= label < len(self.category_ids) for label in labels), "labels count from 0, no background"
            self.images[image_id] = [
                {"image_id": image_id, "category_id": self.category_ids[label], "bbox": box, "score": score}
                for box, score, label in zip(boxes.tolist(), scores, labels, strict=True)
            ]
            if "masks" in self.kinds:
                for each, mask in zip(self.images[image_id], encode(found["masks"]), strict=True):
                    each["segmentation"] = mask

    def results(self) -> list[dict[str, Any]]:
        """All detections in COCO's results format; JSON takes them."""
        return [each for found in self.images.values() for each in found]

    def compute(self, unread: int = 0) -> dict[Kind, Scores]:
        """The scores of each kind; ``unread`` images could not be read and were skipped: they count for nothing.

        Raises:
            ValueError: if others than these are missing.
        """
        truth, found = self.ground_truth, self.results()
        if unread:
            read = [each for each in truth["images"] if each["id"] in self.images]
            if len(read) + unread != len(truth["images"]):
                raise ValueError(f"{len(read)} images were handed in and {unread} skipped, of {len(truth['images'])}")
            truth = {**truth, "images": read}
        return {kind: evaluate(truth, found, kind, max_dets=self.max_dets) for kind in self.kinds}

    def reset(self) -> None:
        """Remove all detections."""
        self.images.clear()


def encode(masks_NHW: Tensor | Pasted) -> list[dict[str, Any]]:
    """Masks of zeros and ones as COCO's compressed RLE, with text for counts; a few at a time, as large as they are."""
    parts: Iterable[Tensor] = (
        masks_NHW.chunks() if isinstance(masks_NHW, Pasted) else torch.split(masks_NHW, at_once(masks_NHW.shape[1:]))  # type: ignore[arg-type]
    )
    return [each for part in parts if len(part) for each in _encoded(part)]


def _encoded(masks_NHW: Tensor) -> list[dict[str, Any]]:
    # COCO counts down the columns; turned on the device, the columns lie in a row and numpy copies nothing.
    turned_NWH = masks_NHW.detach().to(torch.uint8).transpose(1, 2).contiguous().cpu().numpy()
    encoded: list[dict[str, Any]] = rle.encode(turned_NWH.transpose(2, 1, 0))
    return [{"size": each["size"], "counts": each["counts"].decode()} for each in encoded]
