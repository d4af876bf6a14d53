"""Pairs images with masks, by their names in two folders or by a list of names, and finds those without a partner."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pvt_exp.config import DataError, excluded
from pvt_exp.config.excluded import LeftOut
from pvt_exp.datasets import SUFFIXES, listing, require_regular
from pvt_exp.system import spelling
from pvt_exp.system.words import some

NUMBER = re.compile(r"[+-]?[0-9]+")
File = tuple[str, int]
"""Path relative to the data's folder, and bytes."""


class NoMasks(DataError):
    """There is no mask in the folder of masks."""


class Folders(NamedTuple):
    """Where a split's files lie and how their names end, as the settings say."""

    images: str
    masks: str
    image_suffix: str | None
    mask_suffix: str
    names: str | None
    """A file of names."""
    fields: tuple[str, str, str]
    """What the settings call the first two and the last."""


class Pairs(NamedTuple):
    """The images of a split with their masks, by name."""

    files: list[tuple[File, File]]
    told: tuple[LeftOut, ...]


def find(root: Path, where: Folders, leave_out: bool) -> Pairs:
    """The pairs of a split.

    Raises:
        DataError: if there are none; if one lacks the other, unless they may be left out; if a listed name lacks one.
    """
    hidden, special = list[str](), list[str]()
    images, no_images = _by_stem(root, where.images, where.image_suffix, where.fields[0], hidden, special)
    masks, no_masks = _by_stem(root, where.masks, where.mask_suffix, where.fields[1], hidden, special)
    if not images:
        ending = where.image_suffix or " ".join(sorted(SUFFIXES))
        raise DataError(f"{root / where.images}: no images in it; they end in: {ending}{_other(no_images, 'image')}")
    if not masks:
        other = _other(no_masks, "mask")
        raise NoMasks(f"{root / where.masks}: no masks in it; they end in: {where.mask_suffix}{other}")
    if where.names is not None:
        listed = _listed(root, where, images, masks)
        return listed._replace(told=(*listed.told, *excluded.special({*special})))
    if not leave_out:
        _refuse_bare(root, where, images, masks, no_masks)
    both = [stem for stem in sorted(images) if stem in masks]
    if not both:
        raise DataError(f"{root / where.masks}: no mask there for any image{_ending(images, masks, no_masks)}")
    told = (
        *excluded.by_suffix(path for path in no_images if where.image_suffix is None),
        *excluded.count("images without a mask", "left out", (images[s][0] for s in sorted(images) if s not in masks)),
        *excluded.count("masks without an image", "left out", (masks[s][0] for s in sorted(masks) if s not in images)),
        *excluded.special({*special}),
        *excluded.hidden(dict.fromkeys(hidden)),  # images and masks may lie in one folder
    )
    return Pairs([(images[stem], masks[stem]) for stem in both], told)


def _refuse_bare(
    root: Path, where: Folders, images: dict[str, File], masks: dict[str, File], no_masks: list[str]
) -> None:
    way = "or set dataset.unpaired: leave_out"
    if bare := [image for stem, (image, _) in images.items() if stem not in masks]:
        none = "" if len(bare) < len(images) else _ending(images, masks, no_masks)
        what = f"no mask there for {some(bare)}; add the masks, delete the images, {way}{none}"
        raise DataError(f"{root / where.masks}: {what}")
    if bare := [mask for stem, (mask, _) in masks.items() if stem not in images]:
        raise DataError(
            f"{root / where.images}: no image there for {some(bare)}; add the images, delete the masks, {way}"
        )


def _ending(images: dict[str, File], masks: dict[str, File], others: Iterable[str]) -> str:
    """How the names of masks seem to end, if they begin as those of images do."""
    names = [name for name, _ in masks.values()] + list(others)
    for stem in sorted(images)[:3]:
        last = stem[stem.rfind("/") + 1 :]
        for name in names:
            short = name[name.rfind("/") + 1 :]
            if short.startswith(last) and short != last and excluded.suffix(short) in SUFFIXES:
                return f"; for {images[stem][0]} there is {name}: is it dataset.mask_suffix: {short[len(last) :]}?"
    return ""


def _other(names: list[str], what: str) -> str:
    """What the files there end in, for which another setting may be due."""
    ends: dict[str, int] = {}
    for name in names:
        ends[excluded.suffix(name)] = ends.get(excluded.suffix(name), 0) + 1
    if not ends:
        return ""
    most = max(ends, key=lambda end: ends[end])
    if most not in SUFFIXES:
        return f"; there are {ends[most]} that end in {most or 'no suffix'}"
    return f"; there are {ends[most]} that end in {most}: set dataset.{what}_suffix: {most}"


