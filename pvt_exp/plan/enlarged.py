"""Images that are enlarged for training, which costs time and shows the model nothing more; told where it is much."""

from collections.abc import Iterable

from pvt_exp.config.run import Run

MUCH = 2.0
"""Times the side of an image, from which on it is told."""


def in_words(runs: Iterable[Run]) -> list[str]:
    """A line for each data set of classification and size of training to which its images are enlarged `MUCH`.

    Of data whose images may differ in size nothing is told: no header is read for it.
    """
    lines: dict[str, None] = {}
    for run in runs:
        px, side = run.dataset.px, getattr(run.task, "image_px", None)
        if px is not None and side is not None and side >= MUCH * min(px):
            height, width = px
            times = f"enlarged {side / min(px):.3g} times, to {side} px (task.image_px)"
            lines[f"data {run.dataset.name}: images of {height} x {width} px are {times}"] = None
    return list(lines)
