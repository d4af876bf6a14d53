"""How the learning rate changes: ``schedule: {kind: cosine}``. Each file is a kind; here is what they share.

What `build` makes is a scheduler of timm (`timm.scheduler.scheduler.Scheduler`), whose rate follows from the step or the
epoch alone, so that a resumed run has the rate that an undisturbed one has.
"""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from pvt_exp.config.component import Component

if TYPE_CHECKING:
    import torch
    from timm.scheduler.scheduler import Scheduler


class Schedule(Component):
    """Settings of a schedule, light; `build` makes it, heavy. All have a linear warm-up."""

    per: Literal["step", "epoch"] = "step"
    """How often the rate moves."""
    warmup_epochs: int = Field(0, ge=0)
    """Epochs in which the rate rises from `warmup_lr` to its peak."""
    warmup_steps: int = Field(0, ge=0)
    """The warm-up in optimizer steps instead of epochs."""
    warmup_lr: float = Field(1e-6, ge=0)
    """The rate that the warm-up starts from; not scaled with the batch."""

    @model_validator(mode="after")
    def _one_warmup(self) -> "Schedule":
        if self.warmup_steps and self.warmup_epochs:
            raise ValueError("warmup_steps and warmup_epochs are both given; write one")
        if self.warmup_steps and self.per == "epoch":
            raise ValueError("warmup_steps needs per: step, for else the rate moves between epochs only")
        return self

    def unit(self, steps_per_epoch: int) -> int:
        """How many units of the schedule's time, steps or epochs, are in an epoch."""
        return steps_per_epoch if self.per == "step" else 1

    def warmup(self, steps_per_epoch: int) -> dict[str, Any]:
        """The warm-up in the words of timm's schedulers."""
        return {
            "warmup_t": self.warmup_epochs * self.unit(steps_per_epoch) + self.warmup_steps,
            "warmup_lr_init": self.warmup_lr,
            "t_in_epochs": self.per == "epoch",
        }

    def build(self, optimizer: "torch.optim.Optimizer", epochs: int, steps_per_epoch: int) -> "Scheduler":
        """The scheduler of a run of so many epochs; the optimizer has the rate at its peak."""
        raise NotImplementedError
