"""How weights are learnt: optimizers and schedules of the learning rate. Settings only; `optim.py` makes them."""

from typing import Literal

from pydantic import Field, model_validator

from pvt_exp.config.component import Component

NoDecay = Literal["vectors", "norms", "nothing"]


class AdamW(Component):
    """Adam with decoupled weight decay (arXiv 1711.05101)."""

    kind: Literal["adamw"] = "adamw"
    lr: float = Field(gt=0)
    """Learning rate at its peak; see `lr_batch`."""
    lr_batch: int | None = Field(None, ge=1)
    """The batch size that `lr` is meant for: the rate used is ``lr * batch_size / lr_batch``. None: `lr` as it stands."""
    weight_decay: float = Field(0.05, ge=0)
    no_decay: NoDecay = "vectors"
    """What is not decayed: ``vectors`` (biases, norms) and what the backbone exempts, or ``norms`` alone, or ``nothing``."""
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(1e-8, gt=0)
    clip_norm: float | None = Field(None, gt=0)
    """Largest norm of the whole gradient; none: not clipped."""


class SGD(Component):
    """Stochastic gradient descent with momentum."""

    kind: Literal["sgd"] = "sgd"
    lr: float = Field(gt=0)
    """Learning rate at its peak; see `lr_batch`."""
    lr_batch: int | None = Field(None, ge=1)
    """The batch size that `lr` is meant for: the rate used is ``lr * batch_size / lr_batch``. None: `lr` as it stands."""
    weight_decay: float = Field(1e-4, ge=0)
    no_decay: NoDecay = "nothing"
    """What is not decayed: ``vectors`` (biases, norms) and what the backbone exempts, or ``norms`` alone, or ``nothing``."""
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = False
    clip_norm: float | None = Field(None, gt=0)
    """Largest norm of the whole gradient; none: not clipped."""


class Schedule(Component):
    """What all schedules share: a linear warm-up."""

    per: Literal["step", "epoch"] = "step"
    """How often the rate moves."""
    warmup_epochs: int = Field(0, ge=0)
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


class Cosine(Schedule):
    """Half a cosine from the peak rate to `min_lr` (arXiv 1608.03983) after a linear warm-up."""

    kind: Literal["cosine"] = "cosine"
    warmup_epochs: int = Field(5, ge=0)
    min_lr: float = Field(1e-5, ge=0)
    """The rate at the end; not scaled with the batch."""


class Step(Schedule):
    """The rate falls by `factor` at each of the milestones, after a linear warm-up."""

    kind: Literal["step"] = "step"
    per: Literal["step", "epoch"] = "epoch"
    """How often the rate moves."""
    milestones: tuple[int, ...] = Field(min_length=1)
    """Epochs."""
    factor: float = Field(0.1, gt=0, lt=1)


class Poly(Schedule):
    """The rate falls as a power of the part that is left, from the peak to `min_lr` (arXiv 1606.00915, section 4.1)."""

    kind: Literal["poly"] = "poly"
    power: float = Field(0.9, gt=0)
    min_lr: float = Field(0.0, ge=0)
    """The rate at the end; not scaled with the batch."""
