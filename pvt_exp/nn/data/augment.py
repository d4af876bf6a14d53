"""Image transforms of classification: DeiT's augmentation (arXiv 2012.12877, table 9); in testing, a centre crop.

The order and the details are those of timm's ``create_transform``. All randomness is drawn from the global generators
of torch, Python and numpy, as torchvision and timm do; `seeding.draw_from` makes it follow from the sample.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageOps
from timm.data import auto_augment
from timm.data.auto_augment import rand_augment_transform
from timm.data.mixup import Mixup
from timm.data.random_erasing import RandomErasing
from timm.data.transforms import str_to_pil_interp
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from pvt_exp.nn.data.loader import Batch, Pipeline

if TYPE_CHECKING:
    from pvt_exp.tasks.classification import Settings

Transform = Callable[[Image.Image], Tensor]


def pipeline(task: "Settings") -> Pipeline:
    """From images and labels to batches, in training and in testing."""
    mixer = mixup(task)
    return Pipeline(
        Labelled(train_transform(task)),
        Labelled(test_transform(task)),
        stack,
        mix=None if mixer is None else Mixed(mixer),
        repeats=task.augment.repeats,
    )


class Labelled:
    """A transform of the image alone; the label stays."""

    def __init__(self, transform: Transform) -> None:
        self.transform = transform

    def __call__(self, image: Image.Image, label: int) -> tuple[Tensor, int]:
        return self.transform(image), label


class Mixed:
    """Mixup or CutMix of a whole group; labels become class probabilities."""

    def __init__(self, mixer: Mixup) -> None:
        self.mixer = mixer

    def __call__(self, batch: Batch) -> Batch:
        image, target = self.mixer(batch["image"], batch["target"])
        return {**batch, "image": image, "target": target}


def stack(samples: list[tuple[Tensor, int]]) -> Batch:
    """``image`` float [B, 3, H, W], ``target`` long [B]."""
    return {"image": torch.stack([image for image, _ in samples]), "target": torch.tensor([n for _, n in samples])}


class ToNormalTensor:
    """8-bit RGB to float ``[3, H, W]``, mean subtracted and divided by the deviation."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        # (x / 255 - mean) / std as one product and one difference, which takes a third of the time.
        self.scale = torch.tensor([[[1 / (255 * s)]] for s in std])
        self.shift = torch.tensor([[[m / s]] for m, s in zip(mean, std, strict=True)])

    def __call__(self, image: Image.Image) -> Tensor:
        pixels_HW3 = torch.from_numpy(np.array(image))
        return pixels_HW3.permute(2, 0, 1).contiguous().mul(self.scale).sub_(self.shift)


def test_transform(task: "Settings") -> Transform:
    """Short side to ``image_px / crop_pct``, then the centre; a smaller image is enlarged."""
    transform: Transform = v2.Compose([*_centre(task), ToNormalTensor(task.mean, task.std)])
    return transform


def train_transform(task: "Settings") -> Transform:
    """Crop, flip, RandAugment or colour jitter, normalise, erase.

    Raises:
        ValueError: if timm does not know the word for RandAugment.
    """
    augment, mode = task.augment, InterpolationMode(task.interpolation)
    steps: list[Any] = _centre(task)
    if augment.crop_scale is not None:
        scale, ratio = augment.crop_scale, augment.crop_ratio
        steps = [v2.RandomResizedCrop(task.image_px, scale=scale, ratio=ratio, interpolation=mode, antialias=True)]
    if augment.flip:
        steps.append(v2.RandomHorizontalFlip(augment.flip))
    if augment.rand_augment is not None:
        steps.append(_rand_augment(augment.rand_augment, task))
    elif augment.color_jitter is not None:
        strength = augment.color_jitter
        steps.append(v2.ColorJitter(brightness=strength, contrast=strength, saturation=strength))
    steps.append(ToNormalTensor(task.mean, task.std))
    if augment.erasing:
        steps.append(RandomErasing(augment.erasing, mode="pixel", device="cpu"))  # type: ignore[no-untyped-call]
    transform: Transform = v2.Compose(steps)
    return transform


def mixup(task: "Settings") -> Mixup | None:
    """The mixer of a group by timm, which smooths the labels too; None where the run does not mix.

    Raises:
        ValueError: if the run says to mix, and both ways are off.
    """
    mixing = task.mixing
    if mixing is None:
        return None
    if not (mixing.mixup or mixing.cutmix):
        raise ValueError("task.mixing: mixup and cutmix are both 0; to mix nothing, leave task.mixing out")
    return Mixup(  # type: ignore[no-untyped-call]
        mixup_alpha=mixing.mixup,
        cutmix_alpha=mixing.cutmix,
        prob=mixing.probability,
        switch_prob=mixing.switch,
        mode="batch",
        label_smoothing=task.label_smoothing,
        num_classes=task.num_classes,
    )


def _centre(task: "Settings") -> list[Any]:
    short_px = round(task.image_px / task.crop_pct)
    mode = InterpolationMode(task.interpolation)
    return [v2.Resize(short_px, interpolation=mode, antialias=True), v2.CenterCrop(task.image_px)]


def _rand_augment(word: str, task: "Settings") -> Callable[[Image.Image], Image.Image]:
    fill = tuple(min(255, round(255 * channel)) for channel in task.mean)
    hparams = {
        "translate_const": int(task.image_px * 0.45),
        "img_mean": fill,
        "interpolation": str_to_pil_interp(task.interpolation),  # type: ignore[no-untyped-call]
    }
    try:
        transform = rand_augment_transform(word, hparams)
    except (AssertionError, ValueError, KeyError) as error:
        raise ValueError(f"task.augment.rand_augment: timm does not know '{word}' ({error})") from None
    for operation in transform.ops:
        if operation.aug_fn is auto_augment.posterize:
            operation.aug_fn = _posterize
    return transform  # type: ignore[no-any-return]


def _posterize(image: Image.Image, bits: int, **_: Any) -> Image.Image:
    # timm 1.0.31 asks for 0 bits at the highest magnitude: black until Pillow 12, an error since Pillow 13.
    return ImageOps.posterize(image, bits) if bits else Image.new(image.mode, image.size)
