"""Checks that the boxes of a COCO file are [left, top, width, height] in pixels, as the format says.

Boxes in another format are four numbers too, so a run would train on wrong boxes without an error. Where there are masks,
the format follows from comparing boxes with masks; else from whether the boxes lie inside their images.

Legend: N annotations.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvt_exp.nn.data.coco.fields import Findings

Array = NDArray[Any]
Form = Callable[[Array, Array, Array, Array], tuple[Array, Array, Array, Array]]
COCO = "[left, top, width, height]"
CORNERS, CENTRE = "[left, top, right, bottom]", "[centre x, centre y, width, height]"
EDGES: dict[str, Form] = {
    COCO: lambda a, b, c, d: (a, b, a + c, b + d),
    CORNERS: lambda a, b, c, d: (a, b, c, d),
    CENTRE: lambda a, b, c, d: (a - c / 2, b - d / 2, a + c / 2, b + d / 2),
    "[top, left, height, width]": lambda a, b, c, d: (b, a, b + d, a + c),
    "[top, left, bottom, right]": lambda a, b, c, d: (b, a, d, c),
}
"""Left, top, right and bottom of four numbers, by their form."""
READ = f"read as {COCO}, which COCO's format has"
WAY = f"write them as {COCO} in pixels"
FEW = 5
"""Least number of masks from which the format is concluded."""
MANY = 50
"""Least number of boxes for which a file without masks is refused; with fewer there is a warning."""


def check(found: Array, size: Array, bounds_N4: Array, findings: Findings) -> None:
    """Note boxes that are surely in another format, which refuses the file; report those that only look like it.

    Args:
        found: Annotations as `arrays.ANNOTATION`, N of them.
        size: The image of each, as `arrays.IMAGE`.
        bounds_N4: Left, top, right and bottom of each mask, in pixels; NaN where there is none.
        findings: Collects what is wrong.
    """
    sound_N = (found["bbox"][:, 2:] > 0).all(axis=1)
    found, size, bounds_N4 = found[sound_N], size[sound_N], bounds_N4[sound_N]
    if not len(found) or _normalised(found, size, findings):
        return
    masked_N = ~np.isnan(bounds_N4[:, 0]) & ~found["crowd"]
    form = _by_masks(found["bbox"][masked_N], bounds_N4[masked_N]) if masked_N.sum() >= FEW else None
    if form is None:
        _by_images(found, size, findings)
    elif form != COCO:
        for each in found[masked_N]:
            findings.note(f"boxes that are {form}, as their masks show", WAY, each["id"])


def _normalised(found: Array, size: Array, findings: Findings) -> bool:
    """Whether most boxes are normalised to 0..1; single ones among others are reported."""
    first_N = (np.abs(found["bbox"]) <= 1).all(axis=1) & (np.minimum(size["height"], size["width"]) > 2)
    parts_N = first_N & (found["bbox"] % 1 != 0).any(axis=1)
    most = bool(parts_N.any() and 2 * first_N.sum() > len(found))
    for each in found[parts_N]:
        if most:
            way = "multiply them by the width and height of their image; a bbox is in pixels"
            findings.note("boxes of numbers from 0 to 1", way, f"{each['id']} ({each['bbox'].tolist()})")
        else:
            findings.change("boxes of numbers from 0 to 1", "read as pixels", _shown(each))
    return most


def _by_masks(bbox_N4: Array, bounds_N4: Array) -> str | None:
    """The format in which the boxes enclose their masks; None where no format fits."""
    sides_N2 = bounds_N4[:, 2:] - bounds_N4[:, :2]
    near_N4 = np.tile(np.maximum(1.5, 0.05 * sides_N2), 2)
    fits = {
        form: float((np.abs(np.stack(edges(*bbox_N4.T), axis=1) - bounds_N4) <= near_N4).all(axis=1).mean())
        for form, edges in EDGES.items()
    }
    best = max(fits, key=lambda form: fits[form])  # of equal ones the first, which is COCO's
    if fits[best] < 0.5:
        return None
    return best if fits[COCO] < 0.1 else COCO


def _by_images(found: Array, size: Array, findings: Findings) -> None:
    """Report boxes that lie inside their images as corners or centres, but reach out of them as COCO's format."""
    x, y, width, height = found["bbox"].T
    over_N = np.maximum((x + width - size["width"]) / size["width"], (y + height - size["height"]) / size["height"])
    for form, least, inside, far, sure in ((CORNERS, 1, 0.95, 0.1, 0.25), (CENTRE, 10, 0.99, 0.01, 0.1)):
        left, top, right, bottom = EDGES[form](x, y, width, height)
        inside_N = (left >= -1) & (top >= -1) & (right <= size["width"] + 1) & (bottom <= size["height"] + 1)
        inside_N &= (right > left) & (bottom > top)
        if len(found) < least or inside_N.mean() <= inside or (over_N > 0.002).mean() <= 0.1:
            continue
        refused = len(found) >= MANY and (over_N > far).mean() > sure
        for each in found[inside_N]:
            if refused:
                what = f"boxes that are {form}, as they lie in their images so and reach out of them as {COCO}"
                findings.note(what, WAY, each["id"])
            else:
                findings.change(f"boxes that look like {form}", READ, _shown(each))
        return


def _shown(each: Array) -> str:
    return f"annotation {each['id']}: {each['bbox'].tolist()}"
