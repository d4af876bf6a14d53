"""Checks a COCO annotation file (arXiv 1405.0312; cocodataset.org, "Data format") and writes it as arrays.

The file of the real training set is 450 MB of JSON, which takes half a minute and 3 GB to read. It is read once; after that
whoever looks at the data and every loading process maps the arrays, of which they share the system's cache.

Legend: N annotations.
"""

import gc
import hashlib
import json
import math
from array import array
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pvt_exp import files
from pvt_exp.datasets import DataError, some
from pvt_exp.nn.coco_masks import NO_MASK, Flaw, pack

IMAGE = np.dtype([("id", "<i8"), ("height", "<i4"), ("width", "<i4"), ("first", "<i8"), ("end", "<i8")])
"""``first`` to ``end`` are its annotations."""
ANNOTATION = np.dtype(
    [
        ("id", "<i8"),
        ("image", "<i8"),
        ("category", "<i8"),
        ("bbox", "<f8", (4,)),
        ("area", "<f8"),
        ("crowd", "?"),
        ("form", "u1"),
        ("at", "<i8"),
        ("size", "<i8"),
    ]
)
"""``image`` is a row, ``category`` the id; its mask is ``size`` bytes of `coco_masks` from ``at``."""
Array = NDArray[Any]


def write(annotations: Path, folder: Path) -> None:
    """Write ``images.npy``, ``annotations.npy``, ``masks.bin``, ``names.json`` and ``facts.json`` to ``folder``.

    Annotations are grouped by image; those of zero size are left out and counted.

    Raises:
        DataError: for everything that the file itself shows to be wrong.
    """
    try:
        raw = annotations.read_bytes()
    except OSError as error:
        raise DataError(f"{annotations}: {error.strerror}") from None
    content = _parse(raw, annotations)
    wrong = Wrong(annotations)
    categories = _categories(content["categories"], wrong)
    images, names = _images(content["images"], wrong)
    wrong.stop()
    with (folder / "masks.bin").open("wb") as masks:
        found = _annotations(content["annotations"], images, set(categories), masks, wrong)
    wrong.stop()
    kept, counts = _drop(found, images, wrong)
    wrong.stop()
    if not np.count_nonzero(~kept["crowd"]):
        raise DataError(
            f"{annotations}: no image of it has an annotation that is no crowd; there is nothing to learn or score"
        )
    unmasked = kept["id"][kept["form"] == NO_MASK]
    images["first"] = np.searchsorted(kept["image"], np.arange(len(images)), "left")
    images["end"] = np.searchsorted(kept["image"], np.arange(len(images)), "right")
    np.save(folder / "images.npy", images)
    np.save(folder / "annotations.npy", kept)
    (folder / "names.json").write_text(json.dumps(names))
    facts = {
        "categories": sorted(categories.items()),
        "images": len(images),
        "counts": {**counts, "images without annotations": int((images["first"] == images["end"]).sum())},
        "without a mask": {"number": len(unmasked), "first": int(unmasked[0])} if len(unmasked) else None,
        "digest": hashlib.sha256(raw).hexdigest(),
    }
    (folder / "facts.json").write_text(files.dump(facts))


class Wrong:
    """What is wrong with a file, gathered so that the message says how often."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[tuple[str, str], list[object]] = {}

    def note(self, what: str, remedy: str, item: object) -> None:
        """Another ``item`` that ``what`` holds for."""
        self.found.setdefault((what, remedy), []).append(item)

    def stop(self) -> None:
        """Raise DataError for the first thing that was noted."""
        for (what, remedy), items in self.found.items():
            raise DataError(f"{self.path}: {what}: {some(items)}; {remedy}")


def _parse(raw: bytes, path: Path) -> dict[str, Any]:
    collecting = gc.isenabled()
    gc.disable()  # it would look through tens of millions of new numbers again and again: twice the time
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}; download or export it again") from None
    finally:
        if collecting:
            gc.enable()
    for name in ("categories", "images", "annotations"):
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            raise DataError(f"{path}: no list of {name} in it; a COCO file of instances is due here")
        if not content[name] and name != "annotations":
            raise DataError(f"{path}: its list of {name} is empty; a COCO file of instances is due here")
    return dict(content)


def _whole(value: object) -> int | None:
    """A number without a fraction as an int, None for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and abs(value) < 2**62 else None


def _categories(entries: list[Any], wrong: Wrong) -> dict[int, str]:
    categories: dict[int, str] = {}
    for n, entry in enumerate(entries):
        identity, name = (entry.get("id"), entry.get("name")) if isinstance(entry, dict) else (None, None)
        number = _whole(identity)
        if number is None or not isinstance(name, str) or not name:
            wrong.note("categories without a whole number as id and a name", "mend them", _called(entry, n))
        elif number in categories:
            wrong.note("category ids that stand twice", "give each category an id of its own", number)
        elif name in categories.values():
            wrong.note("category names that stand twice", "give each category a name of its own", name)
        else:
            categories[number] = name
    return categories


