"""Loads pretrained weights into a backbone, and reports what was loaded. What does not fit is an error, not a warning.

Else a run could train from scratch without anybody noticing.
"""

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, NamedTuple

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from pvt_exp.backbones import Backbone
from pvt_exp.nn.backbones.pvt import PVT
from pvt_exp.nn.backbones.timm import TimmBackbone, plain_name
from pvt_exp.nn.weights import checkpoint
from pvt_exp.nn.weights.state_dict import Taken, choose
from pvt_exp.system.words import some

SHOWN = 6  # names in an error message; the others are counted
OTHER_SHAPE, OTHER_KIND = "of another shape", "not dense tensors of the same kind of number"
OTHER_ARCHITECTURE = "this looks like the checkpoint of another architecture, or of another size of this one"
ALLOW = "what is meant to start fresh, or to be left over, goes into pretrained.allow"


@dataclass
class Report:
    """Which tensors of a checkpoint were loaded, by name. Each tensor of the backbone is in one of the first three lists."""

    source: str
    taken: str = ""
    """Which part of the checkpoint was taken, and which prefix was taken off its names; empty for all of it."""
    matched: list[str] = field(default_factory=list)
    """Loaded as they are."""
    resized: list[str] = field(default_factory=list)
    """Position embeddings that were interpolated to another grid, or lost the row of a class token."""
    missing: list[str] = field(default_factory=list)
    """Not loaded, so initialised at random: absent or of another shape, and allowed to be."""
    unexpected: list[str] = field(default_factory=list)
    """The checkpoint's names of tensors that the backbone does not have, such as the head's."""

    def summary(self) -> str:
        """A line for the log."""
        numbers = {"matched": self.matched, "resized": self.resized, "missing": self.missing}
        counts = ", ".join(f"{len(names)} {what}" for what, names in numbers.items())
        where = f" ({self.taken})" if self.taken else ""
        return f"weights from {self.source}{where}: {counts}; {len(self.unexpected)} not used"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


# ---------------------------------------------------------------- names


def pvt_name(name: str) -> str:
    """Our name of a PVT's tensor from the authors', from timm's (``features_only`` too), or from ours.

    ``block3.1.attn.q.weight`` and ``stages_2.blocks.1.attn.q.weight`` are both ``stages.2.blocks.1.attn.q.weight``.
    """
    name = name.replace(".dwconv.dwconv.", ".dwconv.")
    if numbered := re.match(r"(patch_embed|pos_embed|block|norm)(\d+)(?=\.|$)", name):
        part = {"patch_embed": "embed", "pos_embed": "position", "block": "blocks", "norm": "norm"}[numbered[1]]
        return f"stages.{int(numbered[2]) - 1}.{part}{name[numbered.end() :]}"
    name = re.sub(r"^cls_token$", "class_token", name)
    name = re.sub(r"^patch_embed\.", "stages.0.embed.", name)
    return re.sub(r"^stages[._](\d+)\.", r"stages.\1.", name).replace(".downsample.", ".embed.")


def translator(backbone: nn.Module) -> Callable[[str], str]:
    """Returns a function from a checkpoint's name of a tensor to the backbone's."""
    if isinstance(backbone, PVT):
        return pvt_name
    if isinstance(backbone, TimmBackbone):
        own = {plain_name(name): name for name in backbone.state_dict()}
        return lambda name: own.get(plain_name(name), name)
    return lambda name: name


def _is_surplus(backbone: nn.Module) -> Callable[[str], bool]:
    """Returns whether this backbone is expected to lack the tensor of a translated name."""
    if isinstance(backbone, TimmBackbone):
        names = backbone.surplus()
        return lambda name: plain_name(name) in names
    without = ("head.", "class_token", "norm.") if getattr(backbone, "maps", False) else ("head.",)
    return lambda name: name.startswith(without)


