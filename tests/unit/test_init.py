"""``pvt-exp init``: what is found out about a person's data, and the files that are written for them."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml
from PIL import Image

from pvt_exp.cli import json_schema
from pvt_exp.config import ConfigError, DataError
from pvt_exp.plan import Plan, expand
from pvt_exp.plan.data_sets import DataSets
from pvt_exp.project import found, texts, write
from pvt_exp.project.found import TASKS, Data
from tests.conftest import SHARED_DATA
from tests.examples import voc, yolo

KINDS = {
    "cls_cifar10": ("classification", "image_folder", 10),
    "cls_clothing10": ("classification", "image_folder", 10),
    "cls_fashion_gray": ("classification", "image_folder", 10),
    "coco_tiny100": ("detection", "coco", 80),
    "det_bccd": ("detection", "coco", 3),
    "inst_nuclei": ("detection", "coco", 1),
    "sem_camvid11": ("semantic", "semantic_folder", 11),
}
Put = Callable[[Path], None]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("PVT_EXP_DATA", "PVT_EXP_SITE"):
        monkeypatch.delenv(name, raising=False)


def image(path: Path, width: int = 48, height: int = 40, number: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (number % 256, 80, 200)).save(path)


def mask(path: Path, *values: Any, mode: str = "L") -> None:
    """Stripes of values, as high and wide as `image`'s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stripes = np.array(values, dtype=np.uint8)[np.arange(40) * len(values) // 40]
    Image.fromarray(np.repeat(stripes[:, None], 48, axis=1), mode=mode).save(path)


def classes(*splits: str, each: int = 20) -> Put:
    def put(root: Path) -> None:
        for split in splits:
            for number in range(2 * each):
                image(root / split / ("cat", "dog")[number % 2] / f"{number}.jpg", number=number)

    return put


def masks(
    images: str, folder: str, *values: Any, mode: str = "L", ending: str = ".png", splits: str = "train val"
) -> Put:
    def put(root: Path) -> None:
        for split in splits.split():
            for number in range(20):
                image(root / images.format(split) / f"{number}.jpg", number=number)
                mask(root / folder.format(split) / f"{number}{ending}", *values, mode=mode)

    return put


def boxes(annotations: str, folder: str) -> Put:
    def put(root: Path) -> None:
        for split in ("train", "valid"):
            for number in range(20):
                image(root / folder.format(split) / f"{split}{number}.jpg", number=number)
            document = {
                "categories": [{"id": 1, "name": "cell"}, {"id": 2, "name": "nucleus"}],
                "images": [{"id": n, "file_name": f"{split}{n}.jpg", "width": 48, "height": 40} for n in range(20)],
                "annotations": [
                    {
                        "id": n,
                        "image_id": n,
                        "category_id": 1 + n % 2,
                        "bbox": [4, 5, 20, 10],
                        "area": 200,
                        "iscrowd": 0,
                    }
                    for n in range(20)
                ],
            }
            file = root / annotations.format(split)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(document))

    return put


def yolo_files(root: Path) -> None:
    for split in ("train", "val"):
        for number in range(20):
            yolo.put(root, split, str(number), [(number % 2, [0.5, 0.5, 0.2, 0.3])], (48, 40))
    told = {"names": ["car", "van"], "train": "train/images", "val": "val/images"}
    (root / "data.yaml").write_text(yaml.safe_dump(told))


def voc_files(root: Path) -> None:
    for number in range(24):
        name = f"{number:02}"
        voc.put(root, name, [(("car", "van")[number % 2], (2, 2, 9, 9), 0)], (48, 40))
        image(root / f"JPEGImages/{name}.jpg", number=number)
    (root / "ImageSets/Main/train.txt").write_text("\n".join(f"{number:02}" for number in range(20)))
    (root / "ImageSets/Main/val.txt").write_text("\n".join(f"{number:02}" for number in range(20, 24)))


