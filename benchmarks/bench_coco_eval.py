"""COCO's average precision at the size of a real validation: ours (`pvt_exp/nn/coco_eval.py`) beside pycocotools.

    python benchmarks/bench_coco_eval.py [--images N] [--rounds N]

500 images with 100 detections each of 80 classes, made up from a fixed seed: three quarters are true boxes moved a little,
the rest lie anywhere; some scores are equal, some objects are crowds. Boxes first, then the ellipses in them as masks of
640 x 480 pixels. Each side starts from the same dicts and ends with its figures, in turns in one process; the least time
of each is told, the ratio, and the largest difference of any figure: twelve for the set, one a class, in percent.
"""

import argparse
import contextlib
import copy
import io
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

sys.path.insert(0, str(Path(__file__).parent.parent))
from pvt_exp.nn.scores import coco_eval

CLASSES, DETECTIONS, OBJECTS = 80, 100, 20
WIDTH, HEIGHT = 640, 480
NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


def made(images: int, masks: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A data set and detections in it."""
    draw = np.random.default_rng(0)
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    side = np.array([WIDTH, HEIGHT])
    for image in range(1, images + 1):
        extent = side * draw.uniform(0.02, 0.6, (OBJECTS, 1)) * draw.uniform(0.6, 1, (OBJECTS, 2))
        boxes = np.hstack([draw.uniform(0, 1, (OBJECTS, 2)) * (side - extent), extent])
        labels = draw.integers(CLASSES, size=OBJECTS)
        for box, label in zip(boxes, labels, strict=True):
            crowd = int(draw.random() < 0.02)
            each = {"id": len(truth) + 1, "image_id": image, "category_id": int(label) + 1, "iscrowd": crowd}
            truth.append({**each, "bbox": box.tolist(), "area": float(box[2] * box[3])})
        for n in range(DETECTIONS):
            of = n % OBJECTS
            true = draw.random() < 0.75
            moved = boxes[of] + draw.normal(0, 0.05, 4) * boxes[of, [2, 3, 2, 3]]
            other = draw.uniform(0.02, 0.5, 4) * [*side, *side]
            box, label = (moved, labels[of]) if true else (other, draw.integers(CLASSES))
            box[2:] = np.clip(box[2:], 1, side)
            score = round(float(draw.beta(4, 2) if true else draw.beta(2, 4)), 3)  # so that some are equal
            each = {"image_id": image, "category_id": int(label) + 1, "score": score}
            found.append({**each, "bbox": box.tolist()})
    if masks:
        for each in (*truth, *found):
            each["segmentation"] = ellipse(each.pop("bbox"), WIDTH, HEIGHT)
        for each in truth:
            each["area"] = float(rle.area(each["segmentation"]))
    pictures = [{"id": image, "width": WIDTH, "height": HEIGHT} for image in range(1, images + 1)]
    categories = [{"id": label + 1, "name": f"class {label}"} for label in range(CLASSES)]
    return {"images": pictures, "annotations": truth, "categories": categories}, found


def ellipse(box: list[float], width: int, height: int) -> dict[str, Any]:
    """The mask of the ellipse in a box, from a polygon of 24 corners."""
    x, y, w, h = box
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    corners = np.stack([x + w / 2 * (1 + np.cos(angle)), y + h / 2 * (1 + np.sin(angle))], axis=1)
    encoded: dict[str, Any] = rle.frPyObjects([corners.ravel().tolist()], height, width)[0]
    return {**encoded, "counts": encoded["counts"].decode()}  # text, as in a file of results


def peer(truth: dict[str, Any], found: list[dict[str, Any]], kind: coco_eval.Kind) -> list[float]:
    """Pycocotools, as its own demo calls it, and the AP of each class from what it keeps."""
    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = truth
        ground.createIndex()
        run = COCOeval(ground, ground.loadRes(found), coco_eval.IOU_TYPE[kind])
        run.evaluate()
        run.accumulate()
        run.summarize()
    classes = [run.eval["precision"][:, :, k, 0, -1] for k in range(CLASSES)]
    return [100 * float(value) for value in (*run.stats, *(each[each > -1].mean() for each in classes))]


def ours(truth: dict[str, Any], found: list[dict[str, Any]], kind: coco_eval.Kind) -> list[float]:
    scores = coco_eval.evaluate(truth, found, kind)
    assert scores.computed_by == "faster-coco-eval"
    classes = [each.ap for each in scores.classes if each.ap is not None]
    assert len(classes) == CLASSES
    return [*(scores.metrics[name] for name in NAMES), *classes]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("faster-coco-eval", "pycocotools", "numpy"))
    print(f"{asked.images} images x {DETECTIONS} detections x {CLASSES} classes; {os.cpu_count()} cores, {libraries}")
    sides: dict[str, Callable[..., list[float]]] = {"ours": ours, "pycocotools": peer}
    ratios = []
    for kind in ("boxes", "masks"):
        truth, found = made(asked.images, kind == "masks")
        taken: dict[str, list[float]] = {name: [] for name in sides}
        figures: dict[str, list[float]] = {}
        for _ in range(asked.rounds):
            for name, side in sides.items():
                handed = copy.deepcopy((truth, found))  # pycocotools writes into them
                since = time.perf_counter()
                figures[name] = side(*handed, kind)
                taken[name].append(time.perf_counter() - since)
        apart = max(abs(a - b) for a, b in zip(*figures.values(), strict=True))
        least = {name: min(each) for name, each in taken.items()}
        ratios.append(f"{kind} {least['pycocotools'] / least['ours']:.1f}")
        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in least.items())
        print(f"  {kind}: {times}; AP {figures['ours'][0]:.2f}; largest difference {apart:.1e}", flush=True)
    print(f"ratio pycocotools / ours, above 1 is better: {', '.join(ratios)}")


if __name__ == "__main__":
    main()
