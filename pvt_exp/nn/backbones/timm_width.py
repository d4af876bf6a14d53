"""By which option a model of timm becomes wider: ``embed_dim`` of ViT and Swin, ``channels`` of ResNet, and their like."""

import inspect
from typing import TYPE_CHECKING

import torch
from torch import nn

from pvt_exp.backbones import Width
from pvt_exp.nn.backbones.timm import create

if TYPE_CHECKING:
    from pvt_exp.backbones.timm import Settings

LISTS = ("channels", "dims", "embed_dims")
"""Options that hold a width for each stage: of ResNet, of ConvNeXt and PoolFormer, of PVT."""


def width(settings: "Settings", image_px: int) -> Width:
    """The option, its value in this model, and what it must be a multiple of: the heads, where there is attention.

    Raises:
        ValueError: if the model has none of the options that are known, or they do not describe it.
    """
    name = settings.name
    model = _build(settings, image_px)
    parameters: dict[str, inspect.Parameter] = {}
    for owner in reversed(type(model).__mro__):  # a distilled DeiT hands its arguments on to ViT
        parameters |= inspect.signature(owner.__init__).parameters  # type: ignore[misc]
    option = next((each for each in ("embed_dim", *LISTS) if each in parameters), None)
    if option is None:
        raise ValueError(f"match knows no width of {name} of timm; write match.by, or leave the row as it is")
    if option == "embed_dim":
        found = Width("options.embed_dim", (int(model.embed_dim),), (_heads(model),), single=True)  # type: ignore[arg-type]
    else:
        given = settings.options.get(option, parameters[option].default if option == "channels" else None)
        value = tuple(given) if isinstance(given, tuple | list) else _of_stages(model)
        stages = list(getattr(model, "stages", [])) if option == "embed_dims" else []
        units = tuple(map(_heads, stages)) if len(stages) == len(value) else (1,) * len(value)
        found = Width(f"options.{option}", value, units)
    _check(settings, image_px, model, option, found)
    return found


def _build(settings: "Settings", image_px: int) -> nn.Module:
    with torch.device("meta"):
        return create(settings, image_px, num_classes=0)[0]


def _heads(module: nn.Module) -> int:
    """Of the first attention in it, 1 where there is none."""
    found = (getattr(each, "num_heads", None) for each in module.modules())
    return next((heads for heads in found if isinstance(heads, int)), 1)


def _of_stages(model: nn.Module) -> tuple[int, ...]:
    return tuple(each["num_chs"] for each in getattr(model, "feature_info", []))


def _check(settings: "Settings", image_px: int, model: nn.Module, option: str, found: Width) -> None:
    """Raise ValueError if the model with this value written out is another one."""
    written = settings.model_copy(
        update={"options": {**settings.options, option: found.value[0] if found.single else found.value}}
    )
    try:
        same = [p.shape for p in _build(written, image_px).parameters()] == [p.shape for p in model.parameters()]
    except ValueError:
        same = False
    if not same:
        raise ValueError(f"match does not know how {option} makes {settings.name} of timm; write match.by")
