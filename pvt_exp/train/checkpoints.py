"""A run's checkpoints: written atomically at the end of each epoch and every few minutes, and found again.

All draws of training follow from (seed, epoch, batch) and the loader's place is in the checkpoint, so a run that goes on
from one, in the midst of an epoch too, computes what an undisturbed one does.
"""

import math
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from pvt_exp.nn import ranks
from pvt_exp.store import attempts
from pvt_exp.system import files
from pvt_exp.system.ends import Stopped
from pvt_exp.system.signals import Stopping
from pvt_exp.train.record import Record

KEPT = 2
"""Checkpoints that are kept during a run: if the newest is damaged, the one before is used."""


LONG_S = 10.0
"""Before a validation that takes longer a checkpoint is written, so that stopping it loses one step at most."""


class Whole(TorchCheckpointIO):
    """Writes a temporary file beside the target and renames it. Lightning leaves files in the system's folder if killed."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                torch.save(checkpoint, file)
        except RuntimeError as error:  # where the disk is full, the writer says where it stood
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
        files.rename(part, path)


class Checkpoints(pl.callbacks.Checkpoint):
    """Writes them, and ends the run after one when it is asked to stop.

    Lightning calls callbacks of this class after all others and after the module, so what is written is the state between
    two steps.
    """

    def __init__(
        self, attempt: Path, minutes: float, stopping: Stopping | None, passed_over: Collection[Path] = ()
    ) -> None:
        self.attempt, self.every_s, self.stopping = attempt, 60 * minutes, stopping
        self._passed_over = passed_over
        """Checkpoints that this attempt could not use: they take no place of good ones, and stay until the run is done."""
        self._written = time.monotonic()
        self._loader: Any = None
        self._place = 0
        self._validating_s = math.inf
        """Seconds of the newest validation; infinite until it is known."""
        self._is_safe = False
        """Whether there is a checkpoint one step before the next validation."""

    def state_dict(self) -> dict[str, Any]:
        """The loader's place. Lightning loses it where `estimated_stepping_batches` was used before."""
        return {"place": self._loader.place}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the loader's place."""
        self._place = int(state_dict["place"])

    @property
    def _asked(self) -> bool:
        return self.stopping is not None and self.stopping.asked

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._loader = trainer.train_dataloader
        if before := self._loader.start_at(self._place):
            # Lightning counts micro-batches of this rank, of which there may have been more or fewer an image before; it
            # adds the one after which the checkpoint was written.
            current = trainer.fit_loop.epoch_loop.batch_progress.current
            current.completed, current.ready = before - 1, before
        if self.stopping is not None:
            self.stopping.training = True

    def on_train_end(self, trainer: pl.Trainer, module: Any) -> None:
        if self.stopping is not None:
            self.stopping.training = False

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        # Not after the last batch: Lightning would go on from there without validating.
        if trainer.is_last_batch or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        is_last_place = batch_idx + 1 + trainer.accumulate_grad_batches >= trainer.num_training_batches
        due = time.monotonic() - self._written > self.every_s or (is_last_place and self._validating_s > LONG_S)
        wanted = ranks.any_of(self._asked or due)
        self._is_safe = wanted and is_last_place
        if wanted:
            module.stop_if_diverged()  # so that no checkpoint has the weights of a loss that was NaN
            self._write(trainer)
            self._stop_if_asked(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        self._write(trainer)
        if trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            self._stop_if_asked(trainer)

    def on_validation_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._began_to_validate = time.monotonic()

    def on_validation_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        long = time.monotonic() - self._began_to_validate > LONG_S
        if long and self._is_safe and ranks.world() == 1 and self._asked:  # ranks may have unequal numbers of batches
            raise Stopped("in validation; it goes on from the step before the last one")

    def on_validation_end(self, trainer: pl.Trainer, module: Any) -> None:
        self._validating_s = time.monotonic() - self._began_to_validate

    def _write(self, trainer: pl.Trainer) -> None:
        folder = self.attempt / "checkpoints"
        trainer.save_checkpoint(folder / f"epoch={trainer.current_epoch}-step={trainer.global_step}.ckpt")
        if trainer.is_global_zero:
            every = attempts.all_checkpoints(attempts.run_folder(self.attempt))
            for older in [path for path in every if path not in self._passed_over][KEPT:]:
                older.unlink(missing_ok=True)
        self._written = time.monotonic()

    def _stop_if_asked(self, trainer: pl.Trainer) -> None:
        if ranks.any_of(self._asked):
            raise Stopped(f"it goes on from epoch {trainer.current_epoch + 1}, step {trainer.global_step}")


def newer(folder: Path, than: Path | None) -> list[Path]:
    """The checkpoints of a run that are newer than the one it goes on from; all where it begins anew."""
    every = attempts.all_checkpoints(folder)
    return every[: every.index(than)] if than in every else every


def newest(folder: Path, fingerprint: str | None, start: str | None = None) -> Path | None:
    """The newest checkpoint of a run that can be read and was trained on these data, over all its attempts.

    ``start`` is the fingerprint of the data of the run whose weights it must have started from.

    Raises:
        OSError, MemoryError: where one cannot be read for a reason that says nothing about it.
    """
    for path in attempts.all_checkpoints(folder):
        try:
            kept = torch.load(path, map_location="cpu", weights_only=True)["callbacks"][Record.__qualname__]
        except FileNotFoundError:
            continue
        except (OSError, MemoryError):
            raise  # a disk that is away is no reason to begin again
        except Exception as error:
            print(f"{path} cannot be read and is passed over: {error}")
            continue
        started = (kept["pretrained"] or {}).get("data")
        if kept["fingerprint"] == fingerprint and (start is None or started == start):
            return path
        seen, due = (kept["fingerprint"], fingerprint) if kept["fingerprint"] != fingerprint else (started, start)
        print(f"{path} was trained on data {seen}, at hand are {due}; it is passed over")
    return None
