"""Checks a COCO annotation file (arXiv 1405.0312; cocodataset.org, "Data format") and writes it as arrays.

The file of the real training set is 450 MB of JSON, which takes half a minute and 3 GB to read. It is read once; after that
every process maps the arrays into memory, and all share the page cache.

Legend: N annotations.
"""

import hashlib
import json
import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pvt_exp.config import DataError
from pvt_exp.nn.data.coco import box_format, duplicates
from pvt_exp.nn.data.coco.arrays import ANNOTATION, IMAGE, corners
from pvt_exp.nn.data.coco.fields import MEND, Findings, called
from pvt_exp.nn.data.coco.masks import NO_MASK, POLYGONS, Flaw, MaskBounds, area_of, outline_area
from pvt_exp.nn.data.coco.strict_json import parse
from pvt_exp.system import files

Array = NDArray[Any]
NO_SEGMENTATION = "annotations without a segmentation"
COMPUTED = "computed from mask or box"


def write(annotations: Path, folder: Path) -> None:
    """Write ``images.npy``, ``annotations.npy``, ``masks.bin``, ``names.json`` and ``facts.json`` to ``folder``.

    Annotations are grouped by image; those of zero size or outside their image are left out and counted.

    Raises:
        DataError: for everything that the file itself shows to be wrong.
    """
    try:
        raw = annotations.read_bytes()
    except OSError as error:
        raise DataError(f"{annotations}: {error.strerror}") from None
    write_document(raw, annotations, folder)


def write_document(raw: bytes, annotations: Path, folder: Path, has_areas: bool = True) -> None:
    """The same of a text in COCO's form; ``annotations`` is what messages call it.

    Without ``has_areas`` areas are computed from masks and boxes, and that is not told, as the files never have any.
    """
    content = _parse(raw, annotations)
    findings, unmasked = Findings(annotations), Findings(annotations)
    categories = _categories(content["categories"], findings)
    images, names = _images(content["images"], findings)
    findings.stop()
    duplicates.files(names, images["id"].tolist(), findings)
    with (folder / "masks.bin").open("wb") as masks:
        found, bounds = _annotations(
            content["annotations"], images, set(categories), masks, findings, unmasked, has_areas
        )
    findings.stop()
    box_format.check(found, images[found["image"]], bounds, findings)
    findings.stop()
    taken = _drop(found, images, findings)
    findings.stop()
    kept = found[taken]
    duplicates.objects(kept, folder / "masks.bin", findings)
    duplicates.masks_off(kept, bounds[taken], findings)
    images["first"] = np.searchsorted(kept["image"], np.arange(len(images)), "left")
    images["end"] = np.searchsorted(kept["image"], np.arange(len(images)), "right")
    np.save(folder / "images.npy", images)
    np.save(folder / "annotations.npy", kept)
    files.put(folder / "names.json", json.dumps(names))
    facts = {
        "categories": sorted(categories.items()),
        "left_out": [line.as_json() for line in findings.left_out()],
        "unmasked": _first(unmasked),
        "digest": hashlib.sha256(raw).hexdigest(),
    }
    files.put(folder / "facts.json", files.dump(facts))


def _first(unmasked: Findings) -> str | None:
    """The first thing that is wrong with the masks; None if nothing is."""
    try:
        unmasked.stop()
    except DataError as error:
        return str(error)
    return None


def _parse(raw: bytes, path: Path) -> dict[str, Any]:
    content = parse(raw, path)
    for name in ("categories", "images", "annotations"):
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            raise DataError(f"{path}: no list of {name} in it; a COCO instances file is expected")
        if not content[name] and name != "annotations":
            raise DataError(f"{path}: its list of {name} is empty; a COCO instances file is expected")
    return dict(content)


