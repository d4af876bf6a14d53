"""The forecast of a training step's memory beside what PyTorch's allocator holds at most, on the CPU."""

from typing import Any

import pytest
import torch

from benchmarks.bench_memory import PVT, forecast, make, measure
from pvt_exp.nn.counting.memory import Live, size

SMALL = {"task.image_px": 64, "batch_size": 8, "task.num_classes": 10}
DENSE = {"batch_size": 2, "task.num_classes": 8, "task.neck": {"kind": "fpn", "width": 64}}
BOXES = {**DENSE, "task.short_px": [96], "task.long_px": 128}
LI = {"kind": "pvt", "preset": "pvt_v2_b2_li", "depths": [1, 1, 1, 1], "drop_path": 0.0}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "PVT v2": ("imagenet/pvt", {"backbone": PVT, **SMALL}),
    "PVT v1": ("imagenet/pvt", {"backbone": {"kind": "pvt", "preset": "pvt_tiny"}, **SMALL}),
    "linear SRA": ("imagenet/pvt", {"backbone": LI, **SMALL}),
    "ResNet": ("imagenet/pvt", {"backbone": {"kind": "timm", "name": "resnet18"}, **SMALL}),
    "ViT": ("imagenet/pvt", {"backbone": {"kind": "timm", "name": "deit_tiny_patch16_224"}, **SMALL}),
    "Semantic FPN": ("ade20k/semantic_fpn", {"backbone": PVT, **DENSE, "task.crop_px": [128, 128]}),
    "RetinaNet": ("coco/retinanet_1x", {"backbone": PVT, **BOXES}),
    "Mask R-CNN": ("coco/mask_rcnn_1x", {"backbone": PVT, **BOXES, "task.detector.sampled_regions": 32}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_forecast_is_within_15_percent_of_the_measured_peak(name: str) -> None:
    torch.manual_seed(0)
    run = make(*CASES[name])
    assert forecast(run) == pytest.approx(measure(run), rel=0.15)


def test_narrow_types_and_small_groups_take_less() -> None:
    wide = make(*CASES["PVT v2"])
    few = make("imagenet/pvt", {**CASES["PVT v2"][1], "ghost_batch_size": 4})
    narrow = make("imagenet/pvt", {**CASES["PVT v2"][1], "precision": "bf16-mixed"})
    assert forecast(few) < forecast(wide)
    assert forecast(narrow) < forecast(wide)


def test_what_lives_is_counted_once_and_let_go() -> None:
    with Live() as live:
        x = torch.zeros(1000)
        views = [x.view(10, 100), x[5:], x.t()]
        assert live.now == live.peak == size([x])
        y = x + 1
        assert live.now == 2 * size([x])
        del y, views
        x.add_(1)
        assert live.now == size([x])
        assert live.peak == 2 * size([x])
