"""Pretrained weights into a backbone, and a report of what went where. What does not fit is an error, never a warning.

The known failure of others' ways is a run that trains from scratch and says nothing.
"""

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from pvt_exp.backbones import Backbone
from pvt_exp.nn.backbones.pvt import PVT
from pvt_exp.nn.backbones.timm import TimmBackbone, plain_name
from pvt_exp.nn.weights import checkpoint
from pvt_exp.nn.weights.state_dict import Taken, choose

SHOWN = 6  # names in an error before it only counts


@dataclass
class Report:
    """How a checkpoint and a backbone met, by tensors' names; each of the backbone's is in one of the first three."""

    source: str
    taken: str = ""
    """Which part of the checkpoint was taken, and which prefix was taken off its names; empty for all of it."""
    matched: list[str] = field(default_factory=list)
    """Loaded as they are."""
    resized: list[str] = field(default_factory=list)
    """Position embeddings that were interpolated to another grid, or lost the slot of a class token."""
    missing: list[str] = field(default_factory=list)
    """Start at random: absent from the checkpoint or of another shape, and allowed to be."""
    unexpected: list[str] = field(default_factory=list)
    """The checkpoint's own names of what the backbone has no use for, such as the head."""

    def told(self) -> str:
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
    """Gives a backbone's own name of a tensor from the one in a checkpoint."""
    if isinstance(backbone, PVT):
        return pvt_name
    if isinstance(backbone, TimmBackbone):
        own = {plain_name(name): name for name in backbone.state_dict()}
        return lambda name: own.get(plain_name(name), name)
    return lambda name: name


def _is_surplus(backbone: nn.Module) -> Callable[[str], bool]:
    """Tells of a translated name whether this backbone rightly has no such tensor."""
    if isinstance(backbone, TimmBackbone):
        names = backbone.surplus()
        return lambda name: plain_name(name) in names
    without = ("head.", "class_token", "norm.") if getattr(backbone, "maps", False) else ("head.",)
    return lambda name: name.startswith(without)


def fit_positions(table_1TC: Tensor, slots: int) -> Tensor | None:
    """A table of positions over a square grid, interpolated to one of ``slots``; none if that cannot be.

    A class token's slot stays as it is, and is dropped where it is not wanted.
    """
    old, new = math.isqrt(table_1TC.shape[1]), math.isqrt(slots)
    old_extra, new_extra = table_1TC.shape[1] - old**2, slots - new**2
    if new_extra not in (old_extra, 0) or old_extra > 1:
        return None
    table_1CHW = table_1TC[:, old_extra:].reshape(1, old, old, -1).permute(0, 3, 1, 2).float()
    if new != old:
        table_1CHW = interpolate(table_1CHW, (new, new), mode="bilinear")
    return torch.cat([table_1TC[:, :new_extra], table_1CHW.flatten(2).transpose(1, 2)], 1)


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
    print(report.told(), flush=True)
    return report


def meant(own: Mapping[str, Tensor], translate: Callable[[str], str]) -> Callable[[str], str | None]:
    """Gives the tensor of ours that a name in a checkpoint stands for, None for none."""

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
    print(report.told(), flush=True)
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
    """What fits where: the report, and the tensors to copy by our names.

    Raises:
        ValueError: listing all that does not fit and that neither the backbone nor the patterns of ``allow`` let pass.
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
        if (other := checkpoint.unlike(tensor, own[ours])) is not None:
            unlike.append(f"{ours} {other}")
            continue
        if tensor.shape == own[ours].shape:
            fitting[ours] = tensor
            report.matched.append(ours)
            continue
        is_table = ours.endswith(("position", "pos_embed")) and tensor.ndim == 3
        if is_table and tensor.shape[::2] == own[ours].shape[::2]:
            table = fit_positions(tensor, own[ours].shape[1])
            if table is not None:
                fitting[ours] = table
                report.resized.append(ours)
                continue
        if not allowed(name, ours):
            misshapen.append(f"{ours} {list(tensor.shape)} there and {list(own[ours].shape)} here")
    report.missing = [name for name in own if name not in fitting]
    named = {translated[name] for name in theirs}
    absent = [name for name in report.missing if name not in named and not allowed(name)]
    if leftover or misshapen or unlike or absent or not fitting:
        wrong = {
            "missing": absent,
            "unexpected": leftover,
            "of another shape": misshapen,
            "not dense tensors of the same kind of number": unlike,
        }
        raise ValueError(_complaint(f"{source} ({taken})" if taken else source, wrong, len(fitting), len(own)))
    checkpoint.refuse_bad_numbers(fitting, source)
    return report, fitting


def _complaint(source: str, wrong: dict[str, list[str]], fit: int, of: int) -> str:
    lines = [f"{source}: {fit} of the backbone's {of} tensors fit"]
    for what, names in wrong.items():
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            lines.append(f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}")
    if fit < of / 2:
        lines.append("this looks like the checkpoint of another architecture, or of another size of this one")
    else:
        lines.append("what is meant to start fresh, or to be left over, goes into pretrained.allow")
    return "; ".join(lines)
