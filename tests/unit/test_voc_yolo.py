"""Data in VOC's and YOLO's files: the same samples as of the same set in COCO's JSON, and what is wrong with files."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from pvt_exp.config import DataError
from pvt_exp.datasets import Dataset
from pvt_exp.datasets.coco import Settings as Coco
from pvt_exp.datasets.voc import Settings as Voc
from pvt_exp.datasets.yolo import Settings as Yolo
from tests.conftest import SHARED_DATA
from tests.examples import voc, yolo

CLASSES = ("ant", "bee", "cat")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def drawn(root: Path) -> dict[str, dict[str, Any]]:
    """A COCO set of two splits with rectangles that do not overlap, in whole pixels; written, and by split."""
    random = np.random.default_rng(7)
    documents = {}
    for split, number in (("train", 9), ("val", 4)):
        images, annotations = [], []
        (root / split).mkdir(parents=True)
        for n in range(number):
            image = {"id": n + 1, "file_name": f"{split}{n}.png", "width": 40, "height": 32}
            picture = random.integers(0, 255, (32, 40, 3), dtype=np.uint8)
            Image.fromarray(picture).save(root / split / str(image["file_name"]))
            images.append(image)
            for column in range(n % 3):
                left, top = 20 * column + int(random.integers(0, 5)), int(random.integers(0, 10))
                wide, high = int(random.integers(4, 15)), int(random.integers(4, 20))
                corners = [left, top, left + wide, top, left + wide, top + high, left, top + high]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": n + 1,
                        "category_id": int(random.integers(0, 3)) + 1,
                        "bbox": [left, top, wide, high],
                        "area": wide * high,
                        "iscrowd": 0,
                        "segmentation": [corners],
                    }
                )
        categories = [{"id": n + 1, "name": name} for n, name in enumerate(CLASSES)]
        documents[split] = {"images": images, "annotations": annotations, "categories": categories}
        (root / f"{split}.json").write_text(json.dumps(documents[split]))
    return documents


COCO = Coco(
    name="drawn",
    train_annotations="train.json",
    train_image_folder="train",
    val_annotations="val.json",
    val_image_folder="val",
)


def as_voc(root: Path, documents: dict[str, dict[str, Any]]) -> Voc:
    """The same set in VOC's files."""
    for split, document in documents.items():
        names = []
        for image in document["images"]:
            name = Path(image["file_name"]).stem
            own = [each for each in document["annotations"] if each["image_id"] == image["id"]]
            objects: list[voc.Object] = []
            for each in own:
                left, top, wide, high = each["bbox"]
                objects.append((CLASSES[each["category_id"] - 1], (left + 1, top + 1, left + wide, top + high), 0))
            (root / "Annotations").mkdir(exist_ok=True)
            (root / f"Annotations/{name}.xml").write_text(voc.xml(name, objects, (image["width"], image["height"])))
            mask = np.zeros((image["height"], image["width"]), np.uint8)
            for number, each in enumerate(own, 1):
                left, top, wide, high = each["bbox"]
                mask[top : top + high, left : left + wide] = number
            (root / "SegmentationObject").mkdir(exist_ok=True)
            Image.fromarray(mask).save(root / f"SegmentationObject/{name}.png")
            names.append(name)
        (root / f"{split}.txt").write_text("\n".join(names))
    return Voc(
        name="drawn", train_image_folder="train", train_list="train.txt", val_image_folder="val", val_list="val.txt"
    )


