"""Samples of `coco`: its targets, its ground truth, images that are not as annotated, and the real sets."""

import copy
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO

from pvt_exp.config import DataError
from pvt_exp.config.space import Holdout
from pvt_exp.datasets import Split
from pvt_exp.datasets.coco import Settings
from pvt_exp.nn.data import holdout
from pvt_exp.nn.data.images import BadImage
from pvt_exp.nn.scores.coco_eval import evaluate
from pvt_exp.nn.scores.detections import Detections
from pvt_exp.nn.tasks.detection import Detector
from tests.conftest import real_data
from tests.examples.coco import box, images, put, train, val
from tests.nn.test_coco_eval import check, peer
from tests.nn.test_datasets import check_samples

pytestmark = pytest.mark.usefixtures("cache")
BESIDE = {f"{split}_annotations": f"annotations/instances_{split}.json" for split in ("train", "val")}
BCCD = Settings(name="bccd", train_image_folder="images", val_image_folder="images", **BESIDE)
NUCLEI = Settings(name="nuclei", train_image_folder="images/train", val_image_folder="images/val", **BESIDE)


def test_targets_are_what_was_written(tmp_path: Path) -> None:
    samples = Settings().open(put(tmp_path, train=train(), val=val()), "train", "instance")
    assert samples.category_ids == (3, 7)
    assert samples.sizes() == [(10, 12)] * 3
    (_, nine), (_, five), (_, six) = samples
    assert (nine["image_id"], five["image_id"], six["image_id"]) == (9, 5, 6), "in the order of the file"
    assert nine["crowd"].tolist() == [True, False]
    assert nine["labels"].tolist() == [0, 1]
    square = np.zeros((10, 12), dtype=np.uint8)
    square[2:5, 3:6] = 1
    assert (np.asarray(nine["masks"]) == square).all(), "plain and compressed run lengths"
    assert five["boxes"].tolist() == [[2, 1, 6, 7], [0, 4, 4, 10]], "clipped; the one of zero size left out"
    assert five["labels"].tolist() == [1, 0]
    assert five["area"].tolist() == [24, 40], "of the file, also where the box was clipped"
    assert (five["masks"][0][1:7, 2:6] == 1).all()
    assert five["masks"][0].sum() == 24
    assert six["boxes"].shape == (0, 4)
    assert six["masks"].shape == (0, 10, 12)
    assert "masks" not in Settings().open(tmp_path, "train", "detection")[0][1]


def test_the_ground_truth_is_the_file_less_boxes_of_zero_size(tmp_path: Path) -> None:
    told = Settings().open(put(tmp_path, train=train(), val=val()), "train", "instance").ground_truth()
    by_id = {annotation["id"]: annotation for annotation in told["annotations"]}
    written = {annotation["id"]: annotation for annotation in train()["annotations"]}
    assert set(by_id) == {101, 102, 103, 105}
    for number in (101, 103):
        assert by_id[number] == written[number]
    for number in (102, 105):
        assert {**by_id[number], "segmentation": None} == {**written[number], "segmentation": None}
    assert told["categories"] == [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]
    assert [image["file_name"] for image in told["images"]] == ["9.png", "5.png", "6.png"]
    plain = Settings().open(tmp_path, "train", "detection").ground_truth()
    assert not any("segmentation" in annotation for annotation in plain["annotations"])


def test_a_file_whose_name_is_not_utf8_may_stand_under_two_ids(tmp_path: Path) -> None:
    told = {**train(), "images": images(9, 5, 6)}
    for image in told["images"][:2]:
        image["file_name"] = "caf\udce9.png"
    reader = Settings().open(put(tmp_path, train=told, val=val()), "train", "detection")
    assert [image["file_name"] for image in reader.ground_truth()["images"]] == ["caf\udce9.png"] * 2 + ["6.png"]


