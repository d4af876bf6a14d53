"""What a network finds on single images, and pictures of a few images of validation: truth beside prediction."""

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
    """So many places, spread evenly over a sequence, or all of them."""
    count = min(count, length)
    return [n * length // count for n in range(count)]


def find(module: Training, pipeline: Pipeline, image: Image.Image, target: Any = None) -> Any:
    """What a module in testing finds on one image; ``target`` is its reader's, if it has one."""
    batch = pipeline.collate([pipeline.test(image, pipeline.blank if target is None else target)])
    images = batch["image"].to(module.device).contiguous(memory_format=torch.channels_last)
    dtype = AUTOCAST.get(module.run.precision)
    with torch.inference_mode(), torch.autocast(module.device.type, dtype, enabled=dtype is not None):
        (found,) = module.predict({**batch, "image": images})
    return found


def save(picture: Image.Image, path: Path) -> Path:
    """As JPEG, whose text stays sharp: colours are as fine as brightness."""
    picture.save(path, quality=QUALITY, subsampling=0)
    return path


def write(module: Training, reader: Sequence[Any], folder: Path, device: str) -> list[Path]:
    """Pictures of a few images, the same ones each time. Where that fails the log says so, and no one else is troubled."""
    begun, written = time.monotonic(), list[Path]()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        module.to(device).eval()
        pipeline = module.task.pipeline()
        for index in spread(len(reader)):
            try:
                image, truth = reader[index]
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
