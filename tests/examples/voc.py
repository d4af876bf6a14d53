"""Two classes, a difficult object, an image without objects, and masks of objects; the size is missing in one file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pvt_exp.datasets.voc import Settings

Object = tuple[str, tuple[int, int, int, int], int]
"""Class, first and last column and row of pixels, from 1: xmin ymin xmax ymax; difficult."""


def xml(name: str, objects: list[Object], size: tuple[int, int] | None = (12, 10)) -> str:
    told = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    for called, (left, top, right, bottom), difficult in objects:
        box = f"<xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        told += f"<object><name>{called}</name><difficult>{difficult}</difficult><bndbox>{box}</bndbox></object>"
    return f"<annotation><filename>{name}.jpg</filename>{told}</annotation>"


def put(root: Path, name: str, objects: list[Object], size: tuple[int, int] | None = (12, 10)) -> None:
    """The XML file, the image, and the mask of its objects, the first above the others."""
    for folder in ("Annotations", "JPEGImages", "SegmentationObject", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / f"Annotations/{name}.xml").write_text(xml(name, objects, size))
    Image.new("RGB", (12, 10), "teal").save(root / f"JPEGImages/{name}.jpg")
    mask = np.zeros((10, 12), np.uint8)
    for number, (_, (left, top, right, bottom), _) in reversed(list(enumerate(objects, 1))):
        mask[top - 1 : bottom, left - 1 : right] = number
    Image.fromarray(mask).save(root / f"SegmentationObject/{name}.png")


def write(root: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    put(root, "a", [("dog", (1, 1, 5, 4), 0), ("cat", (7, 2, 12, 10), 0)])
    put(root, "b", [("cat", (2, 2, 9, 8), 1), ("dog", (3, 9, 6, 10), 0)], None)
    put(root, "c", [])
    put(root, "d", [("dog", (1, 1, 12, 10), 0)])
    (root / "ImageSets/Main/train.txt").write_text("a 1\nb  0\nc\n")
    (root / "ImageSets/Main/val.txt").write_text("d\n")
    return Settings()
