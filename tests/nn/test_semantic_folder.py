"""Samples of `semantic_folder`: its labels, flawed masks, and the real sets."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from pvt_exp.config import DataError
from pvt_exp.datasets.semantic_folder import Settings
from pvt_exp.nn.data import semantic_folder
from pvt_exp.nn.data.images import BadImage
from tests.conftest import real_data
from tests.examples.semantic_folder import VALUES, put, write
from tests.nn.test_datasets import check_samples

FOLDERS = {"image": "images", "mask": "semantic"}


def test_labels_are_the_values_and_what_is_ignored_is_255(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = write(tmp_path, monkeypatch).open(tmp_path, "train", "semantic")
    assert [path.decode() for path in samples.images] == [
        f"train/images/{at}.png" for at in ("oslo/1", "oslo/2", "rome/1")
    ]
    image, labels = samples[0]
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


def test_labels_are_looked_up_a_few_rows_at_a_time_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = write(tmp_path, monkeypatch).open(tmp_path, "train", "semantic")
    whole = samples[0][1]
    monkeypatch.setattr(semantic_folder, "PIXELS_AT_ONCE", 8)  # two of three rows
    assert np.array_equal(samples[0][1], whole)


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
    samples = write(tmp_path, monkeypatch).open(tmp_path, "val", "semantic")
    image, mask = tmp_path / "val/images/1.png", tmp_path / "val/masks/1.png"
    put(image, mask, VALUES.clip(0, 3))
    with pytest.raises(DataError, match=r"val/masks/1.png: has the value 3; the 3 classes are 0 to 2"):
        samples[0]
    put(image, mask, np.dstack([VALUES, VALUES + 1, VALUES]))
    with pytest.raises(DataError, match=r"val/masks/1.png: pixels of mode RGB"):
        samples[0]
    put(tmp_path / "other.png", mask, VALUES[:, :3].copy())
    with pytest.raises(BadImage, match=r"val/masks/1.png: the mask has 3 x 3 pixels, and its image 4 x 3"):
        samples[0]
    mask.write_bytes(mask.read_bytes()[:50])
    with pytest.raises(BadImage, match=r"val/masks/1.png: not a readable image"):
        samples[0]
    put(image, mask)
    image.write_bytes(b"no image")
    with pytest.raises(BadImage, match=r"val/images/1.png: not a readable image"):
        samples[0]


# ---------------------------------------------------------------- real sets; the numbers are those of their READMEs


def test_camvid_is_read_as_it_lies() -> None:
    root = real_data("sem_camvid11")
    dataset = Settings(name="camvid", ignore_index=11)
    facts = dataset.inspect(root)
    assert facts.images == {"train": 160, "val": 61}
    assert (len(facts.classes), facts.classes[0], facts.classes[10]) == (11, "Sky", "Bicyclist")
    check_samples(dataset, root)
    samples = dataset.open(root, "val", "semantic")
    seen = {int(label) for index in range(len(samples)) for label in np.unique(samples[index][1])}
    assert seen == {*range(11), 255}
    with pytest.raises(DataError, match=r"classes.json: says that 11 is ignored; set dataset.ignore_index: 11"):
        Settings(name="camvid").inspect(root)


def test_nuclei_are_read_as_they_lie() -> None:
    root = real_data("inst_nuclei")
    folders = {f"{split}_{what}_folder": f"{at}/{split}" for split in ("train", "val") for what, at in FOLDERS.items()}
    dataset = Settings(name="nuclei", classes=("background", "nucleus"), **folders)  # type: ignore[arg-type]
    assert dataset.inspect(root).images == {"train": 170, "val": 60}
    check_samples(dataset, root)


# ---------------------------------------------------------------- photographs that a tag turns


def photograph(path: Path, stored: np.ndarray, way: int) -> None:
    """Its pixels as they are stored, and the tag; JPEG of blocks of eight, each of one grey, is exact enough."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = way
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(stored).save(path, exif=exif, **({"quality": 95} if path.suffix == ".jpg" else {}))


