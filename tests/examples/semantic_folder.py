"""Three classes and an ignored value, in folders of places."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pvt_exp.datasets.semantic_folder import Settings

VALUES = np.array([[0, 1, 2, 9], [2, 2, 1, 0], [9, 9, 0, 1]], dtype=np.uint8)


def put(image: Path, mask: Path, values: np.ndarray = VALUES, mode: str | None = None) -> None:
    """An image and its mask."""
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", values.shape[1::-1], "teal").save(image)
    picture = Image.fromarray(values)
    (picture.convert(mode) if mode else picture).save(mask)


def write(root: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for stem in ("train/{}/oslo/1", "train/{}/oslo/2", "train/{}/rome/1", "val/{}/1"):
        put(root / f"{stem.format('images')}.png", root / f"{stem.format('masks')}.png")
    return Settings(name="places", classes=("sea", "land", "sky"), ignore_index=9)
