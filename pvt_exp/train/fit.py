"""Sets up Lightning's Trainer to train one run: callbacks, loggers, resume."""

import logging
import shutil
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import nn

from pvt_exp import store
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.datasets import Facts, Split
from pvt_exp.nn import ranks
from pvt_exp.nn.data import holdout
from pvt_exp.nn.data.loader import Loader, loaders
from pvt_exp.nn.tasks import val_pictures
from pvt_exp.nn.weights import pretrained
from pvt_exp.store import attempts
from pvt_exp.store.results import publish_result, read_result
from pvt_exp.store.states import OnEnd
from pvt_exp.system.ends import NoSmallerBatch
from pvt_exp.system.signals import Stopping
from pvt_exp.tracking import logger
from pvt_exp.train import checkpoints
from pvt_exp.train.epoch_lines import EpochLines
from pvt_exp.train.record import Record

SPLITS: tuple[Split, ...] = ("train", "val")
PRECISION: dict[str, Any] = {"32": "32-true", "tf32": "32-true", "bf16-mixed": "bf16-mixed", "16-mixed": "16-mixed"}


def fit(
    run: Run,
    placement: Placement,
    attempt: Path,
    at_end: list[OnEnd] | None = None,
    stopping: Stopping | None = None,
) -> bool:
    """Train the run and publish its result; goes on from the newest good checkpoint of its earlier attempts.

    ``at_end`` gets what is to be told if the run ends otherwise, once its record says so; ``stopping`` says when the run
    is asked to stop.

    Returns:
        False if another attempt had published a result meanwhile, which stays.

    Raises:
        DataError: if the data are not as the run says.
        pvt_exp.system.ends.NoSmallerBatch: where a smaller micro-batch, after running out of memory, would be another run.
        ValueError: for weights that do not match, and for a micro-batch that would change what is computed.
        pvt_exp.nn.tasks.training.Diverged: when the loss is NaN or Inf.
        pvt_exp.system.ends.Stopped: when it was asked to stop, and has written where it is.
    """
    ready = get_ready(run, placement)
    facts = ready.facts
    first = ranks.rank() == 0
    record, module = Record(run, attempt, facts), _module(run, ready)
    cost = module.cost()
    micro_batch = placement.micro_batch or run.ghost_batch_size
    _refuse_other_statistics(module, micro_batch, run.ghost_batch_size, placement.recovering)
    folder = attempts.run_folder(attempt)
    checkpoint = ranks.of_first(checkpoints.newest(folder, facts.fingerprint, _data_of_start(run, placement)))
    passed_over = checkpoints.newer(folder, checkpoint)
    if checkpoint is None:
        record.pretrained = _start(run, placement, module)
    wandb = logger.wandb(run, placement.tracking, attempt) if first else None
    if wandb and at_end is not None:
        at_end.append(wandb.ended)
    fitting = trainer(
        run,
        placement,
        default_root_dir=attempt,
        max_epochs=run.epochs,
        logger=[CSVLogger(attempt, name="", version=""), *([wandb] if wandb else [])] if first else False,
        log_every_n_steps=max(1, min(50, len(ready.train_loader) // 2)),
        plugins=[checkpoints.Whole()],
        callbacks=[
            record,
            EpochLines(record),
            checkpoints.Checkpoints(attempt, placement.checkpoint_minutes, stopping, passed_over),
        ],
    )
    fitting.fit(module, ready.train_loader, ready.val_loader, ckpt_path=checkpoint)
    record.count()
    ranks.leave()
    return not first or _publish(attempt, placement, record, module, cost, ready.val, wandb, fitting.global_step)


def _publish(
    attempt: Path,
    placement: Placement,
    record: Record,
    module: Any,
    cost: dict[str, Any],
    val: Any,
    wandb: logger.Wandb | None,
    step: int,
) -> bool:
    """First the result, then what can wait: neither a full disk nor W&B can take it away any more.

    False if another attempt had published a result.
    """
    if not publish_result(attempt, record.result(module, placement, cost)):
        if wandb:
            wandb.ended("killed", "another attempt finished first")
        return False
    _clean(attempt, placement.keep)
    drawn = val_pictures.write(module, val, attempt / "pictures", "cuda" if placement.gpus else "cpu")
    if wandb:
        wandb.show(drawn, record.per_class, step)
        wandb.ended("done", summary={"best": _flat(record.best), "last": record.last, "cost": cost})
    return True


def _module(run: Run, ready: "Ready") -> Any:
    """The model of a run as it begins, which knows its data."""
    pl.seed_everything(run.seed, verbose=False)  # right before weights are drawn, whatever opening the data has drawn
    module = run.task.build(run)
    module.classes = ready.facts.class_names(run.task.kind)
    module.parts = ready.train_loader.parts
    module.category_ids = tuple(getattr(ready.val, "category_ids", ()))
    return module


def try_out(run: Run, placement: Placement) -> None:
    """One step and one batch of validation, as `fit` does them, to see whether that works.

    Raises:
        Exception: whatever `fit` would raise there.
    """
    ready = get_ready(run, placement)
    once = trainer(
        run, placement, max_epochs=run.epochs, limit_train_batches=accumulated(run, placement), limit_val_batches=1,
        logger=False, enable_checkpointing=False, callbacks=[_Once()],
    )  # fmt: skip
    once.fit(run.task.build(run), ready.train_loader, ready.val_loader)
    ranks.leave()


class _Once(pl.Callback):
    """Ends training after one epoch; the learning rate follows the schedule of all epochs."""

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        trainer.should_stop = True


class Ready(NamedTuple):
    """The data of a run, opened."""

    facts: Facts
    train: Any
    """The samples to train on; ``val``: those to score on."""
    val: Any
    train_loader: Loader
    val_loader: Loader


def get_ready(run: Run, placement: Placement) -> Ready:
    """Set threads and precision; make, inspect and open the data.

    Raises:
        DataError: if the data are not as the run says.
        ValueError: if its batch does not fit them.
    """
    set_up(run, placement)
    root = Path(placement.data or "")
    if run.dataset.made:
        run.dataset.make(root)
    facts = holdout.facts_of(run, root, run.dataset.inspect(root))
    run.task.check_data(facts)
    train, val = (holdout.open_split(run, root, split) for split in SPLITS)
    place = {"rank": ranks.rank(), "world": ranks.world()}
    return Ready(facts, train, val, *loaders(run, run.task.pipeline(), train, val, placement, **place))


def accumulated(run: Run, placement: Placement) -> int:
    """Micro-batches of a rank in a step."""
    return run.batch_size // (placement.micro_batch or run.ghost_batch_size) // placement.ranks


def trainer(run: Run, placement: Placement, **more: Any) -> pl.Trainer:
    """Lightning's, for a run as it is placed; ``plugins`` among the further words are beside our own."""
    own = ranks.of_trainer()
    own["plugins"] += more.pop("plugins", [])
    made = pl.Trainer(
        accelerator="gpu" if placement.gpus else "cpu",
        devices=placement.ranks,
        precision=PRECISION[run.precision],
        accumulate_grad_batches=accumulated(run, placement),
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **own,
        **more,
    )
    # `signals` hears them; Lightning's way ends a run between two parts of a step, without a checkpoint, and
    # asks other ranks from within the signal.
    made._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return made


def _flat(best: dict[str, Any]) -> dict[str, Any]:
    return {"epoch": best.get("epoch"), **best.get("metrics", {})}


def _refuse_other_statistics(module: Any, micro_batch: int, ghost_batch_size: int, recovering: str | None) -> None:
    if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in module.modules()):
        what = "BatchNorm takes its statistics"
    elif getattr(module.network, "joint_loss", False) or getattr(getattr(module.task, "loss", None), "joint", False):
        what = "losses are means of all regions"
    else:
        return
    if micro_batch < ghost_batch_size and recovering:
        raise NoSmallerBatch(
            f"{recovering}; fewer would be another run, as this model's {what} over the run's ghost_batch_size of "
            f"{ghost_batch_size}: set ghost_batch_size in the experiment, or choose a smaller model"
        )
    if micro_batch < ghost_batch_size:
        raise ValueError(
            f"--micro-batch {micro_batch} is less than the run's ghost_batch_size {ghost_batch_size}, over which "
            f"this model's {what}: that would be another run"
        )


def _start(run: Run, placement: Placement, module: Any) -> dict[str, Any] | None:
    """Load pretrained weights into the backbone; returns how they matched, or None where it starts at random."""
    told = _load(run, placement, module.network.backbone)
    if told is not None and module.ema is not None:
        module.ema.set(module.network)
    return told


def _load(run: Run, placement: Placement, backbone: nn.Module) -> dict[str, Any] | None:
    file = Path(placement.weights) if placement.weights else None
    settings, told = run.backbone.pretrained, {}
    if run.pretrain is not None and run.pretraining is not None:
        match, taken = pretrained.load_run(backbone, file, run.pretraining.id, run.pretrain.weights)
        told = {"run": run.pretraining.id, "weights": taken, "data": _data_of_start(run, placement)}
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
    of_store = run.pretraining is not None or (run.backbone.pretrained is not None and run.backbone.pretrained.run)
    if not of_store or placement.weights is None:
        return None
    made = read_result(attempts.run_folder(Path(placement.weights).parent.parent)) or {}
    fingerprint: str | None = made.get("data", {}).get("fingerprint")
    return fingerprint


def _clean(attempt: Path, keep: str) -> None:
    """Remove the checkpoints that are not kept: all, or all but the last one, which others may start from."""
    folder = attempts.run_folder(attempt)
    if store.is_start(folder):
        keep = "last"
    for each in attempts.of(folder):
        if keep == "none" or each != attempt:
            shutil.rmtree(each / "checkpoints", ignore_errors=True)
    for older in attempts.checkpoints(attempt)[:-1]:
        older.unlink(missing_ok=True)


def set_up(run: Run, placement: Placement) -> None:
    """Set threads and precision, and silence libraries, before anything is computed."""
    for library in ("pytorch_lightning", "lightning_fabric"):  # tips and expected oddities; a run's log has the rest
        warnings.filterwarnings("ignore", module=library)
        logging.getLogger(library).setLevel(logging.WARNING)
    torch.set_num_threads(placement.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = run.precision != "32"
    torch.backends.cudnn.benchmark = True
