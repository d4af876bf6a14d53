"""Detection and segmentation as a user types them, and on real data."""

import json
from pathlib import Path

import pytest

from tests.conftest import Cli, real_data
from tests.examples import coco

NARROW = """\
backbone:
  kind: pvt
  preset: pvt_v2_b0
  embed_dims: [8, 16, 16, 16]
  heads: [1, 2, 2, 2]
  depths: [1, 1, 1, 1]
  mlp_ratios: [2, 2, 2, 2]
optim: {kind: adamw, lr: 1e-3}
schedule: {kind: cosine, warmup_epochs: 0}
epochs: 1
batch_size: 8
"""
SIZES = "short_px: [64], long_px: 96, test_short_px: 64, test_long_px: 96, neck: {kind: fpn, width: 16}"
RETINANET = f"kind: detection, {SIZES}, detector: {{kind: retinanet, head_width: 16, head_convs: 1, anchor_scale: 2.0}}"
FASTER_RCNN = (
    f"kind: detection, {SIZES}, "
    "detector: {kind: faster_rcnn, head_width: 32, max_proposals: 40, sampled_regions: 16, anchor_scale: 2.0}"
)
MASK_RCNN = (
    f"kind: instance, {SIZES}, "
    "detector: {head_width: 32, max_proposals: 40, sampled_regions: 16, mask_width: 8, mask_convs: 1, max_detections: 160}"
)
SEMANTIC = "kind: semantic, short_px: 64, long_px: 96, crop_px: [64, 64], head_width: 16, neck: {kind: fpn, width: 16}"


def experiment(folder: Path, task: str, classes: int, dataset: str) -> Path:
    path = folder / "base.yaml"
    path.write_text(f"task: {{{task}, num_classes: {classes}}}\ndataset: {{{dataset}}}\n{NARROW}")
    return path


@pytest.mark.parametrize(
    ("task", "classes", "columns"),
    [
        (RETINANET, 3, ["AP", "AP50", "AP75"]),
        pytest.param(MASK_RCNN, 3, ["mask_AP", "mask_AP50", "box_AP", "box_AP50"], marks=pytest.mark.slow),
        (SEMANTIC, 4, ["mIoU", "pixel_accuracy"]),
    ],
    ids=["retinanet", "mask_rcnn", "semantic"],
)
def test_a_sweep_ends_in_a_table(task: str, classes: int, columns: list[str], cli: Cli, tmp_path: Path) -> None:
    experiment(tmp_path, task, classes, "kind: shapes, num_classes: 3, train_images: 16, val_images: 6, image_px: 64")
    (tmp_path / "sweep.yaml").write_text(
        "base: base.yaml\nblocks:\n  - one_at_a_time:\n      depth: {deeper: {backbone.depths: [2, 1, 1, 1]}}\n"
    )
    shown = cli("sweep", "sweep.yaml", "--gpus", "none").stdout
    assert "all 2 runs are done" in shown
    found = json.loads(cli("report", "sweep.yaml", "--json").stdout)
    assert [column["key"] for column in found["columns"] if column["kind"] == "metric"] == columns
    assert "differen" in json.dumps(found)
    assert (tmp_path / "reports/out/sweep/table.tex").exists()
    again = cli("sweep", "sweep.yaml", "--gpus", "none").stdout
    assert "trained" not in again


@pytest.mark.slow
def test_an_image_that_cannot_be_read_is_left_out_of_the_score(cli: Cli, tmp_path: Path) -> None:
    images = [{"id": n, "file_name": f"{n}.png", "width": 64, "height": 64} for n in range(1, 9)]
    boxes = [coco.box(n, n, 1, [10, 10, 20, 20]) for n in range(1, 9)]
    told = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "box"}]}
    root = coco.put(tmp_path / "boxes", train=told, val=told)
    (root / "val2017/5.png").write_bytes(b"torn")
    experiment(tmp_path, RETINANET, 1, "kind: coco, name: boxes, on_bad_image: skip")
    cli("run", "base.yaml", "--gpus", "none", "--data", "boxes=boxes")
    result = json.loads(next(tmp_path.glob("runs/*/result.json")).read_text())
    told_of = {line["what"]: line["number"] for line in result["data"]["left_out"]["val"]}
    assert told_of["unreadable images"] == 1
    assert result["per_class"][0]["instances"] == 7


