"""What the values in masks stand for: maps, thresholds, colours, lists of names; and what is said before a run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pvt_exp.config import DataError, identity, make
from pvt_exp.datasets.semantic_folder import Settings
from tests.examples.semantic_folder import put

HALF = np.repeat(np.array([[0, 0, 0, 0, 1, 1, 1, 1]], np.uint8), 8, 0)


def two_splits(root: Path, values: Any, suffix: str = "png", **save: Any) -> Path:
    """Images with a mask of these values in both splits, as it is or encoded."""
    for split in ("train", "val"):
        for n in range(3):
            put(root / f"{split}/images/{n}.png", root / f"{split}/masks/{n}.{suffix}", values)
            if save:
                Image.fromarray(values).save(root / f"{split}/masks/{n}.{suffix}", **save)
    return root


def labels(root: Path, **fields: Any) -> list[list[int]]:
    dataset = Settings(name="x", classes=2, **fields)
    dataset.inspect(root)
    read: list[list[int]] = dataset.open(root, "val", "semantic")[0][1].tolist()
    return read


def refused(root: Path, **fields: Any) -> str:
    with pytest.raises(DataError) as error:
        Settings(name="x", **{"classes": 2, **fields}).inspect(root)
    return str(error.value)


@pytest.mark.parametrize(
    ("low", "high", "said", "way"),
    [
        (0, 255, "no class but 0 (their values: 0, 255;", "dataset.values: {0: 0, 255: 1} reads them"),
        (0, 128, "has the value 128", "dataset.values: {0: 0, 128: 1} reads them"),
        (1, 2, "has the value 2", "dataset.values: {1: 0, 2: 1} reads them"),
    ],
)
def test_two_values_that_are_not_0_and_1_are_refused_and_read_as_the_message_says(
    tmp_path: Path, low: int, high: int, said: str, way: str
) -> None:
    root = two_splits(tmp_path, np.where(HALF, np.uint8(high), np.uint8(low)))
    why = refused(root)
    assert said in why
    assert way in why
    assert labels(root, values={low: 0, high: 1}) == HALF.tolist()


@pytest.mark.parametrize("value", [0, 1, 255])
def test_masks_of_one_value_are_refused(tmp_path: Path, value: int) -> None:
    why = refused(two_splits(tmp_path, np.full((8, 8), value, np.uint8)))
    assert ("no pixel of a class" if value == 255 else f"no class but {value}") in why
    assert "nothing to tell apart" in why


def test_a_split_for_scoring_in_which_all_is_ignored_is_refused(tmp_path: Path) -> None:
    root = two_splits(tmp_path, HALF)
    for n in range(3):
        put(root / f"val/images/{n}.png", root / f"val/masks/{n}.png", HALF * 0 + 255)
    assert "val/masks: the masks hold no pixel of a class (their values: 255" in refused(root)
    assert "val/masks: the masks hold no pixel" in refused(root, on_bad_image="skip")


@pytest.mark.parametrize("values", [(0, 1, 2), (0, 128, 254), (0, 1, 2, 255)])
def test_more_values_than_classes_are_told_as_such(tmp_path: Path, values: tuple[int, ...]) -> None:
    stripes = np.repeat(np.array(values, np.uint8), 4)
    why = refused(two_splits(tmp_path, np.tile(stripes, (8, 1))))
    counted = [value for value in values if value != 255]
    assert f"the masks hold 3 values, {', '.join(map(str, counted))}, and the classes are 2; see dataset.classes" in why
    assert "JPEG" not in why
    assert "threshold" not in why


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_masks_are_read_by_a_threshold(tmp_path: Path, mode: str) -> None:
    values = np.kron(HALF * 255, np.ones((4, 4), np.uint8))
    rng = np.random.default_rng(0)
    values = np.where(rng.random(values.shape) < 0.02, 200, values).astype(np.uint8)  # so that JPEG rings
    pixels = values if mode == "L" else np.dstack([values] * 3)
    root = two_splits(tmp_path, pixels, "jpg", quality=75)
    assert "dataset.threshold: 128 makes class 1" in refused(root, mask_suffix=".jpg")
    read = np.array(labels(root, mask_suffix=".jpg", threshold=128))
    with Image.open(root / "val/masks/0.jpg") as mask:
        assert (read == (np.asarray(mask.convert("L")) >= 128)).all()
    assert (read == (values >= 128)).mean() > 0.95


def masks_of_all_modes(root: Path) -> list[Path]:
    """White on black: a byte, one bit, a palette with white first, one with white last, RGB; in both splits."""
    two_splits(root, HALF * 255)
    grey = Image.fromarray(HALF * 255)
    first, last = Image.fromarray(1 - HALF), Image.fromarray(HALF)
    first.putpalette([255, 255, 255, 0, 0, 0])
    last.putpalette([0, 0, 0, 255, 255, 255])
    pictures = [grey, grey.convert("1"), first, last, grey.convert("RGB")]
    for split in ("train", "val"):
        for n, picture in enumerate(pictures):
            put(root / f"{split}/images/{n}.png", root / f"{split}/masks/{n}.png", HALF)
            picture.save(root / f"{split}/masks/{n}.png")
    paths = [root / f"val/masks/{n}.png" for n in range(len(pictures))]
    assert [Image.open(path).mode for path in paths] == ["L", "1", "P", "P", "RGB"]
    return paths


def test_a_threshold_reads_masks_of_all_modes_by_their_brightness(tmp_path: Path) -> None:
    masks = masks_of_all_modes(tmp_path)
    dataset = Settings(name="x", classes=2, threshold=128)
    dataset.inspect(tmp_path)
    reader = dataset.open(tmp_path, "val", "semantic")
    assert [reader[n][1].tolist() for n in range(len(masks))] == [HALF.tolist()] * len(masks)


def test_a_threshold_reads_masks_of_one_bit_and_says_itself_where_all_is_darker(tmp_path: Path) -> None:
    two_splits(tmp_path, HALF.astype(bool))
    assert labels(tmp_path, threshold=128) == HALF.tolist()
    why = refused(two_splits(tmp_path, HALF), threshold=128)
    assert "no class but 0 (their values: 0, 1; dataset.threshold makes class 1 of what is 128 or brighter)" in why


def test_what_a_threshold_decides_is_counted(tmp_path: Path) -> None:
    """Of three masks of 64 pixels each that are neither 0 nor 255: 90 and 200, once each."""
    values = HALF * 255
    values[0, 0], values[-1, -1] = 90, 200
    told = Settings(name="x", classes=2, threshold=128).inspect(two_splits(tmp_path, values)).left_out
    what = "pixels in 3 masks that were looked at, of a value between the least and the greatest"
    for split in ("train", "val"):
        (line,) = (line for line in told[split] if "pixels" in line.what)
        assert str(line) == f"{what}: 6 made class 0 or 1 by dataset.threshold: 128"
    exact = Settings(name="x", classes=2, threshold=128).inspect(two_splits(tmp_path / "exact", HALF * 255)).left_out
    assert not [line for line in exact["val"] if "pixels" in line.what]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_masks_of_colours_are_read_by_their_names(tmp_path: Path, mode: str) -> None:
    colours = np.array([[0, 0, 0], [255, 0, 102]], np.uint8)[HALF]
    root = two_splits(tmp_path, colours)
    for file in root.rglob("masks/*.png"):
        Image.open(file).convert(mode).save(file)
    if mode != "P":
        assert "dataset.values: {'#000000': 0, '#ff0000': 1}" in refused(root)
    assert labels(root, values={"#000000": 0, "#FF0066": 1}) == HALF.tolist()
    assert "has the colour #ff0066; dataset.values names #000000, #00ff00" in refused(
        root, values={"#000000": 0, "#00ff00": 1}
    )


# ---------------------------------------------------------------- palettes

BLACK, RED, GREEN = (0, 0, 0), (255, 0, 0), (0, 255, 0)


def with_palettes(root: Path, *palettes: tuple[tuple[int, int, int], ...]) -> Path:
    """Pictures of black on the left and red on the right, each by one of these palettes in turn, in both splits."""
    two_splits(root, HALF)
    for split in ("train", "val"):
        for n in range(3):
            palette = palettes[n % len(palettes)]
            numbers = np.where(HALF, palette.index(RED), palette.index(BLACK)).astype(np.uint8)
            mask = Image.fromarray(numbers).convert("P")
            mask.putpalette([channel for colour in palette for channel in colour])
            mask.save(root / f"{split}/masks/{n}.png")
    return root


def all_labels(root: Path, split: Any = "val", **fields: Any) -> list[list[list[int]]]:
    dataset = Settings(name="x", **{"classes": 2, **fields})
    return [labels.tolist() for _, labels in dataset.open(root, split, "semantic")]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ((RED, BLACK), "val/masks/1.png: 0 is #ff0000 by its palette, and #000000 by that of"),
        ((RED, BLACK, BLACK), "0 is #ff0000 by its palette, and #000000 by that of"),
        ((BLACK, GREEN, RED), "#ff0000 is 2 by its palette, and 1 by that of"),
    ],
)
def test_palettes_that_differ_are_refused_and_read_by_colour(tmp_path: Path, other: Any, said: str) -> None:
    root = with_palettes(tmp_path, (BLACK, RED), other)
    why = refused(root, classes=3)
    assert said.replace("val/", "train/") in why
    assert "dataset.values says which class each colour is, as {'#000000': 0, '#ff0000': 1}" in why
    assert "or each number, as {0: 0, 1: 1}" in why
    values: Any = {"#000000": 0, "#ff0000": 1}
    Settings(name="x", classes=2, values=values).inspect(root)
    assert all_labels(root, values=values) == [HALF.tolist()] * 3


def test_palettes_of_training_and_validation_are_compared(tmp_path: Path) -> None:
    with_palettes(tmp_path, (BLACK, RED))
    with_palettes(tmp_path / "other", (RED, BLACK))
    for n in range(3):
        (tmp_path / f"other/val/masks/{n}.png").rename(tmp_path / f"val/masks/{n}.png")
    why = refused(tmp_path)
    assert f"{tmp_path}/val/masks/0.png: 0 is #ff0000 by its palette" in why
    assert f"#000000 by that of {tmp_path}/train/masks/0.png" in why


def test_palettes_that_differ_where_the_look_does_not_reach_are_refused_when_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = with_palettes(tmp_path, (BLACK, RED), (RED, BLACK))
    monkeypatch.setattr("pvt_exp.nn.data.look._affordable", lambda samples: 1)
    Settings(name="x", classes=2).inspect(root)
    with pytest.raises(DataError, match=r"train/masks/1.png: 0 is #ff0000 by its palette"):
        all_labels(root, "train")


def test_numbers_are_read_under_palettes_that_differ_where_values_names_them_and_it_is_told(tmp_path: Path) -> None:
    root = with_palettes(tmp_path, (BLACK, RED), (RED, BLACK))
    values: Any = {0: 0, 1: 1}
    told = Settings(name="x", classes=2, values=values).inspect(root).left_out["train"]
    (line,) = (str(line) for line in told if "palette" in line.what)
    assert line.endswith("1 read by number, as dataset.values says (train/masks/1.png)")
    assert "of 3 masks looked at" in line
    assert all_labels(root, values=values)[1] == (1 - HALF).tolist()


@pytest.mark.parametrize(
    "palettes",
    [
        [(BLACK, RED)],
        [(BLACK, RED, GREEN), (BLACK, RED, BLACK)],  # what no pixel has does not matter
        [(*((n, n, n) for n in range(255)), RED)],
        [(GREEN, BLACK, RED, BLACK, RED)],
    ],
)
def test_palettes_that_agree_in_what_is_shown_are_read_by_number(tmp_path: Path, palettes: Any) -> None:
    root = with_palettes(tmp_path, *palettes)
    first = palettes[0]
    known = {first.index(BLACK): 0, first.index(RED): 1}
    fields: dict[str, Any] = {} if known == {0: 0, 1: 1} else {"values": known}
    Settings(name="x", classes=2, **fields).inspect(root)
    assert all_labels(root, **fields) == [HALF.tolist()] * 3


def test_one_colour_at_two_numbers_of_one_palette_agrees_with_itself(tmp_path: Path) -> None:
    """As in the colours of sets that paint several classes alike; each mask shows another of them."""
    root = two_splits(tmp_path, HALF)
    for split in ("train", "val"):
        for n, high in enumerate((1, 2, 1)):
            mask = Image.fromarray(HALF * np.uint8(high)).convert("P")
            mask.putpalette([*BLACK, *RED, *RED])
            mask.save(root / f"{split}/masks/{n}.png")
    Settings(name="x", classes=3).inspect(root)
    assert all_labels(root, classes=3)[1] == (2 * HALF).tolist()


def test_a_number_beyond_its_palette_is_a_class_all_the_same(tmp_path: Path) -> None:
    root = two_splits(tmp_path, HALF)
    for file in root.rglob("masks/*.png"):
        mask = Image.fromarray(HALF).convert("P")
        mask.putpalette(GREEN)
        mask.save(file)
    assert labels(root) == HALF.tolist()


def test_masks_of_one_bit_are_black_and_white_beside_palettes(tmp_path: Path) -> None:
    root = masks_of_all_modes(tmp_path)[0].parents[2]
    why = refused(root)
    assert "2.png: 0 is #ffffff by its palette, and #000000 by that of" in why


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, bool])
def test_a_map_reads_masks_of_any_depth(tmp_path: Path, dtype: Any) -> None:
    root = two_splits(tmp_path, HALF.astype(dtype), "tif")
    assert labels(root, mask_suffix=".tif", values={0: 1, 1: 0}) == (1 - HALF).tolist()


@pytest.mark.parametrize("high", [70000, 2**31 - 1])
def test_a_map_reads_numbers_of_32_bits(tmp_path: Path, high: int) -> None:
    root = two_splits(tmp_path, HALF.astype(np.int32) * high, "tif")
    assert labels(root, mask_suffix=".tif", values={0: 0, high: 1}) == HALF.tolist()
    with_ignored = {0: 0, 5: 1, high: None}
    assert f"has the value {high}; dataset.values names 0, 5" in refused(root, mask_suffix=".tif", values={0: 0, 5: 1})
    why = refused(root, mask_suffix=".tif", values=with_ignored)
    assert "the masks hold no class but 0" in why


def test_a_value_between_those_of_32_bits_is_no_class(tmp_path: Path) -> None:
    numbers = HALF.astype(np.int32) * 70000
    numbers[0, 0] = 7
    root = two_splits(tmp_path, numbers, "tif")
    assert "has the value 7; dataset.values names 0, 70000" in refused(
        root, mask_suffix=".tif", values={0: 0, 70000: 1}
    )
    numbers[0, 0] = 255  # what is ignored
    root = two_splits(tmp_path / "other", numbers, "tif")
    assert labels(root, mask_suffix=".tif", values={0: 0, 70000: 1})[0][0] == 255


def test_masks_of_one_bit_hold_0_and_1(tmp_path: Path) -> None:
    root = two_splits(tmp_path, HALF.astype(bool))
    why = refused(root, values={0: 0, 255: 1})
    assert "has the value 1, as it is of one bit, whose values are 0 and 1; dataset.values names 0, 255" in why
    assert "True" not in why
    assert labels(root, values={0: 0, 1: 1}) == HALF.tolist()


@pytest.mark.parametrize(
    "fields", [{}, {"threshold": 1}, {"values": {0: 0, 1: 1}}, {"values": {"#000000": 0, "#ff0000": 1}}]
)
def test_masks_of_floating_point_are_refused_with_what_to_do(tmp_path: Path, fields: dict[str, Any]) -> None:
    why = refused(two_splits(tmp_path, HALF.astype(np.float32), "tif"), mask_suffix=".tif", **fields)
    due = (
        "0.tif: floating-point pixels, where class numbers are due; save the masks with whole numbers, of 8 or 16 bits"
    )
    assert why.endswith(due)


def test_255_beside_the_classes_is_said_to_be_ignored(tmp_path: Path) -> None:
    values = HALF.copy()
    values[0, 0] = 255
    root = two_splits(tmp_path, values)
    why = refused(root, ignore_index=None)
    assert why.endswith("has the value 255; the 2 classes are 0 to 1 in the masks, ignored is nothing; "
                        "dataset.ignore_index: 255 reads them, where 255 is no class")  # fmt: skip
    assert labels(root, ignore_index=255)[0][:2] == [255, 0]
    assert "dataset.ignore_index: 255 reads them" in refused(root, ignore_index=9)


def test_a_value_may_stand_for_no_class(tmp_path: Path) -> None:
    values = HALF.copy()
    values[0, 0] = 7
    root = two_splits(tmp_path, values)
    read = labels(root, values={0: 0, 1: 1, 7: None})
    assert read[0][0] == 255
    assert read[1] == HALF[1].tolist()


def test_a_mask_is_turned_by_its_own_tag_as_its_image_is(tmp_path: Path) -> None:
    root, exif = two_splits(tmp_path, HALF), Image.Exif()
    exif[0x0112] = 3
    for split in ("train", "val"):
        for n in range(3):
            Image.fromarray(HALF).save(root / f"{split}/masks/{n}.png", exif=exif)
    assert labels(root) == HALF[::-1, ::-1].tolist()
    assert labels(root, exif="ignore") == HALF.tolist()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"values": {0: 0}}, "fewer than two classes"),
        ({"values": {"red": 0, 1: 1}}, "'red': a value in the masks is a whole number, or a colour"),
        ({"values": {0: 0, 1: "one"}}, "'1' stands for one: a class is a number"),
        ({"values": {0: 0, "#ff0000": 1}}, "values and colours in one map"),
        ({"values": {0: 0, 1: 1}, "threshold": 5}, "one of them says what masks hold"),
        ({"values": {0: 0, 1: 1}, "reduce_zero": True}, "one of them says what masks hold"),
        (
            {"values": {0: 0, 255: 1}, "ignore_index": 0},
            "values makes class 0 of 0, and ignore_index says that it is none",
        ),
        ({"values": {0: 0, 7: 1}, "ignore_index": 7}, "values makes class 1 of 7"),
        ({"threshold": 5, "ignore_index": 0}, "ignore_index: 0 has no effect beside threshold"),
        ({"values": 5}, "a map from what stands in the masks to classes"),
    ],
)
def test_maps_that_make_no_sense_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings(name="x", classes=2, **fields)


@pytest.mark.parametrize("ignored", [{}, {"ignore_index": 255}, {"ignore_index": 9}, {"ignore_index": None}])
def test_a_map_may_make_a_class_of_255_and_what_it_does_not_name_is_ignored(
    tmp_path: Path, ignored: dict[str, Any]
) -> None:
    assert labels(two_splits(tmp_path, HALF * 255), values={0: 0, 255: 1}, **ignored) == HALF.tolist()


@pytest.mark.parametrize(
    ("suffix", "save", "name"),
    [
        ("jpg", {}, "JPEG"),
        ("png", {"format": "JPEG"}, "JPEG"),
        ("webp", {"lossless": False}, "lossy WebP"),
        ("webp", {"lossless": False, "exif": b"Exif\0\0"}, "lossy WebP"),
        ("tif", {"compression": "jpeg"}, "TIFF with JPEG"),
    ],
)
@pytest.mark.parametrize("high", [1, 255])
def test_masks_in_a_lossy_format_are_refused_but_for_a_threshold(
    tmp_path: Path, suffix: str, save: dict[str, Any], name: str, high: int
) -> None:
    values = np.kron(HALF * np.uint8(high), np.ones((4, 4), np.uint8))
    root, ending = two_splits(tmp_path, values, suffix, **{"quality": 95, **save}), f".{suffix}"
    for fields in ({}, {"values": {0: 0, high: 1}}):
        why = refused(root, mask_suffix=ending, **fields)
        assert f"0{ending}: is a mask in {name}, which changes class numbers" in why
        assert (
            "save the masks as PNG again, from what they were made of, or, for two classes, dataset.threshold: " in why
        )
    with pytest.raises(DataError, match=f"is a mask in {name}"):
        Settings(name="x", classes=2, mask_suffix=ending).open(root, "val", "semantic")[0]
    assert high == 1 or labels(root, mask_suffix=ending, threshold=128) == (values > 0).tolist()


@pytest.mark.parametrize(("suffix", "save"), [("webp", {"lossless": True}), ("tif", {"compression": "tiff_lzw"})])
def test_masks_in_a_format_that_keeps_their_values_are_read(tmp_path: Path, suffix: str, save: dict[str, Any]) -> None:
    root = two_splits(tmp_path, HALF, suffix, **save)
    assert labels(root, mask_suffix=f".{suffix}") == HALF.tolist()


def test_masks_of_0_and_1_mixed_with_masks_of_0_and_255_are_told_with_the_way_out(tmp_path: Path) -> None:
    root = two_splits(tmp_path, HALF)
    for split in ("train", "val"):
        for n in (0, 2):
            put(root / f"{split}/images/{n}.png", root / f"{split}/masks/{n}.png", HALF * 255)
    told = Settings(name="x", classes=2).inspect(root).left_out
    for split in ("train", "val"):
        (line,) = [each for each in told[split] if "ignored value" in each.what]
        assert str(line) == (
            "masks of class 0 and the ignored value 255 alone, of 3 looked at: 2 without anything to tell apart "
            f"({split}/masks/0.png, {split}/masks/2.png); where 255 is class 1 there: dataset.values: {{0: 0, 1: 1, 255: 1}}"
        )
    mended = Settings(name="x", classes=2, values={0: 0, 1: 1, 255: 1})
    assert not [each for each in mended.inspect(root).left_out["train"] if "ignored" in str(each)]
    assert [mended.open(root, "val", "semantic")[n][1].tolist() for n in range(3)] == [HALF.tolist()] * 3


def test_a_map_to_a_class_that_is_not_there_is_refused(tmp_path: Path) -> None:
    root = two_splits(tmp_path, HALF)
    assert "dataset.values: 1: the 2 classes are 0 to 1" in refused(root, values={0: 0, 1: 2})
    assert "makes two classes of the masks, and there are 3" in refused(root, classes=3, threshold=5)


def test_one_map_is_one_identity_however_it_is_written() -> None:
    one, other = (Settings(name="x", classes=2, values=v) for v in ({0: 0, 255: 1}, {"255": 1, "0": 0}))
    assert one == other
    assert hash(one) == hash(other)
    assert identity.canonical(one) == identity.canonical(other)
    assert make(Settings, one.model_dump(mode="json")) == one
    assert one.model_dump(mode="json")["values"] == {"0": 0, "255": 1}


def test_what_masks_lack_and_ignore_is_told(tmp_path: Path) -> None:
    values = HALF.copy()
    values[0] = 255
    told = Settings(name="x", classes=("sea", "land", "sky")).inspect(two_splits(tmp_path, values)).left_out["val"]
    lines = {line.what: (line.number, line.effect, line.examples) for line in told}
    assert lines["pixels in 3 masks that were looked at"] == (24, "ignored (12 %)", ())
    assert lines["classes that none of 3 masks has"] == (1, "not part of the mean IoU", ("sky",))


# ---------------------------------------------------------------- names


def test_what_has_no_partner_can_be_left_out_and_is_counted(tmp_path: Path) -> None:
    root = two_splits(tmp_path, HALF)
    (root / "train/masks/1.png").unlink()
    (root / "val/images/2.png").unlink()
    assert "add the masks, delete the images, or set dataset.unpaired: leave_out" in refused(root)
    facts = Settings(name="x", classes=2, unpaired="leave_out").inspect(root)
    assert facts.images == {"train": 2, "val": 2}
    train, val = facts.left_out["train"][0], facts.left_out["val"][0]
    assert (train.what, train.number, train.examples) == ("images without a mask", 1, ("train/images/1.png",))
    assert (val.what, val.number, val.examples) == ("masks without an image", 1, ("val/masks/2.png",))


@pytest.mark.parametrize("suffix", [".png", ".PNG", "_mask.png"])
@pytest.mark.parametrize("upper", [(0, 1, 2), (1,)], ids=["all", "mixed"])
def test_the_suffix_of_a_mask_is_in_any_case(tmp_path: Path, suffix: str, upper: tuple[int, ...]) -> None:
    root = two_splits(tmp_path, HALF)
    for split in ("train", "val"):
        for n in range(3):
            name = f"{n}{suffix.lower()[:-4]}{'.PNG' if n in upper else '.png'}"
            (root / f"{split}/masks/{n}.png").rename(root / f"{split}/masks/{name}")
    dataset = Settings(name="x", classes=2, mask_suffix=suffix)
    assert dataset.inspect(root).images == {"train": 3, "val": 3}
    assert labels(root, mask_suffix=suffix) == HALF.tolist()


def test_the_suffix_of_an_image_is_in_any_case_and_the_name_before_it_is_not(tmp_path: Path) -> None:
    root = two_splits(tmp_path, HALF)
    for split in ("train", "val"):
        for n in range(3):
            (root / f"{split}/images/{n}.png").rename(root / f"{split}/images/{n}_a.PNG")
            Image.new("RGB", (8, 8)).save(root / f"{split}/images/{n}_A.png")
    assert Settings(name="x", classes=2, image_suffix="_a.png").pairs(root, "val") == [
        (f"val/images/{n}_a.PNG", f"val/masks/{n}.png") for n in range(3)
    ]


def test_a_mask_in_both_cases_is_refused(tmp_path: Path) -> None:
    root = two_splits(tmp_path, HALF)
    Image.fromarray(HALF).save(root / "train/masks/1.PNG")
    assert "two files of one name, train/masks/1.PNG and train/masks/1.png; delete one" in refused(root)


def test_the_advice_names_what_is_there(tmp_path: Path) -> None:
    root = two_splits(tmp_path, HALF)
    assert "there are 3 that end in .png: set dataset.mask_suffix: .png" in refused(root, mask_suffix=".tif")
    assert "has images, masks; set dataset.train_mask_folder" in refused(root, train_mask_folder="train/labels")
    for file in root.rglob("masks/*.png"):
        file.rename(file.with_name(f"{file.stem}_mask.png"))
    why = refused(root)
    assert "for train/images/0.png there is train/masks/0_mask.png: is it dataset.mask_suffix: _mask.png?" in why
    assert labels(root, mask_suffix="_mask.png") == HALF.tolist()


VOC = {"train_image_folder": "JPEGImages", "val_image_folder": "JPEGImages", "train_list": "train.txt"}
VOC |= {"train_mask_folder": "SegmentationClass", "val_mask_folder": "SegmentationClass", "val_list": "val.txt"}


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    for n in range(6):
        put(tmp_path / f"JPEGImages/{n}.jpg", tmp_path / f"SegmentationClass/{n}.png", HALF)
    Image.new("RGB", (8, 8)).save(tmp_path / "JPEGImages/unlabelled.jpg")
    (tmp_path / "train.txt").write_bytes(b"\xef\xbb\xbf0\r\n1.jpg\r\nJPEGImages/2.jpg\r\n\r\n")
    (tmp_path / "val.txt").write_text("3 SegmentationClass/3.png\n4\n4\n2\n")
    return tmp_path


def test_lists_name_what_is_taken(voc: Path) -> None:
    dataset = Settings(name="voc", classes=2, **VOC)  # type: ignore[arg-type]
    facts = dataset.inspect(voc)
    assert facts.images == {"train": 3, "val": 3}
    assert [image for image, _ in dataset.pairs(voc, "val")] == [f"JPEGImages/{n}.jpg" for n in (2, 3, 4)]
    told = {line.what: line.number for line in facts.left_out["val"]}
    assert told["names that are listed twice"] == 1
    assert told["images that training has too"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0\n1\n77x\n", r"train.txt:3: no image 77x in .*JPEGImages"),
        ("unlabeled\n", r"train.txt:1: no image unlabeled .* did you mean unlabelled"),
        ("unlabelled\n", r"train.txt:1: JPEGImages/unlabelled.jpg has no mask in .*SegmentationClass"),
        ("\n", r"train.txt: empty; a name in each line"),
        ("0 -1\n", r"train.txt: all names are marked -1"),
        ("0 1 2\n", r"train.txt:1: 1 2 stands behind 0; a line holds one name"),
        ("0.jpg 1.jpg 2.jpg 3.jpg 4.jpg\n", r"train.txt:1: 1.jpg 2.jpg 3.jpg ... stands behind 0.jpg"),
        ("0\n1.jpg SegmentationClass/0.png\n", r"train.txt:2: SegmentationClass/0.png stands behind 1.jpg"),
        ("0 cat\n", r"train.txt:1: cat stands behind 0"),
        ("0,1\n", r"train.txt:1: no image 0,1 "),
    ],
)
def test_lists_that_do_not_fit_are_refused(voc: Path, text: str, said: str) -> None:
    (voc / "train.txt").write_text(text)
    with pytest.raises(DataError, match=said):
        Settings(name="voc", classes=2, **VOC).inspect(voc)  # type: ignore[arg-type]
    (voc / "train.txt").unlink()
    with pytest.raises(DataError, match=r"train.txt: no such file; set dataset.train_list"):
        Settings(name="voc", classes=2, **VOC).inspect(voc)  # type: ignore[arg-type]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lists_have_the_line_ends_of_any_machine(voc: Path, end: str) -> None:
    (voc / "train.txt").write_bytes(end.join(["0", "1.jpg", ""]).encode())
    dataset = Settings(name="voc", classes=2, **VOC)  # type: ignore[arg-type]
    assert [image for image, _ in dataset.pairs(voc, "train")] == ["JPEGImages/0.jpg", "JPEGImages/1.jpg"]


def test_what_stands_behind_a_name_is_its_mask_or_a_number_and_minus_1_is_no_member(voc: Path) -> None:
    mask = "SegmentationClass/1.png"
    (voc / "train.txt").write_text(f"0  -1\nJPEGImages/1.jpg {mask}\n2  10\nunlabelled -1\n5 -9 8 7\n")
    dataset = Settings(name="voc", classes=2, **VOC)  # type: ignore[arg-type]
    told = {line.what: (line.number, line.effect) for line in dataset.inspect(voc).left_out["train"]}
    assert [image for image, _ in dataset.pairs(voc, "train")] == [f"JPEGImages/{n}.jpg" for n in (1, 2, 5)]
    assert told["names that a list marks -1"] == (2, "not taken")
    assert told["listed names with other numbers behind them"] == (2, "taken, the numbers not read")


def test_one_folder_needs_two_lists() -> None:
    with pytest.raises(ValueError, match="no lists tell them apart"):
        Settings(name="voc", classes=2, **{**VOC, "val_list": None})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="are the same file"):
        Settings(name="voc", classes=2, **{**VOC, "val_list": "train.txt"})  # type: ignore[arg-type]


def test_a_validation_split_that_is_not_there_is_missed_only_where_it_is_needed(tmp_path: Path) -> None:
    root = two_splits(tmp_path, HALF)
    assert Settings(name="x", classes=2).inspect(root).no_val is None
    for file in (root / "val").rglob("*.png"):
        file.unlink()
    for folder in ("val/images", "val/masks", "val"):
        (root / folder).rmdir()
    facts = Settings(name="x", classes=2).inspect(root)
    assert facts.images == {"train": 3}
    facts.check_val(held_out=True)
    with pytest.raises(DataError, match="val/images: no such folder"):
        facts.check_val(held_out=False)
