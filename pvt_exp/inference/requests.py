"""Finished runs put to use: which run, which checkpoint, which images; and the process that computes with them.

Nothing here imports torch; what does is started as a process of its own, with its GPUs and threads set before.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvt_exp import config, store
from pvt_exp.backbones import require_timm_model
from pvt_exp.config import ConfigError, DataError
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.launchers import Slot, visible
from pvt_exp.plan import site
from pvt_exp.store.outcome import outcome_of
from pvt_exp.store.results import kept_weights
from pvt_exp.system import children, files, streams
from pvt_exp.system.words import several


@dataclass(frozen=True)
class Trained:
    """A run that is done, with the weights it ended with."""

    run: Run
    result: dict[str, Any]
    checkpoint: Path
    placement: Placement
    """Of the attempt that finished it."""

    @property
    def weights(self) -> str:
        """The checkpoint as a path from the run's folder, which tells a run's trainings apart."""
        return "/".join(self.checkpoint.parts[-4:])


def find(runs: Path, prefix: str) -> Trained:
    """The finished run whose id begins so.

    Raises:
        ConfigError: if there is none, if it is not done, or if its checkpoint was not kept.
    """
    store.check(runs)
    run_id = store.find(runs, prefix)
    seen = outcome_of(runs, run_id)
    if seen.result is None:
        why = f": {seen.reason.splitlines()[0]}" if seen.reason else ""
        raise ConfigError(f"run {run_id} is not done but {seen.state}{why}")
    run = store.load(runs / run_id)
    _check_classes(run, seen.result["data"])
    checkpoint = kept_weights(runs, run_id)
    if checkpoint is None:
        raise ConfigError(f"run {run_id} has no checkpoint; runs keep theirs unless they are trained with --keep none")
    placement = config.load(Placement, checkpoint.parent.parent / "placement.yaml")
    return Trained(run, seen.result, checkpoint.resolve(), placement)


def _check_classes(run: Run, data: dict[str, Any]) -> None:
    """Raise ConfigError for a result with another number of classes than its run has: predictions would be misnamed."""
    due = getattr(run.task, "num_classes", None)
    objects = run.task.kind in ("detection", "instance")  # ids of pixels' and images' classes are not used
    for name in ("class_names", "category_ids") if objects else ("class_names",):
        if due and (there := data.get(name)) and len(there) != due:
            count = f"{several(len(there), 'class', 'classes')}, and the run has {due}"
            raise ConfigError(f"run {run.id}: its result.json cannot be used: data.{name}: {count}")


def data_of(run: Run, words: Sequence[str], class_names: Sequence[str] | None = None) -> Path:
    """The folder of a run's data set here, looked into; ``class_names`` are those that the run learnt, if it did.

    Raises:
        ConfigError: if it is not said where the data are, or if they cannot serve the run.
    """
    flags, name = site.places(words), run.dataset.name
    if unknown := sorted(set(flags) - {name}):
        raise ConfigError(f"--data {unknown[0]}: the run's data set is called {name}")
    root = site.locate(run.dataset, flags, site.load())
    if root is None:
        raise ConfigError(site.no_folder(name))
    try:
        facts = run.dataset.inspect(root)
        facts.check_val(run.holdout is not None)
        run.task.check_data(facts)
    except DataError as error:
        raise ConfigError(f"data set {name}: {error}{_needs_training_images(run, root)}") from None
    for learnt, there in zip(class_names or (), facts.class_names(run.task.kind), strict=False):
        if learnt != there:
            raise ConfigError(
                f"data set {name}: {root}: its classes are not the run's: '{there}' where that has '{learnt}'"
            )
    return root


def _needs_training_images(run: Run, root: Path) -> str:
    """What is added to a message about data whose training split is not there."""
    written = (getattr(run.dataset, name, None) for name in ("train", "train_annotations", "train_image_folder"))
    if all((root / path).exists() for path in written if isinstance(path, str)):
        return ""
    return "; the training split must be there too, as the classes and the fingerprint are those of the whole data set"


def room(out: Path, found: Trained) -> None:
    """Raise ConfigError unless a folder can be made, or holds nothing but what the same weights predicted before."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: a file, where a folder is expected")
    there = {str(path.relative_to(out)) for path in out.rglob("*") if not path.is_dir()} if out.exists() else set()
    told = files.read_json(out / "predictions.json") or {}
    ours = {"predictions.json"}
    for each in told.get("images") or []:
        ours |= {each.get("picture"), each.get("mask")}
    if there - ours:
        raise ConfigError(f"--out {out}: holds other things than predictions, such as {min(there - ours)}")
    run, weights = told.get("run"), told.get("weights")
    if run not in (None, found.run.id) or weights not in (None, found.weights):
        other = f"run {run}" if run != found.run.id else f"this run's other weights, {weights}"
        raise ConfigError(f"--out {out}: holds the predictions of {other}; name another folder, or remove that one")
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise ConfigError(f"--out {out}: cannot be written to")


