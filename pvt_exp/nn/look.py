"""Looks at image files before anything is launched: headers of many, pixels of few. Neither draws nor raises.

Legend: H W pixels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pvt_exp.datasets import DataError
from pvt_exp.datasets._pictures import FLAT
from pvt_exp.nn.images import is_deep, open_rgb, orientation, reading

HEADERS = 2000
"""Images whose header is read, spread evenly; all where there are fewer."""
PIXELS = 8
"""Images that are decoded."""
WITH_TAGS = ("exif", "Raw profile type exif", "XML:com.adobe.xmp")


def pictures(root: Path, names: Sequence[str], turn: bool, levels: tuple[float, float] | None) -> dict[str, Any]:
    """``looked_at``, how many headers; ``turned``, the names of those with a tag that turns them.

    ``decoded``, how many; ``flat``, the names of those that come out nearly flat; ``values``, the range of the grey ones of
    more than 8 bits among these, None where there are none.
    """
    chosen = spread(names, HEADERS)
    turned = [name for name in chosen if _way(root / name) > 1]
    flat, spans, decoded = [], list[tuple[float, float]](), 0
    for name in spread(names, PIXELS):
        try:
            image = open_rgb(root / name, turn, levels)
            low, high = np.percentile(np.asarray(image.convert("L")), (0.5, 99.5))
        except (DataError, OSError):
            continue
        decoded += 1
        if high - low < FLAT:
            flat.append(name)
            spans += _values(root / name)
    values = [min(low for low, _ in spans), max(high for _, high in spans)] if spans else None
    return {"looked_at": len(chosen), "turned": turned, "decoded": decoded, "flat": flat, "values": values}


def spread(names: Sequence[str], most: int) -> list[str]:
    """So many of the names, spread evenly, or all of them."""
    number = min(most, len(names))
    return [names[n * len(names) // number] for n in range(number)]


def _way(path: Path) -> int:
    try:
        with reading(path), Image.open(path) as image:
            if image.format == "PNG" and not any(key in image.info for key in WITH_TAGS):
                return 1  # Pillow would decode it to look behind the pixels, too
            return orientation(image)
    except (DataError, OSError):
        return 1


def _values(path: Path) -> list[tuple[float, float]]:
    """The least and the greatest value of a grey image of more than 8 bits."""
    with Image.open(path) as image:
        if not is_deep(image):
            return []
        low, high = float(np.asarray(image).min()), float(np.asarray(image).max())
    return [(low, high)] if low < high else []
