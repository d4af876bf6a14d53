"""Run, Sweep and Placement: what can be configured, and nothing that runs."""

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from pvt_exp import identity
from pvt_exp.component import kinds, one_of
from pvt_exp.config import DOTTED, Frozen, or_null, or_text
from pvt_exp.doubt import CHECKED_LATER
from pvt_exp.match import Match
from pvt_exp.recipe import SGD, AdamW, Cosine, Poly, Step
from pvt_exp.space import Holdout, Tune

# ---------------------------------------------------------------- a run: what is computed, never where or how fast


class Pretrain(Frozen):
    """The first stage: another run, whose backbone this one starts from. Written as the path of its experiment."""

    experiment: str | None = Field(None, exclude=True)
    """The first stage's experiment, relative to the file that this stands in. It is trained with this run's architecture,
    so what a sweep changes there changes in both stages; drop path, frozen parts and all else stay its own."""
    seed: Literal["same"] | int = Field("same", exclude=True)
    """Of the first stage: the ``same`` as this run's, or one number for all seeds, which then share their start."""
    weights: Literal["last", "ema"] | None = None
    """Which weights are taken: those of the ``last`` step, or their moving average; left out: what was scored."""
    run: SkipJsonSchema["Run | None"] = None
    """The whole first stage, filled in from `experiment`."""

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
            raise ValueError("experiment is missing: the file of the first stage")
        if self.run is not None and self.weights == "ema" and self.run.ema_decay is None:
            raise ValueError("weights: ema is not there: the first stage has no ema_decay")
        return self


def _or_32(schema: dict[str, Any]) -> None:
    schema.pop("type", None)
    schema["enum"].append(32)


