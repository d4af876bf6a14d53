"""Reads checkpoints: the authors' (github.com/whai362/PVT), timm's, and our own. No code in them is ever run."""

import argparse
import pathlib
import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from pvt_exp.nn.weights.state_dict import OURS
from pvt_exp.system.words import some

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
"""Classes that a checkpoint may hold besides tensors: for settings, and for scores as numpy's numbers."""
NOT_WEIGHTS = {
    b"version https://git-lfs": "a pointer of Git LFS instead of the file; fetch it with: git lfs pull",
    b"<!doctype": "a web page; download the file itself",
    b"<html": "a web page; download the file itself",
    b"\x89HDF": "a file of Keras (HDF5), not of PyTorch",
    b"\x93NUMPY": "an array of NumPy, not tensors of PyTorch",
    b"\x1f\x8b": "compressed by gzip; unpack it first",
}
HEADER_BYTES = 100_000_000
"""The most that a header of safetensors may have, by its format."""


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
    try:
        with file.open("rb") as opened:
            start = opened.read(512)
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from None
    if why := _not_weights(file, start):
        raise ValueError(f"{file}: not a checkpoint: {why}")
    try:
        if _is_safetensors(start):
            return safetensors.torch.load_file(file)
        # opened here, as torch goes by the suffix of a path
        with torch.serialization.safe_globals(INERT), file.open("rb") as opened:
            return torch.load(opened, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+\w)", str(error))  # the name of what would have been called
        if found:
            raise ValueError(f"{file}: refused, as it holds code ({found[1]}); save its tensors alone") from None
        raise ValueError(f"{file}: not a checkpoint of PyTorch") from None
    except MemoryError:
        raise ValueError(f"{file}: more than the memory that there is") from None
    except Exception as error:  # a damaged file can raise almost any error
        if "TorchScript" in str(error):
            raise ValueError(f"{file}: refused, as it holds code (TorchScript); save its state_dict() alone") from None
        raise ValueError(f"{file}: {_unread(start)}") from None


def _not_weights(file: Path, start: bytes) -> str | None:
    """What a file is that begins so, where that shows and is no checkpoint."""
    if not start:
        return "empty"
    if start[257:262] == b"ustar":
        return "a tar archive; unpack it first"
    if names := _zipped(file):
        if all(name.endswith(".npy") for name in names):
            return "arrays of NumPy (.npz), not tensors of PyTorch"
        if not any(name.endswith("/data.pkl") for name in names):
            return "a zip archive of other files; unpack it first"
    return next((why for sign, why in NOT_WEIGHTS.items() if start.lower().startswith(sign.lower())), None)


def _zipped(file: Path) -> list[str]:
    """The names in a zip archive, which PyTorch's files are too; none where it is torn."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except Exception:  # a damaged file can raise almost any error
        return []


def _unread(start: bytes) -> str:
    """What is said of a file that begins so and cannot be read; what the reader stumbled over helps nobody."""
    as_ours = start.startswith((b"PK", b"\x80")) or _is_safetensors(start)
    return "torn, or not a checkpoint of PyTorch" if as_ours else "not a checkpoint of PyTorch"


def _is_safetensors(start: bytes) -> bool:
    """Whether a file is of safetensors: it begins with the length of a header in JSON."""
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= HEADER_BYTES


def unlike(theirs: Tensor, own: Tensor) -> str | None:
    """What keeps a tensor from being copied into ours, whatever their shapes: its layout, device or kind of number."""
    if theirs.is_nested:
        return "nested there"
    if theirs.layout != torch.strided:
        return f"{theirs.layout} there"
    if theirs.is_meta:
        return "without values there (device meta)"
    if _number(theirs) != _number(own):
        return f"{theirs.dtype} there and {own.dtype} here"
    return None


def _number(tensor: Tensor) -> str:
    """What kind of number a tensor holds. Numbers that need a scale, or that PyTorch cannot convert, are a kind each."""
    if tensor.is_complex():
        return "complex"
    try:
        tensor.new_empty(1).to(torch.float64)
    except (NotImplementedError, RuntimeError):
        return str(tensor.dtype)
    if tensor.is_quantized:
        return str(tensor.dtype)
    return "floating" if tensor.is_floating_point() else "whole"


def refuse_bad_numbers(tensors: Mapping[str, Tensor], source: str) -> None:
    """Refuse weights that hold NaN or infinity.

    Raises:
        ValueError: naming the first few tensors that do.
    """
    bad = [name for name, each in tensors.items() if each.is_floating_point() and not _finite(each)]
    if bad:
        raise ValueError(f"{source}: NaN or infinity in {len(bad)} tensors: {some(bad, 3)}")


def _finite(tensor: Tensor) -> bool:
    wide = tensor.float() if tensor.element_size() == 1 else tensor  # PyTorch looks at few kinds of one byte
    return bool(torch.isfinite(wide).all())


def first_line(error: Exception) -> str:
    """What an error of another library says, in a line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