def fit_positions(table_1TC: Tensor, slots: int) -> Tensor | None:
    """Position embeddings [1, T, C] over a square grid, interpolated to ``slots`` positions; None if that is impossible.

    The row of a class token is kept as it is, or dropped where the backbone has none.
    """
    old, new = math.isqrt(table_1TC.shape[1]), math.isqrt(slots)
    old_extra, new_extra = table_1TC.shape[1] - old**2, slots - new**2
    if new_extra not in (old_extra, 0) or old_extra > 1:
        return None
    table_1CHW = table_1TC[:, old_extra:].reshape(1, old, old, -1).permute(0, 3, 1, 2).float()
    if new != old:
        table_1CHW = interpolate(table_1CHW, (new, new), mode="bilinear")
    return torch.cat([table_1TC[:, :new_extra], table_1CHW.flatten(2).transpose(1, 2)], 1)


class Fitted(NamedTuple):
    """A checkpoint's tensor in the shape of ours, or how the two differ."""

    tensor: Tensor | None
    resized: bool = False
    """Whether it is a position embedding that was interpolated."""
    difference: str = ""
    other_kind: bool = False
    """Whether they differ in layout, device or kind of number, and not only in shape."""


def fitted(name: str, theirs: Tensor, ours: Tensor) -> Fitted:
    """Make a checkpoint's tensor fit our tensor of this name."""
    if (other := checkpoint.unlike(theirs, ours)) is not None:
        return Fitted(None, difference=other, other_kind=True)
    if theirs.shape == ours.shape:
        return Fitted(theirs)
    are_positions = name.endswith(("position", "pos_embed")) and theirs.ndim == 3
    if are_positions and theirs.shape[::2] == ours.shape[::2]:
        resized = fit_positions(theirs, ours.shape[1])
        if resized is not None:
            return Fitted(resized, resized=True)
    return Fitted(None, difference=f"{list(theirs.shape)} there and {list(ours.shape)} here")


# ---------------------------------------------------------------- loading


def fetch(tag: str, backbone: nn.Module) -> dict[str, Tensor]:
    """The weights of a timm model by its tag, from its hub or its cache.

    Raises:
        ValueError: if there are none, or the hub cannot be reached.
    """
    # built as ours is, so that timm fits its own checkpoint to the image size
    options = backbone.options if isinstance(backbone, TimmBackbone) else {}
    try:
        model = timm.create_model(tag, pretrained=True, **options)
    except Exception as error:  # the hub's client raises some thirty kinds
        raise ValueError(
            f"timm:{tag}: no weights: {checkpoint.first_line(error)}. Without network, write the path of a file instead"
        ) from error
    return dict(model.state_dict())


def load(backbone: nn.Module, settings: Backbone, file: Path | None) -> Report:
    """Put ``settings.pretrained`` into the backbone; ``file`` is where its checkpoint lies here, none for ``timm:``.

    The backbone is left as it was unless all fits.

    Raises:
        ValueError: if the weights cannot be had, are not those of the run, or do not fit.
    """
    pretrained = settings.pretrained
    assert pretrained is not None, "this run starts at random"
    if pretrained.timm is not None:
        source, taken = f"timm:{pretrained.timm}", Taken(fetch(pretrained.timm, backbone), [], "")
    else:
        if file is None:
            raise ValueError(f"where is the checkpoint with sha256 {pretrained.sha256} on this machine?")
        source, content = str(file), checkpoint.content(file)
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if digest != pretrained.sha256:
            raise ValueError(f"{file}: not the run's checkpoint: its sha256 is {digest}, not {pretrained.sha256}")
        taken = choose(content, meant(backbone.state_dict(), translator(backbone)), source)
    report, fitting = match(backbone, taken.tensors, pretrained.allow, source, taken.words)
    report.taken = taken.words
    report.unexpected += taken.others
    put(backbone, fitting)
    print(report.summary(), flush=True)
    return report


