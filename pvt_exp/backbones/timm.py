"""Any model of timm, so that PVT is compared with ResNet, ViT and all else on one harness.

A name is checked against a list made from timm, which takes seconds to import; its options when the model is built, but for
values that no model of timm can have.
"""

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from pvt_exp.backbones import Backbone, Width, require_timm_model
from pvt_exp.config import Frozen

if TYPE_CHECKING:
    from pvt_exp.nn.backbones.timm import TimmBackbone

Scalar = bool | int | float | str
# What the harness says itself, or what would load weights past the report of how they fit.
TAKEN = {
    "drop_path_rate": "write backbone.drop_path",
    "pretrained": "write backbone.pretrained",
    "checkpoint_path": "write backbone.pretrained",
    "pretrained_cfg": "write backbone.pretrained",
    "pretrained_cfg_overlay": "write backbone.pretrained",
    "cache_dir": "it is no part of a run",
    "device": "it is no part of a run",
    "img_size": "the task's image size is passed",
    "num_classes": "the task sets it",
    "features_only": "the task sets it",
    "out_indices": "write backbone.layers of a plain ViT; else the neck chooses among the maps",
    "output_fmt": "maps are always NCHW",
    "in_chans": "images have three channels",
}

COUNTS = (
    *("base_width", "cardinality", "channels", "depth", "depths", "dims", "embed_dim", "embed_dims", "num_heads"),
    *("patch_size", "sr_ratios", "stem_width", "window_size"),
)
"""Options that are whole numbers from 1 on, or lists of them, whichever model of timm has them."""


class Freeze(Frozen):
    """What stays as its checkpoint has it. The default is that of both papers' ResNets in detection (mmdetection)."""

    stages: int | None = Field(1, ge=0)
    """So many stages, and the stem before them, are not trained and compute as in testing; 0: the stem; null: none."""
    norm: Literal["statistics", "all"] | None = "statistics"
    """Every BatchNorm keeps its running ``statistics``, as in mmdetection, or its weight and bias too: ``all``, as in
    detectron2 and torchvision; null: outside the frozen stages they are trained."""

    @model_validator(mode="after")
    def _freezes(self) -> "Freeze":
        if self.stages is None and self.norm is None:
            raise ValueError("stages and norm are both null, so nothing is frozen; write frozen: null")
        return self


class Settings(Backbone):
    """A backbone of timm by its name: all its maps from stride 4 on, or its pooled feature."""

    not_architecture: ClassVar[frozenset[str]] = Backbone.not_architecture | {"frozen"}

    kind: Literal["timm"] = "timm"
    name: str
    """timm's name of the architecture, without a tag: ``resnet18``, ``deit_tiny_patch16_224``."""
    options: dict[str, Scalar | tuple[Scalar, ...]] = Field({})
    """Arguments of timm's model, for instance ``{drop_rate: 0.1}``."""
    layers: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(None, min_length=2, max_length=6)
    """Of a plain ViT: the blocks, counted from 1, whose outputs become maps of strides 4, 8, 16, ..., resized bilinearly and
    without parameters (arXiv 2102.12122v2, Table 8: ``[2, 4, 6, 8]``); null: its last maps, all of the patches' stride."""
    frozen: Freeze | None = None
    """What is not trained; only with weights to start from. ``{}`` is the usual way with ResNet in detection."""

    @field_validator("name")
    @classmethod
    def _is_known(cls, value: str) -> str:
        model, dot, _ = value.partition(".")
        if dot:
            require_timm_model(model)
            raise ValueError(f"a tag names weights: write name: {model} and pretrained: timm:{value}")
        return require_timm_model(value)

    @field_validator("layers")
    @classmethod
    def _in_order(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and any(later <= earlier for earlier, later in pairwise(value)):
            raise ValueError(f"each must come after the one before, not {list(value)}")
        return value

    @field_validator("options", mode="before")
    @classmethod
    def _are_ours_to_set(cls, value: object) -> object:
        for option, setting in value.items() if isinstance(value, dict) else ():
            if option in TAKEN:
                raise ValueError(f"{option} is not for options: {TAKEN[option]}")
            if setting is None:
                raise ValueError(f"{option} is null, which timm takes for not written: leave it out")
            if (due := _due(option, setting)) is not None:
                raise ValueError(f"{option}: must be {due}, not {_written(setting)}")
        return value

    @field_validator("options")
    @classmethod
    def _fit(cls, value: dict[str, Any]) -> dict[str, Any]:
        width, heads = value.get("embed_dim"), value.get("num_heads")
        if isinstance(width, int) and isinstance(heads, int) and width % heads:
            raise ValueError(f"embed_dim {width} is not a multiple of num_heads {heads}")
        return value

    def check(self, height: int, width: int) -> None:
        patch = re.search(r"_patch(\d+)", self.name)
        side = self.options.get("patch_size", int(patch[1]) if patch else 1)
        if isinstance(side, int) and (height % side or width % side):
            raise ValueError(f"{self.name} cuts patches of {side}, which do not divide an image of {height} x {width}")

    def width(self, image_px: int) -> Width:
        from pvt_exp.nn.backbones.timm_width import width

        return width(self, image_px)

    def build(self, image_px: int, maps: bool = False) -> "TimmBackbone":
        """The module; ``image_px`` sizes a ViT's table of positions, which is interpolated to other images.

        Raises:
            ValueError: if the model has no such option, no stochastic depth where `drop_path` asks for it, no maps, or no
                such stages or BatchNorm as `frozen` says.
        """
        from pvt_exp.nn.backbones.timm import TimmBackbone

        return TimmBackbone(self, image_px, maps)


def _due(option: Any, setting: Any) -> str | None:
    """What an option must be, where its value is something that no model of timm takes for it."""
    each = setting if isinstance(setting, list | tuple) else (setting,)
    if any(isinstance(one, float) and not math.isfinite(one) for one in each):
        return "a finite number"
    if option in COUNTS and not (each and all(type(one) is int and one >= 1 for one in each)):
        return "a whole number from 1 on, or a list of such"
    if str(option).endswith(("drop_rate", "drop_block_rate")) and not (
        type(setting) in (int, float) and 0 <= setting < 1
    ):
        return "a number from 0 to below 1"
    return None


def _written(setting: Any) -> str:
    """A value as YAML has it."""
    if isinstance(setting, list | tuple):
        return f"[{', '.join(map(_written, setting))}]"
    return str(setting).lower() if isinstance(setting, bool) else repr(setting)
