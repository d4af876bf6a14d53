"""The text files of YOLO as a document in COCO's form."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvt_exp.config import DataError
from pvt_exp.datasets import Split
from pvt_exp.datasets._converted import Document, size_of
from pvt_exp.datasets.yolo import labels_of

if TYPE_CHECKING:
    from pvt_exp.datasets.yolo import Settings

SLACK = 0.01
"""How far a number may be outside 0 to 1: tools round, and boxes are clipped to their image."""


def document(settings: "Settings", root: Path, split: Split) -> Document:
    """The annotations of a split in COCO's form; see `pvt_exp.datasets._converted.Converted.document`."""
    names = settings.class_list(root)
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, file in enumerate(settings.images(root, split), 1):
        if not (root / file).exists():
            images.append({"id": number, "file_name": file, "width": 1, "height": 1})  # told as missing
            continue
        width, height = size_of(root / file, settings.exif == "turn")
        images.append({"id": number, "file_name": file, "width": width, "height": height})
        for label, shape in _lines(root / labels_of(file), len(names)):
            made = {"id": len(annotations) + 1, "image_id": number, "category_id": label + 1, "iscrowd": 0}
            annotations.append(made | _placed(shape, width, height))
    categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _lines(path: Path, classes: int) -> list[tuple[int, list[float]]]:
    """Class and numbers of each line; none if there is no such file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or 'not text in UTF-8'}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not (words := line.split()):
            continue
        try:
            label, shape = int(float(words[0])), [float(word) for word in words[1:]]
        except (ValueError, OverflowError):
            raise DataError(f"{path}:{number}: numbers are expected, not {line[:80]!r}") from None
        if not (len(shape) == 4 or (len(shape) >= 6 and len(shape) % 2 == 0)):
            due = "a class and 4 numbers of a box, or 6 or more of a polygon, an even number of them"
            raise DataError(f"{path}:{number}: {len(shape)} numbers after the class; {due}")
        if not 0 <= label < classes:
            raise DataError(f"{path}:{number}: class {words[0]}, and there are {classes}, from 0 on")
        if not all(-SLACK <= value <= 1 + SLACK for value in shape):
            raise DataError(f"{path}:{number}: numbers are parts of the image's sides, from 0 to 1: {line[:80]!r}")
        found.append((label, shape))
    return found


def _placed(shape: list[float], width: int, height: int) -> dict[str, Any]:
    """The box, and the polygon if it is one, in pixels."""
    if len(shape) == 4:
        x, y, wide, high = shape
        return {"bbox": [(x - wide / 2) * width, (y - high / 2) * height, wide * width, high * height]}
    xs, ys = [x * width for x in shape[::2]], [y * height for y in shape[1::2]]
    polygon = [value for point in zip(xs, ys, strict=True) for value in point]
    return {"bbox": [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)], "segmentation": [polygon]}
