"""Images whose width and height are not those that their annotations say."""

from collections.abc import Sequence
from pathlib import Path

from pvt_exp.config import DataError

Size = tuple[int, int]
"""Width and height."""


def differs(path: Path, found: Size, due: Size, tagged: bool, turn: bool) -> str:
    """The message for an image that has another size than its annotations say.

    Args:
        path: Of the image.
        found: Its size as it is read.
        due: The size that its annotations say.
        tagged: Whether an EXIF tag says that its sides are exchanged.
        turn: Whether such tags are followed.
    """
    why = by_tag(found, due, tagged, turn)
    if not why and found == due[::-1]:
        why = "; exchange width and height in the annotations, or turn the image as it was annotated"
    return f"{path}: {found[0]} x {found[1]} pixels, where its annotations are of {due[0]} x {due[1]}{why}"


def by_tag(found: Size, due: Size, tagged: bool, turn: bool) -> str:
    """The end of that message, where an EXIF tag is the reason; else empty."""
    if not tagged or found != due[::-1]:
        return ""
    if turn:
        return "; it is turned by its EXIF tag: dataset.exif: ignore is for annotations of the stored pixels"
    return "; its EXIF tag, which turns it, is ignored: dataset.exif: turn is for annotations of the upright image"


def refuse(
    root: Path, others: Sequence[tuple[str, int, int, int, int]], tagged: Sequence[str], looked_at: int, turn: bool
) -> None:
    """Raise DataError for images whose size, as `nn.look.pictures` tells it, is another; where there are any."""
    if others:
        name, width, height, *due = others[0]
        first = differs(root / name, (width, height), (due[0], due[1]), name in tagged, turn)
        more = f" ({len(others)} such images of {looked_at} looked at)" if len(others) > 1 else ""
        raise DataError(f"{first}{more}; or set dataset.on_bad_image: skip")
