"""How weights are learnt from gradients: ``optim: {kind: adamw}``. Each file is a kind; here is what they share.

Weight decay, the scale of the rate with the batch and the clipping of gradients are the same for all and done outside of
what `build` makes, which is any `torch.optim.Optimizer`.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pvt_exp.config.component import Component

if TYPE_CHECKING:
    import torch

NoDecay = Literal["vectors", "norms", "nothing"]


class Optimizer(Component):
    """Settings of an optimizer, light; `build` makes it, heavy."""

    states: ClassVar[int] = 2
    """Copies of the trained parameters that it keeps, which count in the memory of a step."""

    lr: float = Field(gt=0)
    """Learning rate at its peak; see `lr_batch`."""
    lr_batch: int | None = Field(None, ge=1)
    """The batch size that `lr` is meant for: the rate used is ``lr * batch_size / lr_batch``. None: `lr` as it stands."""
    weight_decay: float = Field(0.0, ge=0)
    """Decay of the weights; which are exempt, `no_decay` says."""
    no_decay: NoDecay = "vectors"
    """What is not decayed: ``vectors`` (biases, norms) and what the backbone exempts, or ``norms`` alone, or ``nothing``."""
    clip_norm: float | None = Field(None, gt=0)
    """Largest norm of the whole gradient; none: not clipped."""

    def build(self, groups: list[dict[str, Any]], lr: float, fused: bool) -> "torch.optim.Optimizer":
        """The optimizer of parameter groups, which have their ``weight_decay``.

        Args:
            groups: As torch's optimizers take them.
            lr: The rate at its peak, scaled with the batch.
            fused: Whether a fused step is allowed. It takes a fraction of the time where parameters are many and small,
                but undoes a GradScaler's scale by itself, after the gradients' norm was taken: so not with float16.
        """
        raise NotImplementedError
