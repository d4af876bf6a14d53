"""What turns an image into feature maps. Each file is a kind; here is what they share.

Contract of a built backbone (``pvt_exp/nn/``): ``forward(images)`` gives NCHW maps from fine to coarse with the
declared ``channels`` and ``strides``; ``embed(images)`` gives the feature ``[B, embed_dim]`` that a linear classifier
takes; ``no_weight_decay()`` names the parameters that the paper exempts. Built with ``maps=True`` it has only what
maps need (so that no parameter goes unused in detection), else only what ``embed`` needs.
"""

import difflib
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from pvt_exp.component import Component
from pvt_exp.config import Frozen

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
        near = difflib.get_close_matches(model, sorted(timm_models()), 3)
        raise ValueError(f"timm has no model '{model}'" + (f"; did you mean {' or '.join(near)}" if near else ""))
    return name


class Pretrained(Frozen):
    """Weights to start from. They count by their content: the same file elsewhere is the same run."""

    timm: str | None = None
    """A model of timm with its tag (``pvt_v2_b0.in1k``), fetched by timm from its hub or found in its cache."""
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    """The content of the checkpoint; filled in from `path`."""
    path: str | None = Field(None, exclude=True)
    """A ``.pth`` or ``.safetensors`` file, relative to the folder the command is typed in. Not part of the run."""
    allow: tuple[str, ...] = ()
    """Patterns (``*.attn.sr.*``) of our tensors that may start fresh, being absent from the checkpoint or of another
    shape, and of the checkpoint's that may be left over."""

    @model_validator(mode="before")
    @classmethod
    def _from_words(cls, value: Any) -> Any:
        """``timm:<tag>`` and plain paths, and the content's hash."""
        if isinstance(value, str):
            value = {"timm": value.removeprefix("timm:")} if value.startswith("timm:") else {"path": value}
        if isinstance(value, dict) and value.get("path") and not value.get("sha256"):
            path = Path(str(value["path"]))
            if not path.is_file():
                raise ValueError(f"no such file: {path}")
            with path.open("rb") as file:
                value = {**value, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
        return value

    @model_validator(mode="after")
    def _one_source(self) -> "Pretrained":
        if (self.timm is None) == (self.sha256 is None):
            raise ValueError("write path.pth, path.safetensors or timm:<tag>")
        if self.timm is not None and not re.fullmatch(r"[\w.\-]+", self.timm):
            raise ValueError(f"'{self.timm}' is no name of a timm model")
        if self.timm is not None:
            require_timm_model(self.timm)
        return self


class Backbone(Component):
    """Settings of a backbone, light; `build` makes the module, heavy."""

    drop_path: float = Field(0.0, ge=0, lt=1)
    """Rate of stochastic depth (arXiv 1603.09382) at the last block, growing linearly from 0 at the first."""
    pretrained: Pretrained | None = None
    """Weights to start from: ``path.pth``, ``path.safetensors`` or ``timm:<tag>``; none: random."""

    def check(self, height: int, width: int) -> None:
        """Raise ValueError with the reason if images of this size cannot go through."""

    def build(self, image_px: int, maps: bool = False) -> "nn.Module":
        """The module, randomly initialised; ``image_px`` is the training size that size-bound tables are made for."""
        raise NotImplementedError
