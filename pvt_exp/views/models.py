"""All presets with what they cost: `models`."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from pvt_exp.component import kinds
from pvt_exp.cost import Cost
from pvt_exp.schema import Run


def models_json(count: Callable[[Sequence[Run], bool], Sequence[Cost]]) -> list[dict[str, Any]]:
    """Fields of ``pvt-exp models --json``."""
    named = [
        (kind, preset, settings.model_validate({"kind": kind, "preset": preset}))
        for kind, settings in kinds("backbones").items()
        for preset in getattr(settings, "PRESETS", ())
    ]
    found = count([_classifier(settings) for _, _, settings in named], False)
    return [
        {"kind": kind, "preset": preset, "params": each.params, "macs": each.macs, "input_px": 224}
        for (kind, preset, _), each in zip(named, found, strict=True)
    ]


def _classifier(backbone: Any) -> Run:
    """A backbone as ImageNet has it: 1000 classes at 224 px. What trains it does not count here."""
    task = {"kind": "classification", "num_classes": 1000, "image_px": 224}
    rest = {"optim": {"kind": "adamw", "lr": 1e-3}, "schedule": {"kind": "cosine"}, "epochs": 100, "batch_size": 2}
    return Run(task=task, dataset={"kind": "image_folder", "name": "any"}, backbone=backbone, **rest)  # type: ignore[arg-type]


def print_models(console: Console, found: list[dict[str, Any]]) -> None:
    """A line a preset."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("kind", "preset"):
        table.add_column(title)
    for title in ("parameters (M)", "MACs at 224 px (G)"):
        table.add_column(title, justify="right")
    for model in found:
        table.add_row(model["kind"], model["preset"], f"{model['params'] / 1e6:.2f}", f"{model['macs'] / 1e9:.2f}")
    console.print(table)
    console.print("With 1000 classes. And any model of timm: backbone: {kind: timm, name: resnet50}", style="dim")
