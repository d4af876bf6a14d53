"""Duplicate entries of a COCO file, and masks outside their boxes: counted and kept, as they may be intended.

Legend: N annotations.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvt_exp.nn.data.coco.fields import Findings

Array = NDArray[Any]
ODD = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xFF51AFD7ED558CCD], "u8"
)
"""Odd 64-bit factors of a row hash: equal rows have equal sums, and different ones almost never."""


def files(names: Sequence[str], ids: Sequence[int], findings: Findings) -> None:
    """Report image files that have several image ids."""
    if len(set(names)) == len(names):
        return
    often = Counter(names)
    first: dict[str, int] = {}
    for name, identity in zip(names, ids, strict=True):
        if often[name] > 1 and first.setdefault(name, identity) != identity:
            what, effect = "files under several image ids", "each id taken as an image of its own"
            findings.change(what, effect, f"{name}: {first[name]} and {identity}")


def objects(found: Array, masks: Path, findings: Findings) -> None:
    """Report objects with the image, box and mask of an earlier one, whether of the same category or of another.

    Args:
        found: Annotations as `arrays.ANNOTATION`, N of them.
        masks: The file that has their masks.
        findings: Collects what is reported.
    """
    found = found[~found["crowd"]]
    columns_5N = np.stack([found["image"].view("u8"), *np.ascontiguousarray(found["bbox"].T).view("u8")])
    key_N = (columns_5N * ODD[:, None]).sum(axis=0)
    order_N = np.argsort(key_N, kind="stable")
    alike = np.flatnonzero(key_N[order_N][1:] == key_N[order_N][:-1])
    if not len(alike):
        return
    packed = np.memmap(masks, mode="r") if masks.stat().st_size else np.empty(0, "u1")
    groups: dict[bytes, list[Array]] = {}
    for row in np.unique(order_N[[*alike, *(alike + 1)]]):
        each = found[row]
        mask = packed[each["at"] : each["at"] + each["size"]].tobytes()
        told = groups.setdefault(each["image"].tobytes() + each["bbox"].tobytes() + mask, [])
        for other in told:
            if other["category"] == each["category"]:
                what = "objects that stand twice: image, category, box and mask of another"
                findings.change(what, "kept", f"annotations {other['id']} and {each['id']}")
                break
        else:
            if told:
                what = "objects of two categories: image, box and mask of another"
                findings.change(what, "kept", f"annotations {told[0]['id']} and {each['id']}")
            told.append(each)


def masks_off(found: Array, bounds_N4: Array, findings: Findings) -> None:
    """Report masks that do not overlap their box.

    Args:
        found: As above.
        bounds_N4: Left, top, right and bottom of each mask; NaN where there is none.
        findings: Collects what is reported.
    """
    left, top, width, height = found["bbox"].T
    apart_N = (bounds_N4[:, 0] > left + width) | (bounds_N4[:, 2] < left)
    apart_N |= (bounds_N4[:, 1] > top + height) | (bounds_N4[:, 3] < top)
    for row in np.flatnonzero(apart_N & (width > 0) & (height > 0)):
        x, y, right, bottom = bounds_N4[row].tolist()
        where = f"mask from ({x:g}, {y:g}) to ({right:g}, {bottom:g}), box {found['bbox'][row].tolist()}"
        findings.change("masks that do not overlap their box", "kept", f"annotation {found['id'][row]}: {where}")
