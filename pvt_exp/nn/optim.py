"""Parameter groups and optimizers."""

from typing import Any

import torch
from torch import nn

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)


def parameter_groups(model: nn.Module, optim: Any, exempt: set[str]) -> list[dict[str, Any]]:
    """Parameters with and without weight decay, as ``optim.no_decay`` says; those without a gradient are in neither.

    ``vectors`` spares biases, norms and the ``exempt`` names, the rule of the released PVT code (that of DeiT, arXiv
    2012.12877); ``norms`` is mmdetection's ``norm_decay_mult: 0``.
    """
    norms = {id(p) for module in model.modules() if isinstance(module, NORMS) for p in module.parameters(recurse=False)}
    decayed: list[nn.Parameter] = []
    exempted: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_exempt = {
                "vectors": parameter.ndim <= 1 or name in exempt,
                "norms": id(parameter) in norms,
                "nothing": False,
            }[optim.no_decay]
            (exempted if is_exempt else decayed).append(parameter)
    groups = [{"params": decayed, "weight_decay": optim.weight_decay}, {"params": exempted, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def adamw(settings: Any, groups: list[dict[str, Any]], lr: float, fused: bool) -> torch.optim.Optimizer:
    """Torch's AdamW."""
    return torch.optim.AdamW(groups, lr=lr, betas=settings.betas, eps=settings.eps, fused=fused)


def sgd(settings: Any, groups: list[dict[str, Any]], lr: float, fused: bool) -> torch.optim.Optimizer:
    """Torch's SGD."""
    return torch.optim.SGD(groups, lr=lr, momentum=settings.momentum, nesterov=settings.nesterov, fused=fused)
