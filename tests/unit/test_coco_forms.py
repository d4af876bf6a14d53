"""Boxes of another form, keys, files and objects that stand twice, masks apart from their box, sizes of another image."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from pvt_exp.config import DataError
from pvt_exp.datasets.coco import Settings
from tests.examples.coco import CATEGORIES, box, put, val

pytestmark = pytest.mark.usefixtures("cache")
WIDE, TALL = 120, 100
Write = Callable[[float, float, float, float], list[float]]
FORMS: dict[str, Write] = {
    "left, top, right, bottom": lambda x, y, w, h: [x, y, x + w, y + h],
    "centre x, centre y, width, height": lambda x, y, w, h: [x + w / 2, y + h / 2, w, h],
    "top, left, height, width": lambda x, y, w, h: [y, x, h, w],
    "top, left, bottom, right": lambda x, y, w, h: [y, x, y + h, x + w],
}


def objects(number: int, write: Write, masks: str = "none") -> dict[str, Any]:
    """A file of so many objects on one image, anywhere in it, and their boxes in some form."""
    random, annotations = np.random.default_rng(0), []
    for n in range(number):
        w, h = random.integers(15, 60), random.integers(12, 50)
        x, y = random.integers(0, WIDE - w + 1), random.integers(0, TALL - h + 1)
        four = list(map(float, (x, y, w, h)))
        polygon = box(n, 9, 3, four)["segmentation"]
        mask: Any = {"none": None, "polygons": polygon}.get(masks)
        if masks == "runs":
            mask = rle.frPyObjects(polygon, TALL, WIDE)[0]
            mask["counts"] = mask["counts"].decode()
        annotations.append({**box(n, 9, 3, four, segmentation=mask), "bbox": list(map(float, write(*four)))})
    image = {"id": 9, "file_name": "9.png", "width": WIDE, "height": TALL}
    return {"categories": [*CATEGORIES], "images": [image], "annotations": annotations}


def told(root: Path, document: dict[str, Any], **fields: Any) -> list[str]:
    facts = Settings(**fields).inspect(put(root, train=document, val=val()))
    quiet = ("brightness", "classes without")
    return [str(line) for line in facts.left_out["train"] if not any(word in line.what for word in quiet)]


def same(x: float, y: float, w: float, h: float) -> list[float]:
    return [x, y, w, h]


# ---------------------------------------------------------------- forms


@pytest.mark.parametrize("masks", ["none", "polygons", "runs"])
def test_boxes_in_cocos_form_are_taken_as_they_are(tmp_path: Path, masks: str) -> None:
    assert told(tmp_path, objects(60, same, masks)) == []


@pytest.mark.parametrize("masks", ["polygons", "runs"])
@pytest.mark.parametrize("form", FORMS)
def test_masks_show_the_form_of_boxes(tmp_path: Path, form: str, masks: str) -> None:
    document = objects(8, FORMS[form], masks)
    with pytest.raises(
        DataError, match=rf"boxes that are \[{form}\], as their masks show: 0, 1, .* write them as \[left"
    ):
        told(tmp_path, document)


@pytest.mark.parametrize("form", ["left, top, right, bottom", "centre x, centre y, width, height"])
def test_without_masks_the_images_show_in_which_form_boxes_are(tmp_path: Path, form: str) -> None:
    with pytest.raises(DataError, match=rf"boxes that are \[{form}\], as they lie in their images so and reach out"):
        told(tmp_path, objects(60, FORMS[form]))
    lines = [line for line in told(tmp_path, objects(20, FORMS[form])) if line.startswith("boxes that look")]
    assert [line.partition(" (")[0] for line in lines] == [
        f"boxes that look like [{form}]: 20 read as [left, top, width, height], which COCO's format has"
    ]


def test_boxes_that_reach_out_on_all_sides_are_clipped_and_no_other_form(tmp_path: Path) -> None:
    """As some programs write boxes that were not cut at the border."""
    document = objects(80, lambda x, y, w, h: [x - w / 3, y - h / 3, w * 5 / 3, h * 5 / 3])
    (line,) = [each for each in told(tmp_path, document) if each.startswith("boxes")]
    assert line.startswith("boxes that reach out of their image: ")


@pytest.mark.parametrize("masks", ["none", "polygons"])
@pytest.mark.parametrize("form", ["COCO's", "centre x, centre y, width, height"])
def test_normalised_boxes_are_refused(tmp_path: Path, masks: str, form: str) -> None:
    write = FORMS.get(form, same)
    document = objects(3, lambda *four: [v / s for v, s in zip(write(*four), (WIDE, TALL) * 2, strict=True)], masks)
    with pytest.raises(
        DataError, match=r"boxes of numbers from 0 to 1: 0 \(\[.*; multiply them by the width and height"
    ):
        told(tmp_path, document)


def test_a_small_box_among_others_is_told(tmp_path: Path) -> None:
    document = objects(5, same)
    document["annotations"][3]["bbox"] = [0.5, 0.25, 0.5, 0.5]
    (line,) = [each for each in told(tmp_path, document) if "0 to 1" in each]
    assert line == "boxes of numbers from 0 to 1: 1 read as pixels (annotation 3: [0.5, 0.25, 0.5, 0.5])"


# ---------------------------------------------------------------- twice, and apart


def test_masks_off_their_box_are_told(tmp_path: Path) -> None:
    document = objects(7, same, "polygons")
    runs = objects(1, same, "runs")["annotations"][0]
    document["annotations"] += [
        box(50, 9, 3, [10, 10, 20, 20], segmentation=[[60, 60, 80, 60, 80, 90], [50, 70, 55, 70, 55, 72]]),
        {**runs, "id": 51, "bbox": [0.0, 90.0, 5.0, 5.0]},
        box(52, 9, 3, [10, 10, 21, 20], segmentation=[[60, 60, 80, 60, 80, 90], [12, 12, 15, 12, 15, 15]]),
    ]
    (line,) = (each for each in told(tmp_path, document) if each.startswith("masks"))
    assert line.startswith(
        "masks that do not overlap their box: 2 kept (annotation 50: mask from (50, 60) to (80, 90), box [10.0, 10.0, 20.0"
    )


def test_objects_that_stand_twice_are_told_and_kept(tmp_path: Path) -> None:
    document = objects(7, same, "polygons")
    first = document["annotations"][2]
    more: list[dict[str, Any]] = [{}, {}, {"category_id": 7}, {"segmentation": [[0, 0, 9, 0, 9, 9]]}, {"iscrowd": 1}]
    document["annotations"] += [{**first, "id": 50 + n, **each} for n, each in enumerate(more)]
    document["images"].append({**document["images"][0], "id": 10, "file_name": "10.png"})
    document["annotations"].append({**first, "id": 60, "image_id": 10})
    twice, two = (each for each in told(tmp_path, document) if each.startswith("objects"))
    few = "annotations 2 and 50, annotations 2 and 51"
    assert twice == f"objects that stand twice: image, category, box and mask of another: 2 kept ({few})"
    assert two == "objects of two categories: image, box and mask of another: 1 kept (annotations 2 and 52)"
    assert len(Settings().open(tmp_path, "train", "detection")[0][1]["boxes"]) == 12


def test_a_file_under_two_ids_is_told(tmp_path: Path) -> None:
    document = objects(3, same)
    image = document["images"][0]
    document["images"] += [{**image, "id": 4, "file_name": "./9.png"}, {**image, "id": 5, "file_name": "5.png"}]
    assert told(tmp_path, document) == [
        "files under several image ids: 1 each id taken as an image of its own (9.png: 9 and 4)"
    ]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"annotations":', '"annotations": [], "annotations":', "annotations"),
        ('"annotations":', '"\\u0061nnotations": [], "annotations":', "annotations"),
        ('"bbox":', '"bbox" \n: [1, 2, 3, 4], "bbox":', "bbox"),
        ('"file_name":', '"file_name":"8.png","file_name":', "file_name"),
        ('"size":', '"size": [1, 1], "size":', "size"),
    ],
)
def test_keys_that_stand_twice_are_refused(tmp_path: Path, old: str, new: str, key: str) -> None:
    root = put(tmp_path, train=objects(3, same, "runs"), val=val())
    file = root / "annotations/instances_train2017.json"
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=rf"train2017.json: keys that stand twice in one object: {key}; only the last"):
        Settings().inspect(root)


def test_texts_that_look_like_keys_are_none(tmp_path: Path) -> None:
    document = objects(3, same)
    document["info"] = {"note": '"bbox": "bbox" :', "more": ": x", "nested": [1, {"a": {}}, [{"a": 1}]]}
    assert told(tmp_path, document) == []


def test_categories_that_a_reader_takes_for_one_are_told(tmp_path: Path) -> None:
    document = {**objects(3, same), "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "Cat "}]}
    root = put(tmp_path, train=document, val={**val(), "categories": document["categories"]})
    assert [str(line) for line in Settings().inspect(root).left_out["train"] if "differ" in line.what] == [
        "class names that differ only by case, spaces or Unicode form: 1 kept apart ('cat' / 'Cat ')"
    ]


# ---------------------------------------------------------------- sizes


def sized(root: Path, stored: tuple[int, int], said: tuple[int, int], way: int = 1) -> Path:
    """Two images of a size, of which another may be said; the second has an EXIF tag."""
    document = objects(3, same)
    document["images"] = [{"id": n, "file_name": f"{n}.jpg", "width": said[0], "height": said[1]} for n in (8, 9)]
    document["annotations"] = [box(1, 9, 3, [0, 0, 20, 10], segmentation=None)]
    put(root, train=document, val=val())
    exif = Image.Exif()
    exif[0x0112] = way
    picture = Image.linear_gradient("L").resize(stored)
    picture.save(root / "train2017/8.jpg", exif=exif)
    picture.save(root / "train2017/9.jpg", exif=exif)
    return root


@pytest.mark.parametrize(
    ("stored", "way", "exif", "why"),
    [
        ((100, 120), 1, "turn", "100 x 120 pixels, where .* 120 x 100; exchange width and height in the annotations"),
        ((100, 120), 1, "ignore", "100 x 120 pixels, where .* 120 x 100; exchange width and height"),
        ((120, 100), 6, "turn", "100 x 120 pixels, .*; it is turned by its EXIF tag: dataset.exif: ignore is for"),
        ((100, 120), 6, "ignore", "100 x 120 pixels, .*; its EXIF tag, which turns it, is ignored: dataset.exif: turn"),
        ((60, 50), 1, "turn", r"60 x 50 pixels, where its annotations are of 120 x 100 \("),
    ],
)
def test_images_of_another_size_are_refused_before_launch(
    tmp_path: Path, stored: tuple[int, int], way: int, exif: Any, why: str
) -> None:
    root = sized(tmp_path, stored, (WIDE, TALL), way)
    said = rf"8.jpg: {why}.*2 such images of 2 looked at\); or set dataset.on_bad_image: skip"
    with pytest.raises(DataError, match=said):
        Settings(exif=exif).inspect(root)
    what = "images, of 2 looked at, of another size than their annotations say"
    (line,) = (
        line for line in Settings(exif=exif, on_bad_image="skip").inspect(root).left_out["train"] if line.what == what
    )
    assert (line.number, line.effect) == (2, "skipped (on_bad_image)")


def test_images_of_their_size_are_taken(tmp_path: Path) -> None:
    for n, (stored, way, exif) in enumerate(
        [((100, 120), 6, "turn"), ((120, 100), 6, "ignore"), ((120, 100), 3, "turn")]
    ):
        dataset = Settings(exif=exif)  # type: ignore[arg-type]
        assert dataset.inspect(sized(tmp_path / str(n), stored, (WIDE, TALL), way)).images["train"] == 2
