"""A training step (forward, backward, AdamW) of our PVTs beside others' code: time and peak memory.

    python benchmarks/bench_step.py [--device cpu|cuda] [--batch N] [--rounds N]

Ours beside timm's own pvt_v2_b0 and pvt_v2_b2, and our pvt_tiny beside the published v1 model, written out below: matrix
product, softmax, matrix product, and a contiguous copy on each way between tokens and maps. The steps of the two take
turns in one process; the median of each is told, and the ratio is ours / theirs, so below 1 is better. Drop path is off.
Memory is the peak of a step above what the process held before the model was made: on the GPU the allocator's own figure,
on the CPU the largest resident set of a child process that makes the model and takes two steps, less what it had before.
Needs torch, timm, pydantic and yaml only, and no installation: PYTHONPATH=. python benchmarks/bench_step.py
"""

import argparse
import contextlib
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent.parent))
from pvt_exp.backbones.pvt import Settings

PAIRS = {"pvt_v2_b0": "timm", "pvt_v2_b2": "timm", "pvt_tiny": "published v1"}
PX = 224


# ---------------------------------------------------------------- the models


class Ours(nn.Module):
    """Our backbone with a linear classifier."""

    def __init__(self, preset: str) -> None:
        super().__init__()
        self.backbone = Settings(preset=preset, drop_path=0.0).build(PX)
        self.head = nn.Linear(self.backbone.embed_dim, 1000)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone.embed(images))


