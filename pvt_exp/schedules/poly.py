"""A power of the part that is left (arXiv 1606.00915, section 4.1)."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pvt_exp.schedules import Schedule

if TYPE_CHECKING:
    import torch
    from timm.scheduler.scheduler import Scheduler


class Settings(Schedule):
    """The rate falls as a power of the part that is left, from the peak to `min_lr` (arXiv 1606.00915, section 4.1)."""

    kind: Literal["poly"] = "poly"
    power: float = Field(0.9, gt=0)
    """1: linear."""
    min_lr: float = Field(0.0, ge=0)
    """The rate at the end; not scaled with the batch."""

    def build(self, optimizer: "torch.optim.Optimizer", epochs: int, steps_per_epoch: int) -> "Scheduler":
        from pvt_exp.nn import schedules

        return schedules.poly(self, optimizer, epochs, steps_per_epoch)
