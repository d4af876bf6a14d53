"""Reads checkpoints: the authors' (github.com/whai362/PVT), timm's, and our own. No code in them is ever run."""

import argparse
import pathlib
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from pvt_exp.nn.weights.state_dict import OURS

PREFIXES = dict(zip(("ema", "last"), OURS, strict=True))
INERT: list[Any] = [
    argparse.Namespace,  # the authors' training code puts its arguments into its checkpoints
    pathlib.PosixPath,
    (pathlib.PosixPath, "pathlib._local.PosixPath"),
    np.ndarray,
    np.dtype,
    *{type(np.dtype(kind)) for kind in "?bhilqBHILQefdUSO"},
    *((getattr(np._core.multiarray, name), f"numpy.{core}.multiarray.{name}")  # type: ignore[attr-defined]
      for name in ("scalar", "_reconstruct") for core in ("core", "_core")),
]  # fmt: skip
"""What a checkpoint may hold besides tensors: settings, and scores as numpy's numbers."""
NOT_WEIGHTS = {
    b"version https://git-lfs": "a pointer of Git LFS instead of the file; fetch it with: git lfs pull",
    b"<!doctype": "a web page; download the file itself",
    b"<html": "a web page; download the file itself",
    b"\x89HDF": "a file of Keras (HDF5), not of PyTorch",
}


def read_run(file: Path, weights: Literal["last", "ema"] | None) -> tuple[dict[str, Tensor], list[str], str]:
    """From a checkpoint of a run of ours: its backbone's tensors, the names of all others, and which weights these are.

    ``weights`` None takes what was scored: the moving average where there is one.

    Raises:
        ValueError: if it is missing, torn or no such checkpoint, or has no moving average.
    """
    kept = content(file)
    state = kept.get("state_dict") if isinstance(kept, Mapping) else None
    state = state if isinstance(state, Mapping) else {}
    chosen = weights or ("ema" if any(name.startswith(PREFIXES["ema"]) for name in state) else "last")
    prefix = PREFIXES[chosen]
    named = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    own = {name.removeprefix("backbone."): t for name, t in named.items() if name.startswith("backbone.")}
    if not own:
        raise ValueError(f"{file}: holds no {chosen} weights of a run")
    return own, [name for name in named if not name.startswith("backbone.")], chosen


def content(file: Path) -> Any:
    """What a checkpoint holds. No code in it is ever run.

    Raises:
        ValueError: if it is missing, torn, or holds more than data.
    """
    if not file.is_file():
        raise ValueError(f"no such file: {file}")
    with file.open("rb") as opened:
        start = opened.read(64)
    if why := next((why for sign, why in NOT_WEIGHTS.items() if start.lower().startswith(sign.lower())), None):
        raise ValueError(f"{file}: not a checkpoint: {why}")
    try:
        if _is_safetensors(start, file.stat().st_size):
            return safetensors.torch.load_file(file)
        # opened here, as torch goes by the suffix of a path
        with torch.serialization.safe_globals(INERT), file.open("rb") as opened:
            return torch.load(opened, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+\w)", str(error))  # the name of what would have been called
        if found:
            raise ValueError(f"{file}: refused, as it holds code ({found[1]}); save its tensors alone") from None
        raise ValueError(f"{file}: not a checkpoint of PyTorch") from None
    except Exception as error:  # a damaged file can raise almost any error
        if "TorchScript" in str(error):
            raise ValueError(f"{file}: refused, as it holds code (TorchScript); save its state_dict() alone") from None
        raise ValueError(f"{file}: torn, or not a checkpoint: {first_line(error)}") from None


def _is_safetensors(start: bytes, size: int) -> bool:
    """Whether a file of this many bytes is of safetensors: it begins with the length of a header in JSON."""
    return len(start) > 8 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= size - 8


def refuse_bad_numbers(tensors: Mapping[str, Tensor], source: str) -> None:
    """Refuse weights that hold NaN or infinity.

    Raises:
        ValueError: naming the first few tensors that do.
    """
    bad = [name for name, each in tensors.items() if each.is_floating_point() and not torch.isfinite(each).all()]
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise ValueError(f"{source}: NaN or infinity in {len(bad)} tensors: {', '.join(bad[:3])}{more}")


def first_line(error: Exception) -> str:
    """What an error of another library says, in a line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
