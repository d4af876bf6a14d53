"""A line of the attempt's ``log.txt`` for each epoch, so that `tail -f` shows how a run goes."""

import contextlib
import time
from typing import Any

import pytorch_lightning as pl

from pvt_exp.system.words import duration
from pvt_exp.train.record import Record


class EpochLines(pl.Callback):
    """``epoch 3 of 10: train loss 1.234, top-1 43.75 %, loss 1.3, 12 s``. Comes after its `Record` among the callbacks."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self._begun = time.monotonic()
        self._loss: Any = 0.0
        self._parts = 0

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._begun, self._loss, self._parts = time.monotonic(), 0.0, 0

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        # Lightning has divided it by the parts of the batch; it stays on its device, as reading it would wait for a GPU
        self._loss = self._loss + outputs["loss"].detach() * trainer.accumulate_grad_batches
        self._parts += 1

    def on_validation_end(self, trainer: pl.Trainer, module: Any) -> None:
        if not trainer.is_global_zero:
            return
        run = self.record.run
        told = [f"train loss {float(self._loss / self._parts):.4g}"] if self._parts else []
        for metric in run.task.all_metrics:
            if metric.shown and (value := self.record.last.get(metric.name)) is not None:
                told.append(f"{metric.title} {metric.text(value)}")
        told += [f"no {name}: {why}" for name, why in self.record.unscored.items()]
        seconds = duration(time.monotonic() - self._begun)
        with contextlib.suppress(OSError):  # a full disk keeps no run from going on
            print(f"epoch {trainer.current_epoch + 1} of {run.epochs}: {', '.join([*told, seconds])}", flush=True)
