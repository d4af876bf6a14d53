"""The processes that train one run together, one a GPU: what they must agree on. Alone, a process agrees with itself.

They meet through a file of the attempt, so that no port is taken. What is agreed on goes over gloo, also where gradients go
over NCCL: it is a few bytes, and no GPU is waited for.
"""

import os
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.strategies import DDPStrategy
from torch import distributed
from torch._C._distributed_c10d import FileStore

Told = TypeVar("Told")
_words: list[Any] = []
"""The group that words go over, when they have met."""


def join(attempt: Path, rank: int, world: int, on_gpus: bool) -> None:
    """Meet the others; returns when all are there."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # else a host that cannot look up its own name fails
    if on_gpus:
        torch.cuda.set_device(rank)
    backend = "nccl" if on_gpus else "gloo"
    meeting = FileStore(str(attempt / "ranks"), world)
    distributed.init_process_group(backend, store=meeting, rank=rank, world_size=world)
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


def of_trainer() -> dict[str, Any]:
    """Words for Lightning's Trainer: its strategy for so many processes, and who they are.

    Lightning is told so for one process too: else it takes a rank from the variables of Slurm or torchrun, wherever it finds
    them. Buffers are not sent around, because `pvt_exp.nn.batchnorm` keeps them equal; parameters without a gradient are
    looked for, as some backbones have them at a stage whose output a neck leaves out.
    """
    rank_zero_only.rank = rank()  # type: ignore[attr-defined]  # read from the environment when it was imported
    if world() == 1:
        return {"strategy": "auto", "plugins": [Environment()]}
    parallel = DDPStrategy(cluster_environment=Environment(), find_unused_parameters=True, broadcast_buffers=False)
    return {"strategy": parallel, "plugins": []}
