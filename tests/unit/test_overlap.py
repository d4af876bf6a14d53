"""Data that would be scored on what was learnt: one place for both splits is refused, images of both are told."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pvt_exp.config import DataError
from pvt_exp.datasets import Dataset, _overlap
from pvt_exp.datasets.coco import Settings as Coco
from pvt_exp.datasets.image_folder import Settings as ImageFolder
from pvt_exp.datasets.semantic_folder import Settings as SemanticFolder
from tests.examples import coco
from tests.examples.semantic_folder import VALUES, put

pytestmark = pytest.mark.usefixtures("cache")
WHAT = "images that training has too"
TRAIN_JSON, VAL_JSON = (f"annotations/instances_{split}2017.json" for split in ("train", "val"))


def both(dataset: Dataset, root: Path) -> tuple[int, tuple[str, ...]]:
    """How many images are told to be in both splits, and which."""
    lines = [line for line in dataset.inspect(root).left_out["val"] if line.what == WHAT]
    return (lines[0].number, lines[0].examples) if lines else (0, ())


def semantic(**fields: Any) -> SemanticFolder:
    return SemanticFolder(name="x", classes=10, **fields)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Two images of each of two classes, of one size and of other pixels in each split."""
    for split in ("train", "val"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            for n in range(2):
                Image.new("RGB", (4, 4), (n, split == "val", 0)).save(tmp_path / split / name / f"{n}.bmp")
    return tmp_path


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    for split, names in {"train": "0123", "val": "45"}.items():
        for name in names:
            put(tmp_path / f"{split}/images/{name}.png", tmp_path / f"{split}/masks/{name}.png", VALUES)
    return tmp_path


@pytest.mark.parametrize("way", ["./{}", "{}/", "{}/.", ".//{}"])
@pytest.mark.parametrize(
    ("make", "train"),
    [
        (lambda same: ImageFolder(name="x", val=same), "train"),
        (lambda same: semantic(val_image_folder=same), "train/images"),
        (lambda same: semantic(train_list="a.txt", val_list=same), "a.txt"),
        (lambda same: Coco(val_annotations=same), TRAIN_JSON),
    ],
    ids=["image_folder", "semantic_folder", "lists", "coco"],
)
def test_one_place_in_other_words_is_refused(make: Callable[[str], object], train: str, way: str) -> None:
    with pytest.raises(ValueError, match=r"the same (folder|file), .*: the score would be of what was learnt"):
        make(way.format(train))


def test_a_folder_of_classes_that_links_to_the_other_is_refused(classes: Path) -> None:
    assert both(ImageFolder(name="x"), classes) == (0, ()), "of one name and size, but of other pixels"
    shutil.rmtree(classes / "val")
    (classes / "val").symlink_to("train")
    with pytest.raises(DataError, match=r"val: the same folder as .*train: the score would be of what was learnt"):
        ImageFolder(name="x").inspect(classes)


def test_a_class_that_is_linked_and_images_that_are_copied_are_told(classes: Path) -> None:
    shutil.rmtree(classes / "val/a")
    (classes / "val/a").symlink_to("../train/a")
    assert both(ImageFolder(name="x"), classes) == (2, ("val/a/0.bmp", "val/a/1.bmp"))
    shutil.copy(classes / "train/b/0.bmp", classes / "val/b/0.bmp")
    assert both(ImageFolder(name="x"), classes)[0] == 3
    (classes / "val/b/1.bmp").unlink()
    os.link(classes / "train/b/1.bmp", classes / "val/b/1.bmp")
    assert both(ImageFolder(name="x"), classes)[0] == 4


def test_copies_are_compared_once(classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(classes / "train/b/0.bmp", classes / "val/b/0.bmp")
    assert both(ImageFolder(name="x"), classes)[0] == 1
    monkeypatch.delattr(_overlap, "filecmp")
    assert both(ImageFolder(name="x"), classes)[0] == 1


def test_folders_of_masks(masks: Path) -> None:
    assert both(semantic(), masks) == (0, ())
    (masks / "train.txt").write_text("0\n1\n2\n")
    (masks / "val.txt").write_text("2\n3\n")
    lists = {"train_list": "train.txt", "val_list": "val.txt"}
    again = semantic(val_image_folder="./train//images/", val_mask_folder="train/masks", **lists)
    assert both(again, masks) == (1, ("./train//images//2.png",))
    (masks / "link.txt").symlink_to("train.txt")
    with pytest.raises(DataError, match=r"link.txt: the same file as .*train.txt"):
        semantic(val_image_folder="train/images", train_list="train.txt", val_list="link.txt").inspect(masks)
    shutil.copy(masks / "train/images/0.png", masks / "val/images/0.png")
    shutil.copy(masks / "train/masks/0.png", masks / "val/masks/0.png")
    assert both(semantic(), masks) == (1, ("val/images/0.png",))
    shutil.rmtree(masks / "val")
    (masks / "val").symlink_to("train")
    with pytest.raises(DataError, match=r"val/images: the same folder as .*train/images"):
        semantic().inspect(masks)


def test_files_of_annotations(tmp_path: Path) -> None:
    root = coco.put(tmp_path, train=coco.train(), val=coco.val())
    assert both(Coco(), root) == (0, ())
    (root / "same.json").symlink_to(TRAIN_JSON)
    with pytest.raises(DataError, match=r"same.json: the same file as .*train2017.json"):
        Coco(val_annotations="same.json", val_image_folder="train2017").inspect(root)
    (root / VAL_JSON).write_text(json.dumps(coco.train(), indent=1))
    assert both(Coco(val_image_folder="./train2017"), root) == (
        3,
        tuple(f"./train2017/{n}.png" for n in (9, 5, 6)),
    )
    shutil.copytree(root / "train2017", root / "copy")
    assert both(Coco(val_image_folder="copy"), root)[0] == 3