CASES: dict[str, tuple[Put, dict[str, Any], int]] = {
    "classes in train and val": (classes("train", "val"), {"kind": "image_folder"}, 2),
    "classes in train and test": (classes("train", "test"), {"kind": "image_folder", "val": "test"}, 2),
    "classes in training alone": (classes("training"), {"kind": "image_folder", "train": "training"}, 2),
    "class numbers": (masks("{}/images", "{}/masks", 0, 1, 2), {"kind": "semantic_folder", "classes": 3}, 3),
    "folders the other way round": (
        masks("images/{}", "labels/{}", 0, 1),
        {
            "kind": "semantic_folder",
            "train_image_folder": "images/train",
            "train_mask_folder": "labels/train",
            "val_image_folder": "images/val",
            "val_mask_folder": "labels/val",
            "classes": 2,
        },
        2,
    ),
    "masks of black and white": (
        masks("{}/images", "{}/masks", 0, 255),
        {"kind": "semantic_folder", "classes": 2, "values": {0: 0, 255: 1}},
        2,
    ),
    "masks with an ignored value": (
        masks("{}/images", "{}/masks", 0, 1, 255),
        {"kind": "semantic_folder", "classes": 2},
        2,
    ),
    "masks of colours": (
        masks("{}/images", "{}/masks", (0, 0, 0), (255, 0, 0), (0, 0, 255), mode="RGB"),
        {"kind": "semantic_folder", "classes": 3, "values": {"#000000": 0, "#0000ff": 1, "#ff0000": 2}},
        3,
    ),
    "masks with an ending": (
        masks("{}/images", "{}/masks", 0, 1, ending="_mask.png"),
        {"kind": "semantic_folder", "mask_suffix": "_mask.png", "classes": 2},
        2,
    ),
    "masks as JPEG": (
        masks("{}/images", "{}/masks", 0, 255, ending=".jpg"),
        {"kind": "semantic_folder", "mask_suffix": ".jpg", "classes": 2, "threshold": 128},
        2,
    ),
    "images and masks without splits": (
        masks("images", "masks", 0, 1, splits="all"),
        {"kind": "semantic_folder", "train_image_folder": "images", "train_mask_folder": "masks", "classes": 2},
        2,
    ),
    "Roboflow's COCO export": (
        boxes("{}/_annotations.coco.json", "{}"),
        {
            "kind": "coco",
            "train_annotations": "train/_annotations.coco.json",
            "train_image_folder": "train",
            "val_annotations": "valid/_annotations.coco.json",
            "val_image_folder": "valid",
        },
        2,
    ),
    "YOLO's text files": (
        yolo_files,
        {"kind": "yolo"},
        2,
    ),
    "VOC's folders": (voc_files, {"kind": "voc"}, 2),
    "COCO's JSON in one folder of images": (
        boxes("annotations/{}.json", "images"),
        {
            "kind": "coco",
            "train_annotations": "annotations/train.json",
            "train_image_folder": "images",
            "val_annotations": "annotations/valid.json",
            "val_image_folder": "images",
        },
        2,
    ),
}


def made(data: Data, name: str = "mine", folder: Path = Path()) -> write.Written:
    return write.write(folder, data, texts.files_of(data, name), schemas())


@cache
def schemas() -> dict[str, str]:
    return json_schema.texts()


def planned(name: str = "mine") -> Plan:
    """The plan of the sweep that was written, whose data fit; ConfigError and DataError are failures."""
    _, plan = expand.load(Path(f"sweeps/{name}.yaml"), ())
    _, facts, problems = DataSets().of(plan)
    assert not problems
    assert len(facts) == 1
    return plan


def assert_schemas_hold() -> None:
    """Each file is valid by the schema that its first line names."""
    for path in [path for folder in ("experiments", "sweeps", "reports") for path in Path(folder).iterdir()]:
        text = path.read_text()
        schema = path.parent / text.splitlines()[0].rpartition("$schema=")[2]
        jsonschema.Draft202012Validator(json.loads(schema.read_text())).validate(
            json.loads(json.dumps(yaml.safe_load(text)))
        )


@pytest.mark.parametrize("case", CASES)
def test_the_data_are_recognised_and_all_files_can_be_planned(case: str, tmp_path: Path) -> None:
    put, fields, number = CASES[case]
    put(tmp_path / "my photos")
    data = found.data(str(tmp_path / "my photos"), None)
    assert data.fields == {"name": "my_photos", **fields}
    assert data.classes == number
    assert data.px == (40, 48)
    made(data)
    run = planned().groups[0].runs[0]
    assert run.task.num_classes == number
    assert (run.holdout is not None) == (data.facts.no_val is not None)
    assert run.batch_size * 10 <= data.facts.images["train"]


