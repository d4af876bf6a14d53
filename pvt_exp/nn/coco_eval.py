"""Average precision of boxes and masks as COCO defines it (arXiv 1405.0312; ten IoUs, 0.50 to 0.95).

Computed by faster-coco-eval, in the figures of pycocotools: a test holds them equal. Three things differ from handing one's
lists to pycocotools, which gets them wrong without a word: a mask's size class follows from the mask even where the
detection has a box too; an annotation may have the id 0; and there is an AP where ``max_dets`` is not 100.
Nothing is printed, and what is handed in stays as it is.
Legend: T IoUs, R recalls, K classes, A ranges of area, M detections that count; N detections, H x W pixels.
"""

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as rle
from torch import Tensor

Kind = Literal["boxes", "masks"]
Engine = Literal["fast", "reference"]
"""``fast`` is faster-coco-eval, and pycocotools where that cannot be imported; ``reference`` is pycocotools."""
Json = Mapping[str, Any]

IOU_TYPE = {"boxes": "bbox", "masks": "segm"}
AREAS = {"s": 1, "m": 2, "l": 3}
"""Size classes and where pycocotools has them: below 32², to 96², and above, in pixels of area."""


@dataclass(frozen=True)
class ClassScore:
    """A row of the table of classes: AP in percent, None for a class of which there is no instance."""

    name: str
    ap: float | None
    ap50: float | None
    instances: int
    """Crowds do not count."""


@dataclass(frozen=True)
class Scores:
    """What one kind of detection scores, in percent."""

    metrics: dict[str, float]
    """AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl; the third AR has ``max_dets`` in its name. What has no ground
    truth is left out."""
    classes: tuple[ClassScore, ...]
    """In the order of the categories' ids."""
    computed_by: str
    """The library."""


def evaluate(
    ground_truth: Json,
    detections: Sequence[Json],
    kind: Kind = "boxes",
    *,
    max_dets: int = 100,
    engine: Engine = "fast",
) -> Scores:
    """Scores of detections against a data set in COCO's format.

    Args:
        ground_truth: ``{images, annotations, categories}``. All of its images count, also those without a detection.
        detections: in COCO's results format: image_id, category_id, score, ``bbox`` [x, y, width, height] in pixels for
            boxes, ``segmentation`` as compressed RLE for masks.
        kind: what is compared.
        max_dets: the detections of an image and class that count, the best ones.
        engine: what computes it.

    Raises:
        ValueError: if a detection is of an unknown image or category, has a number that is none, or a mask of another size
            than its image; or if an annotation lacks what is compared.
    """
    assert max_dets >= 1
    coco, evaluation, library = _library(engine)
    images = [dict(image) for image in ground_truth["images"]]
    categories = sorted((dict(each) for each in ground_truth["categories"]), key=lambda each: int(each["id"]))
    known_images, known_categories = {each["id"]: each for each in images}, {each["id"] for each in categories}
    truth = _truth(ground_truth["annotations"], known_images, known_categories, kind)
    found = _found(detections, known_images, known_categories, kind)
    instances = {each["id"]: 0 for each in categories}
    for each in truth:
        instances[each["category_id"]] += not each["iscrowd"]
    if not any(instances.values()):
        return Scores({}, tuple(ClassScore(str(each["name"]), None, None, 0) for each in categories), library)

    sides = []
    with contextlib.redirect_stdout(io.StringIO()):
        for annotations in (truth, found):
            side = coco()
            side.dataset = {"images": images, "annotations": annotations, "categories": categories}
            side.createIndex()
            sides.append(side)
        run = evaluation(*sides, IOU_TYPE[kind])
        run.params.maxDets = [*(n for n in (1, 10) if n < max_dets), max_dets]
        run.evaluate()
        run.accumulate()
    precision_TRKAM, recall_TKAM = run.eval["precision"], run.eval["recall"]
    rows = (
        ClassScore(
            str(each["name"]), _mean(precision_TRKAM[:, :, k, 0, -1]), _mean(precision_TRKAM[0, :, k, 0, -1]), number
        )
        for k, (each, number) in enumerate(zip(categories, instances.values(), strict=True))
    )
    return Scores(_metrics(precision_TRKAM, recall_TKAM, run.params.maxDets), tuple(rows), library)


