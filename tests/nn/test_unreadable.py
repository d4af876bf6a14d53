"""Images that cannot be read, and are skipped: where none is left to score that is said before training, never after it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pvt_exp import config, plan, store
from pvt_exp.config import DataError
from pvt_exp.config.metrics import described
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.datasets import _pictures
from pvt_exp.plan.data_sets import DataSets
from pvt_exp.system import files
from pvt_exp.train import fit
from tests.examples import coco
from tests.examples.semantic_folder import put
from tests.nn import test_dense_training as dense

IMAGES = 12
HOLDOUT = {"fraction": 0.25, "seed": 5}


def folder(root: Path) -> dict[str, list[Path]]:
    """Eight images of each of two classes, a few values apart; the files of each split in the order of the samples."""
    found: dict[str, list[Path]] = {}
    for split in ("train", "val"):
        for n in range(IMAGES):
            path = root / split / "ab"[2 * n // IMAGES] / f"{n:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (48, 48), 10 * n).save(path)
            found.setdefault(split, []).append(path)
    return found


def boxes(root: Path) -> dict[str, list[Path]]:
    images = [{"id": n, "file_name": f"{n}.png", "width": 48, "height": 48} for n in range(1, IMAGES + 1)]
    told = {
        "images": images,
        "categories": [{"id": n, "name": "abc"[n]} for n in range(3)],
        "annotations": [coco.box(n, n, n % 3, [5, 5, 20, 20]) for n in range(1, IMAGES + 1)],
    }
    coco.put(root, train=told, val=told)
    return {split: [root / f"{split}2017/{n}.png" for n in range(1, IMAGES + 1)] for split in ("train", "val")}


def masks(root: Path) -> dict[str, list[Path]]:
    values = np.tile(np.arange(4, dtype=np.uint8), (48, 12))
    found: dict[str, list[Path]] = {"train": [], "val": []}
    for split, paths in found.items():
        for n in range(IMAGES):
            paths.append(root / f"{split}/images/{n:02}.png")
            put(paths[-1], root / f"{split}/masks/{n:02}.png", values)
    return found


CASES: dict[str, tuple[Callable[[Path], dict[str, list[Path]]], dict[str, Any]]] = {
    "classification": (folder, {"kind": "image_folder", "name": "d"}),
    "detection": (boxes, {"kind": "coco", "name": "d"}),
    "instance": (boxes, {"kind": "coco", "name": "d"}),
    "semantic": (masks, {"kind": "semantic_folder", "name": "d", "classes": 4}),
}


def run(kind: str, **changes: Any) -> Run:
    task: dict[str, Any] = {"kind": kind, "num_classes": 2, "image_px": 32}
    if kind != "classification":
        task = dense.run(kind).model_dump(mode="json")["task"]
    dataset = {**CASES[kind][1], "on_bad_image": "skip"}
    each = dense.run("semantic", batch_size=4, epochs=1).model_dump(mode="json")
    return config.make(Run, {**each, "task": task, "dataset": dataset, **changes})


def tear(paths: list[Path]) -> None:
    for path in paths:
        path.write_bytes(path.read_bytes()[:60])


def problems(each: Run, root: Path) -> list[str]:
    """What is said before anything is launched."""
    return [line for lines in DataSets({"d": str(root)}).of(plan.single(each, "x")).problems.values() for line in lines]


def get_ready(each: Run, root: Path) -> fit.Ready:
    """What a run does before it trains."""
    return fit.get_ready(each, Placement(data=str(root), threads=1))


@pytest.mark.parametrize("kind", CASES)
def test_nothing_that_can_be_read_to_score(
    kind: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before launch; and where these are too many to look at then, before training."""
    root = tmp_path / "d"
    paths = CASES[kind][0](root)["val"]
    each = run(kind)
    tear(paths[:-1])
    assert problems(each, root) == []
    assert len(get_ready(each, root).val) == IMAGES
    tear(paths[-1:])
    said = f"none of the {IMAGES} images to be scored on can be read; the first: {paths[0]}: not a readable image"
    (line,) = problems(each, root)
    assert line.startswith(f"data set d: {said}")
    with monkeypatch.context() as patched:
        patched.setattr(_pictures, "READ", IMAGES - 1)
        anew = {**CASES[kind][1], "on_bad_image": "skip", "range": [0, 65535]}  # what was looked at is not kept for it
        assert problems(run(kind, dataset=anew), root) == []
    with pytest.raises(DataError, match=said):
        get_ready(each, root)


@pytest.mark.parametrize("kind", CASES)
def test_a_held_out_part_of_which_nothing_can_be_read(kind: str, tmp_path: Path, cache: Path) -> None:
    root = tmp_path / "d"
    paths = CASES[kind][0](root)["train"]
    each = run(kind, holdout=HOLDOUT)
    assert each.holdout is not None
    learnt, held = each.holdout.places(IMAGES)
    tear([paths[n] for n in held])
    said = f"none of the 3 images to be scored on can be read; the first: {paths[held[0]]}: not a readable image"
    (line,) = problems(each, root)
    assert line.startswith(f"data set d: {said}")
    with pytest.raises(DataError, match=said):
        get_ready(each, root)
    assert problems(run(kind), root) == []
    tear([paths[n] for n in learnt])
    (line,) = problems(each, root)
    assert f"none of the {IMAGES - 3} images to learn from can be read" in line


@pytest.mark.parametrize("kind", ["detection", "instance"])
def test_objects_in_unreadable_images_only_are_a_metric_that_is_missing(kind: str, tmp_path: Path, cache: Path) -> None:
    root = tmp_path / "d"
    paths = boxes(root)["val"]
    file = root / "annotations/instances_val2017.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "annotations": told["annotations"][:1]}))
    tear(paths[:1])
    each = run(kind)
    assert problems(each, root) == []
    where = Placement(data=str(root), threads=1)
    assert fit.fit(each, where, store.attempt(tmp_path / "runs", each, where, "test"))
    result = files.read_json(tmp_path / "runs" / each.id / "result.json")
    assert result is not None
    assert result["metrics"] == {}
    why = "there is no object, but crowds, in the images that are scored"
    assert f"no {each.task.metric}: {why}" in described(result)
    lines = {line["what"]: line["number"] for line in result["data"]["left_out"]["val"]}
    assert lines["unreadable images"] == 1
