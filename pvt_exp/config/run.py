"""Run: one complete configuration with one seed. What is computed, never where or how fast."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from pvt_exp.config import Frozen, identity, or_null, or_text
from pvt_exp.config.component import one_of
from pvt_exp.config.space import Holdout
from pvt_exp.system.words import several


class Pretrain(Frozen):
    """Another run, trained first: this one starts from its backbone. Written as the path of its experiment."""

    experiment: str | None = Field(None, exclude=True)
    """The pretraining's experiment, relative to the file that this stands in. It is trained with this run's architecture,
    so what a sweep changes there changes in both runs; drop path, frozen parts and all else stay its own."""
    seed: Literal["same"] | int = Field("same", exclude=True)
    """Of the pretraining run: the ``same`` as this run's, or one number for all seeds, which then share their start."""
    weights: Literal["last", "ema"] | None = None
    """Which weights are taken: those of the ``last`` step, or their moving average; left out: what was scored."""
    run: SkipJsonSchema["Run | None"] = None
    """The whole pretraining run, filled in from `experiment`."""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        return {"experiment": value} if isinstance(value, str) else value

    @field_validator("seed", mode="before")
    @classmethod
    def _a_seed(cls, value: Any) -> Any:
        if value != "same" and not (type(value) is int and 0 <= value < 2**32):
            raise ValueError(f"must be same, or a number from 0 on, not {value!r}")
        return value

    @model_validator(mode="after")
    def _is_there(self) -> "Pretrain":
        if self.run is None and self.experiment is None:
            raise ValueError("experiment is missing: the file of the pretraining")
        if self.run is not None and self.weights == "ema" and self.run.ema_decay is None:
            raise ValueError("weights: ema is not there: the pretraining has no ema_decay")
        return self


def _or_32(schema: dict[str, Any]) -> None:
    schema.pop("type", None)
    schema["enum"].append(32)


class Run(Frozen):
    """One complete configuration with one seed: what gets trained once."""

    task: one_of("tasks")  # type: ignore[valid-type]
    dataset: one_of("datasets")  # type: ignore[valid-type]
    backbone: one_of("backbones")  # type: ignore[valid-type]
    optim: one_of("optimizers")  # type: ignore[valid-type]
    schedule: one_of("schedules")  # type: ignore[valid-type]
    epochs: int = Field(ge=1, le=1_000_000)
    batch_size: int = Field(ge=1, le=10_000_000)
    """Images an optimizer step, over all GPUs and accumulated parts."""
    ghost_batch_size: int = Field(default_factory=lambda said: said["batch_size"], ge=1, json_schema_extra=or_null)
    """Images a BatchNorm statistic and a mixup draw are taken over; the whole batch where it is left out."""
    ema_decay: float | None = Field(None, gt=0, lt=1)
    """Decay of the moving average of the weights, which is then what is scored; none: the weights themselves."""
    precision: Literal["32", "tf32", "bf16-mixed", "16-mixed"] = Field("32", json_schema_extra=_or_32)
    """``32`` is true float32, ``tf32`` lets GPUs round inputs of products to 10 bits."""
    seed: int = Field(0, ge=0, lt=2**32)
    pretrain: Pretrain | None = Field(None, json_schema_extra=or_text)
    """The run whose backbone this one starts from: the path of its experiment; none: random, or `backbone.pretrained`."""
    holdout: Holdout | None = None
    """Score on a part of the training images, and leave the validation split alone; none: score on that split."""

    @field_validator("precision", mode="before")
    @classmethod
    def _a_word(cls, value: Any) -> Any:
        return "32" if value == 32 else value

    @field_validator("ghost_batch_size", mode="before")
    @classmethod
    def _whole_batch(cls, value: Any, info: ValidationInfo) -> Any:
        return info.data.get("batch_size", 1) if value is None else value  # else batch_size is told

    @model_validator(mode="after")
    def _parts_fit(self) -> "Run":
        if self.batch_size % self.ghost_batch_size:
            raise ValueError(f"ghost_batch_size {self.ghost_batch_size} does not divide batch_size {self.batch_size}")
        if self.task.kind not in self.dataset.tasks:
            serves = ", ".join(sorted(self.dataset.tasks))
            raise ValueError(
                f"dataset: kind {self.dataset.kind} has no labels for the task {self.task.kind}; it serves {serves}"
            )
        if self.schedule.warmup_epochs >= self.epochs:
            raise ValueError(
                f"schedule.warmup_epochs {self.schedule.warmup_epochs} leaves none of {several(self.epochs, 'epoch')}"
            )
        mixing = getattr(self.task, "mixing", None)
        if mixing is not None and self.ghost_batch_size % 2:
            raise ValueError(f"task.mixing pairs images, so ghost_batch_size must be even, not {self.ghost_batch_size}")
        self.task.check_backbone(self.backbone)
        if self.pretrain is not None and self.backbone.pretrained is not None:
            raise ValueError("pretrain and backbone.pretrained are two starts: leave one out")
        if getattr(self.backbone, "frozen", None) and self.pretrain is None and self.backbone.pretrained is None:
            raise ValueError("backbone.frozen without weights to start from would keep random ones: write frozen: null")
        return self

    @property
    def pretraining(self) -> "Run | None":
        """The run that must be done before this one can start."""
        return None if self.pretrain is None else self.pretrain.run

    @cached_property
    def id(self) -> str:
        """Twelve hex digits over every field, defaults and seed included: the run's folder and its name everywhere."""
        return identity.digest(self._texts)

    @cached_property
    def _texts(self) -> dict[str, str]:
        assert self.pretrain is None or self.pretrain.run is not None, (
            "pretraining.complete has not filled in the pretraining"
        )
        return identity.texts(self)

    def with_seeds(self, seeds: Sequence[int]) -> "tuple[Run, ...]":
        """The same run with other seeds."""
        return tuple(self if seed == self.seed else self._with_seed(seed) for seed in seeds)

    def _with_seed(self, seed: int) -> "Run":
        texts, pretrain = {**self._texts, "seed": str(seed)}, self.pretrain
        if pretrain is not None and pretrain.run is not None and pretrain.seed == "same":
            pretrain = pretrain.model_copy(update={"run": pretrain.run.with_seeds([seed])[0]})
            texts["pretrain"] = identity.canonical(pretrain)
        copy = self.model_copy(update={"seed": seed, "pretrain": pretrain})
        copy.__dict__["_texts"] = texts  # where cached properties keep what they computed
        copy.__dict__["id"] = identity.digest(copy._texts)
        return copy

    @property
    def lr(self) -> float:
        """The learning rate at its peak, scaled with the batch where the run says so."""
        lr: float = self.optim.lr
        return lr * self.batch_size / self.optim.lr_batch if self.optim.lr_batch else lr


Pretrain.model_rebuild()
