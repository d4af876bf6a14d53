"""Inspects image files before a sweep starts: headers of many, pixels of few. Uses no random numbers, raises nothing.

Legend: H W pixels.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pvt_exp.config import DataError
from pvt_exp.datasets._mask_values import IGNORED
from pvt_exp.datasets._palettes import Palettes
from pvt_exp.datasets._pictures import FLAT
from pvt_exp.nn.data.images import DEEP, BadImage, decoded, is_deep, open_rgb, orientation, reading, size_of
from pvt_exp.nn.data.semantic_folder import NoClass, SemanticFolder

HEADERS = 2000
"""Images whose header is read, spread evenly; all where there are fewer."""
PIXELS = 8
"""Images that are decoded."""
MASKS, MASK_PIXELS = 500, 400_000_000
"""Masks that are decoded, and their pixels together; of very large ones `PIXELS` at least."""
MOST_VALUES = 1000
"""Most different values that are reported."""
WITH_TAGS = ("exif", "Raw profile type exif", "XML:com.adobe.xmp")


def pictures(
    root: Path,
    names: Sequence[str],
    turn: bool,
    levels: tuple[float, float] | None,
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, Any]:
    """``looked_at``, how many headers; ``turned``, the names of those with a tag that turns them.

    ``frames``, the names of those that hold several pictures. ``unreadable``, those whose header or, where they
    are decoded, pixels cannot be read, but for files of 0 bytes. ``of_other_size``: name, width and height, and those that
    ``sizes`` says, of the images that differ. ``decoded``, how many; ``flat``, the names of those that come out nearly flat;
    ``values``, the range of the grey ones of more than 8 bits among these, None where there are none; ``beyond``, the names
    of decoded images with values that are clipped, ``clipped``, how many of their ``pixels``.
    """
    chosen = spread(names, HEADERS)
    turned, frames, of_other_size = list[str](), list[str](), list[tuple[str, int, int, int, int]]()
    unreadable = list[str]()
    for name in chosen:
        way, found, number = _header(root / name, turn)
        turned += [name] if way > 1 else []
        frames += [name] if number > 1 else []
        unreadable += [name] if found is None and not _is_void(root / name) else []
        if sizes and found and found != sizes[name]:
            of_other_size.append((name, *found, *sizes[name]))
    flat, spans, decoded = [], list[tuple[float, float]](), 0
    beyond, clipped, pixels = list[str](), 0, 0
    for name in spread(names, PIXELS):
        try:
            image = open_rgb(root / name, turn, levels)
            low, high = np.percentile(np.asarray(image.convert("L")), (0.5, 99.5))
        except (DataError, OSError):
            unreadable += [name] if name not in unreadable and not _is_void(root / name) else []
            continue
        decoded += 1
        if outside := _outside(root / name, levels):
            beyond.append(name)
            clipped, pixels = clipped + outside, pixels + image.width * image.height
        if high - low < FLAT:
            flat.append(name)
            spans += _values(root / name)
    values = [min(low for low, _ in spans), max(high for _, high in spans)] if spans else None
    return {
        "looked_at": len(chosen),
        "turned": turned,
        "frames": frames,
        "unreadable": sorted(unreadable),
        "of_other_size": of_other_size,
        "decoded": decoded,
        "flat": flat,
        "values": values,
        "beyond": beyond,
        "clipped": clipped,
        "pixels": pixels,
    }


def spread(names: Sequence[str], most: int) -> list[str]:
    """So many of the names, spread evenly, or all of them."""
    return [names[place] for place in _evenly(len(names), most)]


def _header(path: Path, turn: bool) -> tuple[int, tuple[int, int] | None, int]:
    """An image's EXIF orientation, its width and height (None: unreadable), and its number of frames."""
    way, size, frames = 1, None, 1
    with contextlib.suppress(DataError, OSError), reading(path), Image.open(path) as image:
        size = image.size
        if image.format != "PNG" or any(key in image.info for key in WITH_TAGS):
            way, size = orientation(image), size_of(image, turn)  # of PNG without Pillow would decode it to look behind
        frames = getattr(image, "n_frames", 1)  # last, as it reads the heads of all frames
    return way, size, frames


def _is_void(path: Path) -> bool:
    """Whether a file has 0 bytes, which is told by itself."""
    with contextlib.suppress(OSError):
        return path.stat().st_size == 0
    return False


def unreadable(samples: Sequence[Any], places: Iterable[int]) -> str | None:
    """Why the first of some images cannot be read, if none of them can."""
    first: str | None = None
    for place in places:
        try:
            samples[place]
        except BadImage as error:
            first = first or str(error)
        except (DataError, OSError):  # said when it is read
            return None
        else:
            return None
    return first


def _outside(path: Path, levels: tuple[float, float] | None) -> int:
    """Pixels of a grey image of more than 8 bits whose value is none or is not between black and white."""
    with Image.open(path) as image:
        if not is_deep(image):
            return 0
        values_HW, (low, high) = np.asarray(decoded(image, turn=True)), levels or DEEP
        return int(values_HW.size - ((values_HW >= low) & (values_HW <= high)).sum())


def _values(path: Path) -> list[tuple[float, float]]:
    """The least and the greatest value of a grey image of more than 8 bits."""
    with Image.open(path) as image:
        if not is_deep(image):
            return []
        values_HW = np.asarray(decoded(image, turn=True))
        low, high = float(values_HW.min()), float(values_HW.max())
    return [(low, high)] if low < high else []