class Run(Frozen):
    """One complete configuration with one seed: what gets trained once."""

    task: one_of("tasks")  # type: ignore[valid-type]
    dataset: one_of("datasets")  # type: ignore[valid-type]
    backbone: one_of("backbones")  # type: ignore[valid-type]
    optim: Annotated[AdamW | SGD, Field(discriminator="kind")]
    schedule: Annotated[Cosine | Step | Poly, Field(discriminator="kind")]
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    """Images an optimizer step, over all GPUs and accumulated parts."""
    group_size: int = Field(default_factory=lambda said: said["batch_size"], ge=1, json_schema_extra=or_null)
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

    @field_validator("group_size", mode="before")
    @classmethod
    def _whole_batch(cls, value: Any, info: ValidationInfo) -> Any:
        return info.data.get("batch_size", 1) if value is None else value  # else batch_size is told

    @model_validator(mode="after")
    def _parts_fit(self) -> "Run":
        if self.batch_size % self.group_size:
            raise ValueError(f"group_size {self.group_size} does not divide batch_size {self.batch_size}")
        if self.task.kind not in self.dataset.tasks:
            serves = ", ".join(sorted(self.dataset.tasks))
            raise ValueError(
                f"dataset: kind {self.dataset.kind} has no labels for the task {self.task.kind}; it serves {serves}"
            )
        if self.schedule.warmup_epochs >= self.epochs:
            raise ValueError(
                f"schedule.warmup_epochs {self.schedule.warmup_epochs} leaves none of {self.epochs} epochs"
            )
        mixing = getattr(self.task, "mixing", None)
        if mixing is not None and self.group_size % 2:
            raise ValueError(f"task.mixing pairs images, so group_size must be even, not {self.group_size}")
        self.task.check_backbone(self.backbone)
        if self.pretrain is not None and self.backbone.pretrained is not None:
            raise ValueError("pretrain and backbone.pretrained are two starts: leave one out")
        if getattr(self.backbone, "frozen", None) and self.pretrain is None and self.backbone.pretrained is None:
            raise ValueError("backbone.frozen without weights to start from would keep random ones: write frozen: null")
        return self

    @property
    def need(self) -> "Run | None":
        """The run that must be done before this one can start."""
        return None if self.pretrain is None else self.pretrain.run

    @cached_property
    def id(self) -> str:
        """Twelve hex digits over every field, defaults and seed included: the run's folder and its name everywhere."""
        return identity.digest(self._texts)

    @cached_property
    def _texts(self) -> dict[str, str]:
        assert self.pretrain is None or self.pretrain.run is not None, (
            "stages.complete has not filled in the first stage"
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


# ---------------------------------------------------------------- placement: where and how a run is computed

Track = Literal["online", "offline", "disabled"]


class Tracking(Frozen):
    """What W&B is told of a run."""

    mode: Track = "offline"
    project: str = "pvt-exp"
    entity: str | None = None
    group: str | None = None
    job: str | None = None
    """The job type; none: the kind of the task."""
    name: str | None = None
    tags: tuple[str, ...] = ()
    notes: str | None = None
    axes: dict[str, str] = Field({})
    """The row's choice of every axis of its sweep."""
    alerts: bool = False
    """Whether W&B sends word when a run fails and when a sweep ends."""
    agent: str | None = None
    """The run that a W&B agent asked for: W&B knows it by the id that the agent gave."""


class Placement(Frozen):
    """Where and how a run is computed. Never part of the run, and must not change its result beyond rounding."""

    data: str | None = None
    """Folder of the run's data set on this machine."""
    weights: str | None = None
    """The checkpoint file that the run's pretrained weights are in, on this machine."""
    gpus: tuple[int, ...] = ()
    """Numbers of the GPUs; empty: the CPU."""
    ranks: int = Field(1, ge=1)
    """Processes that train it together, a GPU each."""
    threads: int = Field(1, ge=1)
    """CPU threads that compute, of each process."""
    workers: int = Field(0, ge=0)
    """Processes that load data; 0: the run's own."""
    micro_batch: int | None = Field(None, ge=1)
    """Images a GPU holds at once; none: a group. Drop path, and what a detector
    samples, is then drawn anew, with the same rates; where a group's images are normalised together it is refused."""
    checkpoint_minutes: float = Field(10.0, gt=0)
    """Most minutes between two checkpoints; there is one at the end of each epoch besides."""
    keep: Literal["last", "none"] = "last"
    """Which checkpoints stay when the run is done."""
    memory_gb: float | None = Field(None, gt=0)
    """Most memory of the run's process on the CPU, in 10^9 bytes; none: what there is."""
    smoke: bool = False
    """Train one step and score one batch to see whether that works, and keep nothing of it."""
    recovering: str | None = None
    """Why this attempt is placed otherwise than the command says."""
    tracking: Tracking = Tracking()
    command: tuple[str, ...] = ()
    """The command line that launched it."""


class Site(Frozen):
    """``site.yaml``: what holds on this machine for every run. Not committed."""

    data: dict[str, str] = Field({})
    """Folder of each data set by its name."""
    wandb: Tracking | None = None
    """W&B's project, entity, mode and alerts."""

    @field_validator("data", mode="before")
    @classmethod
    def _nothing_written(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("data")
    @classmethod
    def _are_paths(cls, value: dict[str, str]) -> dict[str, str]:
        for name, path in value.items():
            try:
                is_path = b"\0" not in os.fsencode(path)
            except UnicodeEncodeError:
                is_path = False
            if not is_path:
                raise ValueError(f"{name}: no path can be {path!r}")
        return value


# ---------------------------------------------------------------- a sweep: the question


def _plain(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise ValueError("a name is a line of plain text")
    return name


Changes = Annotated[dict[str, Any], CHECKED_LATER, WithJsonSchema({DOTTED: "changes"})]
"""Dotted field to new value; a mapping with `kind` replaces a component."""
Name = Annotated[str, AfterValidator(_plain)]
"""Of an axis, a choice, a step or a variant: it stands in tables, in messages and after ``--only``."""
References = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
"""Of published figures: ``v1/table2/PVT-Small``, or a list of such; see `pvt_exp.published`."""
Choices = Annotated[dict[Name, Changes], Field(min_length=1)]
Axes = Annotated[dict[Name, Choices], Field(min_length=1)]


class Block(Frozen):
    """One way to spell variants. A block has exactly one of these keys; several blocks add up."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    product: Axes | None = None
    """Every combination of the axes' choices."""
    zip: Axes | None = None
    """The first choices of all axes together, then the second ones, and so on."""
    one_at_a_time: Axes | None = None
    """The base, and each single change to it: the usual ablation table."""
    cumulative: Choices | None = None
    """Each step on top of the ones before: the usual table of a method's parts."""
    variants: Choices | None = None
    """Changes to the base, each with a name."""

    @model_validator(mode="after")
    def _one_key(self) -> "Block":
        if len(self.model_fields_set) != 1 or getattr(self, *self.model_fields_set) is None:
            raise ValueError("a block has exactly one key of " + ", ".join(type(self).model_fields))
        if self.zip and len({len(choices) for choices in self.zip.values()}) > 1:
            lengths = ", ".join(f"{axis} has {len(choices)}" for axis, choices in self.zip.items())
            raise ValueError(f"zip needs axes of one length: {lengths}")
        return self


class StopIfFirst(Frozen):
    """Stop a sweep that is wrong from the start."""

    stop_if_first: int = Field(ge=1)
    """So many runs, the first to end, have no result."""


class Policy(Frozen):
    """What is done about runs that do not end well."""

    on_error: Literal["continue", "stop"] | StopIfFirst = "continue"
    """When a run fails, runs out of memory or hangs: go on with the others; ``stop``, with checkpoints; or
    ``{stop_if_first: 3}``: stop if the first so many runs all end without a result."""
    retries: int = Field(2, ge=0)
    """How often a run that was killed (kill -9, a lost loader process) without a checkpoint is tried again at once."""
    stall_minutes: float = Field(30.0, gt=0)
    """A run that makes no step for so long has hung: it is ended, as ``timed_out``."""


class Sweep(Policy):
    """A base run, what varies, and the seeds: the question being asked."""

    base: str
    """The experiment that variants are changes of, relative to this file."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = Field((0,), min_length=1)
    """Every variant is trained once with each."""
    blocks: tuple[Block, ...] = Field(min_length=1)
    where: str | None = None
    """Keeps the variants for which this holds, for instance ``backbone.depths[2] <= 6 and optim.lr < base.optim.lr``."""
    match: Match | None = None
    """Scales a field of each row until it costs what the base does; none: rows cost what they cost."""
    tune: Tune | None = None
    """Settings that are chosen for each variant by trials before it is trained; none: all are as written."""
    published: dict[str, References] = Field({})
    """What papers and others have published of a row: its name (``PVT-Small``, ``PVT-Small, 1x`` or ``axis choice``) to
    references (``v1/table2/PVT-Small``), which ``pvt-exp published`` lists. No part of a run."""
    strict: bool = False
    """Refuse rows whose recipe differs from the base's in more than what they study."""
    launcher: one_of("launchers") = kinds("launchers")["local"]()  # type: ignore[valid-type]
