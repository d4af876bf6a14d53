"""The parts of a picture: colours by class, text, boxes with their labels, masks, a legend, panels on a page.

Legend: H W pixels.
"""

import colorsys
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]

FIRST: tuple[Colour, ...] = (
    (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (0, 190, 207), (227, 119, 194),
    (188, 189, 34), (140, 86, 75), (255, 215, 0), (0, 90, 60), (255, 152, 150), (110, 110, 255), (120, 220, 120),
    (127, 127, 127), (170, 0, 90), (255, 187, 120), (0, 60, 130), (197, 176, 213), (90, 70, 0),
)  # fmt: skip
PAPER, INK, FAINT = (255, 255, 255), (25, 25, 25), (120, 120, 120)
PAD = 6  # between the parts of a page
LEAST_PX, MOST_PX = 320, 1280  # of the long side of an image on a picture
TEXT_PX = 13


def colour(index: int) -> Colour:
    """The colour of a class, the same on every picture: twenty that are told apart easily, then ever new hues."""
    if index < len(FIRST):
        return FIRST[index]
    turn = index - len(FIRST)
    red, green, blue = colorsys.hsv_to_rgb(turn * 0.61803 % 1, (0.85, 0.55, 0.7)[turn % 3], (0.9, 0.75, 0.55)[turn % 3])
    return round(255 * red), round(255 * green), round(255 * blue)


def palette() -> list[int]:
    """The colours of 256 indices, as an image with a palette wants them; 255, which is no class, is black."""
    return [channel for index in range(255) for channel in colour(index)] + [0, 0, 0]


@cache
def font(px: int = TEXT_PX) -> Any:
    """Pillow's built-in font."""
    return ImageFont.load_default(px)


def plain(text: str) -> str:
    """The text on one line, as class names may contain any character."""
    return " ".join(text.split())


def width_of(text: str, px: int = TEXT_PX) -> int:
    """Width of a line in pixels."""
    return int(font(px).getlength(text)) + 1


def shortened(text: str, room: int) -> str:
    """The text, shortened to fit."""
    if width_of(text) <= room:
        return text
    kept = next((n for n in range(len(text), 0, -1) if width_of(f"{text[:n]}…") <= room), 1)
    return f"{text[:kept]}…"


def on(ground: Colour) -> Colour:
    """Black or white, whichever can be read on a colour."""
    return INK if 0.299 * ground[0] + 0.587 * ground[1] + 0.114 * ground[2] > 140 else PAPER


def legible(image: Image.Image, most_px: int = MOST_PX) -> tuple[Image.Image, float]:
    """The image at a size where text can be read and files stay small; and its scale."""
    long = max(image.size)
    if long < LEAST_PX:
        scale: float = -(-LEAST_PX // long)
    else:
        scale = min(1.0, most_px / long)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.convert("RGB").resize(size, Image.Resampling.BICUBIC), scale


def resized(values_HW: NDArray[Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A mask or a map of classes at another (width, height); values are not mixed."""
    return np.asarray(Image.fromarray(values_HW.astype(np.uint8)).resize(size, Image.Resampling.NEAREST))


def edge(mask_HW: NDArray[np.bool_], thickness: int = 1) -> NDArray[np.bool_]:
    """The pixels of a mask that are near others; the image's own edge counts as one."""
    inner = mask_HW
    for _ in range(thickness):
        wide = np.pad(inner, 1)
        inner = inner & wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return mask_HW & ~inner


def tint(pixels_HW3: NDArray[np.uint8], mask_HW: NDArray[np.bool_], shade: Colour, share: float) -> None:
    """Mix a colour into the pixels of a mask, in place."""
    pixels_HW3[mask_HW] = (1 - share) * pixels_HW3[mask_HW] + share * np.array(shade)


# ---------------------------------------------------------------- boxes


def frame(draw: ImageDraw.ImageDraw, box: Box, shade: Colour, thickness: int, dashed: bool = False) -> None:
    """The outline of a box; dashed for a crowd."""
    x1, y1, x2, y2 = box
    if not dashed:
        draw.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=shade, width=thickness)
        return
    step = 8
    for x in np.arange(x1, x2, 2 * step):
        for y in (y1, y2 - 1):
            draw.line((x, y, min(x + step, x2), y), fill=shade, width=thickness)
    for y in np.arange(y1, y2, 2 * step):
        for x in (x1, x2 - 1):
            draw.line((x, y, x, min(y + step, y2)), fill=shade, width=thickness)


def tag(
    draw: ImageDraw.ImageDraw, box: Box, text: str, shade: Colour, size: tuple[int, int], taken: list[Box], must: bool
) -> None:
    """A box's label: over it, in it, or under it, where no other label is; left out where there is no room unless it must.

    ``size`` is the picture's width and height; ``taken`` is where labels are, and gets this one.
    """
    wide, high = width_of(text) + 4, TEXT_PX + 4
    left = min(max(0.0, box[0]), max(0.0, size[0] - wide))
    wished = (box[1] - high, box[1], box[3], box[3] - high, box[1] - 2 * high, box[3] + high)
    tops = [top for top in wished if 0 <= top <= size[1] - high] or [0.0]
    places = [(left, top, left + wide, top + high) for top in tops]
    free = [place for place in places if not any(_overlap(place, other) for other in taken)]
    if not must and (not free or wide > 1.3 * (box[2] - box[0]) + 4):
        return
    place = (free or places)[0]
    taken.append(place)
    draw.rectangle(place, fill=shade)
    draw.text((place[0] + 2, place[1] + 1), text, fill=on(shade), font=font())


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


# ---------------------------------------------------------------- pages


def legend(width: int, entries: Sequence[tuple[Colour, str]]) -> Image.Image | None:
    """Colours and what they stand for, in columns; None for none."""
    if not entries:
        return None
    entries = [(shade, shortened(text, width - TEXT_PX - 6)) for shade, text in entries]
    column = max(width_of(text) for _, text in entries) + TEXT_PX + 6 + 2 * PAD
    columns = max(1, min(len(entries), (width + 2 * PAD) // column))
    rows = -(-len(entries) // columns)
    line = TEXT_PX + 6
    sheet = Image.new("RGB", (width, rows * line), PAPER)
    draw = ImageDraw.Draw(sheet)
    for n, (shade, text) in enumerate(entries):
        x, y = n // rows * column, n % rows * line
        draw.rectangle((x, y + 2, x + TEXT_PX, y + 2 + TEXT_PX), fill=shade, outline=FAINT)
        draw.text((x + TEXT_PX + 6, y + 1), text, fill=INK, font=font())
    return sheet


def page(panels: Sequence[tuple[str, Image.Image]], below: Image.Image | None = None) -> Image.Image:
    """Pictures beside one another, each with its title over it where it has one, and something below them all."""
    head = TEXT_PX + 2 * PAD if any(title for title, _ in panels) else 0
    width = sum(panel.width for _, panel in panels) + PAD * (len(panels) - 1)
    high = max(panel.height for _, panel in panels)
    foot = below.height + 2 * PAD if below else 0
    sheet = Image.new("RGB", (max(width, below.width if below else 0), head + high + foot), PAPER)
    draw = ImageDraw.Draw(sheet)
    x = 0
    for title, panel in panels:
        if title:
            draw.text((x + 2, PAD - 2), title, fill=INK, font=font())
        sheet.paste(panel, (x, head))
        x += panel.width + PAD
    if below:
        sheet.paste(below, (0, head + high + PAD))
    return sheet
