"""Reads checkpoints: the authors' (github.com/whai362/PVT), timm's, and our own. No code in them is ever run."""

import argparse
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from torch import Tensor

WRAPPERS = ("model", "state_dict", "model_ema")
OURS = {"last": "network.", "ema": "ema.module."}
"""What the names of a run's weights begin with in its checkpoints."""


def read(file: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by their names there, those of its backbone where it says which they are.

    Raises:
        ValueError: as `content` does, or if it is no checkpoint.
    """
    return tensors_of(content(file), str(file))


def read_run(file: Path, weights: Literal["last", "ema"] | None) -> tuple[dict[str, Tensor], list[str], str]:
    """From a checkpoint of a run of ours: its backbone's tensors, the names of all others, and which weights these are.

    ``weights`` None takes what was scored: the moving average where there is one.

    Raises:
        ValueError: if it is missing, torn or no such checkpoint, or has no moving average.
    """
    kept = content(file)
    state = kept.get("state_dict") if isinstance(kept, Mapping) else None
    state = state if isinstance(state, Mapping) else {}
    chosen = weights or ("ema" if any(name.startswith(OURS["ema"]) for name in state) else "last")
    prefix = OURS[chosen]
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
        if file.suffix == ".safetensors":
            return safetensors.torch.load_file(file)
        # a Namespace of arguments is inert, and the authors' training code puts one into its checkpoints
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+\w)", str(error))  # the name of what would have been called
        if found:
            raise ValueError(f"{file}: refused, as it holds code ({found[1]}); save its tensors alone") from None
        raise ValueError(f"{file}: not a checkpoint of PyTorch") from None
    except Exception as error:  # what a torn file makes a reader raise has no end
        raise ValueError(f"{file}: torn, or not a checkpoint: {first_line(error)}") from None


def first_line(error: Exception) -> str:
    """What an error of another library says, in a line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def tensors_of(content: Any, source: str) -> dict[str, Tensor]:
    """The state dict in a checkpoint, out of its wrappers and without the prefixes of what it was saved from.

    Raises:
        ValueError: if there is none.
    """
    tensors = unwrapped(content, source)
    own = {name: tensor for name, tensor in tensors.items() if name.startswith("backbone.")}
    return {name.removeprefix("backbone."): tensor for name, tensor in own.items()} or tensors  # of a detector, say


def unwrapped(content: Any, source: str) -> dict[str, Tensor]:
    """All tensors in a checkpoint, out of its wrappers.

    Raises:
        ValueError: if there are none.
    """
    wrapper = next((w for w in WRAPPERS if isinstance(content, Mapping) and isinstance(content.get(w), Mapping)), None)
    if wrapper:
        content = content[wrapper]
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f"{source}: holds no state dict; expected tensors by name, bare or in {', '.join(WRAPPERS)}")
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if all(name.startswith("module.") for name in tensors):  # saved from DistributedDataParallel
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return tensors
