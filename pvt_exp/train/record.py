"""Collects what goes into ``result.json`` during training, and writes the progress that the driver shows."""

import math
import os
import resource
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from pvt_exp.config import excluded
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.datasets import Facts
from pvt_exp.nn import ranks
from pvt_exp.nn.tasks.training import Diverged, Training
from pvt_exp.store import attempts, progress, provenance
from pvt_exp.system import files
from pvt_exp.system.ends import Pruned

PROGRESS_EVERY_S = 0.5


def metrics(trainer: pl.Trainer) -> dict[str, float]:
    """The metrics of the newest validation."""
    return {k: float(v) for k, v in trainer.callback_metrics.items() if "/" not in k and k != "lr"}


def scored(trainer: pl.Trainer, module: Training) -> tuple[dict[str, float], dict[str, str]]:
    """The metrics of the newest validation, and why others could not be computed.

    The task's first metric and those of `task.metrics` are in one of the two.
    """
    found, why, task = metrics(trainer), dict(module.unscored), module.task
    for name in (task.metric, *(each.name for settings in task.metrics for each in settings.declared)):
        if name not in found and name not in why:
            why[name] = f"the task {task.kind} computed none"
    return {name: value for name, value in found.items() if name not in why}, why  # Lightning keeps an earlier epoch's