def _images(entries: list[Any], wrong: Wrong) -> tuple[Array, list[str]]:
    rows, names, seen = [], [], set()
    for n, entry in enumerate(entries):
        given = entry if isinstance(entry, dict) else {}
        identity, height, width = (_whole(given.get(key)) for key in ("id", "height", "width"))
        name = given.get("file_name")
        if identity is None or not isinstance(name, str) or not height or not width or min(height, width) < 0:
            wrong.note(
                "images without a whole number as id, file_name, height and width", "mend them", _called(entry, n)
            )
        elif identity in seen:
            wrong.note("image ids that stand twice", "give each image an id of its own", identity)
        else:
            seen.add(identity)
            rows.append((identity, height, width, 0, 0))
            names.append(name)
    return np.array(rows, dtype=IMAGE), names


def _called(entry: Any, n: int) -> object:
    """What a message calls an entry: its id, or its place where it has none."""
    return entry["id"] if isinstance(entry, dict) and "id" in entry else f"entry {n + 1}"


def _annotations(entries: list[Any], images: Array, known: set[int], masks: IO[bytes], wrong: Wrong) -> Array:
    """A row for each annotation in the order of the file, whose masks are written to ``masks``."""
    place = {identity: (row, h, w) for row, (identity, h, w, _, _) in enumerate(images.tolist())}
    rows, at, seen = [], 0, set()
    for n, entry in enumerate(entries):
        try:
            identity, image_id, category = (_whole(entry[key]) for key in ("id", "image_id", "category_id"))
            x, y, width, height = box = array("d", entry["bbox"])
            area, crowd = entry.get("area"), entry.get("iscrowd") or 0
            area = width * height if area is None else float(area)
            if None in (identity, image_id, category) or crowd not in (0, 1) or not math.isfinite(sum(box) + area):
                raise ValueError
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            what = "annotations without whole numbers as id, image_id and category_id and bbox of four numbers"
            wrong.note(what, "mend them", _called(entry, n))
            continue
        if identity in seen:
            wrong.note("annotation ids that stand twice", "give each annotation an id of its own", identity)
        seen.add(identity)
        if category not in known:
            listed = "add the category, or delete the annotations"
            wrong.note("annotations of a category that is not listed", listed, f"{identity} (category {category})")
        if image_id not in place:
            listed = "add the image, or delete the annotations"
            wrong.note("annotations of an image that is not listed", listed, f"{identity} (image {image_id})")
            continue
        row, tall, wide = place[image_id]
        try:
            form, mask = pack(entry.get("segmentation"), tall, wide)
        except Flaw as flaw:
            what, detail = flaw.args
            wrong.note(what, "mend or delete the annotations", f"{identity} (image {image_id}{detail})")
            continue
        rows.append((identity, row, category, (x, y, width, height), area, bool(crowd), form, at, len(mask)))
        masks.write(mask)
        at += len(mask)
    return np.array(rows, dtype=ANNOTATION) if not wrong.found else np.empty(0, ANNOTATION)


def _drop(found: Array, images: Array, wrong: Wrong) -> tuple[Array, dict[str, int]]:
    """The annotations that enclose something, grouped by image; and what was counted."""
    size = images[found["image"]]
    x, y, width, height = found["bbox"].T
    negative = (width < 0) | (height < 0)
    empty = (width == 0) | (height == 0)
    out = ~empty & ((x >= size["width"]) | (y >= size["height"]) | (x + width <= 0) | (y + height <= 0))
    for annotation, image in zip(found[negative], size[negative], strict=True):
        what = "boxes of negative size; a bbox is [left, top, width, height]"
        wrong.note(what, "mend or delete the annotations", f"{annotation['id']} (image {image['id']})")
    for annotation, image in zip(found[out], size[out], strict=True):
        where = f"{annotation['bbox'].tolist()} in image {image['id']} of {image['width']} x {image['height']}"
        remedy = "mend or delete the annotations; a bbox is [left, top, width, height] in pixels"
        wrong.note("boxes outside their image", remedy, f"{annotation['id']} ({where})")
    left, top, right, bottom = corners(found["bbox"], size["height"], size["width"]).T
    empty |= (right <= left) | (bottom <= top)
    kept = found[~empty]
    kept = kept[np.argsort(kept["image"], kind="stable")]
    clipped = ~empty & ((x < 0) | (y < 0) | (x + width > size["width"]) | (y + height > size["height"]))
    counts = {
        "annotations": len(kept),
        "crowds": int(kept["crowd"].sum()),
        "boxes of zero size dropped": int(empty.sum()),
        "boxes clipped": int(clipped.sum()),
    }
    return kept, counts


def corners(bbox_N4: Array, height: Any, width: Any) -> NDArray[np.float32]:
    """[N, 4] of left, top, width, height as left, top, right, bottom inside the image."""
    x, y, w, h = bbox_N4.T
    edges = np.stack([np.clip(x, 0, width), np.clip(y, 0, height), np.clip(x + w, 0, width), np.clip(y + h, 0, height)])
    return edges.T.astype(np.float32)
