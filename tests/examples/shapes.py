"""Drawn, so there is nothing to prepare."""

from pathlib import Path

import pytest

from pvt_exp.datasets.shapes import Settings


def write(root: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    dataset = Settings(train_images=30, val_images=20, image_px=24)
    dataset.make(root)
    return dataset