def as_yolo(root: Path, documents: dict[str, dict[str, Any]], polygons: bool) -> Yolo:
    """The same set in YOLO's files, which lie beside the images."""
    for split, document in documents.items():
        for image in document["images"]:
            sides = np.array([image["width"], image["height"]])
            lines = []
            for each in (each for each in document["annotations"] if each["image_id"] == image["id"]):
                left, top, wide, high = each["bbox"]
                box = (np.array([left + wide / 2, top + high / 2, wide, high]).reshape(2, 2) / sides).ravel()
                outline = (np.array(each["segmentation"][0], float).reshape(-1, 2) / sides).ravel()
                lines.append(" ".join(map(repr, (each["category_id"] - 1, *(outline if polygons else box).tolist()))))
            (root / split / image["file_name"]).with_suffix(".txt").write_text("\n".join(lines))
    told = {"names": dict(enumerate(CLASSES)), "train": "train", "val": "val"}
    (root / "data.yaml").write_text(yaml.safe_dump(told))
    return Yolo(name="drawn")


def assert_same(one: Dataset, other: Dataset, root: Path, task: str, order: bool = True) -> None:
    """The same classes, images and objects."""
    assert one.inspect(root).classes == other.inspect(root).classes
    for split in ("train", "val"):
        first, second = (each.open(root, split, task) for each in (one, other))  # type: ignore[arg-type]
        assert len(first) == len(second)
        for (picture, due), (same, found) in zip(first, second, strict=True):
            assert np.array_equal(picture, same)
            np.testing.assert_allclose(found["boxes"], due["boxes"], atol=1e-4)
            np.testing.assert_array_equal(found["labels"], due["labels"])
            np.testing.assert_allclose(found["area"], due["area"], rtol=1e-5)
            if task == "instance":
                np.testing.assert_array_equal(np.array(list(found["masks"])), np.array(list(due["masks"])))


@pytest.mark.parametrize("task", ["detection", "instance"])
def test_voc_gives_the_samples_of_the_same_set_as_coco(task: str, tmp_path: Path) -> None:
    documents = drawn(tmp_path)
    assert_same(COCO, as_voc(tmp_path, documents), tmp_path, task)


@pytest.mark.parametrize(("task", "polygons"), [("detection", False), ("detection", True), ("instance", True)])
def test_yolo_gives_the_samples_of_the_same_set_as_coco(task: str, polygons: bool, tmp_path: Path) -> None:
    documents = drawn(tmp_path)
    assert_same(COCO, as_yolo(tmp_path, documents, polygons), tmp_path, task)


def test_boxes_without_polygons_cannot_be_used_for_masks(tmp_path: Path) -> None:
    dataset = as_yolo(tmp_path, drawn(tmp_path), polygons=False)
    assert "annotations without a segmentation" in dataset.inspect(tmp_path).unfit["instance"]


def test_real_boxes_come_out_alike_in_all_three_forms(tmp_path: Path) -> None:
    if not (SHARED_DATA / "det_bccd").is_dir():
        pytest.skip("det_bccd is not on this machine")
    source = SHARED_DATA / "det_bccd"
    documents = {}
    for split in ("train", "val"):
        document = json.loads((source / f"annotations/instances_{split}.json").read_bytes())
        document["images"] = document["images"][:12]
        ids = {image["id"] for image in document["images"]}
        document["annotations"] = [each for each in document["annotations"] if each["image_id"] in ids]
        (tmp_path / split).mkdir()
        for image in document["images"]:
            (tmp_path / split / Path(image["file_name"]).name).symlink_to(source / "images" / image["file_name"])
            image["file_name"] = Path(image["file_name"]).name
        (tmp_path / f"{split}.json").write_text(json.dumps(document))
        documents[split] = document
    for split, document in documents.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(Path(i["file_name"]).stem for i in document["images"]))
    names = [each["name"] for each in documents["train"]["categories"]]
    ids = [each["id"] for each in documents["train"]["categories"]]
    (tmp_path / "Annotations").mkdir()
    for document in documents.values():
        for image in document["images"]:
            name, own = Path(image["file_name"]).stem, []
            for each in (each for each in document["annotations"] if each["image_id"] == image["id"]):
                left, top, wide, high = map(round, each["bbox"])
                box = (left + 1, top + 1, left + wide, top + high)
                own.append((names[ids.index(each["category_id"])], box, 0))
            (tmp_path / f"Annotations/{name}.xml").write_text(voc.xml(name, own, (image["width"], image["height"])))
    dataset = Voc(
        name="drawn", train_image_folder="train", train_list="train.txt", val_image_folder="val", val_list="val.txt"
    )
    assert sorted(names) == list(dataset.inspect(tmp_path).classes)
    counts = [len(each["annotations"]) for each in documents.values()]
    for kind, count in zip(("train", "val"), counts, strict=True):
        assert sum(len(target["boxes"]) for _, target in dataset.open(tmp_path, kind, "detection")) == count  # type: ignore[arg-type]


