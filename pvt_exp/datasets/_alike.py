"""Checks for class names that are almost equal, and for equal images in several classes."""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from pvt_exp.config import excluded
from pvt_exp.config.excluded import LeftOut
from pvt_exp.datasets._pictures import kept
from pvt_exp.system.words import some

MOST_FILES = 20_000
"""Most files of equal size that are compared."""
TAIL = 4096
"""Bytes at a file's end that are compared first."""


def names(classes: Iterable[str]) -> tuple[LeftOut, ...]:
    """The message for classes whose names differ only by case, spaces or the Unicode form of their letters."""
    groups: dict[str, dict[str, None]] = {}
    for name in classes:
        groups.setdefault("".join(unicodedata.normalize("NFKC", name).casefold().split()), {})[name] = None
    alike = [" / ".join(map(repr, group)) for group in groups.values() if len(group) > 1]
    return excluded.count("class names that differ only by case, spaces or Unicode form", "kept apart", alike)


def pictures(root: Path, files: Sequence[tuple[int, str, int]], state: str) -> tuple[LeftOut, ...]:
    """The message for equal images in several classes.

    Args:
        root: The folder of the data.
        files: Class, path relative to ``root``, and bytes of each image.
        state: A fingerprint of the data; files are compared once for each.
    """
    by_size: dict[int, list[tuple[int, str]]] = {}
    for number, path, size in files:
        if size:
            by_size.setdefault(size, []).append((number, path))
    groups = [group for group in by_size.values() if len({number for number, _ in group}) > 1]
    chosen: list[list[tuple[int, str]]] = []
    left = MOST_FILES
    for group in sorted(groups, key=len):
        chosen.append(group[:left])
        left -= len(chosen[-1])
        if left <= 0:
            break
    if not chosen:
        return ()
    looked_at, due = sum(map(len, chosen)), sum(map(len, groups))
    seen = kept(f"{root} classes {state} {looked_at}", lambda: {"alike": _alike(root, chosen)})["alike"]
    part = f", of {looked_at} of equal bytes looked at" if looked_at < due else ""
    shown = [some((path for _, path in group), 3) for group in seen]
    return excluded.count(f"pictures under several classes{part}", "kept in each", shown)


def _alike(root: Path, groups: Sequence[Sequence[tuple[int, str]]]) -> list[list[tuple[int, str]]]:
    """Groups of equal files that are in several classes, among files of equal size."""
    found = []
    for group in groups:
        for ending in _split(root, group, TAIL):
            found += _split(root, ending, None)
    return found


def _split(root: Path, group: Sequence[tuple[int, str]], most: int | None) -> list[list[tuple[int, str]]]:
    """Split a group by its last bytes, or by content, and keep the parts that have several classes."""
    by_content: dict[bytes, list[tuple[int, str]]] = {}
    for number, path in group:
        try:
            with (root / path).open("rb") as file:
                if most is not None:
                    file.seek(max(0, file.seek(0, 2) - most))
                by_content.setdefault(hashlib.sha256(file.read()).digest(), []).append((number, path))
        except OSError:  # what cannot be read is said elsewhere
            continue
    return [part for part in by_content.values() if len({number for number, _ in part}) > 1]
