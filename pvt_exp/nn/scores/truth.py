"""The objects of each image of a data set, from annotations in COCO's format."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch


class Truth:
    """Looks up the true objects of an image by the image's id."""

    def __init__(self, ground_truth: Mapping[str, Any], category_ids: Sequence[int]) -> None:
        """``category_ids`` gives the id in the ground truth of each label."""
        self.labels = {number: label for label, number in enumerate(category_ids)}
        self.annotations: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for each in ground_truth["annotations"]:
            self.annotations[each["image_id"]].append(each)

    def of(self, image_id: int, device: Any = None) -> dict[str, Any]:
        """``boxes`` [P, 4], left, top, right and bottom; ``labels`` and ``crowd`` [P]; and COCO's ``annotations``."""
        there = self.annotations.get(int(image_id), [])
        boxes_P4 = torch.tensor([each["bbox"] for each in there], dtype=torch.float32).reshape(-1, 4)
        boxes_P4[:, 2:] += boxes_P4[:, :2]
        labels = torch.tensor([self.labels[each["category_id"]] for each in there], dtype=torch.int64)
        crowd = torch.tensor([bool(each.get("iscrowd", 0)) for each in there], dtype=torch.bool)
        found = {"boxes": boxes_P4, "labels": labels, "crowd": crowd}
        return {**{name: each.to(device) for name, each in found.items()}, "annotations": there}
