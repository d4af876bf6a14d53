"""The rows of the papers' dense sweeps have the released recipe, number by number; the numbers are written down here."""

from typing import Any

import pytest

from pvt_exp import config
from pvt_exp.config.run import Run
from pvt_exp.plan import expand
from tests.conftest import ROOT
from tests.unit.test_papers import PVTS

# ---------------------------------------------------------------- what a row trains

V1 = ("PVT-Tiny", "PVT-Small", "PVT-Medium", "PVT-Large")
V2 = ("PVTv2-B0", "PVTv2-B1", "PVTv2-B2", "PVTv2-B2-Li", "PVTv2-B3", "PVTv2-B4", "PVTv2-B5")
CNNS = {  # timm's name and tag, in detection and in segmentation
    "ResNet18": (("resnet18", "tv_in1k"), ("resnet18", "tv_in1k")),
    "ResNet50": (("resnet50", "tv_in1k"), ("resnet50c", "gluon_in1k")),
    "ResNet101": (("resnet101", "tv_in1k"), ("resnet101c", "gluon_in1k")),
    "ResNeXt101-32x4d": (("resnext101_32x4d", "gluon_in1k"),) * 2,
    "ResNeXt101-64x4d": (("resnext101_64x4d", "gluon_in1k"),) * 2,
}
SWEEPS = {
    "v1_table3": ("retinanet", (*V1, *CNNS)),
    "v1_table4": ("mask_rcnn", (*V1, *CNNS)),
    "v1_table5": ("semantic_fpn", (*V1, *CNNS)),
    "v2_table3_retinanet": ("retinanet", (*V1, *V2, *CNNS)),
    "v2_table3_mask_rcnn": ("mask_rcnn", (*V1, *V2, *CNNS)),
    "v2_table5": ("semantic_fpn", (*V1, *V2, *CNNS)),
}
# The smaller batch, and the rate that goes with it: detection/configs, samples_per_gpu=1
HALVED = {"retinanet": ("PVTv2-B4", "PVTv2-B5"), "mask_rcnn": ("PVT-Large", "PVTv2-B4", "PVTv2-B5"), "semantic_fpn": ()}
ADAMW = {"betas": [0.9, 0.999], "eps": 1e-8}
SGD = {"momentum": 0.9, "nesterov": False}


def rate_of(recipe: str, name: str) -> float:
    """The peak learning rate."""
    if name in CNNS:
        return {"retinanet": 0.01, "mask_rcnn": 0.02, "semantic_fpn": 0.02}[recipe]
    adamw = {"retinanet": 1e-4, "mask_rcnn": 2e-4, "semantic_fpn": 2e-4}[recipe]
    return adamw / 1.4 if name in HALVED[recipe] else adamw


def decay_of(recipe: str, name: str) -> float:
    return 5e-4 if recipe == "semantic_fpn" and name in CNNS else 1e-4


def optim_of(recipe: str, name: str) -> dict[str, Any]:
    kind = {"kind": "sgd", **SGD} if name in CNNS else {"kind": "adamw", **ADAMW}
    same = {"lr_batch": None, "no_decay": "nothing", "clip_norm": None}
    return {**kind, "lr": pytest.approx(rate_of(recipe, name)), "weight_decay": decay_of(recipe, name), **same}


def backbone_of(recipe: str, name: str) -> dict[str, Any]:
    if name in CNNS:
        model, tag = CNNS[name][recipe == "semantic_fpn"]
        pretrained = {"timm": f"{model}.{tag}", "sha256": None, "run": None, "allow": []}
        frozen = None if recipe == "semantic_fpn" else {"stages": 1, "norm": "statistics"}
        due = {"kind": "timm", "name": model, "options": {}, "drop_path": 0.0, "layers": None}
        return {**due, "pretrained": pretrained, "frozen": frozen}
    dims, depths, ratios, _, _, attention, switches = PVTS[name]
    undropped = recipe != "semantic_fpn" and name in ("PVT-Medium", "PVT-Large")
    stages = {"embed_dims": dims, "depths": depths, "mlp_ratios": ratios, "heads": [1, 2, 5, 8]}
    due = {"kind": "pvt", **stages, "patch_sizes": [4, 2, 2, 2], "attention": attention, **switches}
    return {**due, "drop_path": 0.0 if undropped else 0.1, "pretrained": None}


# ---------------------------------------------------------------- how: the recipe

