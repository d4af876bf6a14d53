"""The orientation as it stands in a first directory of tags: of a block of EXIF, or of a TIFF or BigTIFF file.

Pillow gives up at the first tag whose data it cannot read, without an error, and with it all tags that come after. Here each
entry is looked at by itself. Source: TIFF 6.0, section 2; EXIF 2.3, section 4.6.4.
"""

from collections.abc import Callable
from typing import Literal

ORIENTATION = 0x0112
ORDERS: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
BIG_TIFF = 43
WIDTHS = {1: 1, 3: 2, 4: 4}
"""Bytes of a value, by its type: BYTE, SHORT, LONG."""
ASCII = 2
MARK = b"Exif\0\0"
"""Before a block in JPEG; some writers put it twice, or in other formats too."""

Read = Callable[[int, int], bytes]
"""Bytes from a place, so many; fewer at the end."""


def in_block(block: bytes) -> int | None:
    """`orientation` of a block of EXIF."""
    block = block.removeprefix(MARK).removeprefix(MARK)
    return orientation(lambda at, size: block[at : at + size])


def orientation(read: Read) -> int | None:
    """What the first orientation tag plainly says: a number of its own, or the digits of a text.

    None where there is no such tag, or it says nothing plain. Any number may come, also one that is no orientation.
    """
    if (order := ORDERS.get(read(0, 2))) is None:
        return None

    def number(at: int, size: int) -> int:
        return int.from_bytes(read(at, size), order)

    big = number(2, 2) == BIG_TIFF
    word = 8 if big else 4
    """Bytes of a place, and of a value that stands in its entry."""
    start = number(8, 8) if big else number(4, 4)
    first, length = start + (8 if big else 2), 4 + 2 * word
    entries = read(first, min(number(start, first - start), 0xFFFF) * length)
    for at in range(first, first + len(entries) - length + 1, length):  # a tag: id, type, number, value
        if number(at, 2) == ORIENTATION:
            value = read(at + 4 + word, word)
            return _plain(number(at + 2, 2), number(at + 4, word), value, order)
    return None


def _plain(kind: int, count: int, value: bytes, order: Literal["little", "big"]) -> int | None:
    if kind == ASCII and 0 < count <= len(value):
        text = value[:count].partition(b"\0")[0].strip()
        return int(text) if text.isdigit() else None
    width = WIDTHS.get(kind, 0)
    return int.from_bytes(value[:width], order) if 0 < count * width <= len(value) else None