class Record(pl.Callback):
    """Collects the run's result, kept when the run is resumed, and writes its progress."""

    def __init__(self, run: Run, attempt: Path, facts: Facts) -> None:
        self.run, self.attempt, self.facts = run, attempt, facts
        self.last: dict[str, float] = {}
        self.unscored: dict[str, str] = {}
        """Why a metric is not in `last`."""
        self.per_class: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {}
        self.pretrained: dict[str, Any] | None = None
        self.fingerprint = facts.fingerprint
        self.seconds, self.samples, self.resumed = 0.0, 0, 0
        self.unread: dict[str, dict[str, None]] = {"train": {}, "val": {}}
        """By split, the reasons of unreadable images, one an image; after `count`, of all ranks."""
        self.code, diff = provenance.code()  # now, while it is what was imported
        self.packages = provenance.of_packages(run)
        if diff and ranks.rank() == 0:
            files.put(attempt / "code.diff", diff)
        self._since = time.monotonic()
        self._shown = 0.0
        self.scored = 0
        """The epoch that `last` is of."""
        self._data_wait = Stopwatch()
        self._beats = 0

    def state_dict(self) -> dict[str, Any]:
        """The state for a checkpoint. All ranks must call it."""
        self.count()
        kept = (
            "last",
            "unscored",
            "per_class",
            "best",
            "pretrained",
            "seconds",
            "samples",
            "unread",
            "resumed",
            "fingerprint",
        )
        return {name: getattr(self, name) for name in kept}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of the attempt before."""
        for name, value in state_dict.items():
            setattr(self, name, value)
        self.resumed += 1

    def count(self) -> None:
        """Update the time, and gather the unreadable images of all ranks. All ranks must call it."""
        of_all = ranks.gathered(self.unread)
        self.unread = {split: dict.fromkeys(why for each in of_all for why in each[split]) for split in self.unread}
        self._count_time()

    def _count_time(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._since
        self._since = now

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._data_wait = Stopwatch()

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        self._data_wait.stop()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        module.log("train/data_wait", self._data_wait.share)

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.samples += len(batch["target"]) * trainer.world_size
        self._not_read("train", batch)
        self._data_wait.start()
        if time.monotonic() - self._shown > PROGRESS_EVERY_S:
            self._show(trainer.current_epoch, (batch_idx + 1) / max(1, int(trainer.num_training_batches)))

    def on_validation_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self._not_read("val", batch)
        if time.monotonic() - self._shown > PROGRESS_EVERY_S:
            self._show(trainer.current_epoch, 1.0)

    def on_validation_end(self, trainer: pl.Trainer, module: Any) -> None:
        task = self.run.task
        self.last, self.unscored = scored(trainer, module)
        self.per_class, self.scored = module.per_class, trainer.current_epoch + 1
        sign = 1 if task.larger_is_better else -1
        value = self.last.get(task.metric)
        if value is not None and (not self.best or sign * value > sign * self.best["metrics"][task.metric]):
            self.best = {"epoch": trainer.current_epoch + 1, "metrics": self.last}
        self._show(trainer.current_epoch, 1.0)
        if (
            trainer.current_epoch + 1 < self.run.epochs
            and (why := ranks.of_first(attempts.pruned(self.attempt))) is not None
        ):
            raise Pruned(why)

    def _not_read(self, split: str, batch: dict[str, Any]) -> None:
        self.unread[split] |= dict.fromkeys(batch["skipped"])

    def _show(self, epoch: int, part: float) -> None:
        if ranks.rank():
            return
        self._shown = time.monotonic()
        told = {"epoch": epoch + 1, "epochs": self.run.epochs, "fraction": (epoch + part) / self.run.epochs}
        self._beats += 1
        told |= {"scored_epoch": self.scored, "beats": self._beats}
        progress.write(self.attempt, {**told, "metrics": self.last, "best": self.best.get("metrics", {})})

    def result(self, module: Training, placement: Placement, cost: dict[str, Any]) -> dict[str, Any]:
        """The content of ``result.json``, described in docs/json.md. Call `count` first."""
        self._count_time()
        describe = self.run.task.describe
        if not all(map(math.isfinite, self.last.values())):
            raise Diverged(module.global_step, self.run.lr, math.nan)
        return {
            "run": self.run.id,
            "epoch": self.run.epochs,
            "metrics": self.last,
            "unscored": self.unscored,
            "metric_info": {name: each.info() for name in self.last if (each := describe(name)).is_declared},
            "per_class": self.per_class,
            "best": self.best,
            "cost": cost,
            "data": {
                "name": self.run.dataset.name,
                "fingerprint": self.facts.fingerprint,
                "classes": len(self.facts.classes),
                "class_names": list(module.classes),
                "category_ids": list(module.category_ids),
                "images": self.facts.images,
                "counts": self.facts.counts,
                "left_out": excluded.as_json(excluded.of_a_run(self.facts.left_out, self.unread)),
            },
            "provenance": {
                "git": self.code,
                "packages": self.packages,
                "versions": provenance.versions(),
                "hardware": {**provenance.machine(), **_devices(placement)},
                "command": list(placement.command),
                "seconds": round(self.seconds, 3),
                "samples_seen": self.samples,
                "batch_size": self.run.batch_size,
                "micro_batch": placement.micro_batch or self.run.ghost_batch_size,
                "ranks": placement.ranks,
                "recovered": placement.recovering,
                "lr": self.run.lr,
                "precision": self.run.precision,
                "pretrained": self.pretrained,
                "resumed": self.resumed,
                "attempt": int(self.attempt.name),
            },
            "finished": files.now(),
        }


class Stopwatch:
    """Measures the time between steps, in which the next batch is fetched. It runs from the start."""

    def __init__(self) -> None:
        self.begun = self._started = time.monotonic()
        self.spent = 0.0

    def start(self) -> None:
        self._started = time.monotonic()

    def stop(self) -> None:
        self.spent += time.monotonic() - self._started

    @property
    def share(self) -> float:
        """That time as a part of all time since the stopwatch was made, from 0 to 1."""
        return self.spent / max(time.monotonic() - self.begun, 1e-9)


def _devices(placement: Placement) -> dict[str, Any]:
    if not placement.gpus:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {"threads": placement.threads, "peak_memory_bytes": peak}
    return {
        "threads": placement.threads,
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "visible_gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "peak_memory_bytes": torch.cuda.max_memory_allocated(),
    }