BCCD = (
    "kind: coco, name: real, train_annotations: annotations/instances_train.json, train_image_folder: images, "
    "val_annotations: annotations/instances_val.json, val_image_folder: images"
)
NUCLEI = (
    BCCD.replace("folder: images", "folder: images/{split}").replace("{split}", "train", 1).replace("{split}", "val")
)
CAMVID = "kind: semantic_folder, name: real, ignore_index: 11"
REAL = {
    "retinanet": ("det_bccd", RETINANET, 3, BCCD),
    "faster_rcnn": ("det_bccd", FASTER_RCNN, 3, BCCD),
    "coco": ("coco_tiny100", FASTER_RCNN, 80, "kind: coco, name: real"),
    "mask_rcnn": ("inst_nuclei", MASK_RCNN, 1, NUCLEI),
    "semantic": ("sem_camvid11", SEMANTIC, 11, CAMVID),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", REAL)
def test_real_data_train(case: str, cli: Cli, tmp_path: Path) -> None:
    name, task, classes, dataset = REAL[case]
    root = real_data(name)
    cli("run", experiment(tmp_path, task, classes, dataset), "--gpus", "none", "--data", f"real={root}")
    result = json.loads(next(tmp_path.glob("runs/*/result.json")).read_text())
    assert len(result["per_class"]) == classes
    assert result["data"]["images"]["val"] > 40


OVERFIT = """\
task:
  kind: detection
  num_classes: 80
  neck: {kind: fpn, width: 64}
  detector: {kind: retinanet, head_width: 64, head_convs: 1, anchor_scale: 3.0}
  short_px: [160]
  long_px: 224
  test_short_px: 160
  test_long_px: 224
  flip: 0.0
dataset: {kind: coco, name: few}
backbone: {kind: pvt, preset: pvt_v2_b0, drop_path: 0.0}
optim: {kind: adamw, lr: 1e-3, clip_norm: 1.0}
schedule: {kind: cosine, warmup_epochs: 1}
epochs: 4
batch_size: 4
"""


def few(root: Path, folder: Path, images: int, repeats: int) -> None:
    """The first images of COCO's that have a crowd or objects, to test on and, many times over, to train on."""
    told = json.loads((root / "annotations/instances_train2017.json").read_text())
    objects = {each["image_id"] for each in told["annotations"]}
    chosen = [each for each in sorted(told["images"], key=lambda each: each["id"]) if each["id"] in objects][:images]
    kept = {each["id"] for each in chosen}
    annotations = [each for each in told["annotations"] if each["image_id"] in kept]
    (folder / "annotations").mkdir(parents=True)
    for split, times in (("train2017", repeats), ("val2017", 1)):
        (folder / split).symlink_to(root / "train2017", target_is_directory=True)
        step = 1 + max(kept)
        of = range(times)
        again = [{**each, "id": each["id"] + n * step} for n in of for each in chosen]
        boxes = [{**each, "image_id": each["image_id"] + n * step} for n in of for each in annotations]
        boxes = [{**each, "id": number} for number, each in enumerate(boxes, 1)]
        text = json.dumps({"images": again, "annotations": boxes, "categories": told["categories"]})
        (folder / f"annotations/instances_{split}.json").write_text(text)


@pytest.mark.slow
def test_eight_images_of_coco_are_learnt(cli: Cli, tmp_path: Path) -> None:
    few(real_data("coco_tiny100"), tmp_path / "few", images=8, repeats=20)
    (tmp_path / "base.yaml").write_text(OVERFIT)
    cli("run", "base.yaml", "--gpus", "none", "--data", "few=few")
    result = json.loads(next(tmp_path.glob("runs/*/result.json")).read_text())
    assert result["metrics"]["AP50"] > 60