def _categories(entries: list[Any], findings: Findings) -> dict[int, str]:
    categories: dict[int, str] = {}
    for n, entry in enumerate(entries):
        if not isinstance(entry, dict):
            findings.note("categories that are no JSON objects", MEND, f"entry {n + 1}")
            continue
        number, name = findings.whole(entry, "id", called(entry, n)), entry.get("name")
        if number is None:
            findings.note("categories without a whole number as id", MEND, called(entry, n))
        elif name is None or name == "":
            findings.note("categories without a name", MEND, called(entry, n))
        elif not isinstance(name, str):
            findings.note("categories whose name is no text", "put it in quotes", f"{called(entry, n)} ({name!r:.40})")
        elif number in categories:
            findings.note("category ids that stand twice", "give each category an id of its own", number)
        else:
            categories[number] = name
    return categories


def _images(entries: list[Any], findings: Findings) -> tuple[Array, list[str]]:
    rows, names, seen = [], [], set()
    for n, entry in enumerate(entries):
        if not isinstance(entry, dict):
            findings.note("images that are no JSON objects", MEND, f"entry {n + 1}")
            continue
        name = called(entry, n)
        identity, height, width = (findings.whole(entry, key, name) for key in ("id", "height", "width"))
        file_name = entry.get("file_name")
        if identity is None:
            findings.note("images without a whole number below 2^62 as id", MEND, name)
        elif not isinstance(file_name, str) or not file_name or "\0" in file_name:
            what = "images whose file_name is no text" if file_name not in (None, "") else "images without a file_name"
            findings.note(what, MEND, name if file_name in (None, "") else f"{name} ({file_name!r:.40})")
        elif not height or not width or not 0 < min(height, width) <= max(height, width) < 2**31:
            findings.note("images whose height and width are not whole numbers above 0", MEND, name)
        elif identity in seen:
            findings.note("image ids that stand twice", "give each image an id of its own", identity)
        else:
            seen.add(identity)
            rows.append((identity, height, width, 0, 0))
            names.append(file_name if "://" in file_name else posixpath.normpath(file_name))
    return np.array(rows, dtype=IMAGE), names


def _annotations(
    entries: list[Any],
    images: Array,
    known: set[int],
    masks: IO[bytes],
    findings: Findings,
    unmasked: Findings,
    has_areas: bool,
) -> tuple[Array, Array]:
    """A row for each annotation in the order of the file, whose masks are written to ``masks``; the bounds of each mask."""
    bounds = MaskBounds()
    place = {identity: (row, h, w) for row, (identity, h, w, _, _) in enumerate(images.tolist())}
    rows, at, seen = [], 0, set()
    for n, entry in enumerate(entries):
        if not isinstance(entry, dict):
            findings.note("annotations that are no JSON objects", MEND, f"entry {n + 1}")
            continue
        name = called(entry, n)
        ids = _ids(entry, name, findings)
        box, crowd = findings.box(entry, name), findings.crowd(entry, name)
        if ids is None or box is None:
            continue
        identity, image_id, category = ids
        if identity in seen:
            findings.note("annotation ids that stand twice", "give each annotation an id of its own", identity)
        seen.add(identity)
        if category not in known:
            listed = "add the category, or delete the annotations"
            findings.note("annotations of a category that is not listed", listed, f"{identity} (category {category})")
        if image_id not in place:
            listed = "add the image, or delete the annotations"
            findings.note("annotations of an image that is not listed", listed, f"{identity} (image {image_id})")
            continue
        row, tall, wide = place[image_id]
        try:
            form, mask = findings.mask(entry, tall, wide, name)
            if form == NO_MASK:
                raise Flaw(NO_SEGMENTATION, "")
        except Flaw as flaw:
            what, detail = flaw.args
            remedy = "the task instance needs a mask for each, detection does not; mend or delete the annotations"
            unmasked.note(what, remedy, f"{identity} (image {image_id}{detail})")
            form, mask = NO_MASK, b""
        area: Any = entry.get("area")
        if wrong := _wrong_area(area, box, form, mask, (tall, wide)):
            computed = _area(form, mask, box.tolist(), (tall, wide))
            if computed and (has_areas or area is not None):  # else it is left out, or no file has one
                shown = "" if area is None else f": {area!r:.40}"
                findings.change(f"areas {wrong}", COMPUTED, f"annotation {identity}{shown}")
            area = computed
        rows.append((identity, row, category, tuple(box), float(area), crowd, form, at, len(mask)))
        masks.write(mask)
        bounds.add(form, mask, tall, wide)
        at += len(mask)
    if findings.wrong:
        return np.empty(0, ANNOTATION), np.empty((0, 4))
    return np.array(rows, dtype=ANNOTATION), bounds.edges()


