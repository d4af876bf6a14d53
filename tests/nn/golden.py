"""Weights and inputs that depend on names and shapes alone, so that golden outputs need no weights beside them."""

import hashlib
import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

DATA = Path(__file__).parents[1] / "data"
Weights = dict[str, torch.Tensor]


def _noise(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform with unit variance, from a stream of the name's own."""
    seed = np.random.SeedSequence([20210224, zlib.crc32(name.encode())])
    return (2 * np.random.Generator(np.random.PCG64(seed)).random(shape) - 1) * math.sqrt(3)


def shapes(model: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a model's tensors, as its authors or timm (``timm_...``) spell them."""
    return {name: tuple(shape) for name, shape in json.loads((DATA / f"keys/{model}.json").read_text()).items()}


def weights(model: str) -> Weights:
    """Of order one in every branch, so that a wrong epsilon or a missing norm shows."""
    out = {}
    for name, shape in sorted(shapes(model).items()):
        noise = _noise(name, shape)
        if name.endswith(".bias"):
            noise = 0.1 * noise
        elif name.endswith(".weight"):
            noise = 1 + 0.1 * noise if len(shape) == 1 else noise / math.sqrt(math.prod(shape[1:]))
        else:
            noise = 0.5 * noise
        out[name] = torch.from_numpy(noise.astype(np.float32))
    return out


def digest(tensors: Weights) -> str:
    """The number that says that numpy's streams are those the golden outputs were made with."""
    sha = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        sha.update(name.encode() + str(tuple(tensor.shape)).encode() + tensor.numpy().tobytes())
    return sha.hexdigest()


def images(height: int, width: int) -> torch.Tensor:
    """Two images of noise, float64."""
    shape = (2, 3, height, width)
    return torch.from_numpy(_noise(f"input:2x3x{height}x{width}", shape).astype(np.float32)).double()


def outputs(model: str) -> Any:
    return np.load(DATA / f"golden/{model}.npz")