SHARED = {"ema_decay": None, "seed": 0, "pretrain": None, "holdout": None}
DENSE = {
    "neck": {"kind": "fpn", "width": 256},
    "pos_embed_px": 224,
    "flip": 0.5,
    "metrics": [],
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}
FOUND = {"score_threshold": 0.05, "nms_threshold": 0.5, "max_detections": 100}
RETINANET = {"kind": "retinanet", **FOUND, "head_width": 256, "head_convs": 4, "anchor_scale": 4.0}
MASK_RCNN = {
    "kind": "mask_rcnn",
    **FOUND,
    "head_width": 1024,
    "anchor_scale": 8.0,
    "max_proposals": 1000,
    "sampled_regions": 512,
    "mask_width": 256,
    "mask_convs": 4,
    "smooth_l1_beta": 0.0,
}
COCO = {
    "kind": "coco",
    "name": "coco",
    "train_annotations": "annotations/instances_train2017.json",
    "train_image_folder": "train2017",
    "val_annotations": "annotations/instances_val2017.json",
    "val_image_folder": "val2017",
    "on_bad_image": "fail",
    "drop_empty": True,
    "categories": None,
    "exif": "turn",
    "range": None,
}
ADE20K = {
    "kind": "semantic_folder",
    "name": "ade20k",
    "layout": "ade20k",
    "train_image_folder": "images/training",
    "train_mask_folder": "annotations/training",
    "val_image_folder": "images/validation",
    "val_mask_folder": "annotations/validation",
    "image_suffix": None,
    "mask_suffix": ".png",
    "classes": None,
    "train_list": None,
    "val_list": None,
    "unpaired": "refuse",
    "values": None,
    "threshold": None,
    "exif": "turn",
    "range": None,
    "ignore_index": 255,
    "reduce_zero": True,
    "on_bad_image": "fail",
}
EVERY_32ND = [640, 672, 704, 736, 768, 800]
DETR_SCALES = [480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800]


def boxes(recipe: str, short_px: list[int], crop: Any = None) -> dict[str, Any]:
    """The task of a detection recipe."""
    kind, detector = {"retinanet": ("detection", RETINANET), "mask_rcnn": ("instance", MASK_RCNN)}[recipe]
    test = {"test_short_px": 800, "test_long_px": 1333, "macs_px": [800, 1280]}
    return {
        "kind": kind,
        "num_classes": 80,
        "detector": detector,
        **DENSE,
        **test,
        "short_px": short_px,
        "long_px": 1333,
        "crop": crop,
    }


def steps(epochs: int, lr: float) -> dict[str, Any]:
    """A detection recipe's schedule: 500 steps of warm-up from a thousandth of the rate."""
    warmup = {"warmup_epochs": 0, "warmup_steps": 500, "warmup_lr": pytest.approx(lr / 1000)}
    milestones = {12: [8, 11], 36: [27, 33]}[epochs]
    return {"kind": "step", "per": "step", **warmup, "milestones": milestones, "factor": 0.1}


SEMANTIC = {
    "kind": "semantic",
    "num_classes": 150,
    **DENSE,
    "head_width": 128,
    "dropout": 0.1,
    "macs_px": [512, 512],
    "short_px": 512,
    "long_px": 2048,
    "scale": [0.5, 2.0],
    "crop_px": [512, 512],
    "crop_most": 0.75,
    "photometric": True,
    "loss": None,
}
POLY = {
    "kind": "poly",
    "per": "step",
    "warmup_epochs": 0,
    "warmup_steps": 0,
    "warmup_lr": 1e-6,
    "power": 0.9,
    "min_lr": 0.0,
}


def due(recipe: str, name: str, schedule: str) -> dict[str, Any]:
    """All of a row but its backbone."""
    optim = {"optim": optim_of(recipe, name)}
    if recipe == "semantic_fpn":
        how: dict[str, Any] = {"task": SEMANTIC, "dataset": ADE20K, "schedule": POLY, "epochs": 64, "batch_size": 32}
        return {**SHARED, **optim, **how, "ghost_batch_size": 32, "precision": "32"}
    epochs, short_px = {"1x": (12, [800]), "3x": (36, EVERY_32ND)}[schedule]
    batch = (
        {"batch_size": 8, "ghost_batch_size": 1}
        if name in HALVED[recipe]
        else {"batch_size": 16, "ghost_batch_size": 2}
    )
    how = {"task": boxes(recipe, short_px), "dataset": COCO, "schedule": steps(epochs, rate_of(recipe, name))}
    half = recipe == "retinanet" and name == "PVT-Large"  # apex' O1 there
    return {**SHARED, **optim, **how, **batch, "epochs": epochs, "precision": "16-mixed" if half else "32"}


