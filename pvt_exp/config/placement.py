"""Placement: where and how a run is computed, and what holds on this machine. Never part of a run."""

from typing import Any, Literal

from pydantic import Field, field_validator

from pvt_exp.config import Frozen

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
