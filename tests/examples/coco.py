"""Polygons, a crowd, compressed run lengths, a box of zero size, an image without annotations, sparse ids out of order."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pvt_exp.datasets.coco import Settings

CATEGORIES = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]
# 12 wide, 10 high; columns 3 to 5 of rows 2 to 4, column by column
RUNS = {"size": [10, 12], "counts": [32, 3, 7, 3, 7, 3, 65]}
COMPRESSED = {"size": [10, 12], "counts": "P137000j1"}


def box(number: int, image: int, category: int, bbox: list[float], /, **more: Any) -> dict[str, Any]:
    """An annotation, with its rectangle as polygon unless said otherwise."""
    x, y, w, h = bbox
    polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
    told = {"id": number, "image_id": image, "category_id": category, "bbox": bbox, "area": w * h, "iscrowd": 0}
    return {**told, "segmentation": [polygon], **more}


def images(*ids: int) -> list[dict[str, Any]]:
    return [{"id": n, "file_name": f"{n}.png", "width": 12, "height": 10} for n in ids]


def train() -> dict[str, Any]:
    annotations = [
        box(101, 5, 7, [2, 1, 4, 6]),
        box(102, 9, 3, [3, 2, 3, 3], segmentation=RUNS, iscrowd=1, area=9),
        box(103, 5, 3, [-1, 4, 5, 8]),
        box(104, 5, 3, [4, 4, 0, 3]),
        box(105, 9, 7, [3, 2, 3, 3], segmentation=COMPRESSED, area=9),
    ]
    return {"categories": [*CATEGORIES], "images": images(9, 5, 6), "annotations": annotations}


def val() -> dict[str, Any]:
    return {"categories": [*CATEGORIES], "images": images(1, 2), "annotations": [box(1, 2, 3, [0, 0, 12, 10])]}


def put(root: Path, **splits: dict[str, Any]) -> Path:
    """Annotations of splits, and an image for each that they name."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    for split, document in splits.items():
        (root / f"annotations/instances_{split}2017.json").write_text(json.dumps(document))
        (root / f"{split}2017").mkdir(exist_ok=True)
        for image in document.get("images", []):
            if isinstance(image, dict) and "file_name" in image:
                size = (int(image.get("width", 12)), int(image.get("height", 10)))
                Image.new("RGB", size, (int(image.get("id") or 0) % 256, 50, 200)).save(
                    root / f"{split}2017" / image["file_name"]
                )
    return root


def write(root: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    put(root, train=train(), val=val())
    return Settings()
