"""The processes that train one run together, one a GPU: what they must agree on. Alone, a process agrees with itself.

They meet through a file of the attempt, so that no port is taken. What is agreed on goes over gloo, also where gradients go
over NCCL: it is a few bytes, and no GPU is waited for.
"""

import os
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.strategies import DDPStrategy
from torch import distributed, nn

Told = TypeVar("Told")
_words: list[Any] = []
"""The group that words go over, when they have met."""


def join(attempt: Path, rank: int, world: int, on_gpus: bool) -> None:
    """Meet the others; returns when all are there."""
    if not on_gpus:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # else a host that cannot look up its own name fails
    if on_gpus:
        torch.cuda.set_device(rank)
    backend = "nccl" if on_gpus else "gloo"
    distributed.init_process_group(backend, init_method=f"file://{attempt}/ranks", rank=rank, world_size=world)
    _words.append(distributed.new_group(backend="gloo"))


def leave() -> None:
    """Nothing is agreed on any more."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
    _words.clear()


def world() -> int:
    """How many they are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this process is; 0 alone writes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def any_of(flag: bool) -> bool:
    """Whether one of them says so. All must ask."""
    if world() == 1:
        return flag
    said = torch.tensor(int(flag))
    distributed.all_reduce(said, distributed.ReduceOp.MAX, _words[0])
    return bool(said)


def total(count: int) -> int:
    """The sum over them. All must ask."""
    if world() == 1:
        return count
    summed = torch.tensor(count)
    distributed.all_reduce(summed, distributed.ReduceOp.SUM, _words[0])
    return int(summed)


def gathered(part: Told) -> list[Told]:
    """What each of them has, in their order. All must ask."""
    if world() == 1:
        return [part]
    parts: list[Any] = [None] * world()
    distributed.all_gather_object(parts, part, _words[0])
    return parts


def of_first(value: Told) -> Told:
    """What the first of them has. All must ask."""
    return gathered(value)[0]


class Environment(LightningEnvironment):
    """Lightning's view of processes that somebody else has started."""

    @property
    def creates_processes_externally(self) -> bool:
        return True

    def world_size(self) -> int:
        return world()

    def global_rank(self) -> int:
        return rank()

    def local_rank(self) -> int:
        return rank()


def strategy() -> Any:
    """Lightning's strategy for so many processes.

    Buffers are not sent around, because `Statistics` keeps them equal; parameters without a gradient are looked for, as
    some backbones have them at a stage whose output a neck leaves out.
    """
    if world() == 1:
        return "auto"
    return DDPStrategy(cluster_environment=Environment(), find_unused_parameters=True, broadcast_buffers=False)


class Statistics:
    """Running statistics of BatchNorm as one process would have them that sees the groups of all ranks one after another.

    A step moves the running value r by momentum m to d r + m s_i, where d is 1 - m and s_i is of the group of rank i. From
    the values r_i of the ranks after their own step, that after all groups in their order follows:
    d^W r + sum over i of d^(W - 1 - i) (r_i - d r), for W ranks. A layer that is used k times a step has d = (1 - m)^k.
    """

    def __init__(self, network: nn.Module) -> None:
        self._layers = [
            layer for layer in network.modules()
            if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.track_running_stats
        ]  # fmt: skip
        self._before: list[list[torch.Tensor]] = []
        self._moving: list[Any] = []

    def note(self) -> None:
        """Before a step's forward pass: where they stand."""
        if world() > 1:
            self._moving = [layer for layer in self._layers if layer.training]
            self._before = [
                [each.clone() for each in (*_buffers(layer), layer.num_batches_tracked)] for layer in self._moving
            ]

    @torch.no_grad()
    def join(self) -> None:
        """After it: what they would be after all ranks' groups."""
        if world() == 1 or not self._moving:
            return
        own = torch.cat([buffer.flatten() for layer in self._moving for buffer in _buffers(layer)])
        of_ranks = [torch.empty_like(own) for _ in range(world())]
        distributed.all_gather(of_ranks, own)
        start = 0
        for layer, (*before, counted) in zip(self._moving, self._before, strict=True):
            assert layer.momentum is not None, "an average over all batches is kept by no model here"
            uses = layer.num_batches_tracked - counted
            rest = (1 - layer.momentum) ** int(uses)
            for buffer, old in zip(_buffers(layer), before, strict=True):
                value = rest ** world() * old
                for place, each in enumerate(of_ranks):
                    seen = each[start : start + buffer.numel()].view_as(buffer)
                    value += rest ** (world() - 1 - place) * (seen - rest * old)
                buffer.copy_(value)
                start += buffer.numel()
            layer.num_batches_tracked += (world() - 1) * uses


def _buffers(layer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return layer.running_mean, layer.running_var
