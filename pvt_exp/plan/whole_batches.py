"""How many training images are left out of each epoch, because batches are whole; told before training where it is many."""

from collections.abc import Iterable, Mapping
from typing import Any

from pvt_exp.config.run import Run
from pvt_exp.datasets import Dataset, Facts

MANY = 0.02
"""Of the training images: a part that is told."""


def left_out(images: int, batch_size: int) -> int:
    """The images that do not fill the last batch of an epoch (`nn.data.order.Order`)."""
    return images % batch_size


def in_words(runs: Iterable[Run], facts: Mapping[Dataset, Facts]) -> list[str]:
    """A line for each data set and batch size with which many images are left out.

    With repeated augmentation an epoch has a part of the images by design: nothing is told of that. Images that are put
    into groups by their shape may leave out more than is told, as the shapes are not known here.
    """
    lines: dict[str, None] = {}
    for run in runs:
        found = facts.get(run.dataset)
        if found is None or _repeats(run.task) > 1:
            continue
        images = found.images["train"]
        images -= run.holdout.held(images) if run.holdout else 0
        number = left_out(images, run.batch_size)
        if number >= MANY * images:
            least = "at least " if run.task.groups_by_shape else ""
            of = f"{least}{number} of {images} training images ({100 * number / images:.0f} %)"
            why = f"as batches of {run.batch_size} are whole{_way_out(images, run.batch_size, _step(run))}"
            lines[f"data {run.dataset.name}: {of} are left out of each epoch, others each time, {why}"] = None
    return list(lines)


def _repeats(task: Any) -> int:
    return getattr(getattr(task, "augment", None), "repeats", 1)


def _step(run: Run) -> int:
    """What a batch_size is a multiple of: the group where it is smaller, and two where images are mixed in pairs."""
    if run.ghost_batch_size != run.batch_size:
        return run.ghost_batch_size
    return 1 if getattr(run.task, "mixing", None) is None else 2


def _way_out(images: int, batch_size: int, step: int) -> str:
    """The next smaller batch that leaves out none, or else few, unless it is less than half of the batch."""
    sizes = range(batch_size - step, batch_size // 2, -step)
    fewer = [size for size in sizes if left_out(images, size) < MANY * images]
    if not fewer:
        return ""
    best = next((size for size in fewer if not left_out(images, size)), fewer[0])
    return f"; batch_size: {best} leaves out {left_out(images, best) or 'none'}"
