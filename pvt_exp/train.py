"""Sets up Lightning's Trainer to train one run: callbacks, loggers, resume."""

import logging
import math
import os
import resource
import shutil
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch import nn

from pvt_exp import files, provenance, store, tracking
from pvt_exp.datasets import Facts, Split
from pvt_exp.nn import pretrained, samples
from pvt_exp.nn.loader import loaders
from pvt_exp.nn.training import Diverged, Training
from pvt_exp.schema import Placement, Run

PROGRESS_EVERY_S = 0.5
SPLITS: tuple[Split, ...] = ("train", "val")
PRECISION: dict[str, Any] = {"32": "32-true", "tf32": "32-true", "bf16-mixed": "bf16-mixed", "16-mixed": "16-mixed"}


def fit(run: Run, placement: Placement, attempt: Path) -> bool:
    """Train the run and publish its result; goes on from the newest good checkpoint of its earlier attempts.

    Returns:
        False if another attempt had published a result meanwhile, which stays.

    Raises:
        DataError: if the data are not as the run says.
        ValueError: for weights that do not match, and for a micro-batch that would change what is computed.
        pvt_exp.nn.training.Diverged: when the loss is NaN or Inf.
    """
    set_up(run, placement)
    root = Path(placement.data or "")
    if run.dataset.made:
        run.dataset.make(root)
    facts = run.dataset.inspect(root)
    run.task.check_data(facts)
    record = Record(run, attempt, facts)
    train, val = (run.dataset.open(root, split, run.task.kind) for split in SPLITS)
    train_loader, val_loader = loaders(run, run.task.pipeline(), train, val, placement)
    pl.seed_everything(run.seed, verbose=False)  # right before the weights are drawn, whatever readers have drawn
    module = run.task.build(run)
    module.classes = facts.class_names(run.task.kind)
    module.category_ids = tuple(getattr(val, "category_ids", ()))
    cost = _cost(module)
    micro_batch = placement.micro_batch or run.group_size
    _refuse_other_statistics(module, micro_batch, run.group_size)
    checkpoint = newest_checkpoint(store.run_folder(attempt), facts.fingerprint, _data_of_start(run, placement))
    if checkpoint is None:
        record.pretrained = _start(run, placement, module.network.backbone)
        if record.pretrained is not None and module.ema is not None:
            module.ema.set(module.network)
    wandb = tracking.wandb(run, placement.tracking, attempt)
    trainer = pl.Trainer(
        default_root_dir=attempt,
        accelerator="gpu" if placement.gpus else "cpu",
        devices=len(placement.gpus) or 1,
        precision=PRECISION[run.precision],
        max_epochs=run.epochs,
        accumulate_grad_batches=run.batch_size // micro_batch,
        logger=[CSVLogger(attempt, name="", version=""), *([wandb] if wandb else [])],
        log_every_n_steps=max(1, min(50, len(train_loader) // 2)),
        callbacks=[record, _checkpoints(attempt)],
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(module, train_loader, val_loader, ckpt_path=checkpoint)
    # First the result, then what can wait: neither a full disk nor W&B can take it away any more.
    first = store.finish(attempt, record.result(module, placement, cost))
    _clean(attempt, placement.keep)
    drawn = samples.write(module, val, attempt / "pictures", "cuda" if placement.gpus else "cpu")
    if wandb:
        wandb.show(drawn, record.per_class, trainer.global_step)
        wandb.close({"best": record.best, **cost})
    return first


def metrics(trainer: pl.Trainer) -> dict[str, float]:
    """What the newest validation scored."""
    return {k: float(v) for k, v in trainer.callback_metrics.items() if "/" not in k and k != "lr"}


def _refuse_other_statistics(module: nn.Module, micro_batch: int, group_size: int) -> None:
    if micro_batch < group_size and any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in module.modules()):
        raise ValueError(
            f"--micro-batch {micro_batch} is less than the run's group_size {group_size}, over which this model's "
            "BatchNorm takes its statistics: that would be another run"
        )


def _start(run: Run, placement: Placement, backbone: nn.Module) -> dict[str, Any] | None:
    """Put the weights that the run starts from into the backbone; how they matched, or None where it starts at random."""
    file = Path(placement.weights) if placement.weights else None
    settings, told = run.backbone.pretrained, {}
    if run.pretrain is not None and run.need is not None:
        match, taken = pretrained.load_run(backbone, file, run.need.id, run.pretrain.weights)
        told = {"run": run.need.id, "weights": taken, "data": _data_of_start(run, placement)}
    elif settings is None:
        return None
    elif settings.run is not None:
        match, taken = pretrained.load_run(backbone, file, settings.run, None, settings.allow)
        told = {"run": settings.run, "weights": taken, "data": _data_of_start(run, placement)}
    else:
        match = pretrained.load(backbone, run.backbone, file)
    return {**asdict(match), "matched": len(match.matched), **told}


def _data_of_start(run: Run, placement: Placement) -> str | None:
    """Fingerprint of the data that the run of the store which this one starts from was trained on."""
    of_store = run.need is not None or (run.backbone.pretrained is not None and run.backbone.pretrained.run)
    if not of_store or placement.weights is None:
        return None
    made = store.result(store.run_folder(Path(placement.weights).parent.parent)) or {}
    fingerprint: str | None = made.get("data", {}).get("fingerprint")
    return fingerprint


def _clean(attempt: Path, keep: str) -> None:
    """Remove the checkpoints that are not kept: all, or all but the last attempt's, which others may start from."""
    folder = store.run_folder(attempt)
    if store.is_start(folder):
        keep = "last"
    for each in store.attempts(folder):
        if keep == "none" or each != attempt:
            shutil.rmtree(each / "checkpoints", ignore_errors=True)


def set_up(run: Run, placement: Placement) -> None:
    """Threads, precision and quiet, before anything is computed."""
    for library in ("pytorch_lightning", "lightning_fabric"):  # tips and expected oddities; a run's log has the rest
        warnings.filterwarnings("ignore", module=library)
        logging.getLogger(library).setLevel(logging.WARNING)
    torch.set_num_threads(placement.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = run.precision != "32"
    torch.backends.cudnn.benchmark = True


def _cost(module: Training) -> dict[str, Any]:
    parameters = list(module.network.parameters())
    macs, size = module.count_macs()
    return {
        "params": sum(p.numel() for p in parameters),
        "trainable_params": sum(p.numel() for p in parameters if p.requires_grad),
        "macs": macs,
        "input_px": list(size),
    }


def _checkpoints(attempt: Path) -> ModelCheckpoint:
    # One file: the new one is whole before the old one goes.
    return ModelCheckpoint(
        attempt / "checkpoints", filename="{epoch}", save_top_k=1, every_n_epochs=1, save_on_train_epoch_end=True
    )


def newest_checkpoint(folder: Path, fingerprint: str | None, start: str | None = None) -> Path | None:
    """The newest checkpoint of a run that can be read and was trained on these data, over all its attempts.

    ``start`` is the fingerprint of the data of the run whose weights it must have started from.
    """
    found = [p for each in store.attempts(folder) for p in (each / "checkpoints").glob("*.ckpt")]
    for path in sorted(found, key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            kept = torch.load(path, map_location="cpu", weights_only=True)["callbacks"][Record.__qualname__]
        except Exception as error:
            print(f"{path} cannot be read and is passed over: {error}")
            continue
        started = (kept["pretrained"] or {}).get("data")
        if kept["fingerprint"] == fingerprint and (start is None or started == start):
            return path
        seen, due = (kept["fingerprint"], fingerprint) if kept["fingerprint"] != fingerprint else (started, start)
        print(f"{path} was trained on data {seen}, at hand are {due}; it is passed over")
    return None


class Record(pl.Callback):
    """What the result will say of the training, kept through a resume, and the progress that the driver shows."""

    def __init__(self, run: Run, attempt: Path, facts: Facts) -> None:
        self.run, self.attempt, self.facts = run, attempt, facts
        self.last: dict[str, float] = {}
        self.per_class: list[dict[str, Any]] = []
        self.best: dict[str, Any] = {}
        self.pretrained: dict[str, Any] | None = None
        self.fingerprint = facts.fingerprint
        self.seconds, self.samples, self.skipped, self.resumed = 0.0, 0, 0, 0
        self.code, diff = provenance.code()  # now, while it is what was imported
        if diff:
            (attempt / "code.diff").write_text(diff)
        self._since = time.monotonic()
        self._shown = 0.0
        self._waiting = Stopwatch()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run goes on with."""
        self._count_time()
        kept = ("last", "per_class", "best", "pretrained", "seconds", "samples", "skipped", "resumed", "fingerprint")
        return {name: getattr(self, name) for name in kept}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with what the attempt before had."""
        for name, value in state_dict.items():
            setattr(self, name, value)
        self.resumed += 1

    def _count_time(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._since
        self._since = now

    def on_train_epoch_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._waiting = Stopwatch()

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        self._waiting.stop()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        module.log("train/waiting_for_data", self._waiting.share)

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.samples += len(batch["target"]) * trainer.world_size
        self.skipped += batch["skipped"]
        self._waiting.start()
        if time.monotonic() - self._shown > PROGRESS_EVERY_S:
            self._show(trainer.current_epoch, (batch_idx + 1) / max(1, int(trainer.num_training_batches)))

    def on_validation_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self.skipped += batch["skipped"]

    def on_validation_end(self, trainer: pl.Trainer, module: Any) -> None:
        task = self.run.task
        self.last, self.per_class = metrics(trainer), module.per_class
        sign = 1 if task.larger_is_better else -1
        value = self.last[task.metric]
        if not self.best or sign * value > sign * self.best["metrics"][task.metric]:
            self.best = {"epoch": trainer.current_epoch + 1, "metrics": self.last}
        self._show(trainer.current_epoch, 1.0)

    def _show(self, epoch: int, part: float) -> None:
        self._shown = time.monotonic()
        progress = {"epoch": epoch + 1, "epochs": self.run.epochs, "fraction": (epoch + part) / self.run.epochs}
        text = files.dump({**progress, "metrics": self.last, "best": self.best.get("metrics", {})})
        temporary = self.attempt / ".progress.tmp"
        temporary.write_text(text)
        temporary.replace(self.attempt / "progress.json")  # no fsync: it is for looking at

    def result(self, module: Training, placement: Placement, cost: dict[str, Any]) -> dict[str, Any]:
        """``result.json``; its fields are described in docs/json.md."""
        self._count_time()
        if not all(map(math.isfinite, self.last.values())):
            raise Diverged(module.global_step, self.run.lr, math.nan)
        return {
            "run": self.run.id,
            "epoch": self.run.epochs,
            "metrics": self.last,
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
                "skipped": self.skipped,
            },
            "provenance": {
                "git": self.code,
                "versions": provenance.versions(),
                "hardware": {**provenance.machine(), **_devices(placement)},
                "command": list(placement.command),
                "seconds": round(self.seconds, 3),
                "samples_seen": self.samples,
                "batch_size": self.run.batch_size,
                "micro_batch": placement.micro_batch or self.run.group_size,
                "lr": self.run.lr,
                "precision": self.run.precision,
                "pretrained": self.pretrained,
                "resumed": self.resumed,
                "attempt": int(self.attempt.name),
            },
            "finished": store.now(),
        }


class Stopwatch:
    """What part of an epoch's time is spent between steps, where the next batch is fetched. It goes when it is made."""

    def __init__(self) -> None:
        self.begun = self._started = time.monotonic()
        self.spent = 0.0

    def start(self) -> None:
        self._started = time.monotonic()

    def stop(self) -> None:
        self.spent += time.monotonic() - self._started

    @property
    def share(self) -> float:
        """Of the time since it was made, from 0 to 1."""
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
