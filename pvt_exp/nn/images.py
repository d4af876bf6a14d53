"""Opens any image file as 8-bit RGB, the way up that a person sees it.

What a plain ``Image.open(path).convert("RGB")`` gets wrong, and this does not: photographs that are turned by their
EXIF tag stay lying on their side; 16-bit greyscale is clipped to white; transparent pixels show whatever colour lies
under them. Here transparency is composited on white, the paper that most cut-out pictures are meant for. Colour
profiles are not applied, as in every reference implementation. Of an animation the first frame counts.
"""

import contextlib
import os
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps

from pvt_exp.datasets import DataError


class BadImage(DataError):
    """A file that cannot be decoded: ``path: why``. Takes one string, so that it passes through worker processes."""


def open_rgb(path: str | os.PathLike[str]) -> Image.Image:
    """The image at ``path``, decoded.

    Raises:
        BadImage: if the file is no image, or broken, truncated or absurdly large.
        OSError: if it cannot be read at all; a lost disk is no bad image, and must not be skipped like one.
    """
    with reading(path), Image.open(path) as image:
        image.load()
        return to_rgb(ImageOps.exif_transpose(image))


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Whatever Pillow stumbles over at ``path`` as BadImage; an OSError of the system stays one."""
    try:
        yield
    except MemoryError:
        raise
    except (
        Exception
    ) as error:  # Pillow's decoders raise whatever they stumble over, SyntaxError and struct.error included
        if isinstance(error, OSError) and error.errno is not None:
            raise
        text = " ".join(str(error).replace(str(path), "the file").split())
        raise BadImage(f"{os.fspath(path)}: not a readable image: {text or type(error).__name__}") from None


def to_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as RGB."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # 16 bits a pixel; formats that Pillow widens to 32 keep the range of 16
        high = np.clip(np.asarray(image).astype(np.int64), 0, 65535) >> 8
        return Image.fromarray(high.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels, whose range is unknown")
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        paper = Image.new("RGBA", colours.size, "white")
        return Image.alpha_composite(paper, colours).convert("RGB")
    return image.convert("RGB")
