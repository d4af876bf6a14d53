"""Two classes, of which validation has one."""

from pathlib import Path

import pytest
from PIL import Image

from pvt_exp.datasets.image_folder import Settings


def write(root: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for n, at in enumerate(("train/cat/1.png", "train/cat/2.jpg", "train/dog/1.gif", "val/dog/1.png")):
        (root / at).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5 + n, 4), (n, 100, 200)).save(root / at)
    return Settings(name="pets")