# ---------------------------------------------------------------- requests


def predict(found: Trained, paths: Sequence[Path], out: Path, score: float, slot: Slot, as_json: bool) -> int:
    """Have what a run finds on images written to a folder, and printed as JSON if that is asked for; the exit status."""
    data = found.result["data"]
    request = {
        "run": found.run.model_dump(mode="json"),
        "placement": place(found.placement, slot).model_dump(mode="json"),
        "checkpoint": str(found.checkpoint),
        "weights": found.weights,
        "class_names": data.get("class_names"),
        "category_ids": data.get("category_ids"),
        "images": [str(path) for path in paths],
        "out": str(out.absolute()),
        "score": score,
    }
    status = compute("predict", slot, request, beside=as_json)
    if as_json and (told := files.read_json(out / "predictions.json")) is not None and status in (0, 1):
        streams.print_json({"folder": str(out), **told})
    return status


def evaluate_run(
    found: Trained, words: Sequence[str], slot: Slot, workers: int, as_json: bool, threads_asked: bool = False
) -> int:
    """Have a finished run scored and the figures printed; the exit status.

    On the CPU it has no more threads than it was trained with, unless they were asked for.
    """
    if not slot.gpus and not found.placement.gpus and not threads_asked:
        slot = Slot((), min(slot.threads, found.placement.threads))  # rounding follows from the threads
    data = found.result["data"]
    root = data_of(found.run, words, data.get("class_names"))
    request = {"checkpoint": str(found.checkpoint), "weights": None, "fingerprint": data["fingerprint"]}
    return _evaluate(found.run, place(found.placement, slot, data=str(root), workers=workers), slot, as_json, request)


def evaluate_weights(run: Run, weights: str, words: Sequence[str], slot: Slot, workers: int, as_json: bool) -> int:
    """Have published weights scored in an experiment's set-up and the figures printed; the exit status.

    Raises:
        ConfigError: for a file that is not there, or a model that timm does not have.
    """
    try:
        if weights.startswith("timm:"):
            require_timm_model(weights.removeprefix("timm:"))
        elif not Path(weights).is_file():
            raise ValueError(f"no such file: {weights}")
    except ValueError as error:
        raise ConfigError(f"--weights {weights}: {error}") from None
    placed = place(Placement(), slot, data=str(data_of(run, words)), workers=workers)
    return _evaluate(run, placed, slot, as_json, {"weights": weights})


def _evaluate(run: Run, placement: Placement, slot: Slot, as_json: bool, request: dict[str, Any]) -> int:
    whole = {"run": run.model_dump(mode="json"), "placement": placement.model_dump(mode="json"), "json": as_json}
    return compute("evaluate", slot, {**whole, **request})


# ---------------------------------------------------------------- the process


def place(placement: Placement, slot: Slot, **changes: Any) -> Placement:
    """A placement on the GPUs and threads of a slot, which does not tell W&B."""
    silent = placement.tracking.model_copy(update={"mode": "disabled"})
    here = {"gpus": slot.gpus, "threads": slot.threads, "ranks": slot.ranks}
    return placement.model_copy(update={**here, "tracking": silent, **changes})


def compute(module: str, slot: Slot, request: dict[str, Any], beside: bool = False) -> int:
    """Run a module of this package as a process that gets the request; its exit status.

    With ``beside`` what it prints goes to standard error.

    Raises:
        KeyboardInterrupt: at Ctrl-C, when it has gone.
    """
    changes = {
        "CUDA_VISIBLE_DEVICES": visible(slot.gpus, os.environ.get("CUDA_VISIBLE_DEVICES")),
        "OMP_NUM_THREADS": str(slot.threads),
    }
    asked = json.dumps(request)
    return children.run(
        f"pvt_exp.train.{module}", changes=changes, input=asked, stdout=sys.stderr if beside else None
    ).returncode


def answer(work: Callable[[dict[str, Any]], None]) -> None:
    """In that process: do what the request asks. What is wrong with it is told, a line each, with exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        files.any_name(stream)
    try:
        work(json.load(sys.stdin))
    except ValueError as error:  # DataError and ConfigError among them
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if error.strerror is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