def _metrics(precision_TRKAM: NDArray[Any], recall_TKAM: NDArray[Any], max_dets: Sequence[int]) -> dict[str, float]:
    found = {
        "AP": _mean(precision_TRKAM[..., 0, -1]),
        "AP50": _mean(precision_TRKAM[0, ..., 0, -1]),
        "AP75": _mean(precision_TRKAM[5, ..., 0, -1]),
        **{f"AP{size}": _mean(precision_TRKAM[..., area, -1]) for size, area in AREAS.items()},
        **{f"AR{number}": _mean(recall_TKAM[..., 0, m]) for m, number in enumerate(max_dets)},
        **{f"AR{size}": _mean(recall_TKAM[..., area, -1]) for size, area in AREAS.items()},
    }
    return {name: value for name, value in found.items() if value is not None}


def _mean(values: NDArray[Any]) -> float | None:
    """In percent; the libraries mark what has no ground truth with -1."""
    told = values[values > -1]
    return 100 * float(np.mean(told)) if told.size else None


def _library(engine: Engine) -> tuple[Callable[[], Any], Callable[..., Any], str]:
    if engine == "fast":
        with contextlib.suppress(ImportError):
            from faster_coco_eval import COCO, COCOeval_faster

            # More threads than one gained nothing, and how many there may be is not for an evaluation to say.
            evaluation = partial(COCOeval_faster, print_function=_say_nothing, rle_iou_max_workers=1)
            return partial(COCO, print_function=_say_nothing), evaluation, "faster-coco-eval"
    from pycocotools import coco, cocoeval

    return coco.COCO, cocoeval.COCOeval, "pycocotools"


def _say_nothing(*_: object) -> None:
    pass


def _truth(annotations: Sequence[Json], images: Json, categories: set[int], kind: Kind) -> list[dict[str, Any]]:
    """Copies with what the libraries need, numbered from 1: they take the id 0 for no match."""
    field = "bbox" if kind == "boxes" else "segmentation"
    copies: list[dict[str, Any]] = []
    for each in annotations:
        if each["image_id"] not in images or each["category_id"] not in categories:
            continue
        if missing := [name for name in (field, "area") if each.get(name) is None]:
            raise ValueError(f"annotation {each['id']} has no {missing[0]}, so that {kind} cannot be scored")
        kept = {name: each[name] for name in ("image_id", "category_id", "area", field)}
        copies.append({**kept, "id": len(copies) + 1, "iscrowd": int(each.get("iscrowd", 0))})
    return copies


def _found(detections: Sequence[Json], images: Json, categories: set[int], kind: Kind) -> list[dict[str, Any]]:
    """Copies with the area of what is compared."""
    field = "bbox" if kind == "boxes" else "segmentation"
    copies = []
    for n, each in enumerate(detections, 1):
        image, category = each["image_id"], each["category_id"]
        if image not in images or category not in categories:
            what = f"image {image}" if image not in images else f"category {category}"
            raise ValueError(f"detection {n} is of {what}, which the ground truth does not have")
        if each.get(field) is None:
            raise ValueError(f"detection {n} (image {image}) has no {field}, so that {kind} cannot be scored")
        kept = {"id": n, "image_id": int(image), "category_id": int(category), "iscrowd": 0}
        copies.append({**kept, "score": float(each["score"]), field: each[field]})
    if not copies:
        return []
    numbers = np.array([each["score"] for each in copies])[:, None]
    if kind == "boxes":
        boxes = np.array([each["bbox"] for each in copies], dtype=np.float64)
        numbers = np.hstack([numbers, boxes])
        areas = boxes[:, 2] * boxes[:, 3]
        for each, box in zip(copies, boxes.tolist(), strict=True):
            each["bbox"] = box
    else:
        for each in copies:
            image, size = images[each["image_id"]], tuple(each["segmentation"]["size"])
            if size != (image["height"], image["width"]):
                raise ValueError(
                    f"a mask of {size[0]} x {size[1]} in image {image['id']} of {image['height']} x {image['width']}"
                )
        areas = np.array([rle.area(each["segmentation"]) for each in copies])  # of a list it takes 255 at most
    if not (fine := np.isfinite(numbers).all(1)).all():
        bad = copies[int(np.argmin(fine))]
        raise ValueError(
            f"detection {bad['id']} (image {bad['image_id']}) has a score or a box that is NaN or infinite"
        )
    for each, area in zip(copies, areas.tolist(), strict=True):
        each["area"] = area
    return copies


