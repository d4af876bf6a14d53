"""What `coco` says of a file of annotations before anything is launched, and that it reads one once."""

import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pycocotools import mask as rle

from pvt_exp.config import DataError
from pvt_exp.datasets.coco import Settings
from pvt_exp.nn.data.coco import check
from pvt_exp.plan import expand
from pvt_exp.plan.data_sets import DataSets
from tests.conftest import EXPERIMENT
from tests.examples.coco import CATEGORIES, COMPRESSED, RUNS, box, images, put, train, val

Change = Callable[[dict[str, Any]], object]
pytestmark = pytest.mark.usefixtures("cache")


def test_annotations_are_counted(tmp_path: Path) -> None:
    facts = Settings().inspect(put(tmp_path, train=train(), val=val()))
    assert facts.classes == ("cat", "dog"), "in the order of the ids"
    assert facts.images == {"train": 3, "val": 2}
    assert facts.counts["train"] == {"annotations": 4, "images without annotations": 1}
    assert list(map(str, facts.left_out["train"]))[:-1] == [
        "boxes of zero size: 1 left out (annotation 104: [4.0, 4.0, 0.0, 3.0])",
        "boxes that reach out of their image: 1 clipped (annotation 103: [-1.0, 4.0, 5.0, 8.0])",
        "crowds: 1 not learnt",
    ]
    assert facts.counts["val"] == {"annotations": 1, "images without annotations": 1}
    assert list(map(str, facts.left_out["val"]))[:-1] == [
        "classes without an object: 1 not in the mean of the score (dog)"
    ]
    assert not facts.unfit


def test_a_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    write = check.write
    monkeypatch.setattr(check, "write", lambda path, folder: (read.append(path.name), write(path, folder)))
    root = put(tmp_path, train=train(), val=val())
    before = Settings().inspect(root)
    assert Settings().inspect(root) == before
    assert read == ["instances_train2017.json", "instances_val2017.json"]
    document = val()
    document["annotations"][0]["category_id"] = 7  # the same number of bytes
    (root / "annotations/instances_val2017.json").write_text(json.dumps(document))
    after = Settings().inspect(root)
    assert read[2:] == ["instances_val2017.json"]
    assert (after.images, after.counts) == (before.images, before.counts)
    assert after.fingerprint != before.fingerprint


def test_the_fingerprint_follows_the_images(tmp_path: Path) -> None:
    root = put(tmp_path, train=train(), val=val())
    before = Settings().inspect(root).fingerprint
    Image.new("RGB", (12, 10), "red").save(root / "train2017/9.png")
    assert Settings().inspect(root).fingerprint != before
    assert len(before or "") == 16


def test_what_is_no_regular_file_is_told_and_not_opened(tmp_path: Path) -> None:
    root = put(tmp_path, train=train(), val=val())
    before = Settings().inspect(root)
    os.mkfifo(root / "train2017/f.png")
    facts = Settings().inspect(root)
    assert facts.fingerprint == before.fingerprint
    (line,) = set(facts.left_out["train"]) - set(before.left_out["train"])
    assert str(line) == "named pipes, sockets or devices: 1 not taken (train2017/f.png)"
    (root / "train2017/9.png").unlink()
    os.mkfifo(root / "train2017/9.png")
    with pytest.raises(DataError, match=r"instances_train2017.json lists as an image: train2017/9.png"):
        Settings().inspect(root)
    (root / "annotations/instances_val2017.json").unlink()
    os.mkfifo(root / "annotations/instances_val2017.json")
    with pytest.raises(DataError, match=r"val2017.json: a named pipe, socket or device, where a file is expected"):
        Settings().inspect(root)


def test_a_file_of_no_bytes_that_is_skipped_is_told(tmp_path: Path) -> None:
    root = put(tmp_path, train=train(), val=val())
    (root / "train2017/9.png").write_bytes(b"")
    lines = list(map(str, Settings(on_bad_image="skip").inspect(root).left_out["train"]))
    assert "files of 0 bytes: 1 skipped (on_bad_image) (train2017/9.png)" in lines


def test_an_index_that_cannot_be_kept_is_said(tmp_path: Path, cache: Path) -> None:
    root = put(tmp_path, train=train(), val=val())
    (cache / "pvt_exp").mkdir()
    (cache / "pvt_exp/coco").touch()
    with pytest.raises(DataError, match=r"cannot be kept there.*set XDG_CACHE_HOME"):
        Settings().inspect(root)


