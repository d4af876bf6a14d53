"""What `coco` says of a file of annotations before anything is launched, and that it reads one once."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pvt_exp.datasets import DataError
from pvt_exp.datasets.coco import Settings
from pvt_exp.nn import coco_index
from tests.conftest import ROOT, environment
from tests.examples.coco import COMPRESSED, RUNS, box, images, put, train, val

Change = Callable[[dict[str, Any]], object]
pytestmark = pytest.mark.usefixtures("cache")


def test_annotations_are_counted(tmp_path: Path) -> None:
    facts = Settings().inspect(put(tmp_path, train=train(), val=val()))
    assert facts.classes == ("cat", "dog"), "in the order of the ids"
    assert facts.images == {"train": 3, "val": 2}
    assert facts.counts["train"] == {
        "annotations": 4,
        "crowds": 1,
        "boxes of zero size dropped": 1,
        "boxes clipped": 1,
        "images without annotations": 1,
    }
    assert facts.counts["val"]["images without annotations"] == 1
    assert not facts.unfit


def test_a_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    write = coco_index.write
    monkeypatch.setattr(coco_index, "write", lambda path, folder: (read.append(path.name), write(path, folder)))
    root = put(tmp_path, train=train(), val=val())
    before = Settings().inspect(root)
    assert Settings().inspect(root) == before
    assert read == ["instances_train2017.json", "instances_val2017.json"]
    document = val()
    document["annotations"][0]["category_id"] = 7  # the same number of bytes
    (root / "annotations/instances_val2017.json").write_text(json.dumps(document))
    after = Settings().inspect(root)
    assert read[2:] == ["instances_val2017.json"]
    assert after._replace(fingerprint=None) == before._replace(fingerprint=None)
    assert after.fingerprint != before.fingerprint


def test_the_fingerprint_follows_the_images(tmp_path: Path) -> None:
    root = put(tmp_path, train=train(), val=val())
    before = Settings().inspect(root).fingerprint
    Image.new("RGB", (12, 10), "red").save(root / "train2017/9.png")
    assert Settings().inspect(root).fingerprint != before
    assert len(before or "") == 16


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


def mask(segmentation: Any) -> Change:
    return add(box(1, 5, 3, [0, 0, 4, 4], segmentation=segmentation))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("categories"), "no list of categories in it"),
        (lambda d: d.update(categories=[]), "list of categories is empty"),
        (lambda d: d.update(images=[]), "list of images is empty"),
        (lambda d: d.update(annotations={}), "no list of annotations in it"),
        (lambda d: d.update(annotations=[]), "nothing to learn or score"),
        (lambda d: d.update(annotations=[box(1, 9, 7, [0, 0, 2, 2], iscrowd=1)]), "nothing to learn or score"),
        (lambda d: d["categories"].append({"id": 3, "name": "cow"}), "category ids that stand twice: 3; give each"),
        (lambda d: d["categories"].append({"id": 4, "name": "cat"}), "category names that stand twice: cat"),
        (lambda d: d["categories"].append({"id": "4", "name": "x"}), "categories without a whole number as id.*: 4;"),
        (lambda d: d["images"].extend(images(5)), "image ids that stand twice: 5; give each"),
        (lambda d: d["images"].append({"id": 8, "file_name": "x.png"}), "images without .* height and width: 8; mend"),
        (lambda d: d["images"].append(None), "images without .*: entry 4; mend"),
        (add(box(101, 5, 3, [0, 0, 1, 1])), "annotation ids that stand twice: 101; give each"),
        (add(box(1, 5, 4, [0, 0, 1, 1])), r"category that is not listed: 1 \(category 4\); add the category"),
        (add(box(1, 55, 3, [0, 0, 1, 1])), r"image that is not listed: 1 \(image 55\); add the image"),
        (add({"id": 1, "image_id": 5, "category_id": 3}), "annotations without .*bbox of four numbers: 1; mend"),
        (add(box(1, 5, 3, [0, 0, 1, 1], bbox=[0, 0, 1])), "annotations without .*bbox of four numbers: 1; mend"),
        (add(box(1, 5, 3, [0, 0, 1, 1], bbox=list("0011"))), "annotations without .*bbox of four numbers: 1; mend"),
        (add(box(1, 5, 3, [0, 0, float("nan"), 1])), "annotations without .*bbox of four numbers: 1; mend"),
        (add(box(1, 5, 3, [0, 0, 1, 1], image_id=[5])), "annotations without whole numbers .*: 1; mend"),
        (add(box(1, 5, 3, [0, 0, 1, 1], iscrowd="no")), "annotations without whole numbers .*: 1; mend"),
        (lambda d: d["annotations"].append("x"), "annotations without whole numbers .*: entry 6; mend"),
        (add(box(1, 5, 3, [0, 0, -1, 1])), r"negative size; a bbox is \[left.*: 1 \(image 5\); mend"),
        (add(box(1, 5, 3, [12, 0, 2, 2])), r"outside their image: 1 \(\[12.0.* in image 5 of 12 x 10\); mend"),
        (add(box(1, 5, 3, [3, -2, 2, 2])), r"outside their image: 1 \(\[3.0, -2.0"),
        (
            mask({**RUNS, "size": [12, 10]}),
            r"of another size than their image: 1 \(image 5, \[12, 10\] where \[10, 12\]",
        ),
        (mask({**RUNS, "counts": [5, 5]}), r"do not add up to their image: 1 \(image 5, 10 of 120 pixels\)"),
        (mask({**COMPRESSED, "counts": "P137000"}), r"do not add up to their image: 1 \(image 5, 55 of 120 pixels\)"),
        (mask({**COMPRESSED, "counts": "P137000o"}), "counts cannot be read: 1"),
        (mask({**COMPRESSED, "counts": "P1 é"}), "counts cannot be read: 1"),
        (mask({**RUNS, "counts": [-5, 125]}), "counts cannot be read: 1"),
        (mask({**RUNS, "counts": None}), "counts cannot be read: 1"),
        (mask({"size": [10, 12]}), "neither polygons nor RLE: 1"),
        (mask("mask.png"), "neither polygons nor RLE: 1"),
        (mask([0, 0, 1, 1, 2, 2]), "neither polygons nor RLE: 1"),
        (mask([[0, 0, 1, 1]]), r"fewer than three points.*: 1 \(image 5\); mend or delete"),
        (mask([[0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2, 3]]), "fewer than three points, or of half a point: 1"),
        (mask([[0, 0, 1e9, 1, 2, 2]]), "polygons far outside their image: 1"),
        (mask([[0, 0, float("nan"), 1, 2, 2]]), "polygons far outside their image: 1"),
    ],
)
def test_flaws_are_said_with_file_and_id(tmp_path: Path, change: Change, said: str) -> None:
    document = train()
    change(document)
    with pytest.raises(DataError, match=said) as error:
        Settings().inspect(put(tmp_path, train=document, val=val()))
    assert str(error.value).startswith(str(tmp_path / "annotations/instances_train2017.json"))
    assert "\n" not in str(error.value)


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
    with pytest.raises(DataError, match=r"train2017: images of .* are missing: 5.png; .* dataset.train_image_folder"):
        Settings().inspect(root)
    with pytest.raises(DataError, match="nowhere: no such folder"):
        Settings(val_image_folder="nowhere").inspect(put(root, train=train()))
    with pytest.raises(DataError, match=r"gone.json: no such file; put it there, or set dataset.val_annotations"):
        Settings(val_annotations="gone.json").inspect(root)
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


@pytest.mark.parametrize("absent", [None, []])
def test_boxes_without_masks_serve_detection_only(tmp_path: Path, absent: Any) -> None:
    document = val()
    document["annotations"][0]["segmentation"] = absent
    root = put(tmp_path, train=train(), val=document)
    facts = Settings().inspect(root)
    assert set(facts.unfit) == {"instance"}
    assert "instances_val2017.json: 1 annotations have no segmentation, the first has id 1" in facts.unfit["instance"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"train_image_folder": "/x"}, "leads out"),
        ({"val_annotations": "../x.json"}, "leads out"),
        ({"val_annotations": "a.json", "train_annotations": "a.json"}, "same file"),
        ({"name": "a/b"}, "match pattern"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fields: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings(**fields)


def test_looking_imports_no_torch(tmp_path: Path, cache: Path) -> None:
    root = put(tmp_path, train=train(), val=val())
    code = (
        f"import sys, pathlib; from pvt_exp.datasets.coco import Settings; Settings().inspect(pathlib.Path({str(root)!r}));"
        "assert not {'torch', 'torchvision', 'timm', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    env = environment(XDG_CACHE_HOME=os.environ["XDG_CACHE_HOME"])
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, env=env)
