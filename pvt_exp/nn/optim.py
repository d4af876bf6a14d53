"""Parameter groups, optimizers and schedules."""

from typing import Any

import torch
from timm.scheduler.cosine_lr import CosineLRScheduler
from timm.scheduler.multistep_lr import MultiStepLRScheduler
from timm.scheduler.poly_lr import PolyLRScheduler
from timm.scheduler.scheduler import Scheduler
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


def optimizer(groups: list[dict[str, Any]], optim: Any, lr: float, fused: bool = True) -> torch.optim.Optimizer:
    """The optimizer of a run's settings, at the rate scaled with the batch.

    A ``fused`` step takes a fraction of the time where parameters are many and small, but undoes a GradScaler's scale
    by itself, after the gradients' norm was taken: so not with float16.
    """
    if optim.kind == "adamw":
        return torch.optim.AdamW(groups, lr=lr, betas=optim.betas, eps=optim.eps, fused=fused)
    return torch.optim.SGD(groups, lr=lr, momentum=optim.momentum, nesterov=optim.nesterov, fused=fused)


def scheduler(optimizer: torch.optim.Optimizer, schedule: Any, epochs: int, steps_per_epoch: int) -> Scheduler:
    """Timm's scheduler, in units of steps or of epochs as the settings say; the rate is a pure function of the time."""
    unit = steps_per_epoch if schedule.per == "step" else 1
    warmup = {
        "warmup_t": schedule.warmup_epochs * unit + schedule.warmup_steps,
        "warmup_lr_init": schedule.warmup_lr,
        "t_in_epochs": schedule.per == "epoch",
    }
    if schedule.kind == "cosine":
        return CosineLRScheduler(optimizer, t_initial=epochs * unit, lr_min=schedule.min_lr, **warmup)
    if schedule.kind == "poly":
        return PolyLRScheduler(
            optimizer, t_initial=epochs * unit, power=schedule.power, lr_min=schedule.min_lr, **warmup
        )
    # timm lets the rate fall one unit before what it is given, and counts from the end of the warm-up unless told not to
    falls = [milestone * unit + 1 for milestone in schedule.milestones]
    return MultiStepLRScheduler(optimizer, decay_t=falls, decay_rate=schedule.factor, warmup_prefix=False, **warmup)
