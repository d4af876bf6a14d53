"""In which order images are seen: a function of (seed, epoch) alone, the same however many processes load them.

A sampler gives a *group* of keys at a time. A key says all that augmentation may draw from, so a loading process
needs no state. The order is global: with several ranks, each takes every so-manieth group of it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from pvt_exp.datasets import DataError
from pvt_exp.nn.seeding import derive


class Key(NamedTuple):
    """One image to load."""

    epoch: int
    image: int
    """Its number in the data set."""
    repeat: int
    """How often it has been drawn before in this epoch."""
    position: int
    """Its place in the epoch, over all ranks; a group's number is ``position // group_size``."""


class Order(Sampler[list[Key]]):
    """Shuffled, without what would not fill a batch; `set_epoch` before an epoch is drawn says which one it is.

    With ``repeats`` an image comes so many times in a row, and the groups of a batch take turns at the batch's images:
    repeated augmentation (arXiv 1902.05509) as DeiT's RASampler does it, where the GPUs take turns.
    """

    def __init__(
        self, images: int, batch_size: int, group_size: int, *, repeats: int, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        if images < batch_size:
            raise DataError(f"batch_size is {batch_size}, and there are only {images} training images")
        self.per_batch = batch_size // group_size
        if self.per_batch % world:
            would = (
                f"a group_size of {batch_size // world} would do" if batch_size % world == 0 else "nor can any groups"
            )
            raise ValueError(
                f"{world} processes cannot share a batch of {batch_size} in groups of {group_size} evenly; {would}"
            )
        self.images, self.batch_size, self.group_size, self.repeats = images, batch_size, group_size, repeats
        self.seed, self.rank, self.world, self.epoch = seed, rank, world, 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls it before each epoch, after a resume too."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.images // self.batch_size * self.per_batch // self.world

    def __iter__(self) -> Iterator[list[Key]]:
        epoch = self.epoch
        seed = derive(self.seed, "order", epoch)
        shuffled = np.random.RandomState([seed % 2**32, seed >> 32]).permutation(self.images)
        for group in range(self.rank, len(self) * self.world, self.world):
            batch, turn = divmod(group, self.per_batch)
            keys = []
            for n in range(self.group_size):
                image, repeat = divmod(batch * self.batch_size + n * self.per_batch + turn, self.repeats)
                keys.append(Key(epoch, int(shuffled[image]), repeat, group * self.group_size + n))
            yield keys


class InOrder(Sampler[list[Key]]):
    """Every image once, from the first to the last; the last group may be smaller."""

    def __init__(self, images: int, group_size: int, rank: int = 0, world: int = 1) -> None:
        self.images, self.group_size, self.rank, self.world = images, group_size, rank, world

    def __len__(self) -> int:
        return len(range(self.rank * self.group_size, self.images, self.world * self.group_size))

    def __iter__(self) -> Iterator[list[Key]]:
        for start in range(self.rank * self.group_size, self.images, self.world * self.group_size):
            yield [Key(0, n, 0, n) for n in range(start, min(start + self.group_size, self.images))]