# ---------------------------------------------------------------- the comparison


def rows(sweep: str) -> dict[tuple[str, str], Run]:
    """The run of each row by its backbone and schedule."""
    _, planned = expand.load(ROOT / f"sweeps/papers/{sweep}.yaml")
    labels = [(next(label for label in v.labels if label), v.runs[0]) for v in planned.variants]
    named = {(label.get("", label.get("backbone", "")), label.get("schedule", "1x")): run for label, run in labels}
    assert len(named) == len(planned.variants)
    return named


BY_SWEEP = {sweep: rows(sweep) for sweep in SWEEPS}
ROWS = [(sweep, *key) for sweep, named in BY_SWEEP.items() for key in named]


@pytest.mark.parametrize("sweep", SWEEPS)
def test_a_sweep_has_every_row_of_its_table(sweep: str) -> None:
    schedules = ("1x", "3x") if sweep in ("v1_table3", "v1_table4") else ("1x",)
    assert set(BY_SWEEP[sweep]) == {(name, schedule) for name in SWEEPS[sweep][1] for schedule in schedules}


@pytest.mark.parametrize(("sweep", "name", "schedule"), ROWS)
def test_a_row_is_the_released_one(sweep: str, name: str, schedule: str) -> None:
    recipe = SWEEPS[sweep][0]
    row = BY_SWEEP[sweep][name, schedule].model_dump(mode="json")
    assert row == {**due(recipe, name, schedule), "backbone": backbone_of(recipe, name)}


@pytest.mark.parametrize(
    ("v1", "v2"),
    [("v1_table3", "v2_table3_retinanet"), ("v1_table4", "v2_table3_mask_rcnn"), ("v1_table5", "v2_table5")],
)
def test_a_row_of_both_papers_is_one_run(v1: str, v2: str) -> None:
    shared = {key for key in BY_SWEEP[v1] if key[1] == "1x"}
    assert {key: BY_SWEEP[v1][key].id for key in shared} == {key: BY_SWEEP[v2][key].id for key in shared}


@pytest.mark.parametrize(
    ("file", "sweep", "schedule"),
    [
        ("coco/retinanet_1x", "v1_table3", "1x"),
        ("coco/retinanet_3x", "v1_table3", "3x"),
        ("coco/mask_rcnn_1x", "v1_table4", "1x"),
        ("ade20k/semantic_fpn", "v1_table5", "1x"),
    ],
)
def test_an_experiment_is_the_row_of_pvt_small(file: str, sweep: str, schedule: str) -> None:
    assert config.load(Run, ROOT / f"experiments/{file}.yaml").id == BY_SWEEP[sweep]["PVT-Small", schedule].id


@pytest.mark.parametrize(
    ("name", "overrides", "precision"),
    [
        ("PVTv2-B2", [], "32"),
        ("PVTv2-B0", ["backbone.preset=pvt_v2_b0"], "32"),
        ("PVTv2-B2-Li", ["backbone.preset=pvt_v2_b2_li", "precision=16-mixed"], "16-mixed"),
    ],
)
def test_mask_rcnn_3x_is_the_released_one(name: str, overrides: list[str], precision: str) -> None:
    """No row of a table: the README has it. The overrides are those that the file's header names."""
    run = config.load(Run, ROOT / "experiments/coco/mask_rcnn_3x.yaml", overrides)
    crop = {"short_px": [400, 500, 600], "side_px": [384, 600]}
    optim = {"kind": "adamw", **ADAMW, "lr": 1e-4, "lr_batch": None, "weight_decay": 0.05, "no_decay": "norms"}
    assert run.model_dump(mode="json") == {
        **SHARED,
        "task": boxes("mask_rcnn", DETR_SCALES, crop),
        "dataset": COCO,
        "schedule": steps(36, 1e-4),
        "optim": {**optim, "clip_norm": None},
        "epochs": 36,
        "batch_size": 16,
        "ghost_batch_size": 2,
        "backbone": backbone_of("mask_rcnn", name),
        "precision": precision,
    }


def test_ade20k_is_seen_as_often_as_in_the_released_code() -> None:
    run = config.load(Run, ROOT / "experiments/ade20k/semantic_fpn.yaml")
    steps_taken = run.epochs * (20_210 // run.batch_size)
    assert steps_taken == 40_384  # what the file's header says
    assert steps_taken == pytest.approx(40_000, rel=0.01)
