"""Opens the samples that a run trains on and those that it is scored on: two splits, or two parts of the training split."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pvt_exp.config.run import Run
from pvt_exp.datasets import Facts, Split


def open_split(run: Run, root: Path, split: Split) -> Sequence[Any]:
    """The samples that the run trains on, or those that it is scored on.

    Raises:
        DataError: if the data are not as the run says, or too few to hold some out.
    """
    whole: Sequence[Any] = run.dataset.open(root, "train" if run.holdout else split, run.task.kind)
    if run.holdout is None:
        return whole
    kept, held = run.holdout.places(len(whole))
    return Part(whole, kept if split == "train" else held)


def facts_of(run: Run, root: Path, facts: Facts) -> Facts:
    """The facts of what the run trains on and is scored on; ``facts`` are those of the data set as it lies.

    Raises:
        DataError: if there is nothing to validate on.
    """
    facts.check_val(run.holdout is not None)
    if run.holdout is None:
        return facts
    return facts.parted(run.holdout, run.dataset.contents(root, facts, run.task.kind))


class Part(Sequence[Any]):
    """A subset of samples, with what else is known of them."""

    def __init__(self, samples: Any, chosen: Sequence[int]) -> None:
        self.samples, self.chosen = samples, np.array(chosen)  # an array, which forked workers share
        if hasattr(samples, "category_ids"):
            self.category_ids: tuple[int, ...] = samples.category_ids

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: Any) -> Any:
        return self.samples[int(self.chosen[index])]

    def sizes(self) -> list[tuple[int, int]]:
        every = self.samples.sizes()
        return [every[place] for place in self.chosen]

    def ground_truth(self) -> dict[str, Any]:
        truth = self.samples.ground_truth()
        images = [truth["images"][place] for place in self.chosen]
        here = {image["id"] for image in images}
        return {**truth, "images": images, "annotations": [a for a in truth["annotations"] if a["image_id"] in here]}
