"""Multiply-accumulates of a module, counted on the meta device: nothing is allocated and nothing computed."""

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode


def count(module: nn.Module, *inputs: Tensor) -> int:
    """Multiply-accumulates of ``module(*inputs)``: matrix products, attention and convolutions, the papers' "FLOPs".

    The module may lie on any device and stays as it is. Counted as in testing: a BatchNorm in training refuses the one
    image of a 1 x 1 map.
    """
    trained = module.training
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in state.items()}
    module.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        functional_call(module, shapes, tuple(tensor.to("meta") for tensor in inputs))
    module.train(trained)
    flops: int = counter.get_total_flops()
    return flops // 2
