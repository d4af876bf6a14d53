"""A training step (forward, losses, backward, SGD) of our PVT v2-B2 + RetinaNet beside torchvision's RetinaNet-ResNet-50.

    python benchmarks/bench_detection_step.py [--device cpu|cuda] [--batch N] [--rounds N]

One image of 800 x 1216 pixels with 20 objects of COCO's 80 classes on the CPU, two on a GPU. The steps of the two take
turns in one process; the median of each is told. Memory is the peak of a step above what the process held before the
model was made: on the GPU the allocator's own figure, on the CPU the growth of the largest resident set of a child
process. The two are different models (MACs are told too), so the ratio says what the change of backbone costs here.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent.parent))
from pvt_exp.backbones.pvt import Settings as Pvt
from pvt_exp.necks.fpn import Settings as Fpn
from pvt_exp.nn.counting import macs
from pvt_exp.nn.dense.retinanet import RetinaNet
from pvt_exp.nn.tasks.detection import Raw

SIZE = (800, 1216)
OBJECTS, CLASSES = 20, 80
WHOSE = ("ours", "torchvision")


class Torchvision(nn.Module):
    """Its RetinaNet, with its resizing turned into nothing and none of its layers frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.model = torchvision.models.detection.retinanet_resnet50_fpn(
            weights=None, weights_backbone=None, num_classes=CLASSES,
            min_size=SIZE[0], max_size=SIZE[1],
        )  # fmt: skip

    def forward(self, images: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        return self.model(list(images), targets)


def make(whose: str) -> nn.Module:
    if whose == "torchvision":
        return Torchvision()
    backbone = Pvt(preset="pvt_v2_b2").build(224, maps=True)
    return RetinaNet(backbone, Fpn().build(backbone.channels, backbone.strides, 8), CLASSES)


def stepper(whose: str, device: str, batch: int) -> Callable[[], None]:
    torch.manual_seed(0)
    model = make(whose).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-4, momentum=0.9)
    images = torch.rand(batch, 3, *SIZE, device=device)
    if whose == "ours":  # as our loader hands them over
        images = images.contiguous(memory_format=torch.channels_last)
    corners = torch.rand(OBJECTS, 2) * torch.tensor([SIZE[1] - 200.0, SIZE[0] - 200.0])
    boxes = torch.cat([corners, corners + 20 + 160 * torch.rand(OBJECTS, 2)], 1).to(device)
    targets: Any = [{"boxes": boxes, "labels": torch.randint(CLASSES, (OBJECTS,), device=device)} for _ in range(batch)]

    def step() -> None:
        sum(model(images, targets).values()).backward()
        optimizer.step()
        optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def largest_kib() -> int:
    """The largest resident set so far of this process."""
    return next(int(ln.split()[1]) for ln in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in ln)


def child(whose: str, batch: int) -> None:
    warm = nn.Conv2d(3, 8, 3)
    warm(torch.randn(1, 3, 32, 32)).sum().backward()  # the libraries' own buffers are not the model's
    before = largest_kib()
    step = stepper(whose, "cpu", batch)
    step()
    step()
    print((largest_kib() - before) / 1024)


def memory(whose: str, device: str, batch: int) -> float:
    """Peak MiB of a step."""
    if device == "cuda":
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
        step = stepper(whose, device, batch)
        step()
        torch.cuda.reset_peak_memory_stats()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    words = [sys.executable, __file__, "--child", whose, "--batch", str(batch)]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return float(told.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    if asked.child:
        return child(asked.child, asked.batch)
    device, batch = asked.device, asked.batch or (2 if asked.device == "cuda" else 1)
    place = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {threads} threads"
    print(f"detection training step, batch {batch} of {SIZE[0]} x {SIZE[1]} px, on {place}; torch {torch.__version__}")
    steps = {whose: stepper(whose, device, batch) for whose in WHOSE}
    taken: dict[str, list[float]] = {whose: [] for whose in WHOSE}
    for i in range(asked.rounds + 1):
        for whose in WHOSE if i % 2 else WHOSE[::-1]:
            begun = time.perf_counter()
            steps[whose]()
            if i:
                taken[whose].append(time.perf_counter() - begun)
    took = {whose: statistics.median(each) for whose, each in taken.items()}
    del steps
    held = {whose: memory(whose, device, batch) for whose in WHOSE}
    with torch.device("meta"):
        counted = macs.count(Raw(make("ours")), torch.empty(1, 3, *SIZE))
    for whose in WHOSE:
        print(f"  {whose}: {took[whose]:.2f} s, {held[whose]:.0f} MiB")
    print(f"  ours has {counted / 1e9:.0f} G MACs at this size")
    time_ratio, memory_ratio = took["ours"] / took["torchvision"], held["ours"] / held["torchvision"]
    print(f"ratio PVT v2-B2 / ResNet-50, time {time_ratio:.2f}, peak memory {memory_ratio:.2f}")
    return None


if __name__ == "__main__":
    main()