@pytest.mark.parametrize("task", TASKS)
def test_without_data_images_are_drawn_for_each_task(task: str) -> None:
    made(found.data(None, task))
    plan = planned()
    assert {group.runs[0].task.kind for group in plan.groups} == {task}
    assert [group.name for group in plan.groups][-2:] == ["ResNet-18", "DeiT-Ti"]
    assert not Path("site.yaml").exists(), "drawn images need no place"
    assert_schemas_hold()


@pytest.mark.parametrize("name", KINDS)
def test_real_data_sets_are_recognised(name: str) -> None:
    if not (SHARED_DATA / name).is_dir():
        pytest.skip(f"{name} is not on this machine")
    task, kind, number = KINDS[name]
    data = found.data(str(SHARED_DATA / name), None)
    assert (data.task, data.fields["kind"], data.classes) == (task, kind, number)
    made(data)
    planned()


def test_data_with_masks_are_for_the_other_task_too(tmp_path: Path) -> None:
    boxes("{}/_annotations.coco.json", "{}")(tmp_path / "cells")
    assert found.data(str(tmp_path / "cells"), None).other_tasks == [], "its boxes have no masks"
    with pytest.raises(DataError, match="mask"):
        found.data(str(tmp_path / "cells"), "instance")


def test_a_name_before_the_path_is_the_datas_name(tmp_path: Path) -> None:
    classes("train", "val")(tmp_path / "x")
    assert found.data(f"pets={tmp_path / 'x'}", None).name == "pets"
    with pytest.raises(ConfigError, match="name"):
        found.data(f"-pets={tmp_path / 'x'}", None)


def test_what_cannot_be_recognised_is_said_with_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"no known data set; .*train/<class>/ and val/<class>/.*image_folder"):
        found.data(str(tmp_path / "empty"), None)
    with pytest.raises(ConfigError, match="no such folder"):
        found.data(str(tmp_path / "absent"), None)
    classes("train", "val")(tmp_path / "pets")
    with pytest.raises(ConfigError, match="no known data set for --task semantic"):
        found.data(str(tmp_path / "pets"), "semantic")


def test_data_of_two_kinds_need_the_task(tmp_path: Path) -> None:
    classes("train", "val")(tmp_path / "both")
    masks("images/{}", "masks/{}", 0, 1)(tmp_path / "both")
    with pytest.raises(ConfigError, match="image_folder or as semantic_folder; say --task"):
        found.data(str(tmp_path / "both"), None)
    assert found.data(str(tmp_path / "both"), "semantic").fields["kind"] == "semantic_folder"


def test_nothing_that_is_there_is_replaced(tmp_path: Path) -> None:
    data = found.data(None, None)
    made(data)
    before = {path: path.read_bytes() for path in Path().rglob("*.yaml")}
    with pytest.raises(ConfigError, match=r"mine\.yaml is there already, and nothing was written"):
        made(data)
    assert {path: path.read_bytes() for path in Path().rglob("*.yaml")} == before
    assert "experiments/other.yaml" in made(data, "other").new


def test_an_own_site_yaml_stays_and_the_missing_line_is_told(tmp_path: Path) -> None:
    classes("train", "val")(tmp_path / "pets")
    Path("site.yaml").write_text("data: {birds: /data/birds}  # mine\n")
    written = made(found.data(str(tmp_path / "pets"), None))
    assert Path("site.yaml").read_text() == "data: {birds: /data/birds}  # mine\n"
    assert [f"pets: {tmp_path / 'pets'}" in note for note in written.notes] == [True]
    assert "site.yaml" not in written.new


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "/runs/\n/data/\n/site.yaml\n"),
        ("*.pyc\nruns/", "*.pyc\nruns/\n/data/\n/site.yaml\n"),
        ("/runs/\n/data/\n/site.yaml\n", "/runs/\n/data/\n/site.yaml\n"),
    ],
)
def test_git_leaves_out_what_belongs_to_this_machine(before: str | None, after: str) -> None:
    if before is not None:
        Path(".gitignore").write_text(before)
    written = made(found.data(None, None))
    assert Path(".gitignore").read_text() == after
    assert (".gitignore" in written.new) == (before is None)
    assert (".gitignore" in written.changed) == (before is not None and before != after)


def test_small_images_get_small_patches(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for number in range(20):
            image(tmp_path / "tiny" / split / ("a", "b")[number % 2] / f"{number}.png", 28, 28, number)
    made(found.data(str(tmp_path / "tiny"), None))
    run = planned().groups[0].runs[0]
    assert run.task.image_px == 32
    assert run.backbone.patch_sizes == (2, 2, 2, 2)
