"""Running statistics of BatchNorm over several ranks: equal to those of one process that sees all groups in turn.

A step moves the running value r by momentum m to d r + m s_i, where d is 1 - m and s_i is of the group of rank i. From the
values r_i of the ranks after their own step, that after all groups in their order follows:
d^W r + sum over i of d^(W - 1 - i) (r_i - d r), for W ranks. A layer that is used k times a step has d = (1 - m)^k.
Legend: N running means and variances of all layers in a row.
"""

from typing import Any

import torch
from torch import Tensor, distributed, nn

from pvt_exp.nn import ranks


class Statistics:
    """Keeps the statistics of a network's BatchNorm layers equal on all ranks; with one rank it does nothing."""

    def __init__(self, network: nn.Module) -> None:
        self._layers = [
            layer for layer in network.modules()
            if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.track_running_stats
        ]  # fmt: skip
        self._moving: list[Any] = []

    def note(self) -> None:
        """Call before a step's forward pass: remembers the statistics."""
        self._moving = [layer for layer in self._layers if layer.training] if ranks.world() > 1 else []
        if self._moving:
            self._before_N = _flat(self._moving)
            self._counted = [layer.num_batches_tracked.clone() for layer in self._moving]

    @torch.no_grad()
    def join(self) -> None:
        """Call after the backward pass, which needs them unchanged: joins the statistics of all ranks."""
        if not self._moving:
            return
        world, own_N = ranks.world(), _flat(self._moving)
        of_ranks_N = [torch.empty_like(own_N) for _ in range(world)]
        distributed.all_gather(of_ranks_N, own_N)
        uses = [layer.num_batches_tracked - before for layer, before in zip(self._moving, self._counted, strict=True)]
        rest_N = torch.cat([
            ((1 - layer.momentum) ** used).to(own_N.dtype).expand(buffer.numel())
            for layer, used in zip(self._moving, uses, strict=True)
            for buffer in _buffers(layer)
        ])  # fmt: skip
        joined_N = rest_N**world * self._before_N
        for place, each_N in enumerate(of_ranks_N):
            joined_N += rest_N ** (world - 1 - place) * (each_N - rest_N * self._before_N)
        buffers = [buffer for layer in self._moving for buffer in _buffers(layer)]
        for buffer, value in zip(buffers, torch.split(joined_N, [each.numel() for each in buffers]), strict=True):
            buffer.copy_(value.view_as(buffer))
        for layer, used in zip(self._moving, uses, strict=True):
            layer.num_batches_tracked += (world - 1) * used


def _buffers(layer: Any) -> tuple[Tensor, Tensor]:
    return layer.running_mean, layer.running_var


def _flat(layers: list[Any]) -> Tensor:
    return torch.cat([buffer.flatten() for layer in layers for buffer in _buffers(layer)])
