"""A first experiment for each task, from scratch, of a size that fits the data; no paper's recipe."""

from typing import Any

from pvt_exp.project.found import Data

SIDES = (32, 64, 96, 128, 160, 192, 224)
"""Sides in pixels of the squares that classifiers are trained on."""


def run(data: Data) -> dict[str, Any]:
    """The experiment as a mapping."""
    batch = _batch(data)
    made: dict[str, Any] = {"task": _task(data), "dataset": data.fields}
    if data.facts.no_val is not None:
        made["holdout"] = {"fraction": 0.1}
    made |= {
        "backbone": {"kind": "pvt", "preset": "pvt_v2_b0", **_patches(data), "drop_path": 0.1},
        "optim": {
            "kind": "adamw",
            "lr": 1e-3 if data.task == "classification" else 5e-4,
            "weight_decay": 0.05,
            "clip_norm": 1.0,
        },
        "schedule": {"kind": "poly" if data.task == "semantic" else "cosine", "warmup_epochs": 2},
        "epochs": 30,
        "batch_size": batch,
    }
    return made


def sweep(data: Data, base: str) -> dict[str, Any]:
    """The sweep as a mapping: PVT's own switches one at a time, and two other backbones."""
    neck = {} if data.task == "classification" else {"task.neck": {"kind": "vit_pyramid", "width": 64}}
    axes = {
        "spatial reduction": {"none": {"backbone.attention.ratios": [1, 1, 1, 1]}},
        "depth": {"1-1-1-1": {"backbone.depths": [1, 1, 1, 1]}, "3-3-3-3": {"backbone.depths": [3, 3, 3, 3]}},
    }
    others = {
        "ResNet-18": {"backbone": {"kind": "timm", "name": "resnet18"}},
        "DeiT-Ti": {
            "backbone": {"kind": "timm", "name": "deit_tiny_patch16_224", **_deit(data), "drop_path": 0.1},
            **neck,
        },
    }
    return {"base": base, "seeds": [0, 1, 2], "blocks": [{"one_at_a_time": axes}, {"variants": others}]}


def _task(data: Data) -> dict[str, Any]:
    made: dict[str, Any] = {"kind": data.task, "num_classes": data.classes}
    short, long = _sides(data)
    match data.task:
        case "classification":
            made |= {"image_px": short, "label_smoothing": 0.1, "augment": {"crop_scale": [0.35, 1.0]}}
            made |= {"crop_pct": 1.0} if short < SIDES[-1] else {}
        case "semantic":
            height, width = data.px
            crop = [short, long] if height <= width else [long, short]
            made |= {
                "neck": {"kind": "fpn", "width": 64},
                "head_width": 64,
                "short_px": short,
                "long_px": long,
                "crop_px": crop,
            }
        case _:
            detector = (
                {"kind": "retinanet", "head_width": 64, "head_convs": 2}
                if data.task == "detection"
                else {"head_width": 256}
            )
            made |= {"neck": {"kind": "fpn", "width": 64}, "detector": detector, "short_px": [short], "long_px": long}
            made |= {"test_short_px": short, "test_long_px": long}
    return made


def _sides(data: Data) -> tuple[int, int]:
    """Short and long side in pixels, near those of the data and not above what is usual for the task."""
    short, long = sorted(data.px)
    if data.task == "classification":
        side = max((side for side in SIDES if side <= short), default=SIDES[0])
        return side, side
    most = 512 if data.task == "semantic" else 800
    near = max(64, min(most, short // 32 * 32))
    return near, max(near, min(round(near * 5 / 3), round(near * long / short)) // 32 * 32)


def _patches(data: Data) -> dict[str, Any]:
    """Smaller patches for images so small that the last stage's map would be one pixel."""
    return {"patch_sizes": [2, 2, 2, 2]} if _sides(data)[0] < 64 else {}


def _deit(data: Data) -> dict[str, Any]:
    """Smaller patches for small images, as the 14 x 14 of DeiT at 224 pixels are out of reach there."""
    short = _sides(data)[0]
    return {"options": {"patch_size": 4 if short < 64 else 8}} if short < 128 and data.task == "classification" else {}


def _batch(data: Data) -> int:
    """A power of two that gives some ten steps an epoch at least, if there are so many images."""
    most = {"classification": 128, "semantic": 16}.get(data.task, 8)
    images = data.facts.images["train"] * (0.9 if data.facts.no_val is not None else 1)
    batch = 1
    while batch * 2 <= most and batch * 20 <= images:
        batch *= 2
    return batch
