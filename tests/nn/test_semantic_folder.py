"""The reader of `semantic_folder`: its labels, flawed masks, and the real sets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pvt_exp.config import DataError
from pvt_exp.datasets.semantic_folder import Settings
from pvt_exp.nn.data.images import BadImage
from tests.conftest import real_data
from tests.examples.semantic_folder import VALUES, put, write
from tests.nn.test_datasets import check_readers

FOLDERS = {"image": "images", "mask": "semantic"}


def test_labels_are_the_values_and_what_is_ignored_is_255(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = write(tmp_path, monkeypatch).open(tmp_path, "train", "semantic")
    assert [path.decode() for path in reader.images] == [
        f"train/images/{at}.png" for at in ("oslo/1", "oslo/2", "rome/1")
    ]
    image, labels = reader[0]
    assert image.size == (4, 3)
    assert labels.tolist() == np.where(VALUES == 9, 255, VALUES).tolist()


@pytest.mark.parametrize(
    ("values", "fields", "labels"),
    [
        (np.array([[0, 1, 2, 255]], np.uint8), {"classes": 2, "reduce_zero": True}, [255, 0, 1, 255]),
        (np.array([[0, 1, 2, 300]], np.uint16), {"classes": 3, "ignore_index": 300}, [0, 1, 2, 255]),
        (np.array([[0, 1, 2, 2]], np.uint8), {"classes": 3, "ignore_index": None}, [0, 1, 2, 2]),
        (np.array([[True, False]]), {"classes": 2}, [1, 0]),
    ],
)
def test_masks_of_any_depth_are_read(tmp_path: Path, values: Any, fields: dict[str, Any], labels: list[int]) -> None:
    put(tmp_path / "train/images/1.jpg", tmp_path / "train/masks/1.png", values)
    read = Settings(name="x", **fields).open(tmp_path, "train", "semantic")[0][1]
    assert read.tolist() == [labels]
    assert read.dtype == np.uint8


def test_a_palette_does_not_matter(tmp_path: Path) -> None:
    put(tmp_path / "train/images/1.png", tmp_path / "train/masks/1.png", VALUES)
    mask = Image.fromarray(VALUES).convert("P")
    mask.putpalette([255, 0, 0, 0, 255, 0, 9, 9, 9] * 85)
    mask.putdata(VALUES.ravel().tolist())
    mask.save(tmp_path / "train/masks/1.png")
    assert Image.open(tmp_path / "train/masks/1.png").mode == "P"
    read = Settings(name="x", classes=10).open(tmp_path, "train", "semantic")[0][1]
    assert read.tolist() == VALUES.tolist()


def test_flawed_masks_are_said_when_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = write(tmp_path, monkeypatch).open(tmp_path, "val", "semantic")
    image, mask = tmp_path / "val/images/1.png", tmp_path / "val/masks/1.png"
    put(image, mask, VALUES.clip(0, 3))
    with pytest.raises(DataError, match=r"val/masks/1.png: has the value 3; the 3 classes are 0 to 2"):
        reader[0]
    put(image, mask, np.dstack([VALUES, VALUES + 1, VALUES]))
    with pytest.raises(DataError, match=r"val/masks/1.png: pixels of mode RGB"):
        reader[0]
    put(tmp_path / "other.png", mask, VALUES[:, :3].copy())
    with pytest.raises(BadImage, match=r"val/masks/1.png: the mask has 3 x 3 pixels, and its image 4 x 3"):
        reader[0]
    mask.write_bytes(mask.read_bytes()[:50])
    with pytest.raises(BadImage, match=r"val/masks/1.png: not a readable image"):
        reader[0]
    put(image, mask)
    image.write_bytes(b"no image")
    with pytest.raises(BadImage, match=r"val/images/1.png: not a readable image"):
        reader[0]


# ---------------------------------------------------------------- real sets; the numbers are those of their READMEs


def test_camvid_is_read_as_it_lies() -> None:
    root = real_data("sem_camvid11")
    dataset = Settings(name="camvid", ignore_index=11)
    facts = dataset.inspect(root)
    assert facts.images == {"train": 160, "val": 61}
    assert (len(facts.classes), facts.classes[0], facts.classes[10]) == (11, "Sky", "Bicyclist")
    check_readers(dataset, root)
    reader = dataset.open(root, "val", "semantic")
    seen = {int(label) for index in range(len(reader)) for label in np.unique(reader[index][1])}
    assert seen == {*range(11), 255}
    with pytest.raises(DataError, match=r"classes.json: says that 11 is ignored; set dataset.ignore_index: 11"):
        Settings(name="camvid").inspect(root)


def test_nuclei_are_read_as_they_lie() -> None:
    root = real_data("inst_nuclei")
    folders = {f"{split}_{what}_folder": f"{at}/{split}" for split in ("train", "val") for what, at in FOLDERS.items()}
    dataset = Settings(name="nuclei", classes=("background", "nucleus"), **folders)  # type: ignore[arg-type]
    assert dataset.inspect(root).images == {"train": 170, "val": 60}
    check_readers(dataset, root)
