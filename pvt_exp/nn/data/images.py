"""Opens any image file as 8-bit RGB, the way up that a person sees it.

A plain ``Image.open(path).convert("RGB")`` gets several things wrong: it ignores the EXIF orientation, fails on other
broken tags, clips 16-bit greyscale to white, and shows hidden colours of transparent pixels. Here transparent pixels are
composited on white. Colour profiles are not applied, as in all reference implementations. Of an animation, the first
frame is used.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from pvt_exp.config import DataError
from pvt_exp.nn.data import exif

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transpose that makes an image upright, by its EXIF orientation."""
DEEP = (0, 65535)
"""Default values of black and white in grey images of more than 8 bits."""
BACK = {6: 8, 8: 6}
"""The inverse orientation, where it is another one."""


class BadImage(DataError):
    """A file that cannot be decoded: ``path: why``. Takes one string, so that it passes through worker processes."""


def open_rgb(path: str | os.PathLike[str], turn: bool = True, levels: tuple[float, float] | None = None) -> Image.Image:
    """The image at ``path``, decoded.

    Args:
        path: Of the file.
        turn: Upright, as its EXIF tag says; else the pixels as they are stored.
        levels: Of grey of 16 bits or more and of floating-point grey: the values that become black and white.

    Raises:
        BadImage: if the file is no image, or broken, truncated or absurdly large.
        OSError: if the file cannot be read. A lost disk is no bad image, and must not be skipped.
    """
    with reading(path), Image.open(path) as image:
        return to_rgb(decoded(image, turn), levels)


def decoded(image: Image.Image, turn: bool) -> Image.Image:
    """The pixels of an image that was opened, turned as its EXIF tag says or as they are stored."""
    due, done = orientation(image) if turn else 1, _turned_by_pillow(image)
    if _sides_exchanged(image):
        image.filename = ""  # type: ignore[attr-defined]  # else pixels are mapped from the file, by the sides as turned
    image.load()
    if due != done:
        for way in (BACK.get(done, done), due):
            image = image if way == 1 else image.transpose(TURNS[way])
    return image


def size_of(image: Image.Image, turn: bool) -> tuple[int, int]:
    """Width and height of what `decoded` makes of an opened image."""
    exchanged = (orientation(image) >= 5 and turn) != _sides_exchanged(image)
    return image.size[::-1] if exchanged else image.size


def orientation(image: Image.Image) -> int:
    """How an opened image lies, 1 to 8 as in EXIF 2.3, section 4.6.4; 1, upright, where no tag says so in a usable way.

    Damage elsewhere in the tags is passed over: only this one matters for the pixels. It is read from the bytes where it
    stands there plainly, else as Pillow reads it, which looks in XMP too.
    """
    by_pillow = _by_pillow(image)  # first: of PNG, the block may lie behind the pixels
    plain = _plain(image)
    return by_pillow if plain is None else _usable(plain)


def _usable(value: object) -> int:
    if isinstance(value, tuple | list) and value:
        value = value[0]
    if isinstance(value, str | bytes):
        text = (value.decode("latin-1") if isinstance(value, bytes) else value).strip()
        value = int(text) if text.isdecimal() and len(text) < 5 else 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _by_pillow(image: Image.Image) -> int:
    try:
        return _usable(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # Pillow raises whatever it stumbles over in the tags, as it does in pixels
        return 1


def _plain(image: Image.Image) -> int | None:
    """The orientation in the bytes of an opened image's tags."""
    if image.format == "TIFF":
        return _in_tiff(getattr(image, "fp", None))
    block = image.info.get("exif")
    if block is None and isinstance(text := image.info.get("Raw profile type exif"), str):  # of older PNG
        with contextlib.suppress(ValueError):
            block = bytes.fromhex("".join(text.split("\n")[3:]))
    return exif.in_block(block) if isinstance(block, bytes) else None


def _in_tiff(file: IO[bytes] | None) -> int | None:
    if file is None or file.closed:
        return None
    before = file.tell()

    def read(at: int, size: int) -> bytes:
        file.seek(at)
        return file.read(size)

    try:
        return exif.orientation(read)
    finally:
        file.seek(before)


def _turned_by_pillow(image: Image.Image) -> int:
    """The orientation by which loading an image turns it: Pillow's TIFF reader does so by itself, others do not."""
    return _by_pillow(image) if image.format == "TIFF" else 1


def _sides_exchanged(image: Image.Image) -> bool:
    """Whether Pillow says of an opened image how large it is upright, though it lies on its side."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(ExifTags.Base.Orientation) in (5, 6, 7, 8)


def lossy_format(path: str | os.PathLike[str]) -> str | None:
    """The format of an image that does not keep its pixels' values; None for those that do or may: PNG, AVIF, JPEG 2000."""
    with Path(path).open("rb") as file:
        head = file.read(12)
        if head.startswith(b"\xff\xd8\xff"):
            return "JPEG"
        if head[:4] == b"RIFF" and head[8:] == b"WEBP":  # chunks, each with its size and an even number of bytes
            while len(chunk := file.read(8)) == 8 and chunk[:4] not in (b"VP8 ", b"VP8L", b"ANMF"):
                size = int.from_bytes(chunk[4:], "little")
                file.seek(size + size % 2, os.SEEK_CUR)
            return "lossy WebP" if chunk[:4] == b"VP8 " else None
    if head[:4] in (b"II*\0", b"MM\0*"):
        with reading(path), Image.open(path) as image:
            return "TIFF with JPEG" if image.info.get("compression") in ("jpeg", "tiff_jpeg") else None
    return None


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn any error of Pillow at ``path`` into BadImage; an OSError of the system is passed on."""
    try:
        yield
    except MemoryError:
        raise
    except (
        Exception
    ) as error:  # Pillow's decoders raise whatever they stumble over, SyntaxError and struct.error included
        if isinstance(error, OSError) and error.errno is not None:
            raise
        unknown = isinstance(error, UnidentifiedImageError)  # whose message has the path, which stands here already
        text = (
            "of no format that Pillow knows" if unknown else " ".join(str(error).replace(str(path), "the file").split())
        )
        raise BadImage(f"{os.fspath(path)}: not a readable image: {text or type(error).__name__}") from None


def to_rgb(image: Image.Image, levels: tuple[float, float] | None = None) -> Image.Image:
    """An image of any mode as RGB."""
    if levels is not None and is_deep(image):
        return Image.fromarray(_stretched(np.asarray(image), *levels)).convert("RGB")
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # 16 bits a pixel; formats that Pillow widens to 32 keep the range of 16
        high = np.clip(np.asarray(image).astype(np.int64), *DEEP) >> 8
        return Image.fromarray(high.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels; dataset.range: [low, high] says which are black and white")
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        paper = Image.new("RGBA", colours.size, "white")
        return Image.alpha_composite(paper, colours).convert("RGB")
    return image.convert("RGB")


def is_deep(image: Image.Image) -> bool:
    """Whether it is grey of more than 8 bits."""
    return image.mode == "F" or image.mode.startswith("I")


def _stretched(values_HW: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    part_HW = (np.nan_to_num(values_HW.astype(np.float64), nan=low) - low) / (high - low)
    bytes_HW: NDArray[np.uint8] = np.rint(255 * part_HW.clip(0, 1)).astype(np.uint8)
    return bytes_HW