def drawn(height: int, width: int) -> np.ndarray:
    """Blocks of 8 x 8 pixels of four greys, which no turn and no mirror leaves as they are."""
    greys = np.random.default_rng(height).choice(np.array([0, 80, 160, 240], np.uint8), (height // 8, width // 8))
    return greys.repeat(8, 0).repeat(8, 1)


def turned(array: np.ndarray, way: int) -> np.ndarray:
    """What is shown of an array that is stored with a tag: EXIF 2.3, section 4.6.4, by the sides that the first row and the
    first column are."""
    first = {
        1: (0, 0, 0),
        2: (0, 0, 1),
        3: (0, 1, 1),
        4: (0, 1, 0),
        5: (1, 0, 0),
        6: (1, 0, 1),
        7: (1, 1, 1),
        8: (1, 1, 0),
    }
    transposed, rows, columns = first[way]
    array = array.T if transposed else array
    return array[:: -1 if rows else 1, :: -1 if columns else 1].copy()


SIZES = {"square": (48, 48), "not square": (48, 32)}


def write_photographs(root: Path, way: int, size: str, upright: bool, suffix: str, mask_way: int = 1) -> None:
    """Masks that are an exact function of their pictures, in the pixels as they are shown or as they are stored."""
    stored = drawn(*SIZES[size])
    for split in ("train", "val"):
        photograph(root / f"{split}/images/1{suffix}", stored, way)
        mask = (turned(stored, way) if upright else stored) // 80
        photograph(root / f"{split}/masks/1.png", mask, mask_way)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", range(1, 9))
@pytest.mark.parametrize(("exif", "upright", "mask_way"), [("turn", True, 1), ("ignore", False, 1), ("turn", False, 0)])
def test_a_mask_lies_on_its_photograph_pixel_for_pixel(
    exif: Any, upright: bool, mask_way: int, way: int, size: str, suffix: str, tmp_path: Path, cache: Path
) -> None:
    """Where ``exif`` is what the masks were drawn on, or masks carry the tag of their photographs (``mask_way`` 0)."""
    write_photographs(tmp_path, way, size, upright, suffix, mask_way or way)
    dataset = Settings(name="x", classes=4, exif=exif)
    facts = dataset.inspect(tmp_path)
    for split in ("train", "val"):
        (sample,) = dataset.open(tmp_path, split, "semantic")  # type: ignore[arg-type]
        image, labels = np.asarray(sample[0].convert("L")), sample[1]
        assert np.array_equal(np.rint(image / 80).astype(np.uint8), labels)
        stored = drawn(*SIZES[size]) // 80
        assert np.array_equal(labels, turned(stored, way) if exif == "turn" else stored)
        lines = [str(line) for line in facts.left_out[split] if line.what.startswith("images with an EXIF tag")]
        effect = {"turn": "turned upright", "ignore": "left as they are stored (exif: ignore)"}[exif]
        assert [f"1 {effect}" in line for line in lines] == ([True] if way > 1 else [])


@pytest.mark.parametrize("on_bad_image", ["fail", "skip"])
@pytest.mark.parametrize("way", range(2, 9))
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("exif", ["turn", "ignore"])
def test_a_mask_of_the_other_pixels_is_refused_or_told(
    exif: Any, size: str, way: int, on_bad_image: Any, tmp_path: Path, cache: Path
) -> None:
    """By its size where that shows it, with the field that reads it; else it is told how many a tag turns, and the field."""
    write_photographs(tmp_path, way, size, upright=exif == "ignore", suffix=".jpg")
    dataset = Settings(name="x", classes=4, exif=exif, on_bad_image=on_bad_image)
    ways_out = {
        "turn": "it is turned by its EXIF tag: dataset.exif: ignore is for annotations of the stored pixels",
        "ignore": "its EXIF tag, which turns it, is ignored: dataset.exif: turn is for annotations of the upright image",
    }
    samples = dataset.open(tmp_path, "train", "semantic")
    if way >= 5 and size == "not square":
        with pytest.raises(BadImage, match=f"train/images/1.jpg; {ways_out[exif]}"):
            samples[0]
        with pytest.raises(DataError, match=ways_out[exif]):
            dataset.check_readable(tmp_path, dataset.inspect(tmp_path), "semantic", None)
        return
    (line,) = (each for each in dataset.inspect(tmp_path).left_out["train"] if "EXIF" in each.what)
    assert line.number == 1
    assert str(line).endswith(
        {
            "turn": "1 turned upright (train/images/1.jpg); annotations of the stored pixels need dataset.exif: ignore",
            "ignore": "1 left as they are stored (exif: ignore) (train/images/1.jpg); "
            "annotations of the upright image need dataset.exif: turn",
        }[exif]
    )
