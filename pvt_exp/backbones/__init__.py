"""What turns an image into feature maps. Each file is a kind; here is what they share.

Contract of a built backbone (``pvt_exp/nn/``): ``forward(images)`` gives NCHW maps from fine to coarse with the
declared ``channels`` and ``strides``; ``embed(images)`` gives the feature ``[B, embed_dim]`` that a linear classifier
takes; ``no_weight_decay()`` names the parameters that the paper exempts. Built with ``maps=True`` it has only what
maps need (so that no parameter goes unused in detection), else only what ``embed`` needs.
"""

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, get_args, get_origin

from pydantic import Field, model_validator

from pvt_exp.config import Frozen, or_text
from pvt_exp.config.component import Component
from pvt_exp.system import spelling

if TYPE_CHECKING:
    from torch import nn


@cache
def timm_models() -> frozenset[str]:
    """The names of all of timm's models, without importing timm: a list made from it, which a test keeps current."""
    return frozenset((Path(__file__).parent / "timm_models.txt").read_text(encoding="utf-8").split())


def require_timm_model(name: str) -> str:
    """The name, if timm has such a model; a tag (``resnet18.a1_in1k``) is ignored.

    Raises:
        ValueError: if it has none, with names near to it.
    """
    model = name.partition(".")[0]
    if model not in timm_models():
        raise ValueError(f"timm has no model '{model}'{spelling.hint(model, sorted(timm_models()), most=3)}")
    return name


RUN = re.compile(r"runs/([0-9a-f]{1,12})")
"""How a run of the store is written as weights to start from."""


class Pretrained(Frozen):
    """Weights to start from. They count by their content: the same file elsewhere is the same run."""

    timm: str | None = None
    """A model of timm with its tag (``pvt_v2_b0.in1k``), fetched by timm from its hub or found in its cache."""
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    """The content of the checkpoint; filled in from `path`."""
    path: str | None = Field(None, exclude=True)
    """A ``.pth`` or ``.safetensors`` file, relative to the folder the command is typed in. Not part of the run."""
    run: str | None = Field(None, pattern="^[0-9a-f]{12}$")
    """A finished run of the store by its id, whose checkpoint was kept: what was scored, so the moving average if any."""
    allow: tuple[str, ...] = ()
    """Patterns (``*.attn.sr.*``) of our tensors that may start fresh, being absent from the checkpoint or of another
    shape, and of the checkpoint's that may be left over."""

    @model_validator(mode="before")
    @classmethod
    def _from_words(cls, value: Any) -> Any:
        """``timm:<tag>``, ``runs/<id>`` and plain paths, and the content's hash."""
        if isinstance(value, str):
            source, _, rest = value.partition(":")
            named = RUN.fullmatch(value)
            value = {"timm": rest} if source == "timm" else {"run": named[1]} if named else {"path": value}
        if isinstance(value, dict) and value.get("path") and not value.get("sha256"):
            path = Path(str(value["path"]))
            if not path.is_file():
                raise ValueError(f"no such file: {path}")
            with path.open("rb") as file:
                value = {**value, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
        return value

    @model_validator(mode="after")
    def _one_source(self) -> "Pretrained":
        if sum(source is not None for source in (self.timm, self.sha256, self.run)) != 1:
            raise ValueError("write path.pth, path.safetensors, timm:<tag> or runs/<id>")
        if self.timm is not None and not re.fullmatch(r"[\w.\-]+", self.timm):
            raise ValueError(f"'{self.timm}' is no name of a timm model")
        if self.timm is not None:
            require_timm_model(self.timm)
        return self


def _literals(annotation: Any) -> tuple[Any, ...]:
    """The values of all Literals in an annotation."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(value for part in get_args(annotation) for value in _literals(part))


class Width(NamedTuple):
    """What makes a backbone wider or narrower where `match` says no field."""

    field: str
    """Below ``backbone``: ``embed_dims``, ``options.channels``."""
    value: tuple[int, ...]
    """As it is now."""
    units: tuple[int, ...]
    """What each entry must be a multiple of."""
    single: bool = False
    """Whether the field is one number and not a list."""


class Backbone(Component):
    """Settings of a backbone, light; `build` makes the module, heavy."""

    not_architecture: ClassVar[frozenset[str]] = frozenset({"drop_path", "pretrained"})
    """Fields of which a run and its pretraining have their own values. All others are the architecture, which is one in
    both: so a field that is forgotten here is told or carried over, and never leaves the two with two models."""

    drop_path: float = Field(0.0, ge=0, lt=1)
    """Rate of stochastic depth (arXiv 1603.09382) at the last block, growing linearly from 0 at the first."""
    pretrained: Pretrained | None = Field(None, json_schema_extra=or_text)
    """Weights to start from: ``path.pth``, ``path.safetensors``, ``timm:<tag>`` or ``runs/<id>``; none: random, or those
    of the run's `pretrain`."""

    @classmethod
    def presets(cls) -> tuple[str, ...]:
        """The published models that ``preset`` can name: its Literal values; a backbone with another field says its own."""
        field = cls.model_fields.get("preset")
        return () if field is None else tuple(map(str, _literals(field.annotation)))

    def architecture(self) -> dict[str, Any]:
        """What decides which tensors there are and what is computed with them: field to value."""
        return {
            name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if not field.exclude and name not in self.not_architecture
        }

    def units(self, field: str) -> tuple[int, ...] | None:
        """What each entry of a field must be a multiple of where it is scaled; none: any whole number."""
        return None

    def width(self, image_px: int) -> Width:
        """What `match` scales by itself; it may import what computes.

        Raises:
            ValueError: with what to write instead, if there is no such field.
        """
        raise ValueError(f"the kind {self.kind} knows no width of its own; write match.by")  # type: ignore[attr-defined]

    def check(self, height: int, width: int) -> None:
        """Raise ValueError with the reason if images of this size cannot go through."""

    def build(self, image_px: int, maps: bool = False) -> "nn.Module":
        """The module, randomly initialised; ``image_px`` is the training size that size-bound tables are made for."""
        raise NotImplementedError
