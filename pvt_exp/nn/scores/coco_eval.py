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
from numpy.typing import NDArray
from pycocotools import mask as rle

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
    coco, evaluation, library = _library(engine, kind)
    images = [dict(image) for image in ground_truth["images"]]
    categories = sorted((dict(each) for each in ground_truth["categories"]), key=lambda each: int(each["id"]))
    known_images, known_categories = {each["id"]: each for each in images}, {each["id"] for each in categories}
    truth = _truth(ground_truth["annotations"], known_images, known_categories, kind)
    found = _found(detections, known_images, known_categories, kind)
    for listed, field in ((images, "image_id"), (categories, "category_id")):
        _renumber(listed, (*truth, *found), field)
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
        run = evaluation(*sides)
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


def _library(engine: Engine, kind: Kind) -> tuple[Callable[[], Any], Callable[..., Any], str]:
    """What makes a side, what compares two, and its name."""
    if engine == "fast":
        with contextlib.suppress(ImportError):
            from faster_coco_eval import COCO

            evaluation = partial(_fast_evaluation(kind), iouType="bbox", print_function=_say_nothing)
            return partial(COCO, print_function=_say_nothing), evaluation, "faster-coco-eval"
    from pycocotools import coco, cocoeval

    return coco.COCO, partial(cocoeval.COCOeval, iouType=IOU_TYPE[kind]), "pycocotools"


def _fast_evaluation(kind: Kind) -> Callable[..., Any]:
    """faster-coco-eval's class; for masks with the overlaps of pycocotools, which reads run lengths several times faster.

    The library is told of boxes either way, so that it leaves masks alone; it goes by the overlaps that it is given.
    """
    from faster_coco_eval import COCOeval_faster

    if kind == "boxes":
        return partial(COCOeval_faster)

    class Masks(COCOeval_faster):  # type: ignore[misc]
        def computeIoU(self, imgId: int, catId: int) -> Any:  # noqa: N802 - the library's name
            ((truth,),) = self.gt_dataset.get_instances([imgId], [catId], True)
            ((found,),) = self.dt_dataset.get_instances([imgId], [catId], True)
            if not truth or not found:
                return []
            order = np.argsort([-each["score"] for each in found], kind="mergesort")[: self.params.maxDets[-1]]
            masks = [found[place]["segmentation"] for place in order], [each["segmentation"] for each in truth]
            return rle.iou(*masks, [each["iscrowd"] for each in truth])

    return Masks


def _say_nothing(*_: object) -> None:
    pass


def _renumber(listed: Sequence[dict[str, Any]], annotations: Sequence[dict[str, Any]], field: str) -> None:
    """Number images or categories from 1, in place: faster-coco-eval keeps ids as floating-point numbers.

    The order of the ids stays, as it decides between detections of equal scores.
    """
    numbers = {identity: number for number, identity in enumerate(sorted(each["id"] for each in listed), 1)}
    for each in annotations:
        each[field] = numbers[each[field]]
    for each in listed:
        each["id"] = numbers[each["id"]]


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
        if kind == "masks":
            kept[field] = _run_lengths(each[field], images[each["image_id"]])
        copies.append({**kept, "id": len(copies) + 1, "iscrowd": int(each.get("iscrowd", 0))})
    return copies


def _run_lengths(segmentation: Any, image: Json) -> Any:
    """Polygons, and run lengths that are not compressed, as compressed ones: what pycocotools would make of them."""
    size = image["height"], image["width"]
    if isinstance(segmentation, list):
        return rle.merge(rle.frPyObjects(segmentation, *size))
    return rle.frPyObjects(segmentation, *size) if isinstance(segmentation["counts"], list) else segmentation


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