def test_training_images_without_annotations_can_be_left_out(tmp_path: Path) -> None:
    put(tmp_path, train=train(), val=val())
    kept, dropped = Settings(), Settings(drop_empty=True)
    assert kept.inspect(tmp_path).images == {"train": 3, "val": 2}
    assert dropped.inspect(tmp_path).images == {"train": 2, "val": 2}
    for task in ("detection", "instance"):
        every, some = (each.open(tmp_path, "train", task) for each in (kept, dropped))
        full = [target for _, target in every if len(target["boxes"])]
        assert [target["image_id"] for _, target in some] == [target["image_id"] for target in full] == [9, 5]
        assert some.sizes() == [(10, 12)] * 2
        assert some.ground_truth() == {**every.ground_truth(), "images": every.ground_truth()["images"][:2]}
        assert len(dropped.open(tmp_path, "val", task)) == 2


def test_validation_has_the_labels_of_training(tmp_path: Path) -> None:
    document = {**val(), "categories": [{"id": 7, "name": "dog"}]}
    document["annotations"] = [box(1, 2, 7, [0, 0, 12, 10])]
    samples = Settings().open(put(tmp_path, train=train(), val=document), "val", "detection")
    assert samples[1][1]["labels"].tolist() == [1]
    assert [category["id"] for category in samples.ground_truth()["categories"]] == [3, 7]


def test_a_box_that_single_precision_rounds_away_is_dropped(tmp_path: Path) -> None:
    document = train()
    document["annotations"].append(box(1, 6, 3, [11.99999999, 0, 5, 5]))
    root = put(tmp_path, train=document, val=val())
    (line,) = [each for each in Settings().inspect(root).left_out["train"] if each.what == "boxes of zero size"]
    assert line.number == 2
    assert len(Settings().open(root, "train", "detection")[2][1]["boxes"]) == 0


def test_an_image_of_another_size_is_said(tmp_path: Path) -> None:
    root = put(tmp_path, train=train(), val=val())
    samples = Settings().open(root, "val", "detection")
    for size, why in (((13, 10), "$"), ((10, 12), "; exchange width and height in the annotations")):
        Image.new("RGB", size).save(root / "val2017/1.png")
        had = f"{size[0]} x {size[1]}"
        with pytest.raises(BadImage, match=rf"val2017/1.png: {had} pixels, where its annotations are of 12 x 10{why}"):
            samples[0]
    (root / "val2017/1.png").write_bytes(b"no image")
    with pytest.raises(BadImage, match=r"val2017/1.png: not a readable image"):
        samples[0]


