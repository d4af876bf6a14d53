"""The masks of a COCO file, checked and packed: polygons, run lengths (RLE) and compressed run lengths.

Legend: N objects of an image, H W its pixels, P numbers of packed polygons.
"""

import math
from array import array
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

NO_MASK, POLYGONS, RLE = range(3)


class Flaw(ValueError):
    """What is wrong with a mask: the kind of error, and a detail of this mask."""


def pack(segmentation: Any, height: int, width: int) -> tuple[int, bytes]:
    """The form of a mask, and its bytes: polygons as float64 [count, lengths, coordinates], run lengths compressed.

    Raises:
        Flaw: if it is none of these, or does not fit the image.
    """
    if not segmentation:
        return NO_MASK, b""
    if isinstance(segmentation, list):
        return POLYGONS, _pack_polygons(segmentation, max(height, width))
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= set(segmentation):
        raise Flaw("masks that are neither polygons nor RLE", "")
    size, counts = segmentation["size"], segmentation["counts"]
    if size != [height, width]:
        raise Flaw("RLE masks of another size than their image", f", {size} where {[height, width]} is expected")
    try:
        coded = rle.frPyObjects(segmentation, height, width)["counts"] if isinstance(counts, list) else counts.encode()
        lengths = _run_lengths(coded)
    except (AttributeError, TypeError, ValueError, OverflowError, IndexError):
        raise Flaw("RLE masks whose counts cannot be read", "") from None
    # pycocotools leaves pixels that the counts do not reach uninitialised
    if sum(lengths) != height * width or min(lengths) < 0:
        raise Flaw(
            "RLE masks whose counts do not add up to their image", f", {sum(lengths)} of {height * width} pixels"
        )
    return RLE, coded


def _pack_polygons(polygons: list[Any], side: int) -> bytes:
    try:
        flat = array("d", polygons[0] if len(polygons) == 1 else chain.from_iterable(polygons))
        lengths = array("d", map(len, polygons))
    except (TypeError, OverflowError):
        raise Flaw("masks that are neither polygons nor RLE", "") from None
    if min(lengths) < 6 or 1 in [length % 2 for length in lengths]:
        raise Flaw("polygons of fewer than three points, or of half a point", "")
    # Far points would make pycocotools ask for memory without end.
    if not (math.isfinite(sum(flat)) and min(flat) >= -side and max(flat) <= 2 * side):
        raise Flaw("polygons far outside their image", "")
    return (array("d", [len(lengths)]) + lengths + flat).tobytes()


def _run_lengths(coded: bytes) -> list[int]:
    """Decode a compressed RLE: 5 bits a character; from the fourth number on, the difference from the last but one.

    Raises:
        IndexError: if it ends inside a number.
        ValueError: for a character that is none of these.
    """
    lengths: list[int] = []
    at = 0
    while at < len(coded):
        value = shift = 0
        more = 1
        while more:
            bits = coded[at] - 48
            if not 0 <= bits < 64:
                raise ValueError
            value |= (bits & 0x1F) << shift
            more = bits & 0x20
            at, shift = at + 1, shift + 5
        if bits & 0x10:
            value -= 1 << shift
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
    return lengths


def unpack(form: int, packed: bytes, height: int, width: int) -> Any:
    """The mask as COCO writes it: a list of polygons, or compressed run lengths with their size."""
    if form == RLE:
        return {"size": [height, width], "counts": packed.decode()}
    numbers_P = np.frombuffer(packed, dtype=np.float64)
    count = int(numbers_P[0])
    ends = count + 1 + np.cumsum(numbers_P[1 : count + 1].astype(int))
    return [part.tolist() for part in np.split(numbers_P, [count + 1, *ends[:-1]])[1:]]


def area_of(form: int, packed: bytes, height: int, width: int) -> float:
    """Pixels of a mask, from what `pack` gave."""
    mask = unpack(form, packed, height, width)
    return float(rle.area(rle.merge(rle.frPyObjects(mask, height, width)) if isinstance(mask, list) else mask))