class Detections:
    """Collects a model's detections of a data set, image by image, and scores them at its end.

    Masks are kept as RLE, so that an image takes kilobytes. An image that was not handed in counts as one in which nothing
    was found, unless `compute` is told of it. One process sees all images for now; for several, `results` is what would be
    gathered before `evaluate`, with an image that two of them saw taken once.
    """

    def __init__(
        self, ground_truth: Json, category_ids: Sequence[int], kinds: Sequence[Kind] = ("boxes",), max_dets: int = 100
    ) -> None:
        """``category_ids`` gives the id in the ground truth of each label."""
        self.ground_truth, self.category_ids, self.kinds, self.max_dets = ground_truth, category_ids, kinds, max_dets
        self._images: dict[int, list[dict[str, Any]]] = {}

    def update(self, image_ids: Sequence[int], predictions: Sequence[Mapping[str, Tensor]]) -> None:
        """Take in what was found in some images.

        Args:
            image_ids: as in the ground truth.
            predictions: an image's N detections: ``boxes`` [N, 4], x and y of two corners in pixels of the image as it is on
                disk; ``scores`` [N]; ``labels`` [N], indices into ``category_ids``; where masks are scored ``masks``
                [N, H, W], bool or of zeros and ones.

        Raises:
            ValueError: if an image was handed in before.
        """
        for image_id, found in zip(map(int, image_ids), predictions, strict=True):
            if image_id in self._images:
                raise ValueError(f"image {image_id} was handed in twice; its detections would count twice")
            first_N2, second_N2 = found["boxes"].detach().cpu().double().chunk(2, dim=1)
            boxes = torch.cat([first_N2, second_N2 - first_N2], dim=1)
            scores, labels = found["scores"].tolist(), found["labels"].tolist()
            assert all(0 <= label < len(self.category_ids) for label in labels), "labels count from 0, no background"
            self._images[image_id] = [
                {"image_id": image_id, "category_id": self.category_ids[label], "bbox": box, "score": score}
                for box, score, label in zip(boxes.tolist(), scores, labels, strict=True)
            ]
            if "masks" in self.kinds:
                for each, mask in zip(self._images[image_id], encode(found["masks"]), strict=True):
                    each["segmentation"] = mask

    def results(self) -> list[dict[str, Any]]:
        """All detections in COCO's results format; JSON takes them."""
        return [each for found in self._images.values() for each in found]

    def compute(self, unread: int = 0) -> dict[Kind, Scores]:
        """The scores of each kind; ``unread`` images could not be read and were skipped: they count for nothing.

        Raises:
            ValueError: if others than these are missing.
        """
        truth, found = self.ground_truth, self.results()
        if unread:
            read = [each for each in truth["images"] if each["id"] in self._images]
            if len(read) + unread != len(truth["images"]):
                raise ValueError(f"{len(read)} images were handed in and {unread} skipped, of {len(truth['images'])}")
            truth = {**truth, "images": read}
        return {kind: evaluate(truth, found, kind, max_dets=self.max_dets) for kind in self.kinds}

    def reset(self) -> None:
        """Forget everything that was found."""
        self._images.clear()


def encode(masks_NHW: Tensor) -> list[dict[str, Any]]:
    """Masks of zeros and ones as COCO's compressed RLE, with text for counts."""
    if not len(masks_NHW):
        return []
    # COCO counts down the columns; turned on the device, the columns lie in a row and numpy copies nothing.
    turned_NWH = masks_NHW.detach().to(torch.uint8).transpose(1, 2).contiguous().cpu().numpy()
    encoded: list[dict[str, Any]] = rle.encode(turned_NWH.transpose(2, 1, 0))
    return [{"size": each["size"], "counts": each["counts"].decode()} for each in encoded]
