"""Half a cosine (arXiv 1608.03983)."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pvt_exp.schedules import Schedule

if TYPE_CHECKING:
    import torch
    from timm.scheduler.scheduler import Scheduler


class Settings(Schedule):
    """Half a cosine from the peak rate to `min_lr` (arXiv 1608.03983) after a linear warm-up."""

    kind: Literal["cosine"] = "cosine"
    warmup_epochs: int = Field(5, ge=0)
    """Epochs in which the rate rises from `warmup_lr` to its peak."""
    min_lr: float = Field(1e-5, ge=0)
    """The rate at the end; not scaled with the batch."""

    def build(self, optimizer: "torch.optim.Optimizer", epochs: int, steps_per_epoch: int) -> "Scheduler":
        from pvt_exp.nn import schedules

        return schedules.cosine(self, optimizer, epochs, steps_per_epoch)
