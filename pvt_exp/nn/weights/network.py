"""Loads the weights of a whole network, head included: from a run's checkpoint, or from a published one.

Each tensor of the checkpoint must be used, and each tensor of the network must be loaded.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import timm
from torch import Tensor, nn

from pvt_exp.config.run import Run
from pvt_exp.nn.backbones.timm import TimmBackbone
from pvt_exp.nn.tasks.classification import Classifier
from pvt_exp.nn.tasks.training import Training
from pvt_exp.nn.weights.checkpoint import content, refuse_bad_numbers
from pvt_exp.nn.weights.pretrained import (
    OTHER_KIND,
    OTHER_SHAPE,
    Report,
    complaint,
    fetch,
    fitted,
    meant,
    put,
    translator,
)
from pvt_exp.nn.weights.state_dict import choose

ALL_WEIGHTS = "to be scored a network needs all of its weights, the head's too, and a checkpoint must be used whole"


def restore(run: Run, checkpoint: Path) -> Training:
    """The module of a finished run, as it was at its end and ready for testing.

    Raises:
        ValueError: if the checkpoint cannot be read, is not of this run, or holds NaN.
    """
    module: Training = run.task.build(run)
    kept = content(checkpoint)
    try:
        module.load_state_dict(kept["state_dict"])
    except (RuntimeError, TypeError, LookupError):
        raise ValueError(f"{checkpoint}: not a checkpoint of run {run.id}") from None
    refuse_bad_numbers(module.scored.state_dict(), str(checkpoint))
    return module.eval()


def published(run: Run, words: str) -> tuple[Training, Report]:
    """The module of an experiment with the weights of a file or of ``timm:<tag>``, and how they matched.

    For classification a file is the authors', timm's or ours; for the other tasks it is ours. Of a checkpoint of ours the
    moving average counts where there is one.

    Raises:
        ValueError: if the weights cannot be had, or are not those of exactly this network.
    """
    module: Any = run.task.build(run)
    module.ema = None  # what is loaded is what is scored
    if words.startswith("timm:"):
        if not isinstance(module, Classifier):
            raise ValueError(f"{words}: timm's models classify; for {run.task.kind} give a checkpoint of a run")
        backbone: Any = module.network.backbone
        return module.eval(), fill(module.network, fetch(words.removeprefix("timm:"), backbone), words)
    taken = choose(content(Path(words)), _meant(module.network), words)
    report = fill(module.network, taken.tensors, words, taken.others)
    report.taken = taken.words
    return module.eval(), report


def _meant(network: Any) -> Callable[[str], str | None]:
    """Returns a function from a checkpoint's name, ours or others', to the network's; None where it has no such tensor."""
    own, translate = network.state_dict(), _translator(network)
    return meant(own, lambda name: name if name in own else translate(name))


def fill(network: Any, theirs: dict[str, Tensor], source: str, others: Sequence[str] = ()) -> Report:
    """Put all of a checkpoint's tensors into all of a network's; the network stays as it was unless they fit.

    ``others`` are names that the checkpoint has beside them.

    Raises:
        ValueError: listing what is missing, left over, or does not fit.
    """
    own, translate = network.state_dict(), _translator(network)
    report, fitting = Report(source, unexpected=list(others)), dict[str, Tensor]()
    misshapen, odd = dict[str, str](), dict[str, str]()
    for name, tensor in theirs.items():
        ours = name if name in own else translate(name)
        if ours not in own or ours in fitting:
            report.unexpected.append(name)
            continue
        fit = fitted(ours, tensor, own[ours])
        if fit.tensor is None:
            (odd if fit.other_kind else misshapen)[ours] = fit.difference
            continue
        fitting[ours] = fit.tensor
        (report.resized if fit.resized else report.matched).append(ours)
    report.missing = [name for name in own if name not in fitting and name not in misshapen and name not in odd]
    wrong = {
        "missing": report.missing,
        "left over": report.unexpected,
        OTHER_SHAPE: [f"{name} {shapes}" for name, shapes in misshapen.items()],
        OTHER_KIND: [f"{name} {kinds}" for name, kinds in odd.items()],
    }
    if any(wrong.values()):
        raise ValueError(complaint(source, "network", wrong, len(fitting), len(own), ALL_WEIGHTS))
    refuse_bad_numbers(fitting, source)
    put(network, fitting)
    return report


def _translator(network: Any) -> Callable[[str], str]:
    """Returns a function from the authors' or timm's name of a classifier's tensor to ours, the head's included."""
    inner = translator(network.backbone)
    head = f"{head_name(network.backbone)}."

    def ours(name: str) -> str:
        if name.startswith(head):
            return f"head.{name.removeprefix(head)}"
        return f"backbone.{inner(name.removeprefix('backbone.'))}"

    return ours


def head_name(backbone: nn.Module) -> str:
    """What the linear classifier is called in a checkpoint of this architecture."""
    if isinstance(backbone, TimmBackbone):
        config: Any = getattr(backbone.model, "pretrained_cfg", None) or {}
        named = config.get("classifier") or "head"
        return named if isinstance(named, str) else str(named[0])
    return "head"


def recipe(tag: str) -> dict[str, Any]:
    """The image settings that timm has for the weights of a tag, by the fields of our task."""
    config: Any = timm.models.get_pretrained_cfg(tag)
    if config is None:
        return {}
    return {
        "image_px": (config.test_input_size or config.input_size)[-1],
        "crop_pct": config.test_crop_pct or config.crop_pct,
        "interpolation": config.interpolation,
        "mean": tuple(config.mean),
        "std": tuple(config.std),
    }
