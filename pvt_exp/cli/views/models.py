"""The models that have a name, with what they cost: `models`."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from pvt_exp.backbones import Backbone
from pvt_exp.cli.views.grid import Grid
from pvt_exp.config.component import kinds
from pvt_exp.config.run import Run
from pvt_exp.cost import Cost, NoCost
from pvt_exp.cost.units import COUNTS, fitting

Count = Callable[[Sequence[Run], bool], Sequence[Cost | NoCost]]
INPUT_PX = 224


def models_json(count: Count) -> list[dict[str, Any]]:
    """Fields of ``pvt-exp models --json``."""
    named = [
        (kind, preset, _make(settings, kind, preset))
        for kind, settings in kinds("backbones").items()
        if issubclass(settings, Backbone)
        for preset in (settings.presets() or (None,))
    ]
    named = [each for each in named if each[1] or not isinstance(each[2], str)]  # a kind that needs more to be a model
    told = iter(count([_classifier(made) for *_, made in named if not isinstance(made, str)], False))
    return [_model(kind, preset, made if isinstance(made, str) else next(told)) for kind, preset, made in named]


def _make(settings: type[Backbone], kind: str, preset: str | None) -> Backbone | str:
    """The backbone as its preset, or else its defaults, have it; or why there is none."""
    try:
        return settings.model_validate({"kind": kind} | ({"preset": preset} if preset else {}))
    except ValidationError as error:
        return "; ".join(str(each["msg"]) for each in error.errors())


def _classifier(backbone: Backbone) -> Run:
    """A backbone as ImageNet has it: 1000 classes at 224 px. What trains it does not count here."""
    task = {"kind": "classification", "num_classes": 1000, "image_px": INPUT_PX}
    rest = {"optim": {"kind": "adamw", "lr": 1e-3}, "schedule": {"kind": "cosine"}, "epochs": 100, "batch_size": 2}
    return Run(task=task, dataset={"kind": "image_folder", "name": "any"}, backbone=backbone, **rest)  # type: ignore[arg-type]


def _model(kind: str, preset: str | None, told: Cost | NoCost | str) -> dict[str, Any]:
    reason = told if isinstance(told, str) else told.reason if isinstance(told, NoCost) else None
    params, macs = (told.params, told.macs) if isinstance(told, Cost) else (None, None)
    return {
        "kind": kind, "preset": preset, "params": params, "macs": macs, "input_px": INPUT_PX, "reason": reason,
    }  # fmt: skip


def print_models(console: Console, found: list[dict[str, Any]]) -> None:
    """One line per preset."""
    table = Grid()
    for title in ("kind", "preset"):
        table.add_column(title)
    params = fitting((model["params"] for model in found), COUNTS, "M")
    macs = fitting((model["macs"] for model in found), COUNTS, "G")
    for title in (params.head("parameters"), macs.head(f"MACs at {INPUT_PX} px")):
        table.add_column(title, justify="right")
    for model in found:
        names = Text(model["kind"]), Text(model["preset"] or "(its defaults)")
        if model["reason"]:
            table.add_row(*names, Text(model["reason"]))
        else:
            counted = "not counted" if model["macs"] is None else macs.text(model["macs"])
            table.add_row(*names, params.text(model["params"]), counted)
    console.print(table)
    console.print("With 1000 classes. And any model of timm: backbone: {kind: timm, name: resnet50}", style="dim")