# ---------------------------------------------------------------- VOC


def test_difficult_objects_are_neither_learnt_nor_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = voc.write(tmp_path, monkeypatch)
    crowd = [target["crowd"].tolist() for _, target in dataset.open(tmp_path, "train", "detection")]
    assert crowd == [[False, False], [True, False], []]
    told = [(line.what, line.number) for line in dataset.inspect(tmp_path).left_out["train"]]
    assert ("crowds", 1) in told
    used = Voc(difficult="use").open(tmp_path, "train", "detection")
    assert not any(target["crowd"].any() for _, target in used)


def test_the_first_pixel_is_one_and_boxes_reach_to_the_edge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = voc.write(tmp_path, monkeypatch)
    _, target = dataset.open(tmp_path, "val", "detection")[0]
    assert target["boxes"].tolist() == [[0, 0, 12, 10]], "1 to 12 of 12 columns is the whole image"


def test_numbers_that_begin_at_zero_are_told_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voc.write(tmp_path, monkeypatch)
    (tmp_path / "Annotations/a.xml").write_text(voc.xml("a", [("dog", (0, 1, 5, 4), 0)]))
    with pytest.raises(DataError, match=r"a\.xml: object 1 \(dog\) begins at 0; .*dataset\.first_pixel: 0"):
        Voc().inspect(tmp_path)
    _, target = Voc(first_pixel=0).open(tmp_path, "train", "detection")[0]
    assert target["boxes"].tolist() == [[0, 1, 5, 4]]


def test_masks_of_objects_in_a_lossy_format_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    voc.write(tmp_path, monkeypatch)
    path = tmp_path / "SegmentationObject/a.png"
    Image.open(path).save(path, format="JPEG")
    with pytest.raises(DataError, match=r"a\.png: is a mask in JPEG, which changes the numbers of objects"):
        Voc().inspect(tmp_path)


def test_a_mask_that_is_not_in_the_objects_order_is_found_by_its_box(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voc.write(tmp_path, monkeypatch)
    path = tmp_path / "SegmentationObject/a.png"
    values = np.asarray(Image.open(path))
    Image.fromarray(np.choose(values, [0, 2, 1]).astype(np.uint8)).save(path)
    _, target = Voc().open(tmp_path, "train", "instance")[0]
    masks = list(target["masks"])  # type: ignore[typeddict-item]
    assert [int(mask.sum()) for mask in masks] == [5 * 4, 6 * 9]
    assert np.array_equal(np.array(masks[0], bool), values == 1)


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("Annotations/a.xml", "<annotation><object>", r"a\.xml: not XML: "),
        ("Annotations/a.xml", "<annotation><object></object></annotation>", r"a\.xml: object 1 has no name"),
        (
            "Annotations/a.xml",
            "<annotation><object><name>dog</name></object></annotation>",
            r"a\.xml: object 1 \(dog\) has no box of four numbers",
        ),
        ("ImageSets/Main/train.txt", "a\nnone\n", r"none\.xml: no such file, and its image is listed"),
        ("ImageSets/Main/train.txt", "\n", r"train\.txt: names no image"),
    ],
)
def test_what_is_wrong_with_vocs_files_is_told(
    file: str, text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = voc.write(tmp_path, monkeypatch)
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=why):
        dataset.inspect(tmp_path)


