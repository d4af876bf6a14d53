"""Boxes in one text file and polygons in another, and an image without a text file."""

from pathlib import Path

import pytest
import yaml
from PIL import Image

from pvt_exp.datasets.yolo import Settings

Shape = tuple[int, list[float]]


def put(root: Path, split: str, name: str, shapes: list[Shape] | None, size: tuple[int, int] = (20, 10)) -> None:
    """An image, and its text file unless there are no ``shapes``."""
    for folder in ("images", "labels"):
        (root / split / folder).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "teal").save(root / split / "images" / f"{name}.png")
    if shapes is not None:
        lines = [" ".join(map(str, (label, *numbers))) for label, numbers in shapes]
        (root / split / "labels" / f"{name}.txt").write_text("\n".join(lines) + "\n")


def write(root: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    triangle = [0.1, 0.1, 0.9, 0.1, 0.5, 0.8]
    put(root, "train", "a", [(1, [*triangle]), (0, [0.5, 0.0, 1.0, 0.0, 1.0, 0.5, 0.5, 0.5])])
    put(root, "train", "b", None)
    put(root, "train", "c", [(0, [0.2, 0.2, 0.6, 0.2, 0.6, 0.9])])
    put(root, "valid", "d", [(1, [*triangle])])
    told = {"names": ["car", "van"], "nc": 2, "train": "../train/images", "val": "../valid/images"}
    (root / "data.yaml").write_text(yaml.safe_dump(told))
    return Settings(name="roads")