def meant(own: Mapping[str, Tensor], translate: Callable[[str], str]) -> Callable[[str], str | None]:
    """Returns a function from a checkpoint's name to ours; None where we have no such tensor."""

    def ours(name: str) -> str | None:
        return found if (found := translate(name)) in own else None

    return ours


def load_run(
    backbone: nn.Module,
    file: Path | None,
    run: str,
    weights: Literal["last", "ema"] | None,
    allow: tuple[str, ...] = (),
) -> tuple[Report, str]:
    """Put the backbone of the run with this id into ours; ``file`` is its checkpoint. Says which weights were taken.

    Raises:
        ValueError: if the weights cannot be had or do not fit; the backbone is then left as it was.
    """
    if file is None:
        raise ValueError(f"the checkpoint of run {run}, which this one starts from, is not in the store")
    theirs, others, taken = checkpoint.read_run(file, weights)
    report, fitting = match(backbone, theirs, allow, f"runs/{run}")
    report.unexpected += others
    put(backbone, fitting)
    print(report.summary(), flush=True)
    return report, taken


def put(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy tensors into the network's own of the same names."""
    own = network.state_dict()
    with torch.no_grad():
        for name, tensor in tensors.items():
            own[name].copy_(tensor)


def match(
    backbone: nn.Module, theirs: dict[str, Tensor], allow: tuple[str, ...], source: str, taken: str = ""
) -> tuple[Report, dict[str, Tensor]]:
    """Match a checkpoint with a backbone: the report, and the tensors to copy, by our names.

    Raises:
        ValueError: listing all that does not fit, unless the backbone or a pattern of ``allow`` permits it.
    """
    own, translate, surplus = backbone.state_dict(), translator(backbone), _is_surplus(backbone)
    translated = {name: translate(name) for name in theirs}

    def allowed(*names: str) -> bool:
        return any(fnmatchcase(name, pattern) for name in names for pattern in allow)

    for pattern in allow:
        if not any(fnmatchcase(name, pattern) for name in {*own, *theirs, *translated.values()}):
            raise ValueError(f"pretrained.allow: no tensor is called '{pattern}', neither here nor in {source}")
    report, fitting = Report(source), {}
    leftover, misshapen, unlike = [], [], []
    for name, ours in translated.items():
        tensor = theirs[name]
        if ours not in own or ours in fitting:
            report.unexpected.append(name)
            if not surplus(ours) and not allowed(name, ours):
                leftover.append(name)
            continue
        fit = fitted(ours, tensor, own[ours])
        if fit.tensor is not None:
            fitting[ours] = fit.tensor
            (report.resized if fit.resized else report.matched).append(ours)
        elif fit.other_kind:
            unlike.append(f"{ours} {fit.difference}")
        elif not allowed(name, ours):
            misshapen.append(f"{ours} {fit.difference}")
    report.missing = [name for name in own if name not in fitting]
    named = {translated[name] for name in theirs}
    absent = [name for name in report.missing if name not in named and not allowed(name)]
    if leftover or misshapen or unlike or absent or not fitting:
        wrong = {"missing": absent, "unexpected": leftover, OTHER_SHAPE: misshapen, OTHER_KIND: unlike}
        advice = OTHER_ARCHITECTURE if len(fitting) < len(own) / 2 else ALLOW
        where = f"{source} ({taken})" if taken else source
        raise ValueError(complaint(where, "backbone", wrong, len(fitting), len(own), advice))
    checkpoint.refuse_bad_numbers(fitting, source)
    return report, fitting


def complaint(source: str, network: str, wrong: dict[str, list[str]], fit: int, of: int, advice: str) -> str:
    """One line: how many of the tensors of a ``network`` fit, which do not and why, and what to do."""
    lines = [f"{source}: {fit} of the {network}'s {of} tensors fit"]
    for what, names in wrong.items():
        if names:
            lines.append(f"{len(names)} {what}: {some(names, SHOWN)}")
    return "; ".join([*lines, advice])
