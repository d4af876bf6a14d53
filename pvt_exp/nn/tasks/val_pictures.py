"""Predictions of single images, and pictures of a few validation images: truth beside prediction."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from pvt_exp.nn.data.images import BadImage
from pvt_exp.nn.data.loader import Pipeline
from pvt_exp.nn.tasks.training import Training
from pvt_exp.system.words import several

COUNT = 8
QUALITY = 90  # of JPEG
AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def spread(length: int, count: int = COUNT) -> list[int]:
    """``count`` indices spread evenly over a sequence, or all of them."""
    count = min(count, length)
    return [n * length // count for n in range(count)]


def find(module: Training, pipeline: Pipeline, image: Image.Image, target: Any = None) -> Any:
    """What a module in evaluation mode predicts for one image; ``target``: its label, if it has one."""
    batch = pipeline.collate([pipeline.test(image, pipeline.blank if target is None else target)])
    images = batch["image"].to(module.device).contiguous(memory_format=torch.channels_last)
    dtype = AUTOCAST.get(module.run.precision)
    with torch.inference_mode(), torch.autocast(module.device.type, dtype, enabled=dtype is not None):
        (found,) = module.predict({**batch, "image": images})
    return found


def save(picture: Image.Image, path: Path) -> Path:
    """As JPEG without chroma subsampling, so that text stays sharp."""
    picture.save(path, quality=QUALITY, subsampling=0)
    return path


def write(module: Training, samples: Sequence[Any], folder: Path, device: str) -> list[Path]:
    """Write pictures of a few images, the same ones each time. Failures are logged and ignored."""
    begun, written = time.monotonic(), list[Path]()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        module.to(device).eval()
        pipeline = module.task.pipeline()
        for index in spread(len(samples)):
            try:
                image, truth = samples[index]
            except BadImage as error:
                print(f"no picture of it: {error}")
                continue
            picture = module.picture(image, find(module, pipeline, image, truth), truth)
            written.append(save(picture, folder / f"{index:06d}.jpg"))
    except Exception as error:
        print(f"no more pictures of validation than {len(written)}: {type(error).__name__}: {error}")
    else:
        print(f"{several(len(written), 'picture')} of validation in {time.monotonic() - begun:.1f} s: {folder}")
    return written
