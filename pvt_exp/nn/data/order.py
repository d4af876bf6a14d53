"""The order of the images: a function of (seed, epoch) alone, whatever the number of loading processes.

A sampler gives a *group* of keys at a time. A key holds all that augmentation draws from, so a loading process
needs no state. The order is global: a rank takes every world_size-th group of it.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Sampler

from pvt_exp.config import DataError
from pvt_exp.system.seeds import derive


class Key(NamedTuple):
    """One image to load."""

    epoch: int
    image: int
    """Its number in the data set."""
    repeat: int
    """How often it has been drawn before in this epoch."""
    position: int
    """Its place in the epoch, over all ranks; a group's number is ``position // ghost_batch_size``."""


class Order(Sampler[list[Key]]):
    """Shuffled, without the last incomplete batch. Call `set_epoch` before each epoch.

    With ``repeats`` an image comes so many times in a row, and they are dealt out over the groups of a batch:
    repeated augmentation (arXiv 1902.05509) as DeiT's RASampler does it, where the GPUs take turns.

    With ``shapes``, one number an image, a group holds images of equal numbers, in the shuffled order.
    """

    def __init__(
        self,
        images: int,
        batch_size: int,
        ghost_batch_size: int,
        *,
        repeats: int = 1,
        seed: int,
        shapes: Sequence[int] | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if images < batch_size:
            raise DataError(f"batch_size is {batch_size}, and there are only {images} training images")
        self.per_batch = batch_size // ghost_batch_size
        if self.per_batch % world:
            would = (
                f"a ghost_batch_size of {batch_size // world} would do"
                if batch_size % world == 0
                else "nor can any groups"
            )
            raise ValueError(
                f"{world} processes cannot share a batch of {batch_size} in groups of {ghost_batch_size} evenly; {would}"
            )
        self.images, self.batch_size, self.ghost_batch_size, self.repeats = (
            images,
            batch_size,
            ghost_batch_size,
            repeats,
        )
        self.seed, self.rank, self.world, self.epoch = seed, rank, world, 0
        self.start = 0
        """Groups of this rank that the next iteration skips, as they were trained on before a resume."""
        assert shapes is None or repeats == 1
        self.shapes = None if shapes is None else np.asarray(shapes)
        batches = images // batch_size
        if self.shapes is not None:
            each = np.unique(self.shapes, return_counts=True)[1]
            batches = int((each // ghost_batch_size).sum()) // self.per_batch
        if not batches:
            raise DataError(
                f"no batch of {batch_size} can be filled with groups of {ghost_batch_size} images of one shape"
            )
        self._groups = batches * self.per_batch

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls it before each epoch, after a resume too."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._groups // self.world

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, start = self.epoch, self.start
        self.start = 0
        seed = derive(self.seed, "order", epoch)
        shuffled = np.random.RandomState([seed % 2**32, seed >> 32]).permutation(self.images)
        alike = None if self.shapes is None else self._alike(shuffled, self.shapes[shuffled])
        for group in range(self.rank + start * self.world, self._groups, self.world):
            drawn = self._turn(group, shuffled) if alike is None else [(image, 0) for image in alike[group]]
            first = group * self.ghost_batch_size
            yield [Key(epoch, image, repeat, first + n) for n, (image, repeat) in enumerate(drawn)]

    def _turn(self, group: int, shuffled: Any) -> list[tuple[int, int]]:
        """The images of a group, and how often each was drawn before."""
        batch, turn = divmod(group, self.per_batch)
        first = batch * self.batch_size + turn
        places = (divmod(first + n * self.per_batch, self.repeats) for n in range(self.ghost_batch_size))
        return [(int(shuffled[place]), repeat) for place, repeat in places]

    def _alike(self, shuffled: Any, shapes: Any) -> list[list[int]]:
        """Groups of images of one shape, in the order in which they fill."""
        waiting: dict[int, list[int]] = {}
        full = []
        for image, shape in zip(shuffled.tolist(), shapes.tolist(), strict=True):
            group = waiting.setdefault(shape, [])
            group.append(image)
            if len(group) == self.ghost_batch_size:
                full.append(waiting.pop(shape))
        return full


class InOrder(Sampler[list[Key]]):
    """Every image once, from the first to the last; the last group may be smaller."""

    def __init__(self, images: int, ghost_batch_size: int, rank: int = 0, world: int = 1) -> None:
        self.images, self.ghost_batch_size, self.rank, self.world = images, ghost_batch_size, rank, world

    def __len__(self) -> int:
        return len(range(self.rank * self.ghost_batch_size, self.images, self.world * self.ghost_batch_size))

    def __iter__(self) -> Iterator[list[Key]]:
        for start in range(self.rank * self.ghost_batch_size, self.images, self.world * self.ghost_batch_size):
            yield [Key(0, n, 0, n) for n in range(start, min(start + self.ghost_batch_size, self.images))]
