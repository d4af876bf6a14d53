"""Random numbers that follow from what they are for, so that none depends on workers, order or a resume."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def generators_kept() -> Iterator[None]:
    """Restore the state of the global random generators afterwards.

    A loader without worker processes draws in the training process, and must not change what training draws.
    """
    kept = torch.default_generator.get_state(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        torch.default_generator.set_state(kept[0])
        random.setstate(kept[1])
        np.random.set_state(kept[2])


def draw_from(seed: int) -> None:
    """Seed the global random generators; within `generators_kept`."""
    torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which would seed the GPUs too
    random.seed(seed)
    np.random.seed((seed % 2**32, seed >> 32))
