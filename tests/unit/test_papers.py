"""The rows of the papers' sweeps are the released models with the released recipe, number by number."""

from pathlib import Path
from typing import Any

import pytest

from pvt_exp import config
from pvt_exp.config.run import Run
from pvt_exp.plan import expand

ROOT = Path(__file__).parents[2]
SWEEPS = ("v1_table2", "v2_table2")

# fmt: off
V1 = {"overlap": False, "position": "learned", "ffn": "linear", "stage_norm": False, "class_token": True,
      "conv_init": "uniform"}
V2 = {"overlap": True, "position": "none", "ffn": "depthwise", "stage_norm": True, "class_token": False,
      "conv_init": "fan_out"}
SRA = {"kind": "sra", "ratios": [8, 4, 2, 1]}
LINEAR = {"kind": "linear", "pool": 7, "activation": True}
WIDE, NARROW = [64, 128, 320, 512], [32, 64, 160, 256]
PVTS = {  # embed_dims, depths, mlp_ratios, drop_path, clip_norm, attention, the rest
    "PVT-Tiny":    (WIDE,   [2, 2, 2, 2],  [8, 8, 4, 4], 0.1, None, SRA, V1),
    "PVT-Small":   (WIDE,   [3, 4, 6, 3],  [8, 8, 4, 4], 0.1, None, SRA, V1),
    "PVT-Medium":  (WIDE,   [3, 4, 18, 3], [8, 8, 4, 4], 0.3, 1.0, SRA, V1),
    "PVT-Large":   (WIDE,   [3, 8, 27, 3], [8, 8, 4, 4], 0.3, 1.0, SRA, V1),
    "PVTv2-B0":    (NARROW, [2, 2, 2, 2],  [8, 8, 4, 4], 0.1, None, SRA, V2),
    "PVTv2-B1":    (WIDE,   [2, 2, 2, 2],  [8, 8, 4, 4], 0.1, None, SRA, V2),
    "PVTv2-B2":    (WIDE,   [3, 4, 6, 3],  [8, 8, 4, 4], 0.1, None, SRA, V2),
    "PVTv2-B2-Li": (WIDE,   [3, 4, 6, 3],  [8, 8, 4, 4], 0.1, None, LINEAR, {**V2, "ffn": "relu_depthwise"}),
    "PVTv2-B3":    (WIDE,   [3, 4, 18, 3], [8, 8, 4, 4], 0.3, 1.0, SRA, V2),
    "PVTv2-B4":    (WIDE,   [3, 8, 27, 3], [8, 8, 4, 4], 0.3, 1.0, SRA, V2),
    "PVTv2-B5":    (WIDE,   [3, 6, 40, 3], [4, 4, 4, 4], 0.3, 1.0, SRA, V2),
}
TIMM = {  # name, drop_path
    "ResNet18":         ("resnet18", 0.0),
    "ResNet50":         ("resnet50", 0.0),
    "ResNet101":        ("resnet101", 0.0),
    "ResNeXt50-32x4d":  ("resnext50_32x4d", 0.0),
    "ResNeXt101-32x4d": ("resnext101_32x4d", 0.0),
    "ResNeXt101-64x4d": ("resnext101_64x4d", 0.0),
    "DeiT-Tiny/16":     ("deit_tiny_patch16_224", 0.1),
    "DeiT-Small/16":    ("deit_small_patch16_224", 0.1),
    "DeiT-Base/16":     ("deit_base_patch16_224", 0.1),
}
# fmt: on
RECIPE: dict[str, Any] = {
    "task": {
        "kind": "classification",
        "metrics": [],
        "loss": None,
        "num_classes": 1000,
        "image_px": 224,
        "crop_pct": 0.875,
        "interpolation": "bicubic",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "label_smoothing": 0.1,
        "augment": {
            "crop_scale": [0.08, 1.0],
            "crop_ratio": [3 / 4, 4 / 3],
            "flip": 0.5,
            "color_jitter": None,
            "rand_augment": "rand-m9-mstd0.5-inc1",
            "erasing": 0.25,
            "repeats": 3,
        },
        "mixing": {"mixup": 0.8, "cutmix": 1.0, "probability": 1.0, "switch": 0.5},
    },
    "dataset": {
        "kind": "image_folder",
        "name": "imagenet",
        "train": "train",
        "val": "val",
        "on_bad_image": "fail",
        "exif": "turn",
        "range": None,
    },
    "optim": {
        "kind": "adamw",
        "lr": 5e-4,
        "lr_batch": 512,
        "weight_decay": 0.05,
        "no_decay": "vectors",
        "betas": [0.9, 0.999],
        "eps": 1e-8,
    },
    "schedule": {
        "kind": "cosine",
        "per": "epoch",
        "warmup_epochs": 5,
        "warmup_steps": 0,
        "warmup_lr": 1e-6,
        "min_lr": 1e-5,
    },
    "epochs": 300,
    "batch_size": 1024,
    "ghost_batch_size": 128,
    "ema_decay": None,
    "precision": "16-mixed",
    "seed": 0,
    "pretrain": None,
    "holdout": None,
}


