"""The process of ``pvt-exp evaluate``: scores a finished run, or published weights, and prints. Writes nothing.

The data, the loader, the scoring and their order are those of training's own validation, so that the figures are too.
"""

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from rich.console import Console

from pvt_exp import config
from pvt_exp.config import excluded
from pvt_exp.config.metrics import described, number
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.datasets import Facts
from pvt_exp.inference import requests
from pvt_exp.nn.data import holdout
from pvt_exp.nn.data.loader import val_loader
from pvt_exp.nn.tasks.training import Training
from pvt_exp.nn.weights import network
from pvt_exp.nn.weights.pretrained import Report
from pvt_exp.store import provenance
from pvt_exp.system.streams import print_json
from pvt_exp.system.words import several
from pvt_exp.train import fit, record


def main(request: dict[str, Any]) -> None:
    """Score what the request names, and print it."""
    run = config.make(Run, request["run"])
    placement = config.make(Placement, request["placement"])
    fit.set_up(run, placement)
    root = Path(placement.data or "")
    if run.dataset.made:
        run.dataset.make(root)
    facts = holdout.facts_of(run, root, run.dataset.inspect(root))
    run.task.check_data(facts)
    match: Report | None = None
    if request["weights"] is None:
        module = network.restore(run, Path(request["checkpoint"]))
    else:
        module, match = network.published(run, request["weights"])
    module.classes = facts.class_names(run.task.kind)
    print_as = print_json if request["json"] else _print
    print_as(_score(run, placement, module, facts, root, request, match))


def _score(
    run: Run, placement: Placement, module: Training, facts: Facts, root: Path, request: dict[str, Any], match: Any
) -> dict[str, Any]:
    """Fields of ``pvt-exp evaluate --json``; see docs/json.md."""
    samples = holdout.open_split(run, root, "val")
    loader = val_loader(run, run.task.pipeline(), samples, placement)
    timer = Timer(len(samples), show=not request["json"])
    trainer = pl.Trainer(
        accelerator="gpu" if placement.gpus else "cpu",
        devices=1,
        precision=fit.PRECISION[run.precision],
        logger=False,
        callbacks=[timer],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.validate(module, loader, verbose=False)
    scores, unscored = record.scored(trainer, module)
    told = (
        network.recipe(request["weights"].removeprefix("timm:")) if str(request["weights"]).startswith("timm:") else {}
    )
    return {
        "run": run.id if request["weights"] is None else None,
        "task": run.task.kind,
        "weights": request["weights"] or request["checkpoint"],
        "metrics": scores,
        "unscored": unscored,
        "metric_info": {name: each.info() for name in scores if (each := run.task.describe(name)).is_declared},
        "per_class": module.per_class,
        "data": {
            "name": run.dataset.name,
            "folder": str(root),
            "fingerprint": facts.fingerprint,
            "trained_on": request.get("fingerprint"),
            "images": timer.images,
            "left_out": excluded.as_json(
                excluded.of_a_run({"val": facts.left_out.get("val", ())}, {"val": timer.unread})
            ),
        },
        "match": None if match is None else asdict(match),
        "recipe": {
            name: {"weights": value, "experiment": getattr(run.task, name)}
            for name, value in told.items()
            if value != getattr(run.task, name)
        },
        "images_per_s": round(timer.images / timer.seconds, 1),
        "threads": torch.get_num_threads(),
        "workers": loader.groups.num_workers,
        "gpus": list(placement.gpus),
        "device": torch.cuda.get_device_name() if placement.gpus else provenance.machine()["processor"],
    }


class Timer(pl.Callback):
    """Counts images and the time that they took, loading included, without computing the scores at the end."""

    def __init__(self, length: int, show: bool) -> None:
        self.length, self.images, self.unread = length, 0, list[str]()
        self.console = Console(stderr=True, markup=False, emoji=False) if show and sys.stderr.isatty() else None
        self.seconds = 0.0

    def on_validation_start(self, trainer: pl.Trainer, module: Any) -> None:
        self._begun = time.monotonic()

    def on_validation_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self.images += len(batch["target"])
        self.unread += batch["skipped"]
        if self.console:
            self.console.print(f"{self.images} of {several(self.length, 'image')}", end="\r", highlight=False)

    def on_validation_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()
        self.seconds = time.monotonic() - self._begun


def _print(found: dict[str, Any]) -> None:
    """Print the figures for a person."""
    say = Console(
        width=None if sys.stdout.isatty() else 120, highlight=False, markup=False, emoji=False, soft_wrap=True
    ).print
    if (match := found["match"]) is not None:
        resized = f", {len(match['resized'])} of them resized" if match["resized"] else ""
        fit = len(match["matched"]) + len(match["resized"])
        say(f"{match['source']}: {fit} tensors matched{resized}, 0 missing, 0 unexpected")
        if match["taken"]:
            say(f"taken from {match['taken']}")
    for name, values in found["recipe"].items():
        say(
            f"note: timm scores these weights with {name} {values['weights']}, the experiment has {values['experiment']}"
        )
    say("  ".join(described(found)))
    for line in found["per_class"]:
        scores = (f"{name} {number(value, 2)}" for name, value in line.items() if isinstance(value, float))
        say(f"  {line['class']}: {'  '.join(scores) or 'not there'}")
    data = found["data"]
    other = data["trained_on"] and data["trained_on"] != data["fingerprint"]
    trained = f", trained on {data['trained_on']}" if other else ""
    say(f"data {data['name']} {data['fingerprint']}{trained}: {several(data['images'], 'image')} in {data['folder']}")
    for line in excluded.in_words(excluded.of_result(found)):
        say(f"  {line}")
    say(f"{found['images_per_s']:.4g} images/s on {found['device']}")


if __name__ == "__main__":
    requests.answer(main)
