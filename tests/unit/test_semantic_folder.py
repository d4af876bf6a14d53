"""What `semantic_folder` says of images and masks before anything is launched."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from pvt_exp.config import DataError
from pvt_exp.datasets.semantic_folder import Settings
from pvt_exp.nn.data import look
from pvt_exp.nn.data.images import TURNS
from tests.examples.semantic_folder import VALUES, put, write

COLOURED = np.dstack([VALUES, VALUES + 1, VALUES])
THREE = Settings(name="x", classes=3, ignore_index=9)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, monkeypatch)
    return tmp_path


def test_pairs_are_counted(root: Path) -> None:
    (root / "train/masks/oslo/notes.txt").write_text("no mask")
    (root / "train/images/.hidden.png").write_text("no image")
    (root / "train/masks/._1.png").write_text("what macOS keeps beside a file")
    facts = Settings(name="x", classes=("sea", "land", "sky"), ignore_index=9).inspect(root)
    hidden = [line for line in facts.left_out["train"] if line.what.startswith("hidden")]
    assert [(line.number, line.examples) for line in hidden] == [(1, ("train/images/.hidden.png",))]
    assert facts.classes == facts.class_names("semantic") == ("sea", "land", "sky")
    assert facts.images == {"train": 3, "val": 1}
    assert THREE.inspect(root).classes == ("0", "1", "2")
    assert THREE.inspect(root).fingerprint == facts.fingerprint
    put(root / "val/images/1.png", root / "val/masks/1.png", VALUES[::-1].copy())
    assert THREE.inspect(root).fingerprint != facts.fingerprint


def test_a_file_of_no_bytes_that_is_skipped_is_told(root: Path) -> None:
    (root / "val/masks/1.png").write_bytes(b"")
    put(root / "val/images/2.png", root / "val/masks/2.png", VALUES)
    dataset = Settings(name="x", classes=3, ignore_index=9, on_bad_image="skip")
    lines = list(map(str, dataset.inspect(root).left_out["val"]))
    assert "files of 0 bytes: 1 skipped (on_bad_image) (val/masks/1.png)" in lines


def test_masks_of_several_frames_and_turned_ones_are_told(root: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    mask = Image.fromarray(VALUES)
    mask.save(root / "train/masks/oslo/1.png", exif=exif)
    mask.save(root / "train/masks/oslo/2.png", save_all=True, append_images=[mask.transpose(TURNS[3])])
    lines = list(map(str, THREE.inspect(root).left_out["train"]))
    hint = "; annotations of the stored pixels need dataset.exif: ignore"
    what = "masks with an EXIF tag that turns them, of 3 masks looked at: 1 turned upright"
    assert f"{what} (train/masks/oslo/1.png){hint}" in lines
    assert (
        "masks of several frames, of 3 masks looked at: 1 read as their first frame (train/masks/oslo/2.png)" in lines
    )


def test_what_is_no_regular_file_is_told_and_not_opened(root: Path) -> None:
    before = THREE.inspect(root)
    for name in ("train/images/oslo/f.png", "train/masks/oslo/f.png"):
        os.mkfifo(root / name)
    facts = THREE.inspect(root)
    assert (facts.images, facts.fingerprint) == (before.images, before.fingerprint)
    (line,) = set(facts.left_out["train"]) - set(before.left_out["train"])
    assert str(line) == (
        "named pipes, sockets or devices: 2 not taken (train/images/oslo/f.png, train/masks/oslo/f.png)"
    )
    for field in ("train_list", "classes"):
        os.mkfifo(root / f"{field}.json")
        dataset = Settings(
            name="x", ignore_index=9, **({} if field == "classes" else {field: "train_list.json", "classes": 3})
        )
        with pytest.raises(DataError, match=f"{field}.json: a named pipe, socket or device, where a file is expected"):
            dataset.inspect(root)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (["sea", "land", "sky"], None),
        ({"classes": ["sea", "land", "sky"], "ignore_index": 9}, None),
        ({"classes": ["sea", "land", "sky"], "ignore_index": 5}, "says that 5 is ignored; set dataset.ignore_index: 5"),
        ({"names": []}, "a list of 2 to 254 different class names"),
        (["sea"], "a list of 2 to 254 different class names"),
        (["sea", "sea", "sky"], "a list of 2 to 254 different class names"),
        (["sea", "land", 3], "a list of 2 to 254 different class names"),
        (7, "a list of 2 to 254 different class names"),
    ],
)
def test_classes_are_named_by_a_file(root: Path, content: Any, said: str | None) -> None:
    (root / "classes.json").write_text(json.dumps(content))
    dataset = Settings(name="x", ignore_index=9)
    if said is None:
        assert dataset.inspect(root).classes == ("sea", "land", "sky")
    else:
        with pytest.raises(DataError, match=f"classes.json: {said}"):
            dataset.inspect(root)


def test_classes_that_nothing_names_are_said(root: Path) -> None:
    with pytest.raises(DataError, match=r"classes.json: no such file; .* dataset.classes"):
        Settings(name="x").inspect(root)
    (root / "classes.json").write_text("{")
    with pytest.raises(DataError, match=r"classes.json: not JSON"):
        Settings(name="x").inspect(root)


def test_what_has_no_partner_is_said(root: Path) -> None:
    (root / "train/masks/oslo/2.png").rename(root / "kept.png")
    with pytest.raises(DataError, match=r"train/masks: no mask there for train/images/oslo/2.png; add"):
        THREE.inspect(root)
    (root / "kept.png").rename(root / "train/masks/oslo/2.png")
    (root / "val/images/1.png").rename(root / "val/images/2.png")
    put(root / "val/images/1.png", root / "val/masks/3.png")
    (root / "val/images/2.png").unlink()
    with pytest.raises(DataError, match=r"val/images: no image there for val/masks/3.png; add"):
        THREE.inspect(root)
    (root / "val/masks/3.png").unlink()
    Image.new("RGB", (4, 3)).save(root / "val/images/1.jpg")
    with pytest.raises(
        DataError, match=r"val/images: two files of one name, val/images/1.* and val/images/1.*; delete"
    ):
        THREE.inspect(root)


def test_empty_and_missing_folders_are_said(root: Path) -> None:
    (root / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no images in it; they end in: .apng"):
        Settings(name="x", classes=3, train_image_folder="empty").inspect(root)
    with pytest.raises(DataError, match=r"empty: no masks in it; they end in: .png"):
        Settings(name="x", classes=3, val_mask_folder="empty").inspect(root)
    with pytest.raises(DataError, match="gone: no such folder"):
        Settings(name="x", classes=3, val_mask_folder="gone").inspect(root)
    (root / "val/masks/1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"0 bytes long: val/masks/1.png"):
        THREE.inspect(root)
    assert THREE.model_copy(update={"on_bad_image": "skip"}).inspect(root).images["val"] == 1


@pytest.mark.parametrize(
    ("values", "mode", "said"),
    [
        (COLOURED, None, r"train/masks/rome/1.png: pixels of mode RGB, where a mask has one channel"),
        (
            VALUES + 1,
            None,
            r"rome/1.png: has the value 10; the 3 classes are 0 to 2 in the masks, ignored is 9; "
            r"the masks hold 5 values, 0, 1, 2, 3, 10, "
            r"and the classes are 3; see dataset.classes",
        ),
        (VALUES.astype(np.uint16) * 300, None, r"rome/1.png: has the value 2700"),
    ],
)
def test_flawed_masks_are_said_before_a_run(root: Path, values: Any, mode: str | None, said: str) -> None:
    put(root / "train/images/rome/1.png", root / "train/masks/rome/1.png", values, mode)
    for on_bad_image in ("fail", "skip"):
        with pytest.raises(DataError, match=said):
            THREE.model_copy(update={"on_bad_image": on_bad_image}).inspect(root)


@pytest.mark.parametrize("factor", [30_000, -1])
def test_values_that_16_bits_do_not_hold_are_said(tmp_path: Path, factor: int) -> None:
    for split in ("train", "val"):
        put(tmp_path / split / "images/1.png", tmp_path / split / "masks/1.tif", VALUES.astype(np.int32) * factor)
    with pytest.raises(DataError, match=rf"train/masks/1.tif: has the value {9 * factor}; the 3 classes"):
        Settings(name="x", classes=3, mask_suffix=".tif").inspect(tmp_path)


def test_sizes_are_compared_as_a_person_sees_the_image(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (3, 4)).save(root / "val/images/1.png", exif=exif)
    THREE.inspect(root)
    Image.new("RGB", (3, 4)).save(root / "val/images/1.png")
    with pytest.raises(DataError, match=r"masks/1.png: the mask has 4 x 3 pixels, and its image 3 x 4: .*images/1.png"):
        THREE.inspect(root)
    THREE.model_copy(update={"on_bad_image": "skip"}).inspect(root)


def test_only_some_of_very_many_masks_are_looked_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(30):
        put(root / f"train/images/{n}.png", root / f"train/masks/{n}.png")
    monkeypatch.setattr(look, "MASKS", 12)
    opened: list[str] = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda path: (opened.append(str(path)), real(path))[1])
    THREE.inspect(root)
    assert len({path for path in opened if "train/masks" in path}) == 12


def test_masks_are_looked_at_further_while_they_hold_one_class(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(30):
        put(root / f"train/images/{n}.png", root / f"train/masks/{n}.png", np.full((3, 4), n == 17, np.uint8))
    monkeypatch.setattr(look, "MASKS", 1)
    THREE.inspect(root)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"classes": 1}, "greater than or equal to 2"),
        ({"classes": ("a", "a")}, "twice"),
        ({"classes": 255}, "less than or equal to 254"),
        ({"train_image_folder": "../x"}, "leads out"),
        ({"train_image_folder": "x", "val_image_folder": "x"}, "same folder"),
        ({"reduce_zero": True, "ignore_index": 0}, "no effect"),
        ({"layout": "voc"}, "'plain', 'ade20k' or 'cityscapes'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings(name="x", **fields)


def test_ade20k_as_it_is_unpacked(tmp_path: Path) -> None:
    dataset = Settings(name="ade", layout="ade20k")
    for split in ("training", "validation"):
        put(
            tmp_path / f"images/{split}/A.jpg",
            tmp_path / f"annotations/{split}/A.png",
            np.array([[0, 1], [150, 2]], np.uint8),
        )
    facts = dataset.inspect(tmp_path)
    assert (len(facts.classes), facts.classes[0], facts.classes[149]) == (150, "wall", "flag")
    assert [dataset.meaning.label(value, 150) for value in (0, 1, 150, 151, 255)] == [255, 0, 149, None, 255]
    assert Settings.model_validate(dataset.model_dump()) == dataset


def test_cityscapes_as_it_is_unpacked(tmp_path: Path) -> None:
    dataset = Settings(name="city", layout="cityscapes")
    for split in ("train", "val"):
        stem = f"{split}/bonn/bonn_0_19"
        mask = tmp_path / f"gtFine/{stem}_gtFine_labelTrainIds.png"
        put(tmp_path / f"leftImg8bit/{stem}_leftImg8bit.png", mask, np.array([[0, 18], [255, 2]], np.uint8))
        put(tmp_path / "spare.png", tmp_path / f"gtFine/{stem}_gtFine_labelIds.png", np.array([[30]], np.uint8))
    facts = dataset.inspect(tmp_path)
    assert (len(facts.classes), facts.classes[0], facts.classes[18]) == (19, "road", "bicycle")
    assert facts.images == {"train": 1, "val": 1}
    mask.unlink()
    with pytest.raises(DataError, match=r"gtFine/val: no masks in it; .*csCreateTrainIdLabelImgs"):
        dataset.inspect(tmp_path)
