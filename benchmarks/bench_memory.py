"""How near the forecast of a training step's memory comes to what PyTorch's allocator holds at most, on the CPU.

    python benchmarks/bench_memory.py

The peak is from the allocator's own events of one step (torch.profiler), the second, so that the optimizer has its state.
"""

import contextlib
from pathlib import Path
from typing import Any

import torch

from pvt_exp import config
from pvt_exp.config.run import Run
from pvt_exp.nn import optim
from pvt_exp.nn.counting.memory import NARROW, size

ROOT = Path(__file__).parents[1]
PVT = {"kind": "pvt", "preset": "pvt_v2_b0"}
OBJECTS = {"detection": 7, "instance": 150}
"""In an image; with these Mask R-CNN samples as many regions and masks as it may, which is what is counted."""
PX = {"batch_size": 1, "task.short_px": [512], "task.long_px": 512}
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("PVT v2-B0, 224 px", "imagenet/pvt", {"backbone": PVT, "batch_size": 8}),
    ("PVT-Tiny, 224 px", "imagenet/pvt", {"backbone": {"kind": "pvt", "preset": "pvt_tiny"}, "batch_size": 8}),
    ("PVT v2-B2-Li, 224 px", "imagenet/pvt", {"backbone": {"kind": "pvt", "preset": "pvt_v2_b2_li"}, "batch_size": 4}),
    ("ResNet-18, 224 px", "imagenet/pvt", {"backbone": {"kind": "timm", "name": "resnet18"}, "batch_size": 8}),
    (
        "DeiT-Ti, 224 px",
        "imagenet/pvt",
        {"backbone": {"kind": "timm", "name": "deit_tiny_patch16_224"}, "batch_size": 8},
    ),
    ("PVT v2-B0 + Semantic FPN, 512 px", "ade20k/semantic_fpn", {"backbone": PVT, "batch_size": 1}),
    ("PVT v2-B0 + RetinaNet, 512 px", "coco/retinanet_1x", {"backbone": PVT, **PX}),
    ("PVT v2-B0 + Mask R-CNN, 512 px", "coco/mask_rcnn_1x", {"backbone": PVT, **PX}),
]


def make(experiment: str, changes: dict[str, Any]) -> Run:
    """A run of an experiment without weights to start from."""
    value = config.read(ROOT / f"experiments/{experiment}.yaml").value
    for field in ("ghost_batch_size", "pretrain", "ema_decay"):
        value.pop(field, None)
    for dotted, change in {"precision": "32", **changes}.items():
        value = config.put(value, dotted, change)
    return config.make(Run, value)


def forecast(run: Run) -> int:
    """What is counted, in bytes."""
    with torch.device("meta"):
        module = run.task.build(run)
    return int(module.step_memory())


def batch(run: Run) -> dict[str, Any]:
    """Noise, with objects in it."""
    count, (height, width) = run.batch_size, run.task.train_px
    images = torch.rand(count, 3, height, width).contiguous(memory_format=torch.channels_last)
    if run.task.kind == "classification":
        mixed = run.task.mixing is not None
        return {"image": images, "target": torch.eye(run.task.num_classes)[:count] if mixed else torch.arange(count)}
    if run.task.kind == "semantic":
        return {"image": images, "target": [torch.zeros(height, width, dtype=torch.uint8)] * count}
    objects = OBJECTS[run.task.kind]
    corners = torch.rand(objects, 2) * torch.tensor([width / 2, height / 2])
    boxes = torch.cat([corners, corners + 16 + torch.rand(objects, 2) * height / 4], 1)
    masks = torch.zeros(objects, height, width, dtype=torch.uint8)
    masks[:, : height // 2] = 1
    target = {"boxes": boxes, "labels": torch.arange(objects) % run.task.num_classes, "masks": masks}
    return {"image": images, "target": [target] * count, "sizes": [(height, width)] * count}


def measure(run: Run) -> int:
    """Most that the allocator holds in a step, in bytes."""
    module = run.task.build(run)
    module.log_dict = lambda *_, **__: None  # there is no trainer
    network = module.network.train()
    exempt = {f"backbone.{name}" for name in network.backbone.no_weight_decay()}
    optimizer = run.optim.build(optim.parameter_groups(network, run.optim, exempt), run.lr, fused=True)
    narrow = NARROW.get(run.precision)

    def step() -> None:
        with torch.autocast("cpu", narrow) if narrow else contextlib.nullcontext():
            loss = module.loss(given)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    given = batch(run)
    step()
    trained = size(p for p in network.parameters() if p.requires_grad)
    now = peak = 0
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    events = [each for each in profile.profiler.kineto_results.events() if each.name() == "[memory]"]
    for event in sorted(events, key=lambda each: each.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    states = run.optim.states
    return peak + size([*network.parameters(), *network.buffers(), given["image"]]) + states * trained


def main() -> None:
    torch.manual_seed(0)
    print(f"{'model':40} {'batch':>5} {'forecast':>10} {'measured':>10} {'ratio':>6}")
    for precision in ("32", "bf16-mixed"):
        print(f"precision {precision}")
        for name, experiment, changes in CASES:
            run = make(experiment, {**changes, "precision": precision})
            counted, seen = forecast(run), measure(run)
            mib = f"{counted / 2**20:6.0f} MiB {seen / 2**20:6.0f} MiB"
            print(f"{name:40} {run.batch_size:>5} {mib} {counted / seen:6.3f}", flush=True)


if __name__ == "__main__":
    main()