def test_nothing_of_a_flawed_file_stays_in_the_cache(tmp_path: Path, cache: Path) -> None:
    root = put(tmp_path, train={**train(), "annotations": [box(1, 9, 99, [0, 0, 2, 2])]}, val=val())
    for _ in range(2):
        with pytest.raises(DataError, match="not listed"):
            Settings().inspect(root)
    assert not [path for path in (cache / "pvt_exp/coco").iterdir() if path.is_dir()]


def add(*annotations: dict[str, Any]) -> Change:
    return lambda document: document["annotations"].extend(annotations)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("categories"), "no list of categories in it"),
        (lambda d: d.update(categories=[]), "list of categories is empty"),
        (lambda d: d.update(images=[]), "list of images is empty"),
        (lambda d: d.update(annotations={}), "no list of annotations in it"),
        (lambda d: d.update(annotations=[]), "no crowd; there is nothing to learn"),
        (
            lambda d: d.update(annotations=[box(1, 9, 7, [0, 0, 2, 2], iscrowd=1)]),
            "no crowd; there is nothing to learn",
        ),
        (lambda d: d["categories"].append({"id": 3, "name": "cow"}), "category ids that stand twice: 3; give each"),
        (
            lambda d: d["categories"].append({"id": 4, "name": "cat"}),
            r"names that stand twice: cat \(ids 3, 4\); dataset.ca",
        ),
        (
            lambda d: d["categories"].append({"id": "x", "name": "x"}),
            "categories without a whole number as id: x; mend",
        ),
        (lambda d: d["categories"].append({"id": 9}), "categories without a name: 9; mend"),
        (
            lambda d: d["categories"].append({"id": 9, "name": 1}),
            r"categories whose name is no text: 9 \(1\); put it in quotes",
        ),
        (lambda d: d["categories"].append("cow"), "categories that are no JSON objects: entry 3; mend"),
        (lambda d: d["images"].extend(images(5)), "image ids that stand twice: 5; give each"),
        (lambda d: d["images"].append({"id": 8, "file_name": "x.png"}), "images whose height and width .*: 8; mend"),
        (lambda d: d["images"].append({"id": 8, "height": 9, "width": 9}), "images without a file_name: 8; mend"),
        (lambda d: d["images"].append({**images(8)[0], "id": None}), "images without a whole number .*: entry 4; mend"),
        (
            lambda d: d["images"].append({**images(8)[0], "id": 2**62}),
            "images without a whole number below 2.62 as id: 46",
        ),
        (lambda d: d["images"].append(None), "images that are no JSON objects: entry 4; mend"),
        (add(box(101, 5, 3, [0, 0, 1, 1])), "annotation ids that stand twice: 101; give each"),
        (add(box(1, 5, 4, [0, 0, 1, 1])), r"category that is not listed: 1 \(category 4\); add the category"),
        (add(box(1, 55, 3, [0, 0, 1, 1])), r"image that is not listed: 1 \(image 55\); add the image"),
        (add({"id": 1, "image_id": 5, "category_id": 3}), "annotations without a bbox: 1; add it"),
        (add(box(1, 5, 3, [0, 0, 1, 1], bbox=[0, 0, 1])), r"bbox is not four numbers: 1 \(\[0, 0, 1\]\); mend"),
        (
            add(box(1, 5, 3, [0, 0, 1, 1], bbox=["a", 0, 1, 1])),
            r"bbox is not four numbers: 1 \(\['a', 0, 1, 1\]\); mend",
        ),
        (add(box(1, 5, 3, [0, 0, 1, 1], bbox="0011")), r"bbox is not four numbers: 1 \(0011\); mend"),
        (add(box(1, 5, 3, [0, 0, float("nan"), 1])), r"bbox is not four numbers: 1 \(\[0, 0, nan, 1\]\); mend"),
        (
            add(box(1, 5, 3, [0, 0, 1, 1], image_id=[5])),
            "annotations without a whole number below 2.62 as image_id: 1;",
        ),
        (add(box(1, 5, 3, [0, 0, 1, 1], category_id="cat")), "whole number below 2.62 as category_id: 1;"),
        (add(box(1.5, 5, 3, [0, 0, 1, 1])), r"whole number below 2.62 as id: 1.5;"),  # type: ignore[arg-type]
        (add(box(1, 5, 3, [0, 0, 1, 1], iscrowd="no")), r"iscrowd is neither 0 nor 1: 1 \('no'\); mend"),
        (add(box(1, 5, 3, [0, 0, 1, 1], iscrowd=2)), r"iscrowd is neither 0 nor 1: 1 \(2\); mend"),
        (lambda d: d["annotations"].append("x"), "annotations that are no JSON objects: entry 6; mend"),
        (add(box(1, 5, 3, [0, 0, -1, 1])), r"negative size; a bbox is \[left.*: 1 \(image 5\); mend"),
    ],
)
def test_flaws_are_said_with_file_and_id(tmp_path: Path, change: Change, said: str) -> None:
    document = train()
    change(document)
    with pytest.raises(DataError, match=said) as error:
        Settings().inspect(put(tmp_path, train=document, val=val()))
    assert str(error.value).startswith(str(tmp_path / "annotations/instances_train2017.json"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("form", ["size", "size of both kinds", "counts", "polygon"])
def test_numbers_of_masks_that_are_text_are_read_and_counted(tmp_path: Path, form: str) -> None:
    mask: Any = {
        "size": {**RUNS, "size": list(map(str, RUNS["size"]))},
        "size of both kinds": {**COMPRESSED, "size": [float(COMPRESSED["size"][0]), str(COMPRESSED["size"][1])]},
        "counts": {**RUNS, "counts": list(map(str, RUNS["counts"]))},
        "polygon": [["2", "1", "6.0", "1", "6", "5"]],
    }[form]
    plain = {"counts": RUNS, "size": RUNS, "size of both kinds": COMPRESSED, "polygon": [[2, 1, 6, 1, 6, 5]]}[form]
    masks = list[Any]()
    for n, each in enumerate((mask, plain)):
        document = train()
        document["annotations"].append(box(1, 5, 3, [0, 0, 4, 4], segmentation=each))
        root = put(tmp_path / str(n), train=document, val=val())
        facts = Settings().inspect(root)
        assert not facts.unfit
        text = [str(line) for line in facts.left_out["train"] if line.what == "numbers written as text"]
        assert text == ([] if n else ["numbers written as text: 1 read as numbers (segmentation of 1)"])
        truth = Settings().open(root, "train", "instance").ground_truth()["annotations"]
        masks += [each["segmentation"] for each in truth if each["id"] == 1]
    assert masks[0] == masks[1]


def test_a_file_name_that_is_a_number_is_no_text(tmp_path: Path) -> None:
    document = train()
    root = put(tmp_path, train=document, val=val())
    document["images"][0]["file_name"] = 7
    (root / "annotations/instances_train2017.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"images whose file_name is no text: 9 \(7\); mend"):
        Settings().inspect(root)


@pytest.mark.parametrize("way", ["../val2017/{}", "{root}/train2017/{}", "../elsewhere/{}"])
def test_images_outside_the_folder_are_not_called_missing(tmp_path: Path, way: str) -> None:
    document = train()
    root = put(tmp_path, train=document, val=val())
    name = document["images"][0]["file_name"]
    (root / "elsewhere").mkdir()
    for folder in ("elsewhere", "val2017"):
        Image.open(root / "train2017" / name).save(root / folder / name)
    document["images"][0]["file_name"] = outside = way.format(name, root=root)
    (root / "annotations/instances_train2017.json").write_text(json.dumps(document))
    with pytest.raises(DataError) as error:
        Settings().inspect(root)
    assert f"train2017: images named by paths that lead out of it: {outside}" in str(error.value)
    assert str(error.value).endswith("a file_name is relative to dataset.train_image_folder, and below it")
    assert "missing" not in str(error.value)


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        (None, r"annotations without a segmentation: 1 \(image 5\); the task instance needs"),
        ([], r"annotations without a segmentation: 1 \(image 5\)"),
        ({**RUNS, "size": [12, 10]}, r"of another size than their image: 1 \(image 5, \[12, 10\] where \[10, 12\]"),
        ({**RUNS, "counts": [5, 5]}, r"do not add up to their image: 1 \(image 5, 10 of 120 pixels\)"),
        ({**COMPRESSED, "counts": "P137000"}, r"do not add up to their image: 1 \(image 5, 55 of 120 pixels\)"),
        ({**COMPRESSED, "counts": "P137000o"}, "counts cannot be read: 1"),
        ({**COMPRESSED, "counts": "P1 é"}, "counts cannot be read: 1"),
        ({**RUNS, "counts": [-5, 125]}, "counts cannot be read: 1"),
        ({**RUNS, "counts": None}, "counts cannot be read: 1"),
        ({"size": [10, 12]}, "neither polygons nor RLE: 1"),
        ("mask.png", "neither polygons nor RLE: 1"),
        ([0, 0, 1, 1, 2, 2], "neither polygons nor RLE: 1"),
        ([{"x": 1, "y": 2}], "neither polygons nor RLE: 1"),
        ([[[0, 0], [1, 1], [2, 2]]], "neither polygons nor RLE: 1"),
        ([[0, 0, 1, 1]], r"fewer than three points.*: 1 \(image 5\); the task"),
        ([[]], r"fewer than three points.*: 1 \(image 5\)"),
        ([[0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2, 3]], "fewer than three points, or of half a point: 1"),
        ([[0, 0, 1e9, 1, 2, 2]], "polygons far outside their image: 1"),
        ([[0, 0, float("nan"), 1, 2, 2]], "polygons far outside their image: 1"),
    ],
)
def test_flaws_of_masks_trouble_only_who_needs_masks(tmp_path: Path, segmentation: Any, said: str) -> None:
    document = train()
    document["annotations"].append(box(1, 5, 3, [0, 0, 4, 4], segmentation=segmentation))
    root = put(tmp_path, train=document, val=val())
    facts = Settings().inspect(root)
    assert re.search(said, facts.unfit["instance"])
    assert facts.unfit["instance"].startswith(str(root / "annotations/instances_train2017.json"))
    assert facts.counts["train"]["annotations"] == 5
    with pytest.raises(DataError, match=said):
        Settings().open(root, "train", "instance")


def told(root: Path, document: dict[str, Any], split: str = "train", **fields: Any) -> list[str]:
    """What is left out or changed of a split, less what is said of the pixels."""
    facts = Settings(**fields).inspect(put(root, train=document, val=val()))
    return [str(line) for line in facts.left_out[split] if "brightness" not in line.what]


@pytest.mark.parametrize("bbox", [[12, 0, 2, 2], [3, -2, 2, 2], [3, 10, 2, 2], [-9, 3, 9, 2], [100, 100, 5, 5]])
def test_a_box_at_the_border_or_beyond_is_left_out_and_counted(tmp_path: Path, bbox: list[float]) -> None:
    document = train()
    document["annotations"] = [
        box(1, 5, 3, [0, 0, 1, 1]),
        box(2, 5, 3, bbox, segmentation=None),
        box(3, 5, 7, [1, 1, 2, 2]),
    ]
    boxes = list(map(float, bbox))
    assert told(tmp_path, document) == [f"boxes outside their image: 1 left out (annotation 2: {boxes})"]
    assert len(Settings().open(tmp_path, "train", "detection")[1][1]["boxes"]) == 2


AREAS = [-4.0, 0, 1e12, 5000, float("nan"), float("inf"), "16", "large", True, [16], 16.0 * 4, 26]


@pytest.mark.parametrize("area", [None, *AREAS])
@pytest.mark.parametrize("segmentation", [None, [[2, 1, 6, 1, 6, 5]], RUNS], ids=["box", "polygon", "runs"])
def test_an_area_that_cannot_be_right_is_computed(tmp_path: Path, area: Any, segmentation: Any) -> None:
    """A box of 4 x 4, clipped to 4 x 3; the triangle and the run lengths are pycocotools' to count."""
    pixels = {"box": 12.0, "polygon": None, "runs": 9.0}
    kind = "box" if segmentation is None else "polygon" if isinstance(segmentation, list) else "runs"
    if kind == "polygon":
        pixels["polygon"] = float(rle.area(rle.merge(rle.frPyObjects(segmentation, 10, 12))))
    document = train()
    document["annotations"] += [box(1, 6, 3, [2, 7, 4, 4], area=area, segmentation=segmentation)]
    (line,) = [each for each in told(tmp_path, document) if each.startswith("areas")]
    what = "missing" if area is None else "that are no number above 0, or larger than box or image"
    assert line.startswith(f"areas {what}: 1 computed from mask or box (annotation 1")
    reader = Settings().open(tmp_path, "train", "detection")
    (truth,) = [each for each in reader.ground_truth()["annotations"] if each["id"] == 1]
    assert truth["area"] == pixels[kind]
    assert reader[2][1]["area"].tolist() == [pixels[kind]]


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("segmentation", ["polygon", "runs"])
def test_areas_of_images_of_another_size_are_computed(tmp_path: Path, scale: int, segmentation: str) -> None:
    """Of images that were enlarged after their areas were written, and of images that were made smaller."""
    document = train()
    document["images"] = [{**images(9)[0], "width": 60, "height": 50}]
    mask: Any = [[10, 10, 50, 10, 50, 40, 10, 40]]
    if segmentation == "runs":
        mask = rle.frPyObjects(mask, 50, 60)[0]
        mask["counts"] = mask["counts"].decode()
    areas = {1: 1200 / scale**2, 2: 1200.0 * scale**2, 3: 1200.0}
    document["annotations"] = [
        box(n, 9, 7, [10, 10, 40, 30], segmentation=mask, area=area) for n, area in areas.items()
    ]
    lines = [each for each in told(tmp_path, document) if each.startswith("areas")]
    assert [each.partition(" computed")[0] for each in lines] == [
        "areas less than half of the mask: 1",
        "areas that are no number above 0, or larger than box or image: 1",
    ]
    truth = Settings().open(tmp_path, "train", "instance").ground_truth()["annotations"]
    assert [each["area"] for each in truth] == [1200, 1200, 1200]


@pytest.mark.parametrize("area", [0.5, 16, 16.0, 25])
def test_an_area_that_can_be_right_is_kept(tmp_path: Path, area: float) -> None:
    document = train()
    document["annotations"] += [box(1, 6, 3, [2, 2, 4, 4], area=area)]
    assert not [each for each in told(tmp_path, document) if each.startswith("areas")]
    assert Settings().open(tmp_path, "train", "detection").ground_truth()["annotations"][-1]["area"] == area


def test_numbers_written_as_text_are_read_and_told(tmp_path: Path) -> None:
    document = {
        "categories": [{"id": "3", "name": "cat"}, {"id": 7.0, "name": "dog"}],
        "images": [{**images(9)[0], "id": "9", "width": "12", "height": 10.0}],
        "annotations": [
            box(1, 9, 3, [0, 0, 1, 1], id="1", image_id="9", category_id="3", bbox=["2", "1.5", 3, "4"], iscrowd="0"),
            box(2, 9, 7, [0, 0, 1, 1], iscrowd=True),
            box(3, 9, 7, [0, 0, 1, 1], iscrowd=None),
            box(4, 9, 7, [0, 0, 1, 1], iscrowd=1.0),
        ],
    }
    lines = told(tmp_path, document)
    assert lines[0] == "numbers written as text: 8 read as numbers (id of 3, id of 9, width of 9, ...)"
    assert lines[-1] == "crowds: 2 not learnt"
    reader = Settings().open(tmp_path, "train", "detection")
    truth = reader.ground_truth()["annotations"][0]
    assert (truth["id"], truth["image_id"], truth["category_id"], truth["bbox"]) == (1, 9, 3, [2, 1.5, 3, 4])
    assert reader.category_ids == (3, 7)
    assert reader[0][1]["crowd"].tolist() == [False, True, False, True]


def test_boxes_that_look_like_two_corners_are_told(tmp_path: Path) -> None:
    def lines(boxes: list[list[float]]) -> list[str]:
        document = {**train(), "images": [{**images(9)[0], "width": 120, "height": 100}]}
        document["annotations"] = [box(n, 9, 3, each, segmentation=None) for n, each in enumerate(boxes)]
        return [line for line in told(tmp_path, document) if line.startswith("boxes that look like")]

    corners = [[10, 10, 30, 30], [70, 50, 100, 90], [20, 60, 50, 99], [5, 5, 118, 98]]
    (line,) = lines(corners)
    assert line.startswith("boxes that look like [left, top, right, bottom]: 4 read as [left, top, width, height]")
    assert not lines([[left, top, right - left, bottom - top] for left, top, right, bottom in corners])


def test_classes_without_an_object_are_told(tmp_path: Path) -> None:
    document = train()
    document["categories"].insert(0, {"id": 0, "name": "pets", "supercategory": "none"})
    assert "classes without an object: 1 kept (dataset.categories can leave them out) (pets)" in told(
        tmp_path, document
    )


def test_files_that_are_not_listed_are_told(tmp_path: Path) -> None:
    put(tmp_path, train=train(), val=val())
    (tmp_path / "train2017/more").mkdir()
    (tmp_path / "train2017/more/extra.png").touch()
    (tmp_path / "train2017/.trash").mkdir()
    (tmp_path / "train2017/.trash/old.png").touch()
    found = told(tmp_path, train())
    assert "files that are not listed: 1 not taken (train2017/more/extra.png)" in found
    assert "hidden images (a name that begins with a dot): 1 not taken (train2017/.trash/old.png)" in found
    document = {**val(), "images": [{**image, "file_name": f"v{image['file_name']}"} for image in val()["images"]]}
    shared = Settings(train_image_folder="all", val_image_folder="all")
    put(tmp_path, train=train(), val=document)
    (tmp_path / "all").mkdir()
    for path in (*tmp_path.glob("train2017/?.png"), *tmp_path.glob("val2017/v*.png")):
        path.rename(tmp_path / "all" / path.name)
    for dataset in (shared, Settings(train_image_folder="all", val_image_folder="./all/")):
        assert not [x for lines in dataset.inspect(tmp_path).left_out.values() for x in lines if "not listed" in x.what]


# ---------------------------------------------------------------- categories


def placeholder() -> dict[str, Any]:
    """As Roboflow exports: a category 0 that is the supercategory of all, and has a class's name."""
    document = train()
    document["categories"] = [{"id": 0, "name": "cat"}, *CATEGORIES]
    return document


@pytest.mark.parametrize(
    ("categories", "classes", "of"),
    [
        ({0: None}, ((3, "cat"), (7, "dog")), {3: 3, 7: 7}),
        ({"0": None}, ((3, "cat"), (7, "dog")), {3: 3, 7: 7}),
        ({"cat": "cat"}, ((0, "cat"), (7, "dog")), {0: 0, 3: 0, 7: 7}),
        ({"cat": "pet", "dog": "pet"}, ((0, "pet"),), {0: 0, 3: 0, 7: 0}),
        ({0: "thing"}, ((0, "thing"), (3, "cat"), (7, "dog")), {0: 0, 3: 3, 7: 7}),
        (["dog"], ((7, "dog"),), {7: 7}),
        ([3, "dog"], ((3, "cat"), (7, "dog")), {3: 3, 7: 7}),
    ],
)
def test_categories_are_left_out_and_joined(
    tmp_path: Path, categories: Any, classes: tuple[tuple[int, str], ...], of: dict[int, int]
) -> None:
    settings = Settings(categories=categories)
    root = put(tmp_path, train=placeholder(), val=val())
    facts = settings.inspect(root)
    assert facts.classes == tuple(name for _, name in classes)
    reader = settings.open(root, "train", "detection")
    assert reader.classes == classes
    whole = {each["id"]: each for each in train()["annotations"] if each["id"] != 104}
    truth = {each["id"]: each for each in reader.ground_truth()["annotations"]}
    assert {n: each["category_id"] for n, each in truth.items()} == {
        n: of[each["category_id"]] for n, each in whole.items() if each["category_id"] in of
    }
    labels = {each["image_id"]: each["labels"].tolist() for _, each in reader}
    place = {number: n for n, (number, _) in enumerate(classes)}
    for image in (9, 5, 6):
        kept = [each for each in whole.values() if each["image_id"] == image and each["category_id"] in of]
        assert labels[image] == [place[of[each["category_id"]]] for each in sorted(kept, key=lambda each: each["id"])]
    lines = list(map(str, facts.left_out["train"]))
    others = sum(each["category_id"] not in of for each in whole.values())
    assert (f"annotations of categories that are left out: {others} left out" in lines) == bool(others)
    assert settings.inspect(root).counts["train"]["annotations"] == len(whole) - others
    copied = pickle.loads(pickle.dumps(reader))
    assert copied.ground_truth() == reader.ground_truth()
    assert len(settings.open(root, "val", "detection").classes) == len(classes)


@pytest.mark.parametrize(
    ("categories", "said"),
    [
        (None, r"stand twice: cat \(ids 0, 3\); dataset.categories: \{0: null\} leaves one out, \{cat: cat\} makes"),
        (["cat", "dog"], r"stand twice: cat \(ids 0, 3\)"),
        ({7: "cat"}, r"stand twice: cat \(ids 0, 3, 7\)"),
        (
            {"cow": None},
            r"no category has the name or the id 'cow'; there are cat \(id 0\), cat \(id 3\), dog \(id 7\)",
        ),
        ({"dog": "x", 7: "y"}, r"dataset.categories: 'dog' and '7' mean one category, dog \(id 7\); leave one out"),
        (["dog", "dog"], r"dataset.categories: 'dog' and 'dog' mean one category"),
        ({"cat": None, "dog": None}, "dataset.categories leaves no category"),
        ([0], "no image of it has an annotation that is no crowd and of a class; there is nothing to learn"),
    ],
)
def test_categories_that_make_no_sense_are_refused(tmp_path: Path, categories: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Settings(categories=categories).inspect(put(tmp_path, train=placeholder(), val=val()))


def test_a_name_of_digits_is_a_name_first(tmp_path: Path) -> None:
    document = train()
    document["categories"] = [{"id": 3, "name": "7"}, {"id": 7, "name": "dog"}]
    other = {**val(), "categories": document["categories"]}
    assert Settings(categories=["7"]).inspect(put(tmp_path, train=document, val=other)).classes == ("7",)


def test_validation_follows_the_categories_of_training(tmp_path: Path) -> None:
    document = val()
    document["categories"] = [{"id": 3, "name": "cat"}, {"id": 8, "name": "cow"}]
    document["annotations"].append(box(2, 1, 8, [0, 0, 3, 3]))
    root = put(tmp_path, train=train(), val=document)
    with pytest.raises(
        DataError, match=r"categories that .* lacks: cow \(id 8\); leave them out by dataset.categories"
    ):
        Settings().inspect(root)
    settings = Settings(categories=["cat", "dog"])
    lines = list(map(str, settings.inspect(root).left_out["val"]))
    assert "annotations of categories that are left out: 1 left out" in lines
    assert [x["category_id"] for x in settings.open(root, "val", "detection").ground_truth()["annotations"]] == [3]


# ---------------------------------------------------------------- names of files


@pytest.mark.parametrize("written", ["./{}", ".//{}", "./a/../{}"])
def test_names_with_dots_are_found(tmp_path: Path, written: str) -> None:
    document = train()
    root = put(tmp_path, train=document, val=val())
    for image in document["images"]:
        image["file_name"] = written.format(image["file_name"])
    (root / "annotations/instances_train2017.json").write_text(json.dumps(document))
    assert Settings().inspect(root).images["train"] == 3
    assert Settings().open(root, "train", "detection")[1][0].size == (12, 10)


@pytest.mark.parametrize(
    ("written", "there"),
    [
        ("..\\images\\5.png", "5.png"),
        ("C:\\data\\5.png", "5.png"),
        ("/data/train2017/5.png", "5.png"),
        ("train2017/5.png", "5.png"),
        ("5.PNG", "5.png"),
        ("5.jpg", "5.png"),
        ("http://host/bucket/5.png?", "5.png"),
        ("image_000013.png", None),
        ("a%20b.png", "a b.png"),
        ("ge\u0301ant.png", "g\u00e9ant.png"),
        ("image_0000012.png", "image_000012.png"),
        ("quite_another.png", None),
    ],
)
def test_a_missing_name_shows_the_one_that_is_there(tmp_path: Path, written: str, there: str | None) -> None:
    document = train()
    root = put(tmp_path, train=document, val=val())
    for name in ("a b.png", "g\u00e9ant.png", "image_000012.png"):
        Image.new("RGB", (12, 10)).save(root / "train2017" / name)
    document["images"][1]["file_name"] = written
    (root / "annotations/instances_train2017.json").write_text(json.dumps(document))
    shown = f"{written} (there is {there}); put" if there else f"{written}; put"
    with pytest.raises(DataError) as error:
        Settings().inspect(root)
    assert f"1 of 3 images of annotations/instances_train2017.json are missing: {shown}" in str(error.value)


# ---------------------------------------------------------------- nothing to validate on


@pytest.mark.parametrize("annotations", [[], [box(1, 2, 3, [0, 0, 3, 3], iscrowd=1)], [box(1, 2, 3, [0, 0, 0, 3])]])
def test_nothing_to_score_is_said_unless_images_are_held_out(tmp_path: Path, annotations: Any) -> None:
    facts = Settings().inspect(put(tmp_path, train=train(), val={**val(), "annotations": annotations}))
    assert facts.images == {"train": 3, "val": 0}
    with pytest.raises(DataError, match=r"instances_val2017.json: no image of it .*; there is nothing to score"):
        facts.check_val(held_out=False)
    facts.check_val(held_out=True)


def test_a_holdout_needs_no_validation_file(tmp_path: Path) -> None:
    facts = Settings().inspect(put(tmp_path, train=train()))
    facts.check_val(held_out=True)
    with pytest.raises(
        DataError, match=r"instances_val2017.json: no such file; put it there, or set dataset.val_annotations"
    ):
        facts.check_val(held_out=False)


def test_many_flaws_of_a_kind_are_counted(tmp_path: Path) -> None:
    document = train()
    document["annotations"] += [box(n, 5, 4, [0, 0, 1, 1]) for n in range(20)]
    with pytest.raises(DataError, match=r"0 \(category 4\), 1 .* and 15 more; add"):
        Settings().inspect(put(tmp_path, train=document, val=val()))


@pytest.mark.parametrize(
    ("content", "said"), [(b"[1,", "not JSON.*download or export"), (b"\xff\xfe\x00", "not JSON"), (b"7", "no list of")]
)
def test_what_is_no_file_of_annotations_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    root = put(tmp_path, train=train(), val=val())
    (root / "annotations/instances_val2017.json").write_bytes(content)
    with pytest.raises(DataError, match=f"instances_val2017.json: {said}"):
        Settings().inspect(root)


def test_missing_files_are_said(tmp_path: Path) -> None:
    root = put(tmp_path, train=train(), val=val())
    (root / "train2017/5.png").unlink()
    with pytest.raises(
        DataError, match=r"train2017: 1 of 3 images of .* are missing: 5.png; .* dataset.train_image_folder"
    ):
        Settings().inspect(root)
    with pytest.raises(DataError, match="nowhere: no such folder"):
        Settings(val_image_folder="nowhere").inspect(put(root, train=train()))
    with pytest.raises(DataError, match=r"gone.json: no such file; put it there, or set dataset.train_annotations"):
        Settings(train_annotations="gone.json").inspect(root)
    (root / "val2017/1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"0 bytes long: val2017/1.png; .*on_bad_image"):
        Settings().inspect(root)
    assert Settings(on_bad_image="skip").inspect(root).images["val"] == 2


@pytest.mark.parametrize("category", [{"id": 8, "name": "cow"}, {"id": 7, "name": "cow"}])
def test_categories_that_training_lacks_are_said(tmp_path: Path, category: dict[str, Any]) -> None:
    document = {**val(), "categories": [{"id": 3, "name": "cat"}, category]}
    with pytest.raises(DataError, match=rf"val2017.json: categories that .* lacks: cow \(id {category['id']}\)"):
        Settings().inspect(put(tmp_path, train=train(), val=document))


def test_validation_may_lack_categories(tmp_path: Path) -> None:
    document = {**val(), "categories": [{"id": 3, "name": "cat"}]}
    assert Settings().inspect(put(tmp_path, train=train(), val=document)).classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"train_image_folder": "/x"}, "leads out"),
        ({"val_annotations": "../x.json"}, "leads out"),
        ({"val_annotations": "a.json", "train_annotations": "a.json"}, "same file"),
        ({"name": "a/b"}, "match pattern"),
        ({"categories": []}, "categories: none"),
        ({"categories": {1.5: "a"}}, "valid string"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings(**fields)


def test_a_mapping_of_categories_goes_through_a_plan(tmp_path: Path) -> None:
    data = "dataset: {kind: coco, categories: {'0': null}}\n"
    rest = EXPERIMENT[EXPERIMENT.index("backbone:") :].replace("batch_size: 16", "batch_size: 1")
    (tmp_path / "base.yaml").write_text(f"task: {{kind: detection, num_classes: 2}}\n{data}{rest}")
    (tmp_path / "sweep.yaml").write_text("base: base.yaml\nseeds: [0, 1]\nblocks: [{variants: {deep: {epochs: 3}}}]\n")
    planned = expand.load(tmp_path / "sweep.yaml")[1]
    root = put(tmp_path / "data", train=placeholder(), val=val())
    _, facts, problems = DataSets({"coco": str(root)}).of(planned)
    assert problems == {}
    assert [found.classes for found in facts.values()] == [("cat", "dog")]
