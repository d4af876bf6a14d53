"""The child of `pvt_exp.cost.calibration`: a few real steps of a run, as `fit` trains it, and some images scored."""

import contextlib
import itertools
import json
import resource
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from pvt_exp import config
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.inference import requests
from pvt_exp.nn import ranks
from pvt_exp.nn.counting.memory import NARROW
from pvt_exp.train import fit
from pvt_exp.train.record import Stopwatch

WARM_UP = 2
"""Steps before timing starts: they set up allocators, kernels and the optimizer's state."""
STEPS, LEAST_STEPS, PATIENCE_S = 20, 2, 15.0
"""Timed steps; fewer, but at least ``LEAST_STEPS``, where they take longer than ``PATIENCE_S`` seconds."""

MOST_EPOCHS = 1000
"""Most epochs, for small data sets, whose epochs have few steps."""


def main(request: dict[str, Any]) -> None:
    """Measure what the request names, and print it as one line of JSON."""
    run, placement = config.make(Run, request["run"]), config.make(Placement, request["placement"])
    if placement.ranks > 1:
        ranks.join(Path(request["meeting"]), request["rank"], placement.ranks, bool(placement.gpus))
    _, _, _, training, validation = fit.get_ready(run, placement)
    module = run.task.build(run)
    clock = Clock(fit.accumulated(run, placement))
    trainer = fit.trainer(
        run, placement, max_epochs=MOST_EPOCHS, logger=False, callbacks=[clock], limit_val_batches=0,
        enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(module, training)
    ranks.leave()
    if request["rank"]:
        return
    throughput = {"step_s": clock.seconds / clock.steps, "steps": clock.steps, "data_wait": clock.data_wait}
    place = torch.device("cuda" if placement.gpus else "cpu")
    peak = (
        torch.cuda.max_memory_allocated()
        if placement.gpus
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    )
    scored = score(module.to(place), validation, run, placement.ranks, place)
    print(json.dumps({**throughput, "peak_memory_bytes": peak, **scored}))


class Clock(pl.Callback):
    """Times optimizer steps, and ends the training when enough were timed."""

    def __init__(self, parts: int) -> None:
        self.parts, self.batches, self.steps = parts, 0, 0
        self.seconds, self.data_wait = 0.0, 0.0
        self._stopwatch = Stopwatch()

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        self._stopwatch.stop()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.batches += 1
        steps, rest = divmod(self.batches, self.parts)
        if rest == 0 and steps == WARM_UP:
            _wait(module.device)
            self._stopwatch = Stopwatch()
            self._begun = time.monotonic()
        elif rest == 0 and steps > WARM_UP:
            _wait(module.device)
            self.steps, self.seconds = steps - WARM_UP, time.monotonic() - self._begun
            self.data_wait = round(self._stopwatch.share, 3)
            enough = self.steps >= STEPS or (self.steps >= LEAST_STEPS and self.seconds > PATIENCE_S)
            trainer.should_stop = ranks.any_of(enough)
        self._stopwatch.start()


def score(module: Any, validation: Any, run: Run, shared: int, place: torch.device) -> dict[str, Any]:
    """Images a second in validation, over ``shared`` processes; and through the model alone, a batch at a time."""
    narrow = NARROW.get(run.precision)
    module.eval()
    with torch.no_grad(), torch.autocast(place.type, narrow) if narrow else contextlib.nullcontext():
        begun, seen, whole = time.monotonic(), 0, None
        for batch in itertools.islice(validation, 10):
            there = module.transfer_batch_to_device(batch, place, 0)
            module.predict(there)
            seen += len(batch["target"])
            whole = there if whole is None or len(batch["target"]) >= len(whole["target"]) else whole
            if time.monotonic() - begun > PATIENCE_S / 3:
                break
        _wait(place)
        spent = time.monotonic() - begun
        assert whole is not None, "validation has an image"
        begun, rounds = time.monotonic(), 0
        while rounds < STEPS and time.monotonic() - begun < PATIENCE_S / 3:
            module.predict(whole)
            _wait(place)
            rounds += 1
        alone = time.monotonic() - begun
    size = len(whole["target"])
    return {"val_images_per_s": shared * seen / spent, "inference_images_per_s": rounds * size / alone, "batch": size}


def _wait(place: torch.device) -> None:
    if place.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    requests.answer(main)