def outline_area(packed: bytes) -> float:
    """Area of the first packed polygon by the shoelace formula, not clipped to the image: a lower bound of the mask's."""
    numbers_P = np.frombuffer(packed, dtype=np.float64)
    first = 1 + int(numbers_P[0])
    points_P = numbers_P[first : first + int(numbers_P[1])]
    x, y = points_P[0::2], points_P[1::2]
    return float(abs(x[:-1] @ y[1:] - y[:-1] @ x[1:] + x[-1] * y[0] - y[-1] * x[0]) / 2)


class MaskBounds:
    """Left, top, right and bottom of masks, in pixels, many at once."""

    AT_ONCE = 2000

    def __init__(self) -> None:
        self._forms: list[int] = []
        self._polygons: list[bytes] = []
        self._runs: list[dict[str, Any]] = []
        self._found: dict[int, list[NDArray[np.float64]]] = {POLYGONS: [np.empty((0, 4))], RLE: [np.empty((0, 4))]}

    def add(self, form: int, packed: bytes, height: int, width: int) -> None:
        """Another mask, from what `pack` gave."""
        self._forms.append(form)
        if form == POLYGONS:
            self._polygons.append(packed)
            if len(self._polygons) == self.AT_ONCE:
                self._measure()
        elif form == RLE:
            self._runs.append({"size": [height, width], "counts": packed})
            if len(self._runs) == self.AT_ONCE:
                self._measure()

    def edges(self) -> NDArray[np.float64]:
        """[N, 4], in the order in which they came; NaN where there is no mask."""
        self._measure()
        forms_N = np.array(self._forms, dtype=np.uint8)
        edges_N4 = np.full((len(forms_N), 4), np.nan)
        for form, found in self._found.items():
            edges_N4[forms_N == form] = np.concatenate(found)
        return edges_N4

    def _measure(self) -> None:
        if self._polygons:
            self._found[POLYGONS].append(_polygon_bounds(self._polygons))
        if self._runs:
            left, top, width, height = np.array(rle.toBbox(self._runs)).T
            self._found[RLE].append(np.stack([left, top, left + width, top + height], axis=1))
        self._polygons, self._runs = [], []


def _polygon_bounds(packed: list[bytes]) -> NDArray[np.float64]:
    """[N, 4] of masks that may have several polygons each."""
    numbers_P = np.frombuffer(b"".join(packed))
    sizes = np.array([len(each) // 8 for each in packed])
    heads = 1 + numbers_P[np.cumsum(sizes) - sizes].astype(int)  # how many polygons, and their lengths
    is_point = np.tile([False, True], len(packed))
    points = numbers_P[np.repeat(is_point, np.stack([heads, sizes - heads], axis=1).ravel())].reshape(-1, 2)
    last = np.cumsum((sizes - heads) // 2)
    first = np.concatenate([[0], last[:-1]])
    return np.concatenate([np.minimum.reduceat(points, first), np.maximum.reduceat(points, first)], axis=1)


class Drawn(Sequence[NDArray[np.uint8]]):
    """The masks of an image's objects as uint8 [H, W] of 0 and 1; each is decoded on access.

    ``np.asarray`` decodes all of them, [N, H, W].
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, segmentations: Sequence[Any], height: int, width: int) -> None:
        """From what `unpack` gives."""
        self.segmentations, self.height, self.width = segmentations, height, width

    def __len__(self) -> int:
        return len(self.segmentations)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:  # type: ignore[override]
        mask = self.segmentations[index]
        if isinstance(mask, list):
            mask = rle.merge(rle.frPyObjects(mask, self.height, self.width))
        drawn_HW: NDArray[np.uint8] = rle.decode(
            mask
        )  # in column order; a copy in row order takes longer than decoding
        return drawn_HW

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self), self.height, self.width

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        drawn_NHW = np.zeros(self.shape, dtype=dtype or np.uint8)
        for n, mask_HW in enumerate(self):
            drawn_NHW[n] = mask_HW
        return drawn_NHW
