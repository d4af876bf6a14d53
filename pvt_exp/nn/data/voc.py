"""The XML files and object masks of Pascal VOC as a document in COCO's form.

Everingham et al., "The Pascal Visual Object Classes Challenge: 2012 Development Kit", sections 2.3 and 8.

Legend: H W pixels of an image.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pvt_exp.config import DataError
from pvt_exp.datasets import Split
from pvt_exp.datasets._converted import Document, by_stem, size_of
from pvt_exp.datasets._mask_values import AS_PNG
from pvt_exp.nn.data.images import lossy_format

if TYPE_CHECKING:
    from pvt_exp.datasets.voc import Settings

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge."""
LEAST_OVERLAP = 0.5
"""Of an object's box with the box around its mask; with less it has the mask that fits better."""


def document(settings: "Settings", root: Path, split: Split) -> Document:
    """The annotations of a split in COCO's form; see `pvt_exp.datasets._converted.Converted.document`."""
    folder, image_folder, _ = settings.folders(split)
    files = by_stem(root / image_folder)
    classes = _classes(settings, root)
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, name in enumerate(settings.names(root, split), 1):
        path = root / folder / f"{name}.xml"
        tree = _parsed(path)
        file = files.get(name, tree.findtext("filename") or f"{name}.jpg")
        width, height = _size(tree) or size_of(root / image_folder / file, settings.exif == "turn")
        images.append({"id": number, "file_name": file, "width": width, "height": height})
        objects = _objects(tree, path, settings)
        masks = _masks(root / settings.object_mask_folder / f"{name}.png", [box for _, box, _ in objects])
        for (called, (left, top, right, bottom), is_ignored), mask in zip(objects, masks, strict=True):
            made: dict[str, Any] = {"id": len(annotations) + 1, "image_id": number, "category_id": classes[called]}
            made |= {"bbox": [left, top, right - left, bottom - top], "iscrowd": int(is_ignored)}
            annotations.append(made | ({} if mask is None else {"segmentation": _runs(mask)}))
    categories = [{"id": number, "name": name} for name, number in classes.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def _classes(settings: "Settings", root: Path) -> dict[str, int]:
    """The id of each class: the names in the XML files of both splits, sorted, from 1."""
    names: set[str] = set()
    splits: tuple[Split, ...] = ("train", "val") if settings._no_val(root) is None else ("train",)
    for split in splits:
        folder, _, _ = settings.folders(split)
        for name in settings.names(root, split):
            path = root / folder / f"{name}.xml"
            names |= {called for called, _, _ in _objects(_parsed(path), path, settings)}
    if not names:
        raise DataError(f"{root / settings.folders('train')[0]}: no object in any XML file")
    return {name: number for number, name in enumerate(sorted(names), 1)}


def _parsed(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file, and its image is listed") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DataError(f"{path}: not XML: {error}") from None


def _size(tree: ElementTree.Element) -> tuple[int, int] | None:
    """Width and height as the file says them; some programs leave them out or write 0."""
    words = [(tree.findtext(f"size/{side}") or "").strip() for side in ("width", "height")]
    numbers = [int(word) if word.isdecimal() and len(word) < 8 else 0 for word in words]
    return (numbers[0], numbers[1]) if all(numbers) else None


def _objects(tree: ElementTree.Element, path: Path, settings: "Settings") -> list[tuple[str, Box, bool]]:
    """Class, box, and whether it is ignored, of each object; the parts of persons are no objects."""
    found = []
    for number, each in enumerate(tree.findall("object"), 1):
        called = (each.findtext("name") or "").strip()
        if not called:
            raise DataError(f"{path}: object {number} has no name")
        edges = [each.findtext(f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")]
        try:
            left, top, right, bottom = (float(edge or "") for edge in edges)
        except ValueError:
            raise DataError(f"{path}: object {number} ({called}) has no box of four numbers: {edges}") from None
        if settings.first_pixel and (left < 1 or top < 1) and left > -1 and top > -1:
            way = "numbers begin at 0 here: set dataset.first_pixel: 0"
            raise DataError(f"{path}: object {number} ({called}) begins at {min(left, top):g}; {way}")
        is_difficult = (each.findtext("difficult") or "0").strip() == "1"
        box = (left - settings.first_pixel, top - settings.first_pixel, right, bottom)
        found.append((called, box, is_difficult and settings.difficult == "ignore"))
    return found


def _masks(path: Path, boxes: list[Box]) -> list[NDArray[np.bool_] | None]:
    """The mask [H, W] of each object; None for those without one."""
    if not boxes or not path.exists():
        return [None] * len(boxes)
    try:
        lossy = lossy_format(path)
        with Image.open(path) as image:
            values_HW = np.asarray(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if lossy is not None:
        raise DataError(f"{path}: is a mask in {lossy}, which changes the numbers of objects; {AS_PNG}")
    if values_HW.ndim != 2:
        raise DataError(f"{path}: a mask of one channel is expected, whose values are numbers of objects")
    around = {int(n): _around(values_HW == n) for n in np.unique(values_HW) if n not in (0, 255)}
    found: list[NDArray[np.bool_] | None] = []
    for number, box in enumerate(boxes, 1):
        fits = {n: _overlap(box, edges) for n, edges in around.items()}
        best = number if fits.get(number, 0.0) >= LEAST_OVERLAP else max(fits, key=fits.__getitem__, default=0)
        found.append(values_HW == best if fits.get(best, 0.0) >= LEAST_OVERLAP else None)
    return found


def _around(mask_HW: NDArray[np.bool_]) -> Box:
    rows, columns = (np.flatnonzero(mask_HW.any(axis)) for axis in (1, 0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    both = max(0.0, width) * max(0.0, height)
    of_each = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (sum(of_each) - both) if both else 0.0


def _runs(mask_HW: NDArray[np.bool_]) -> dict[str, Any]:
    """Run lengths, column by column, that of the zeros first."""
    flat = np.concatenate([[False], mask_HW.ravel(order="F"), [False]])
    turns = np.flatnonzero(flat[1:] != flat[:-1])
    ends = np.concatenate([[0], turns, [mask_HW.size]])
    counts = np.diff(ends)
    counts = counts[:-1] if counts[-1] == 0 else counts
    return {"size": list(mask_HW.shape), "counts": counts.tolist()}
