"""The ranks of a run, one process a GPU: how they find each other and exchange small values. One process alone works too.

They meet through a file in the attempt's folder, so no port is needed. Control messages go over gloo, also where gradients
go over NCCL: they are a few bytes, and need not wait for a GPU.
"""

import os
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.strategies import DDPStrategy
from torch import distributed

Value = TypeVar("Value")
_control_group: list[Any] = []
"""The gloo group for small control messages; empty before `join`."""


def join(attempt: Path, rank: int, world: int, on_gpus: bool) -> None:
    """Join the other ranks; returns when all are there."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # else a host that cannot look up its own name fails
    if on_gpus:
        torch.cuda.set_device(rank)
    backend = "nccl" if on_gpus else "gloo"
    meeting = distributed.FileStore(str(attempt / "ranks"), world)  # type: ignore[attr-defined]  # not in __all__
    distributed.init_process_group(backend, store=meeting, rank=rank, world_size=world)
    _control_group.append(distributed.new_group(backend="gloo"))


def leave() -> None:
    """Leave the process groups."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
    _control_group.clear()


def world() -> int:
    """The number of ranks."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Rank of this process; only rank 0 writes files."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def any_of(flag: bool) -> bool:
    """Whether the flag is set on any rank. All ranks must call it."""
    if world() == 1:
        return flag
    any_flag = torch.tensor(int(flag))
    distributed.all_reduce(any_flag, distributed.ReduceOp.MAX, _control_group[0])
    return bool(any_flag)


def total(count: int) -> int:
    """The sum over all ranks. All ranks must call it."""
    if world() == 1:
        return count
    summed = torch.tensor(count)
    distributed.all_reduce(summed, distributed.ReduceOp.SUM, _control_group[0])
    return int(summed)


def gathered(part: Value) -> list[Value]:
    """The values of all ranks, by rank. All ranks must call it."""
    if world() == 1:
        return [part]
    parts: list[Any] = [None] * world()
    distributed.all_gather_object(parts, part, _control_group[0])
    return parts


def of_first(value: Value) -> Value:
    """The value of rank 0. All ranks must call it."""
    return gathered(value)[0]


class Environment(LightningEnvironment):
    """Tells Lightning that the processes were started by our launcher."""

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
    """Arguments of Lightning's Trainer: its strategy for so many ranks, and which rank this is.

    They are needed with one process too: else Lightning takes its rank from the variables of Slurm or torchrun. Buffers are
    not broadcast, because `pvt_exp.nn.batchnorm` keeps them equal. Unused parameters are looked for, as some backbones
    have them at a stage whose output the neck leaves out.
    """
    rank_zero_only.rank = rank()  # type: ignore[attr-defined]  # read from the environment when it was imported
    if world() == 1:
        return {"strategy": "auto", "plugins": [Environment()]}
    parallel = DDPStrategy(cluster_environment=Environment(), find_unused_parameters=True, broadcast_buffers=False)
    return {"strategy": parallel, "plugins": []}