def _by_stem(
    root: Path, folder: str, suffix: str | None, field: str, hidden: list[str], special: list[str]
) -> tuple[dict[str, File], list[str]]:
    """Path and size of the files that end so, by their path below the folder without that; and the other files.

    Those that are `datasets.hidden_images` are added to ``hidden``, what is no regular file to ``special``.

    Without a suffix: of every image.
    """
    found: dict[str, File] = {}
    others = []
    for path, size in _files(root, folder, field, hidden, special):
        taken = excluded.suffix(path) in SUFFIXES if suffix is None else _ends(path, suffix)
        if not taken:
            others.append(path)
            continue
        stem = path[len(folder) + 1 : len(path) - len(suffix or excluded.suffix(path))]
        if stem in found:
            raise DataError(f"{root / folder}: two files of one name, {found[stem][0]} and {path}; delete one")
        found[stem] = path, size
    return found, others


def _ends(path: str, suffix: str) -> bool:
    """Whether a name ends so; the part from the last dot on may be in upper or lower case."""
    dot = max(0, suffix.rfind("."))
    own = path[len(path) - len(suffix) :]
    return own[:dot] == suffix[:dot] and own[dot:].lower() == suffix[dot:].lower()


def _files(root: Path, folder: str, field: str, hidden: list[str], special: list[str]) -> list[File]:
    if (root / folder).exists() or not root.is_dir():
        return listing(root, folder, hidden=hidden, special=special)
    above = next(place for place in (root / folder).parents if place.is_dir())
    there = sorted(entry.name for entry in above.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    has = f"{above} has {some(there)}" if there else f"{above} has no folders"
    raise DataError(f"{root / folder}: no such folder; {has}; set dataset.{field}")


# ---------------------------------------------------------------- lists of names


def _listed(root: Path, where: Folders, images: dict[str, File], masks: dict[str, File]) -> Pairs:
    """The pairs that a file names, a line each: a name below the image folder, with or without its suffix.

    Behind it may stand the name of its own mask, or numbers: -1 alone marks what is no member, as in VOC's lists of a class.
    """
    file = root / str(where.names)
    called, masked = _called(images, where.images), _called(masks, where.masks)
    stems: dict[str, None] = {}
    twice, no_members, numbered = list[str](), list[str](), list[str]()
    for number, line in enumerate(lines(file, where.fields[2]), 1):
        if not line:
            continue
        name, *more = [line] if line.removeprefix("./") in called else line.split()
        stem = called.get(name.removeprefix("./"))
        if stem is None:
            hint = spelling.hint(line, called, f"there is {next(iter(images))}, for instance")
            raise DataError(f"{file}:{number}: no image {line} in {root / where.images}{hint}")
        if more and all(NUMBER.fullmatch(word) and word not in called for word in more):
            if more == ["-1"]:
                no_members.append(name)
                continue
            numbered.append(line)
        elif more and [masked.get(word.removeprefix("./")) for word in more] != [stem]:
            few = f"{' '.join(more[:3])}{' ...' if len(more) > 3 else ''}"
            due = "a line holds one name, and behind it at most its own mask, which has the same name, or numbers"
            raise DataError(f"{file}:{number}: {few} stands behind {name}; {due}")
        if stem not in masks:
            raise DataError(f"{file}:{number}: {images[stem][0]} has no mask in {root / where.masks}")
        twice += [name] if stem in stems else []
        stems[stem] = None
    if not stems:
        raise DataError(
            f"{file}: {'all names are marked -1' if no_members else 'empty'}; a name in each line is expected here"
        )
    told = (
        *excluded.count("names that are listed twice", "taken once", twice),
        *excluded.count("names that a list marks -1", excluded.NOT_TAKEN, no_members),
        *excluded.count("listed names with other numbers behind them", "taken, the numbers not read", numbered),
    )
    return Pairs([(images[stem], masks[stem]) for stem in sorted(stems)], told)


def _called(found: dict[str, File], folder: str) -> dict[str, str]:
    """The stem that is meant by each name of a file: its stem, its path, and that below its folder."""
    called = dict[str, str]()
    for stem, (path, _) in found.items():
        called |= dict.fromkeys((stem, path, path[len(folder) + 1 :]), stem)
    return called


def lines(file: Path, field: str) -> list[str]:
    """The lines of a list of names.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        require_regular(file)
        text = file.read_bytes().decode("utf-8-sig", "surrogateescape")
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; set dataset.{field}") from None
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}") from None
    return [line.strip() for line in re.split(r"\r\n|\r|\n", text)]