def test_images_of_a_class_list_without_the_class_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = voc.write(tmp_path, monkeypatch)
    (tmp_path / "ImageSets/Main/train.txt").write_text("a  1\nb -1\nc  0\n")
    assert dataset.inspect(tmp_path).images["train"] == 2


def test_images_and_xml_files_in_one_folder_a_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split, name in (("train", "a"), ("valid", "b")):
        (tmp_path / split).mkdir()
        (tmp_path / split / f"{name}.xml").write_text(voc.xml(name, [("dog", (0, 0, 5, 4), 0)]))
        Image.new("RGB", (12, 10)).save(tmp_path / split / f"{name}.jpg")
    fields = Voc.recognised(tmp_path)
    assert fields is not None
    dataset = Voc(**fields)
    assert dataset.inspect(tmp_path).images == {"train": 1, "val": 1}
    assert not [line for line in dataset.inspect(tmp_path).left_out["train"] if "files" in line.what], "XML is no image"


# ---------------------------------------------------------------- YOLO


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 0.5 0.5 0.1", r"c\.txt:1: 3 numbers after the class; a class and 4 numbers of a box"),
        ("0 0.5 0.5 0.1 0.1 0.9", r"c\.txt:1: 5 numbers after the class"),
        ("2 0.5 0.5 0.1 0.1", r"c\.txt:1: class 2, and there are 2, from 0 on"),
        ("0 50 50 10 10", r"c\.txt:1: numbers are parts of the image's sides, from 0 to 1"),
        ("0 0.5 nan 0.1 0.1", r"c\.txt:1: numbers are parts"),
        ("car 0.5 0.5 0.1 0.1", r"c\.txt:1: numbers are expected, not 'car "),
    ],
)
def test_what_is_wrong_with_a_line_is_told(
    line: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = yolo.write(tmp_path, monkeypatch)
    (tmp_path / "train/labels/c.txt").write_text(line)
    with pytest.raises(DataError, match=why):
        dataset.inspect(tmp_path)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"names": None}, r"data\.yaml: names: a list of class names"),
        ({"names": {1: "car", 2: "van"}}, r"data\.yaml: names: .* a mapping from 0 on"),
        ({"train": "nowhere/images"}, r"data\.yaml: train: nowhere/images is not there"),
        ({"train": None}, r"data\.yaml: train: a folder of images, or a list of them, is expected"),
        ({"val": "train/images"}, "the same folder"),
    ],
)
def test_what_is_wrong_with_data_yaml_is_told(
    changes: dict[str, Any], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = yolo.write(tmp_path, monkeypatch)
    told = yaml.safe_load((tmp_path / "data.yaml").read_text()) | changes
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(told))
    with pytest.raises(DataError, match=why):
        dataset.inspect(tmp_path)


def test_an_image_without_a_text_file_has_no_objects_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = yolo.write(tmp_path, monkeypatch)
    facts = dataset.inspect(tmp_path)
    assert facts.images == {"train": 3, "val": 1}
    assert facts.counts["train"] == {"annotations": 3, "images without annotations": 1}


def test_a_list_names_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = yolo.write(tmp_path, monkeypatch)
    (tmp_path / "some.txt").write_text("train/images/a.png\n./train/images/c.png\n")
    told = yaml.safe_load((tmp_path / "data.yaml").read_text()) | {"train": "some.txt"}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(told))
    facts = dataset.inspect(tmp_path)
    assert facts.images["train"] == 2
    assert re.search("files that are not listed: 1 ", "\n".join(map(str, facts.left_out["train"])))


def test_changed_labels_are_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = yolo.write(tmp_path, monkeypatch)
    before = dataset.inspect(tmp_path)
    yolo.put(tmp_path, "train", "b", [(0, [0.5, 0.5, 0.2, 0.2])])
    after = dataset.inspect(tmp_path)
    assert after.counts["train"]["annotations"] == before.counts["train"]["annotations"] + 1
    assert after.fingerprint != before.fingerprint