def masks(samples: SemanticFolder, before: Palettes) -> dict[str, Any]:
    """What the masks of a split hold; ``looked_at`` of them, spread evenly, and more while these have not two classes.

    ``values``: all that stand in them, none where they are colours or very many. ``classes``: the labels. ``pixels`` and
    ``ignored``: how many. ``levels``: where there is a threshold, how many pixels have each value. ``empty``: masks in which
    no pixel counts. ``turned`` and ``frames``: as of `pictures`. ``contents``: of each that was read, its place and classes.
    ``bad``: why some cannot be read. ``no_class``: which value of the first that has such a one is no class. ``wrong``: what
    is wrong with the first that has another flaw, and the way out. ``palettes``: what they show, and those ``before`` them;
    ``clashing``: the masks whose palette differs from these, where numbers are read all the same. ``nothing_but_0``: masks
    that hold class 0 and what is ignored, and nothing else. ``lossy``: that the first of a lossy format cannot be used.
    """
    samples.palettes.add(before)
    found = Found(samples)
    first = _evenly(len(samples), _affordable(samples))
    for index in first:
        found.add(index)
    rest = iter(sorted(set(range(len(samples))) - set(first)))
    while len(found.classes) < 2 and (further := next(rest, None)) is not None:
        found.add(further)
    values = sorted(found.values) if len(found.values) <= MOST_VALUES and not samples.meaning.colours else []
    return {
        "looked_at": found.looked_at,
        "values": values,
        "classes": sorted(found.classes),
        "pixels": found.pixels,
        "ignored": found.ignored,
        "levels": sorted(found.levels.items()),
        "empty": found.empty,
        "nothing_but_0": found.nothing_but_0,
        "lossy": found.lossy,
        "turned": found.turned,
        "frames": found.frames,
        "contents": found.contents,
        "bad": found.bad,
        "no_class": found.no_class,
        "wrong": found.wrong,
        "palettes": samples.palettes.as_json(),
        "clashing": found.clashing,
    }


class Found:
    """Collects what the masks hold."""

    def __init__(self, samples: SemanticFolder) -> None:
        self.samples = samples
        self.values, self.classes = set[int](), set[int]()
        self.looked_at = self.pixels = self.ignored = 0
        self.levels = Counter[int]()
        self.empty, self.bad, self.turned, self.frames = list[str](), list[str](), list[str](), list[str]()
        self.clashing, self.nothing_but_0 = list[str](), list[str]()
        self.contents = list[tuple[int, list[int]]]()
        self.no_class: str | None = None
        self.wrong: str | None = None
        self.lossy: str | None = None

    def add(self, index: int) -> None:
        """Add a mask, and check that it has its image's size."""
        self.looked_at += 1
        name = os.fsdecode(self.samples.masks[index])
        try:
            mask = self.samples.mask(index, self.samples.size(index))
            self.lossy = self.lossy or self.samples.lossy(index)
            self._compare(index, mask)
            values_HW = self.samples.values(index, mask)
            if len(self.values) <= MOST_VALUES:
                self.values |= _counts(values_HW).keys()
            labels_HW = self.samples.labels(index, values_HW)
        except BadImage as error:
            self.bad.append(str(error))
        except NoClass as error:
            self.no_class = self.no_class or str(error)
        except DataError as error:
            self.wrong = self.wrong or str(error)
        else:
            counts = np.bincount(labels_HW.ravel(), minlength=256)
            self.pixels, self.ignored = self.pixels + labels_HW.size, self.ignored + int(counts[IGNORED])
            there = np.flatnonzero(counts[:IGNORED]).tolist()
            self.classes |= set(there)
            self.contents.append((index, there))
            if self.samples.meaning.threshold is not None:
                self.levels.update(_counts(values_HW))
            if counts[IGNORED] == labels_HW.size:
                self.empty.append(name)
            if there == [0] and counts[IGNORED]:
                self.nothing_but_0.append(name)
            way, _, frames = _header(self.samples.root / name, turn=True)
            self.turned += [name] if way > 1 else []
            self.frames += [name] if frames > 1 else []

    def _compare(self, index: int, mask: Image.Image) -> None:
        """Compare a mask's palette with those before it."""
        if (clash := self.samples.clash(index, mask)) is None:
            return
        if self.samples.meaning.values is None:
            self.wrong = self.wrong or clash
        else:
            self.clashing.append(os.fsdecode(self.samples.masks[index]))


def _affordable(samples: SemanticFolder) -> int:
    """How many masks to decode in some seconds."""
    try:
        width, height = samples.size(0)
    except (DataError, OSError):
        return MASKS
    return max(PIXELS, min(MASKS, MASK_PIXELS // (width * height)))


def _evenly(length: int, most: int) -> list[int]:
    number = min(most, length)
    return [n * length // number for n in range(number)]


def _counts(values_HW: NDArray[Any]) -> dict[int, int]:
    """The number of pixels of each value."""
    if values_HW.dtype.itemsize <= 2:  # a fraction of the time that sorting takes
        counts = np.bincount(values_HW.ravel().astype(np.uint16))
        values = np.flatnonzero(counts)
        return dict(zip(values.tolist(), counts[values].tolist(), strict=True))
    values, counts = np.unique(values_HW, return_counts=True)
    return dict(zip(map(int, values), counts.tolist(), strict=True))
