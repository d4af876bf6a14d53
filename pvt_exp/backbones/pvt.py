"""PVT v1 (arXiv 2102.12122) and v2 (arXiv 2106.13797) as one backbone with a switch for each mechanism.

A preset is a name for values of these fields; what is written beside it wins. The resolved settings hold the values and
not the name, so a run is the same however it was spelled.
"""

from itertools import accumulate
from operator import mul
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, field_validator, model_validator

from pvt_exp.backbones import Backbone, Width
from pvt_exp.config import merge
from pvt_exp.config.component import Component
from pvt_exp.system import spelling

if TYPE_CHECKING:
    from pvt_exp.nn.backbones.pvt import PVT

Positive = Annotated[int, Field(ge=1)]
Blocks = Annotated[tuple[Annotated[int, Field(ge=1, le=10_000)], ...], Field(min_length=1)]
PerStage = Annotated[tuple[Positive, ...], Field(min_length=1)]


class SpatialReduction(Component):
    """Keys and values come from the map shrunk by a strided convolution (SRA; arXiv 2102.12122, section 3.3)."""

    kind: Literal["sra"] = "sra"
    ratios: PerStage = (8, 4, 2, 1)
    """Side of the square of tokens that becomes one key, a number for each stage; 1: no reduction."""


class LinearReduction(Component):
    """Keys and values come from the map pooled to a fixed size (linear SRA; arXiv 2106.13797, section 3.2)."""

    kind: Literal["linear"] = "linear"
    pool: int = Field(7, ge=1)
    """Side of the pooled map: attention is over ``pool * pool`` keys in every stage."""
    activation: bool = True
    """The GELU that the released code has after the norm of the pooled map; the paper does not mention it."""


class FullAttention(Component):
    """Every token attends to every token."""

    kind: Literal["full"] = "full"


Attention = SpatialReduction | LinearReduction | FullAttention
Preset = Literal[
    "pvt_tiny",
    "pvt_small",
    "pvt_medium",
    "pvt_large",
    "pvt_v2_b0",
    "pvt_v2_b1",
    "pvt_v2_b2",
    "pvt_v2_b2_li",
    "pvt_v2_b3",
    "pvt_v2_b4",
    "pvt_v2_b5",
]

_COMMON: dict[str, Any] = {
    "embed_dims": (64, 128, 320, 512),
    "heads": (1, 2, 5, 8),
    "mlp_ratios": (8.0, 8.0, 4.0, 4.0),
    "patch_sizes": (4, 2, 2, 2),
    "attention": {"kind": "sra", "ratios": (8, 4, 2, 1)},
    "drop_path": 0.1,
}
_V1: dict[str, Any] = {
    **_COMMON,
    "overlap": False,
    "position": "learned",
    "ffn": "linear",
    "stage_norm": False,
    "class_token": True,
    "conv_init": "uniform",
}
_V2: dict[str, Any] = {
    **_COMMON,
    "overlap": True,
    "position": "none",
    "ffn": "depthwise",
    "stage_norm": True,
    "class_token": False,
    "conv_init": "fan_out",
}
# Depths are the released code's: both papers print 3 blocks in stage 2 of Small, Medium, B2 and B3, and only 4 give the
# parameter counts that the same papers print. Drop path is that of the classification recipe.
PRESETS: dict[Preset, dict[str, Any]] = {
    "pvt_tiny": {**_V1, "depths": (2, 2, 2, 2)},
    "pvt_small": {**_V1, "depths": (3, 4, 6, 3)},
    "pvt_medium": {**_V1, "depths": (3, 4, 18, 3), "drop_path": 0.3},
    "pvt_large": {**_V1, "depths": (3, 8, 27, 3), "drop_path": 0.3},
    "pvt_v2_b0": {**_V2, "depths": (2, 2, 2, 2), "embed_dims": (32, 64, 160, 256)},
    "pvt_v2_b1": {**_V2, "depths": (2, 2, 2, 2)},
    "pvt_v2_b2": {**_V2, "depths": (3, 4, 6, 3)},
    "pvt_v2_b2_li": {
        **_V2,
        "depths": (3, 4, 6, 3),
        "attention": {"kind": "linear", "pool": 7, "activation": True},
        "ffn": "relu_depthwise",
    },
    "pvt_v2_b3": {**_V2, "depths": (3, 4, 18, 3), "drop_path": 0.3},
    "pvt_v2_b4": {**_V2, "depths": (3, 8, 27, 3), "drop_path": 0.3},
    "pvt_v2_b5": {**_V2, "depths": (3, 6, 40, 3), "mlp_ratios": (4.0, 4.0, 4.0, 4.0), "drop_path": 0.3},
}


STAGED = ("embed_dims", "depths", "heads", "mlp_ratios", "patch_sizes")


def _one_entry_a_stage(schema: dict[str, Any]) -> None:
    """In JSON Schema: lists of four entries, as the defaults and presets have; or all lists, of another length."""

    def lists(least: int, most: int | None = None) -> dict[str, Any]:
        size = {"minItems": least} | ({"maxItems": most} if most else {})
        return dict.fromkeys(STAGED, size) | {"attention": {"properties": {"ratios": size}}}

    others = [{"required": [*STAGED, "attention"], "properties": lists(n, n)} for n in (1, 2, 3, 5, 6)]
    longer = {"required": [*STAGED, "attention"], "properties": lists(7)}
    schema["anyOf"] = [{"properties": lists(4, 4)}, *others, longer]
    attention = schema["properties"]["attention"]
    del attention["required"]  # of a preset's attention, or the default's, a part may be written
    attention["anyOf"] = attention.pop("oneOf")