def _ids(entry: dict[str, Any], name: object, findings: Findings) -> tuple[int, int, int] | None:
    """Its own id, its image's and its category's; None if one is no whole number, which is noted."""
    found = {key: findings.whole(entry, key, name) for key in ("id", "image_id", "category_id")}
    for key, value in found.items():
        if value is None:
            findings.note(f"annotations without a whole number below 2^62 as {key}", MEND, name)
    identity, image_id, category = found.values()
    return None if identity is None or image_id is None or category is None else (identity, image_id, category)


def _wrong_area(area: Any, box: Sequence[float], form: int, mask: bytes, size: tuple[int, int]) -> str:
    """Why a number cannot be an object's area; empty if it can.

    Some programs count a pixel more on each side of the box. A thin polygon covers more pixels than the area inside it.
    """
    if area is None:
        return "missing"
    most = min(size[0] * size[1], (box[2] + 1) * (box[3] + 1))
    if type(area) not in (float, int) or not 0 < area <= most:
        return "that are no number above 0, or larger than box or image"
    if form == NO_MASK or 2 * area >= box[2] * box[3] or (form == POLYGONS and outline_area(mask) < 2 * area):
        return ""
    return "less than half of the mask" if area_of(form, mask, *size) > 2 * area + 16 else ""


def _area(form: int, mask: bytes, bbox: list[float], size: tuple[int, int]) -> float:
    """Pixels of the mask, or of the box where there is none; 0 for a box of which nothing is inside the image."""
    left, top, right, bottom = corners(np.array([bbox]), *size)[0].tolist()
    inside = max(0.0, right - left) * max(0.0, bottom - top)
    return inside and ((form != NO_MASK and area_of(form, mask, *size)) or inside)


def _drop(found: Array, images: Array, findings: Findings) -> Array:
    """Indices of the annotations with a non-empty box inside their image, grouped by image."""
    size = images[found["image"]]
    x, y, width, height = found["bbox"].T
    negative = (width < 0) | (height < 0)
    for annotation, image in zip(found[negative], size[negative], strict=True):
        what = "boxes of negative size; a bbox is [left, top, width, height]"
        findings.note(what, "mend or delete the annotations", f"{annotation['id']} (image {image['id']})")
    left, top, right, bottom = corners(found["bbox"], size["height"], size["width"]).T
    empty = (width == 0) | (height == 0)
    out = ~empty & ((x >= size["width"]) | (y >= size["height"]) | (x + width <= 0) | (y + height <= 0))
    empty |= ~out & ((right <= left) | (bottom <= top))
    clipped = ~empty & ~out & ((x < 0) | (y < 0) | (x + width > size["width"]) | (y + height > size["height"]))
    _count("boxes of zero size", "left out", found[empty], findings)
    _count("boxes outside their image", "left out", found[out], findings)
    _count("boxes that reach out of their image", "clipped", found[clipped], findings)
    kept = np.flatnonzero(~empty & ~out)
    return kept[np.argsort(found["image"][kept], kind="stable")]


def _count(what: str, effect: str, annotations: Array, findings: Findings) -> None:
    for each in annotations:
        findings.change(what, effect, f"annotation {each['id']}: {each['bbox'].tolist()}")
