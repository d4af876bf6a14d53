"""Reads images and masks of class numbers.

Legend: H W pixels.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pvt_exp.config import DataError
from pvt_exp.datasets import Split
from pvt_exp.datasets._mask_values import AS_PNG
from pvt_exp.datasets._palettes import Palettes
from pvt_exp.datasets._sizes import by_tag
from pvt_exp.nn.data.images import BadImage, decoded, lossy_format, open_rgb, orientation, reading, size_of

if TYPE_CHECKING:
    from pvt_exp.datasets.semantic_folder import Settings

PIXELS_AT_ONCE = 2**21
"""Looked up together: numpy takes 8 bytes for each on the way."""
NO_CLASS = 254  # in the table of labels: a value that stands for nothing
GREY = ("1", "L", "P")


class NoClass(DataError):
    """A mask holds a value that is no class."""


class SemanticFolder(Sequence[tuple[Image.Image, NDArray[np.uint8]]]):
    """(image, labels [H, W]) by path."""

    def __init__(self, settings: "Settings", root: Path, split: Split) -> None:
        self.settings, self.root, self.split = settings, root, split
        # Two arrays rather than lists of strings, whose reference counts would make forked workers copy their pages.
        images, masks = zip(*settings.pairs(root, split), strict=True)
        self.images, self.masks = (np.array([os.fsencode(path) for path in paths]) for paths in (images, masks))
        self.classes, self.meaning = len(settings.names(root)), settings.meaning
        named = self.meaning.named
        self.sparse = self.meaning.colours or max(named, default=0) >= 2**16
        """Whether what may stand in a mask is few of very many numbers."""
        self.known = np.array(named if self.sparse else range(2**16), dtype=np.int64)
        """What may stand in a mask, by place: every number of 16 bits, or the numbers or packed colours named, sorted."""
        self.table = self._table(named)
        self.palettes = Palettes({}, {})
        """Of the masks that were read so far."""

    def _table(self, named: list[int]) -> NDArray[np.uint8]:
        """The label of each number in `known`."""
        if self.meaning.threshold is not None:
            return (self.known >= self.meaning.threshold).astype(np.uint8)
        table = np.full(len(self.known), NO_CLASS, dtype=np.uint8)
        # No other number stands for anything, and 2 ** 16 calls take some 50 ms.
        for value in named if self.sparse else {*named, *range(self.classes + 1)}:
            if (label := self.meaning.label(value, self.classes)) is not None:
                table[np.searchsorted(self.known, value)] = label
        return table

    def __reduce__(self) -> tuple[type["SemanticFolder"], tuple["Settings", Path, Split]]:
        return SemanticFolder, (self.settings, self.root, self.split)  # listing is faster than sending a long list

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Any:
        image = open_rgb(self._path(self.images, index), self._turn, self.settings.range)
        mask = self.mask(index, image.size)
        if (lossy := self.lossy(index)) is not None:
            raise DataError(f"{lossy}; {AS_PNG}, or, for two classes, set dataset.threshold")
        if self.meaning.values is None and (clash := self.clash(index, mask)):
            raise DataError(clash)
        return image, self.labels(index, self.values(index, mask))

    @property
    def _turn(self) -> bool:
        return self.settings.exif == "turn"

    def size(self, index: int) -> tuple[int, int]:
        """Width and height of an image, which is not decoded; DataError as reading it would raise."""
        path = self._path(self.images, index)
        with reading(path), Image.open(path) as image:
            return size_of(image, self._turn)

    def _path(self, paths: Any, index: int) -> Path:
        return self.root / os.fsdecode(paths[index])

    def mask(self, index: int, size: tuple[int, int]) -> Image.Image:
        """A mask as it was drawn.

        Raises:
            BadImage: if it cannot be decoded, or is not as large as its image, whose width and height are given.
        """
        path = self._path(self.masks, index)
        with reading(path), Image.open(path) as opened:
            mask = decoded(opened, self._turn)
        if mask.size != size:
            measured = "{} x {} pixels, and its image {} x {}".format(*mask.size, *size)
            image_path = self._path(self.images, index)
            with reading(image_path), Image.open(image_path) as image:
                tagged = orientation(image) >= 5
            why = by_tag(size, mask.size, tagged, self._turn)
            raise BadImage(f"{path}: the mask has {measured}: {image_path}{why}")
        return mask

    def lossy(self, index: int) -> str | None:
        """That a mask's format does not keep numbers and colours, where they say the class; None where all is well."""
        path = self._path(self.masks, index)
        if self.meaning.threshold is not None or (name := lossy_format(path)) is None:
            return None
        return f"{path}: is a mask in {name}, which changes class numbers and colours"

    def clash(self, index: int, mask: Image.Image) -> str | None:
        """In what a mask's palette differs from those of the masks before it, with the way out; None if it agrees.

        A palette that differs is not remembered. Where colours or brightness say the class, nothing depends on palettes.
        """
        if mask.mode not in ("P", "1") or self.meaning.colours or self.meaning.threshold is not None:
            return None
        own = _palette(self._path(self.masks, index), mask)
        if (clash := self.palettes.clash(own)) is not None:
            return f"{clash}; {self.palettes.way_out(own)}"
        self.palettes.add(own)
        return None

    def values(self, index: int, mask: Image.Image) -> NDArray[Any]:
        """What stands in a mask [H, W], as numbers or packed colours.

        Raises:
            DataError: if its pixels are of another kind than the settings say.
        """
        if mask.mode == "F":
            path, way = self._path(self.masks, index), "save the masks with whole numbers, of 8 or 16 bits"
            raise DataError(f"{path}: floating-point pixels, where class numbers are due; {way}")
        if self.meaning.colours:
            red, green, blue = np.moveaxis(np.asarray(mask.convert("RGB")).astype(np.int32), 2, 0)
            packed_HW: NDArray[Any] = (red << 16) + (green << 8) + blue
            return packed_HW
        if mask.mode.startswith("I"):
            return np.asarray(mask)
        if self.meaning.threshold is not None:
            return np.asarray(
                mask.convert("L")
            )  # the brightness: of one bit 0 or 255, of a palette that of its colours
        if mask.mode in GREY:
            return np.asarray(mask)
        if mask.mode in ("RGB", "RGBA", "LA"):
            channels_HWC = np.asarray(mask)
            colours = channels_HWC[..., : 3 if mask.mode != "LA" else 1]
            clear = mask.mode != "RGB" and (channels_HWC[..., -1] != 255).any()
            if not clear and (colours == colours[..., :1]).all():
                return channels_HWC[..., 0]
        path, due = self._path(self.masks, index), "where a mask has one channel, whose values are class numbers"
        way = "name the colours, as in dataset.values: {'#000000': 0, '#ff0000': 1}, or set dataset.threshold for JPEG"
        raise DataError(f"{path}: pixels of mode {mask.mode}, {due}; {way}")

    def labels(self, index: int, values_HW: NDArray[Any]) -> NDArray[np.uint8]:
        """The labels [H, W] that the values of a mask stand for.

        Raises:
            NoClass: for a value that is none.
        """
        if self.meaning.threshold is not None:
            return (values_HW >= self.meaning.threshold).astype(np.uint8)
        labels_HW = np.empty(values_HW.shape, np.uint8)
        rows = max(1, PIXELS_AT_ONCE // values_HW.shape[1])
        for top in range(0, len(values_HW), rows):
            labels_HW[top : top + rows] = self._looked_up(index, values_HW[top : top + rows])
        return labels_HW

    def _looked_up(self, index: int, values_HW: NDArray[Any]) -> NDArray[np.uint8]:
        labels_HW: NDArray[np.uint8]
        if self.sparse:
            place_HW = np.searchsorted(self.known, values_HW).clip(0, len(self.known) - 1)
            labels_HW = np.where(self.known[place_HW] == values_HW, self.table[place_HW], np.uint8(NO_CLASS))
        else:
            if values_HW.dtype.itemsize > 2 and not 0 <= values_HW.min() <= values_HW.max() < len(self.table):
                raise self._no_class(index, max(values_HW.max(), values_HW.min(), key=abs))
            labels_HW = self.table[values_HW.astype(np.uint16, copy=False)]
        if (labels_HW == NO_CLASS).any():
            raise self._no_class(index, values_HW[labels_HW == NO_CLASS].max())
        return labels_HW

    def _no_class(self, index: int, value: int) -> NoClass:
        shown = f"colour #{int(value):06x}" if self.meaning.colours else f"value {int(value)}"
        if isinstance(value, np.bool_):
            shown += ", as it is of one bit, whose values are 0 and 1"
        path = self._path(self.masks, index)
        return NoClass(f"{path}: has the {shown}; {self.meaning.due(self.classes)}")


def _palette(path: Path, mask: Image.Image) -> Palettes:
    """What a mask of mode P or 1 shows."""
    used = [number for number, pixels in enumerate(mask.histogram()) if pixels]
    if mask.mode == "1":  # Pillow counts white as 255
        return Palettes.of(str(path), [number // 255 for number in used], ["#000000", "#ffffff"])
    channels = [*(mask.getpalette("RGB") or []), *[0] * 768][:768]  # black is what lies beyond its end
    packed = zip(channels[::3], channels[1::3], channels[2::3], strict=True)
    return Palettes.of(str(path), used, ["#{:02x}{:02x}{:02x}".format(*colour) for colour in packed])