class PlainAttention(nn.Module):
    """Spatial-reduction attention as published with v1."""

    def __init__(self, dim: int, heads: int, ratio: int) -> None:
        super().__init__()
        self.heads, self.scale, self.ratio = heads, (dim // heads) ** -0.5, ratio
        self.q, self.kv, self.proj = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        if ratio > 1:
            self.sr, self.norm = nn.Conv2d(dim, dim, ratio, ratio), nn.LayerNorm(dim)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        B, N, C = x.shape
        q = self.q(x).reshape(B, N, self.heads, C // self.heads).permute(0, 2, 1, 3)
        if self.ratio > 1:
            x = x.permute(0, 2, 1).reshape(B, C, height, width)
            x = self.norm(self.sr(x).reshape(B, C, -1).permute(0, 2, 1))
        k, v = self.kv(x).reshape(B, -1, 2, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        x = ((q @ k.transpose(-2, -1)) * self.scale).softmax(-1) @ v
        return self.proj(x.transpose(1, 2).reshape(B, N, C))


class PlainBlock(nn.Module):
    """A block as published with v1."""

    def __init__(self, dim: int, heads: int, ratio: int, mlp: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn = PlainAttention(dim, heads, ratio)
        self.mlp = nn.Sequential(nn.Linear(dim, dim * mlp), nn.GELU(), nn.Linear(dim * mlp, dim))

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        x = x + self.attn(self.norm1(x), height, width)
        return x + self.mlp(self.norm2(x))


class PlainTiny(nn.Module):
    """PVT-Tiny as published with v1."""

    def __init__(self) -> None:
        super().__init__()
        dims, sides = (3, 64, 128, 320, 512), (4, 2, 2, 2)
        self.patches = nn.ModuleList(nn.Conv2d(dims[i], dims[i + 1], s, s) for i, s in enumerate(sides))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for dim in dims[1:])
        grids = [(PX // s) ** 2 for s in (4, 8, 16, 32)]
        self.positions = nn.ParameterList(
            nn.Parameter(torch.randn(1, n + (i == 3), dims[i + 1]) * 0.02) for i, n in enumerate(grids)
        )
        shape = zip(dims[1:], (1, 2, 5, 8), (8, 4, 2, 1), (8, 8, 4, 4), strict=True)
        self.stages = nn.ModuleList(nn.ModuleList(PlainBlock(*each) for _ in range(2)) for each in shape)
        self.token = nn.Parameter(torch.zeros(1, 1, dims[-1]))
        self.norm, self.head = nn.LayerNorm(dims[-1], eps=1e-6), nn.Linear(dims[-1], 1000)

    def forward(self, x: Tensor) -> Tensor:
        for i, blocks in enumerate(self.stages):
            x = self.patches[i](x)
            B, _, height, width = x.shape
            x = self.norms[i](x.flatten(2).transpose(1, 2))
            if i == 3:
                x = torch.cat([self.token.expand(B, -1, -1), x], 1)
            x = x + self.positions[i]
            for block in blocks:
                x = block(x, height, width)
            if i < 3:
                x = x.reshape(B, height, width, -1).permute(0, 3, 1, 2).contiguous()
        return self.head(self.norm(x)[:, 0])


def make(name: str, whose: str) -> nn.Module:
    if whose == "ours":
        return Ours(name)
    return PlainTiny() if name == "pvt_tiny" else timm.create_model(name, num_classes=1000)


# ---------------------------------------------------------------- a step


def stepper(name: str, whose: str, device: str, batch: int, half: bool) -> Callable[[], None]:
    """A function that takes one training step and waits for its end."""
    torch.manual_seed(0)
    model = make(name, whose).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)
    images = torch.randn(batch, 3, PX, PX, device=device)
    if whose == "ours":  # as our loader hands them over
        images = images.contiguous(memory_format=torch.channels_last)
    target = torch.randint(1000, (batch,), device=device)
    cast = torch.autocast(device, torch.bfloat16) if half else contextlib.nullcontext()

    def step() -> None:
        with cast:
            loss = nn.functional.cross_entropy(model(images), target)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def seconds(name: str, device: str, batch: int, half: bool, rounds: int) -> dict[str, float]:
    """Median time of a step of ours and of the peer's, taken in turns."""
    steps = {whose: stepper(name, whose, device, batch, half) for whose in ("ours", "peer")}
    taken: dict[str, list[float]] = {"ours": [], "peer": []}
    for i in range(rounds + 3):
        for whose in ("ours", "peer") if i % 2 else ("peer", "ours"):
            begun = time.perf_counter()
            steps[whose]()
            if i >= 3:
                taken[whose].append(time.perf_counter() - begun)
    return {whose: statistics.median(each) for whose, each in taken.items()}


def memory(name: str, whose: str, device: str, batch: int, half: bool) -> float:
    """Peak MiB of a step."""
    if device == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
        step = stepper(name, whose, device, batch, half)
        step()
        torch.cuda.reset_peak_memory_stats()
        step()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    words = [sys.executable, __file__, "--child", f"{name},{whose},{batch}", "--threads", str(torch.get_num_threads())]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return float(told.split()[-1])


def child(name: str, whose: str, batch: int) -> None:
    """In a fresh process: how much the largest resident set grows by two steps."""
    warm = nn.Conv2d(3, 8, 3)
    warm(torch.randn(1, 3, 32, 32)).sum().backward()  # the libraries' own buffers are not the model's
    before = largest_kib()
    step = stepper(name, whose, "cpu", batch, half=False)
    step()
    step()
    print((largest_kib() - before) / 1024)


def largest_kib() -> int:
    """The largest resident set so far; getrusage would tell the parent's, which a child inherits."""
    return next(int(ln.split()[1]) for ln in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in ln)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--batch", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.child:
        name, whose, batch = asked.child.split(",")
        return child(name, whose, int(batch))
    device = asked.device
    on_gpu = device == "cuda"
    batch, rounds = asked.batch or (64 if on_gpu else 4), asked.rounds or (30 if on_gpu else 7)
    place = torch.cuda.get_device_name() if on_gpu else f"CPU, {asked.threads} threads of {os.cpu_count()} cores"
    print(f"training step, {PX} px, batch {batch}, on {place}; torch {torch.__version__}, timm {timm.__version__}")
    ratios = []
    for half in (False, True) if on_gpu else (False,):
        precision = "bf16" if half else "float32"
        for name, peer in PAIRS.items():
            took = seconds(name, device, batch, half, rounds)
            held = {whose: memory(name, whose, device, batch, half) for whose in ("ours", "peer")}
            time_ratio, memory_ratio = took["ours"] / took["peer"], held["ours"] / held["peer"]
            ratios.append(f"{name} {precision} {time_ratio:.2f}/{memory_ratio:.2f}")
            print(
                f"  {name} {precision}: ours {took['ours'] * 1e3:.1f} ms, {held['ours']:.0f} MiB;"
                f" {peer} {took['peer'] * 1e3:.1f} ms, {held['peer']:.0f} MiB",
                flush=True,
            )
    print(f"ratio ours / peer, time/memory, below 1 is better: {', '.join(ratios)}")
    return None


if __name__ == "__main__":
    main()
