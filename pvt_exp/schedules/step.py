"""A rate that falls at milestones."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pvt_exp.schedules import Schedule

if TYPE_CHECKING:
    import torch
    from timm.scheduler.scheduler import Scheduler


class Settings(Schedule):
    """The rate falls by `factor` at each of the milestones, after a linear warm-up."""

    kind: Literal["step"] = "step"
    per: Literal["step", "epoch"] = "epoch"
    """How often the rate moves."""
    milestones: tuple[int, ...] = Field(min_length=1)
    """Epochs."""
    factor: float = Field(0.1, gt=0, lt=1)
    """What the rate is multiplied by at a milestone."""

    def build(self, optimizer: "torch.optim.Optimizer", epochs: int, steps_per_epoch: int) -> "Scheduler":
        from pvt_exp.nn import schedules

        return schedules.step(self, optimizer, steps_per_epoch)
