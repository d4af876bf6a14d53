"""Files of the official form with few images, whose sums are declared official."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest

from pvt_exp.datasets.cifar import FILES, FOLDERS, Settings


def write(root: Path, monkeypatch: pytest.MonkeyPatch, classes: int = 10) -> Settings:
    at = root / FOLDERS[classes]
    at.mkdir(parents=True)
    sums = {}
    for n, name in enumerate(FILES[classes]):
        pixels = np.full((2, 3072), n, dtype=np.uint8)
        labels = "labels" if classes == 10 else "fine_labels"
        content = {"data": pixels, labels: [n, 9], "label_names": ["x"] * 10, "fine_label_names": ["x"] * 100}
        (at / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((at / name).read_bytes()).hexdigest()
    from torchvision.datasets import CIFAR10, CIFAR100

    official = {10: CIFAR10, 100: CIFAR100}[classes]
    tests = FILES[classes][-2]
    monkeypatch.setattr(official, "train_list", [[n, sums[n]] for n in FILES[classes][:-2]])
    monkeypatch.setattr(official, "test_list", [[tests, sums[tests]]])
    monkeypatch.setattr(official, "meta", {**official.meta, "md5": sums[FILES[classes][-1]]})
    return Settings(classes=classes)  # type: ignore[arg-type]
