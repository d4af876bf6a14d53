"""Adam with decoupled weight decay (arXiv 1711.05101)."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pvt_exp.optimizers import Optimizer

if TYPE_CHECKING:
    import torch


class Settings(Optimizer):
    """Adam with decoupled weight decay (arXiv 1711.05101)."""

    kind: Literal["adamw"] = "adamw"
    weight_decay: float = Field(0.05, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the moving averages of the gradient and of its square."""
    eps: float = Field(1e-8, gt=0)
    """Added to the denominator."""

    def build(self, groups: list[dict[str, Any]], lr: float, fused: bool) -> "torch.optim.Optimizer":
        from pvt_exp.nn import optim

        return optim.adamw(self, groups, lr, fused)
