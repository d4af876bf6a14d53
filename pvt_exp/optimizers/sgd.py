"""Stochastic gradient descent with momentum."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pvt_exp.optimizers import NoDecay, Optimizer

if TYPE_CHECKING:
    import torch


class Settings(Optimizer):
    """Stochastic gradient descent with momentum."""

    states: ClassVar[int] = 1
    kind: Literal["sgd"] = "sgd"
    weight_decay: float = Field(1e-4, ge=0)
    no_decay: NoDecay = "nothing"
    """What is not decayed: ``vectors`` (biases, norms) and what the backbone exempts, or ``norms`` alone, or ``nothing``."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Part of the last step that is added to this one."""
    nesterov: bool = False
    """Nesterov's momentum."""

    def build(self, groups: list[dict[str, Any]], lr: float, fused: bool) -> "torch.optim.Optimizer":
        from pvt_exp.nn import optim

        return optim.sgd(self, groups, lr, fused)
