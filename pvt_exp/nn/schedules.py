"""Timm's schedulers, in units of steps or of epochs as the settings say; the rate is a pure function of the time."""

from typing import Any

import torch
from timm.scheduler.cosine_lr import CosineLRScheduler
from timm.scheduler.multistep_lr import MultiStepLRScheduler
from timm.scheduler.poly_lr import PolyLRScheduler


def cosine(settings: Any, optimizer: torch.optim.Optimizer, epochs: int, steps: int) -> CosineLRScheduler:
    """Half a cosine over so many epochs of so many steps."""
    last = epochs * settings.unit(steps)
    return CosineLRScheduler(optimizer, t_initial=last, lr_min=settings.min_lr, **settings.warmup(steps))


def poly(settings: Any, optimizer: torch.optim.Optimizer, epochs: int, steps: int) -> PolyLRScheduler:
    """A power of what is left of so many epochs of so many steps."""
    shape = {"t_initial": epochs * settings.unit(steps), "power": settings.power, "lr_min": settings.min_lr}
    return PolyLRScheduler(optimizer, **shape, **settings.warmup(steps))


def step(settings: Any, optimizer: torch.optim.Optimizer, steps: int) -> MultiStepLRScheduler:
    """A fall at each milestone."""
    # timm lets the rate fall one unit before what it is given, and counts from the end of the warm-up unless told not to
    falls = [milestone * settings.unit(steps) + 1 for milestone in settings.milestones]
    rest = {"decay_rate": settings.factor, "warmup_prefix": False}
    return MultiStepLRScheduler(optimizer, decay_t=falls, **rest, **settings.warmup(steps))