def rows(sweep: str) -> dict[str, Run]:
    """The run of each row by what the sweep's file calls it."""
    _, planned = expand.load(ROOT / f"sweeps/papers/{sweep}.yaml")
    named = {label[""]: v.runs[0] for v in planned.variants for label in v.labels if label}
    assert len(named) == len(planned.variants)
    return named


BY_SWEEP = {sweep: rows(sweep) for sweep in SWEEPS}
ROWS = [(sweep, name) for sweep, named in BY_SWEEP.items() for name in named]


def test_the_sweeps_have_every_pvt_and_its_rivals() -> None:
    v1 = [name for name in PVTS if not name.startswith("PVTv2")]
    assert set(BY_SWEEP["v1_table2"]) == {*v1, *TIMM}
    assert set(BY_SWEEP["v2_table2"]) == {*PVTS, *TIMM}


def test_a_row_of_both_tables_is_one_run() -> None:
    v1, v2 = BY_SWEEP.values()
    assert {name: v1[name].id for name in v1} == {name: v2[name].id for name in v1}


@pytest.mark.parametrize(("sweep", "name"), ROWS)
def test_the_recipe_of_a_row_is_the_released_one(sweep: str, name: str) -> None:
    run = BY_SWEEP[sweep][name]
    recipe = run.model_dump(mode="json", exclude={"backbone": True, "optim": {"clip_norm"}})
    assert recipe == RECIPE
    assert run.lr == 1e-3
    assert run.optim.clip_norm == (PVTS[name][4] if name in PVTS else None)


@pytest.mark.parametrize(("sweep", "name"), ROWS)
def test_the_model_of_a_row_is_the_released_one(sweep: str, name: str) -> None:
    backbone = BY_SWEEP[sweep][name].backbone.model_dump(mode="json")
    if name in TIMM:
        model, drop_path = TIMM[name]
        due: dict[str, Any] = {"kind": "timm", "name": model, "options": {}, "drop_path": drop_path, "pretrained": None}
        due |= {"frozen": None, "layers": None}
    else:
        dims, depths, ratios, drop_path, _, attention, switches = PVTS[name]
        stages = {"embed_dims": dims, "depths": depths, "mlp_ratios": ratios, "heads": [1, 2, 5, 8]}
        due = {"kind": "pvt", **stages, "patch_sizes": [4, 2, 2, 2], "attention": attention, "drop_path": drop_path}
        due |= {**switches, "pretrained": None}
    assert backbone == due


def test_the_experiment_is_the_row_of_its_name() -> None:
    run = config.load(Run, ROOT / "experiments/imagenet/pvt.yaml")
    assert run.id == BY_SWEEP["v1_table2"]["PVT-Small"].id
