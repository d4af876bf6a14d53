"""Checks that training and validation data are apart: one folder or file for both splits, and images in both."""

import contextlib
import filecmp
import os
from collections.abc import Iterable
from pathlib import Path

from pvt_exp.config import DataError, excluded
from pvt_exp.config.excluded import LeftOut
from pvt_exp.datasets._pictures import kept

LEARNT = "the score would be of what was learnt"


def same_words(train: str, val: str) -> bool:
    """Whether two relative paths are the same, as ``train`` and ``./train/`` are."""
    return os.path.normpath(train) == os.path.normpath(val)


def check_apart(root: Path, train: str, val: str, what: str) -> None:
    """Raise DataError if two paths, links followed, lead to one folder or file; ``what`` names the kind."""
    with contextlib.suppress(OSError):  # what is missing is said by what reads it
        if (root / train).samefile(root / val):
            raise DataError(f"{root / val}: the same {what} as {root / train}: {LEARNT}")


def in_both(
    root: Path, folders: tuple[str, str], train: Iterable[tuple[str, int]], val: list[tuple[str, int]], state: str
) -> tuple[LeftOut, ...]:
    """The message for validation images that training has too: the same file, or a copy by the same name below its folder.

    Args:
        root: The folder of the data.
        folders: Those of the training and of the validation images, relative to it.
        train: Path relative to ``root`` and bytes of each training image.
        val: Those of the validation images.
        state: A fingerprint of the data; copies are compared once for each.
    """
    places = [os.path.realpath(root / folder) for folder in folders]
    names = [path[len(folders[1]) + 1 :] for path, _ in val]
    by_place = {f"{places[1]}/{name}": n for n, name in enumerate(names)}
    by_name = {(name, size): n for n, (name, (_, size)) in enumerate(zip(names, val, strict=True)) if size}
    same, alike = set[int](), list[tuple[str, int]]()
    for path, size in train:
        name = path[len(folders[0]) + 1 :]
        if (number := by_place.get(f"{places[0]}/{name}")) is not None:
            same.add(number)
        elif (number := by_name.get((name, size))) is not None:
            alike.append((path, number))
    if alike:
        question = f"{root} {folders} copies {state} {alike}"
        same |= set(
            kept(question, lambda: {"same": [n for path, n in alike if _equal(root / path, root / val[n][0])]})["same"]
        )
    return excluded.count(
        "images that training has too", "scored though they were learnt", (val[n][0] for n in sorted(same))
    )


def _equal(first: Path, second: Path) -> bool:
    """Whether two files of one size have one content; not where they cannot be read, which is said elsewhere."""
    try:
        return first.samefile(second) or filecmp.cmp(first, second, shallow=False)
    except OSError:
        return False