def photograph(path: Path, way: int, upright: bool) -> None:
    """An image with a red block where `val` has its box, (1, 1) to (5, 4) of 12 x 10, turned upright or as it is stored."""
    pixels = np.zeros((10, 12, 3), dtype=np.uint8)
    pixels[1:4, 1:5, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = way
    image = Image.fromarray(pixels)
    if upright:  # what is stored is what the tag turns into this
        back = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
        turns = {2: 0, 3: 3, 4: 1, 5: 5, 7: 6}
        image = image.transpose(back.get(way, Image.Transpose(turns.get(way, 0)))) if way > 1 else image
    image.save(path, exif=exif.tobytes())


@pytest.mark.parametrize("way", range(1, 9))
@pytest.mark.parametrize("exif", ["turn", "ignore"])
def test_boxes_lie_on_their_objects_however_a_photograph_lies(tmp_path: Path, way: int, exif: Any) -> None:
    document = val()
    document["annotations"] = [box(1, 1, 3, [1, 1, 4, 3])]
    root = put(tmp_path, train=train(), val=document)
    photograph(root / "val2017/1.png", way, upright=exif == "turn")
    settings = Settings(exif=exif)
    image, target = settings.open(root, "val", "detection")[0]
    left, top, right, bottom = target["boxes"][0].astype(int).tolist()
    red = np.asarray(image)[..., 0] == 255
    assert red[top:bottom, left:right].all()
    assert red.sum() == 12
    lines = [str(line) for line in settings.inspect(root).left_out["val"] if "EXIF" in line.what]
    turned = "turned upright" if exif == "turn" else "left as they are stored"
    assert [turned in line for line in lines] == ([True] if way > 1 else [])


@pytest.mark.parametrize("exif", ["turn", "ignore"])
def test_annotations_of_the_other_kind_are_told_by_their_size(tmp_path: Path, exif: Any) -> None:
    root = put(tmp_path, train=train(), val=val())
    photograph(root / "val2017/1.png", 6, upright=exif != "turn")
    said = {
        "turn": "it is turned by its EXIF tag: dataset.exif: ignore is for",
        "ignore": "ignored: dataset.exif: turn is for",
    }
    with pytest.raises(BadImage, match=f"10 x 12 pixels, where its annotations are of 12 x 10; .*{said[exif]}"):
        Settings(exif=exif).open(root, "val", "detection")[0]


def test_a_part_that_is_held_out_needs_no_validation_split(tmp_path: Path) -> None:
    root = put(tmp_path, train=train())
    settings = Settings()
    run: Any = SimpleNamespace(dataset=settings, task=SimpleNamespace(kind="detection"), holdout=Holdout(fraction=0.34))
    facts = holdout.facts_of(run, root, settings.inspect(root))
    assert facts.images == {"train": 2, "val": 1}
    assert [len(holdout.open_split(run, root, split)) for split in ("train", "val")] == [2, 1]
    with pytest.raises(DataError, match=r"val2017\.json: no such file"):
        holdout.facts_of(SimpleNamespace(holdout=None), root, settings.inspect(root))  # type: ignore[arg-type]


def test_masks_that_cannot_be_read_do_not_trouble_boxes(tmp_path: Path) -> None:
    document = val()
    document["annotations"][0]["segmentation"] = [0, 0, 12, 0, 12, 10]
    root = put(tmp_path, train=train(), val=document)
    assert Settings().open(root, "val", "detection")[1][1]["boxes"].tolist() == [[0, 0, 12, 10]]
    with pytest.raises(DataError, match="neither polygons nor RLE"):
        Settings().open(root, "val", "instance")


@pytest.mark.parametrize("area", [-1, 1e12, None])
@pytest.mark.parametrize("kind", ["boxes", "masks"])
def test_a_wrong_area_leaves_the_score_as_it_is(tmp_path: Path, area: Any, kind: Any) -> None:
    """Beside pycocotools on what the file would be with its areas right."""
    document = {
        **val(),
        "annotations": [box(1, 1, 3, [0, 0, 6, 5]), box(2, 2, 3, [2, 2, 7, 7]), box(3, 2, 7, [5, 5, 4, 4])],
    }
    right = copy.deepcopy(document)
    for each in document["annotations"]:
        each["area"] = area
    root = put(tmp_path, train=train(), val=document)
    truth = Settings().open(root, "val", "instance").ground_truth()
    found = [{"image_id": 1, "category_id": 3, "score": 0.9, "bbox": [0, 0, 6, 5]},
             {"image_id": 2, "category_id": 3, "score": 0.8, "bbox": [2, 3, 7, 7]}]  # fmt: skip
    for each in found:
        x, y, w, h = each["bbox"]  # type: ignore[misc]
        corners = [x, y, x + w, y, x + w, y + h, x, y + h]
        each["segmentation"] = rle.merge(rle.frPyObjects([corners], 10, 12))
    check(evaluate(truth, found, kind), peer(right, found, kind))


def test_boxes_without_masks_are_refused_for_instances(tmp_path: Path) -> None:
    document = train()
    del document["annotations"][0]["segmentation"]
    root = put(tmp_path, train=document, val=val())
    assert len(Settings().open(root, "train", "detection")) == 3
    with pytest.raises(DataError, match=r"annotations without a segmentation: 101 \(image 5\)"):
        Settings().open(root, "train", "instance")


# ---------------------------------------------------------------- real sets; the numbers are those of their READMEs


@pytest.mark.parametrize(
    ("name", "dataset", "images", "annotations", "crowds", "bare", "classes"),
    [
        ("coco_tiny100", Settings(), (50, 50), (470, 382), (5, 5), 3, 80),
        ("det_bccd", BCCD, (205, 87), (2804, 1137), (0, 0), 0, 3),
        ("inst_nuclei", NUCLEI, (170, 60), (4510, 2288), (0, 0), 0, 1),
    ],
)
def test_real_sets_are_read(
    name: str, dataset: Settings, images: Any, annotations: Any, crowds: Any, bare: int, classes: int
) -> None:
    root = real_data(name)
    facts = dataset.inspect(root)
    counts = [facts.counts[split] for split in ("train", "val")]
    assert tuple(facts.images.values()) == images
    assert tuple(count["annotations"] for count in counts) == annotations
    lines = [{line.what: line.number for line in facts.left_out.get(split, ())} for split in ("train", "val")]
    assert tuple(line.get("crowds", 0) for line in lines) == crowds
    assert sum(count["images without annotations"] for count in counts) == bare
    computed = {"boxes of zero size", "boxes outside their image", "areas missing", "numbers written as text"}
    assert not [
        what for line in lines for what in line if what in computed or what.startswith(("areas", "boxes that look"))
    ]
    assert len(facts.classes) == classes
    assert set(facts.unfit) == ({"instance"} if name == "det_bccd" else set())
    check_samples(dataset, root)


@pytest.mark.parametrize("split", ["train", "val"])
def test_masks_are_those_of_pycocotools(split: Split) -> None:
    root = real_data("coco_tiny100")
    coco = COCO()
    coco.dataset = json.loads((root / f"annotations/instances_{split}2017.json").read_bytes())
    coco.createIndex()
    samples = Settings().open(root, split, "instance")
    told = {annotation["id"]: annotation for annotation in samples.ground_truth()["annotations"]}
    crowds = 0
    for annotation in coco.dataset["annotations"]:
        if annotation["iscrowd"]:
            crowds += 1
            assert np.array_equal(coco.annToMask(told[annotation["id"]]), coco.annToMask(annotation))
        else:
            assert told[annotation["id"]]["segmentation"] == annotation["segmentation"], "to the last digit"
        for key in ("image_id", "category_id", "bbox", "area", "iscrowd"):
            assert told[annotation["id"]][key] == annotation[key]
    assert crowds == 5
    for index in range(0, len(samples), 7):
        target = samples[index][1]
        annotations = coco.loadAnns(coco.getAnnIds(target["image_id"]))
        for annotation, mask in zip(annotations, target["masks"], strict=True):
            assert np.array_equal(coco.annToMask(annotation), mask)


@pytest.mark.parametrize("objects", [[], [box(1, 1, 3, [0, 0, 6, 5], iscrowd=1)]], ids=["none", "a crowd"])
def test_a_score_of_nothing_is_missing_with_its_reason(objects: Any) -> None:
    """Of images that are held out, say, and have no object: there is no AP, and the result says why."""
    truth = {**val(), "annotations": objects}
    logged: dict[str, Any] = {}
    kinds = {"boxes": "box_", "masks": "mask_"}
    collected = Detections(truth, (3, 7), kinds=("boxes", "masks"))
    beside = SimpleNamespace(compute=lambda: ({}, {}))
    module: Any = SimpleNamespace(found=collected, prefixes=kinds, unread=0, log_dict=logged.update, beside=beside)
    module.log_scores = lambda *scores: Detector.log_scores(module, *scores)
    module._line = lambda scores: Detector._line(module, scores)
    Detector.on_validation_epoch_end(module)
    assert not logged
    names = ("AP", "AP50", "AP75")
    reason = "there is no object, but crowds, in the images that are scored"
    assert module.unscored == {f"{prefix}{name}": reason for prefix in kinds.values() for name in names}
    assert [line["instances"] for line in module.per_class] == [0, 0]