class Settings(Backbone):
    """Pyramid Vision Transformer, v1 and v2. Without a preset the defaults are PVT v2-B0's, less its drop path."""

    model_config = ConfigDict(json_schema_extra=_one_entry_a_stage)

    kind: Literal["pvt"] = "pvt"
    preset: Preset | None = Field(None, exclude=True)
    """A published model: sets all fields that are not written beside it, drop path included. Not part of the run."""
    embed_dims: PerStage = (32, 64, 160, 256)
    """Channels of each stage; as many stages as there are entries."""
    depths: Blocks = (2, 2, 2, 2)
    """Blocks of each stage."""
    heads: PerStage = (1, 2, 5, 8)
    """Attention heads of each stage; they divide its channels."""
    mlp_ratios: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (8.0, 8.0, 4.0, 4.0)
    """Width of each stage's feed-forward layer over its channels."""
    patch_sizes: PerStage = (4, 2, 2, 2)
    """Stride of each stage's patch embedding: the first is over pixels, the others over the map before."""
    overlap: bool = True
    """Patches of ``2 * stride - 1`` that overlap (v2) rather than patches of ``stride`` that do not (v1)."""
    position: Literal["none", "learned"] = "none"
    """``learned``: a table for each stage (v1), interpolated to the map at hand; ``none``: left to the convolutions."""
    attention: Annotated[Attention, Field(discriminator="kind")] = SpatialReduction()
    """What is attended to: ``sra``, ``linear`` or ``full``."""
    ffn: Literal["linear", "depthwise", "relu_depthwise"] = "depthwise"
    """``depthwise`` puts a 3 x 3 depthwise convolution before the GELU (v2); ``relu_depthwise`` a ReLU before that
    (the released code of PVT v2-B2-Li; the paper does not mention it)."""
    stage_norm: bool = True
    """A LayerNorm closes every stage, and the next one sees its output (v2)."""
    class_token: bool = False
    """Classify by a token that joins the last stage (v1) rather than by the mean; feature maps never have one. Where
    there is one it goes around what needs a map: depthwise convolution, and reduction, of which it stays a key."""
    conv_init: Literal["uniform", "fan_out"] = "fan_out"
    """How convolutions start: PyTorch's uniform (v1), or normal by the fan out (v2)."""

    @model_validator(mode="before")
    @classmethod
    def _expand_preset(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        preset = value.get("preset")
        base: dict[str, Any] = {"attention": {"kind": "sra"}}
        if isinstance(preset, str) and preset in get_args(Preset):
            base = PRESETS[preset]  # type: ignore[index]
            value = {key: item for key, item in value.items() if key != "preset"}
        attention = value.get("attention")
        if isinstance(attention, dict):
            value = {**value, "attention": merge(base["attention"], attention)}
        return {**(base if preset is not None else {}), **value}

    @field_validator("preset", mode="before")
    @classmethod
    def _name_near_preset(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in get_args(Preset):
            known = get_args(Preset)
            raise ValueError(f"unknown preset '{value}'{spelling.hint(value, known, 'one of ' + ', '.join(known))}")
        return value

    @model_validator(mode="after")
    def _stages_agree(self) -> "Settings":
        per_stage = {name: getattr(self, name) for name in STAGED}
        if isinstance(self.attention, SpatialReduction):
            per_stage["attention.ratios"] = self.attention.ratios
        stages = len(self.embed_dims)
        for name, values in per_stage.items():
            if len(values) != stages:
                raise ValueError(f"{name} has {len(values)} entries and embed_dims {stages}; each needs one a stage")
        for stage, (dim, heads, ratio) in enumerate(zip(self.embed_dims, self.heads, self.mlp_ratios, strict=True), 1):
            if dim % heads:
                raise ValueError(f"heads: {heads} heads do not divide the {dim} channels of stage {stage}")
            if int(dim * ratio) < 1:
                raise ValueError(f"mlp_ratios: {ratio} of {dim} channels leaves stage {stage} no feed-forward layer")
        if self.drop_path > 0 and sum(self.depths) == 1:
            raise ValueError("drop_path grows from 0 at the first block, so with one block it has no effect: write 0")
        return self

    def units(self, field: str) -> tuple[int, ...] | None:
        return self.heads if field == "embed_dims" else None

    def width(self, image_px: int) -> Width:
        return Width("embed_dims", self.embed_dims, self.heads)

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels a step of each stage's map."""
        return tuple(accumulate(self.patch_sizes, mul))

    def map_sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Height and width of each stage's map: overlapping patches round up, plain ones down."""
        sizes = []
        for stride in self.patch_sizes:
            # a kernel of 2s - 1 over a padding of s - 1 begins at every s-th place: ceil(side / s)
            height, width = ((side + (stride - 1 if self.overlap else 0)) // stride for side in (height, width))
            sizes.append((height, width))
        return sizes

    def check(self, height: int, width: int) -> None:
        for stage, size in enumerate(self.map_sizes(height, width), 1):
            if min(size) < 1:
                raise ValueError(f"an image of {height} x {width} leaves stage {stage} no map; strides {self.strides}")
            if isinstance(self.attention, SpatialReduction) and min(size) < self.attention.ratios[stage - 1]:
                raise ValueError(
                    f"an image of {height} x {width} gives stage {stage} a map of {size[0]} x {size[1]}, of which "
                    f"attention.ratios {self.attention.ratios[stage - 1]} leaves nothing to attend to"
                )

    def build(self, image_px: int, maps: bool = False) -> "PVT":
        from pvt_exp.nn.backbones.pvt import PVT

        return PVT(self, image_px, maps)
