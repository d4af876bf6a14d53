"""Which classes the categories of a COCO file become: all of them, or those that ``categories`` of a data set says."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pvt_exp.config import DataError
from pvt_exp.system.words import some

Written = Sequence[tuple[int, str]]
"""Ids and names of a file's categories."""
Wanted = tuple[str, ...] | Mapping[str, str | None] | None
"""Names or ids to keep, or what each becomes; none: all."""


class Classes(NamedTuple):
    """The classes of a data set, and how a file's categories become these."""

    named: tuple[tuple[int, str], ...]
    """Id and name of each class, in the order of the ids; of several categories the least id."""
    of: dict[int, int]
    """The id of the class of each category's id; a category that is left out is not among them."""
    left_out: tuple[str, ...]
    """Names of the categories that are no class."""


def choose(written: Written, wanted: Wanted, where: str) -> Classes:
    """The classes of a training file, which errors call ``where``.

    Raises:
        DataError: if a category that is wanted is not there, if two have one name, if two keys mean one, or if none is left.
    """
    for key in wanted or ():
        if not any(_meant(key, each, written) for each in written):
            there = some((f"{name} (id {number})" for number, name in written), 10)
            raise DataError(
                f"{where}: dataset.categories: no category has the name or the id '{key}'; there are {there}"
            )
    for number, name in written:
        keys = [key for key in wanted or () if _meant(key, (number, name), written)]
        if len(keys) > 1:
            both = " and ".join(f"'{key}'" for key in keys)
            raise DataError(
                f"{where}: dataset.categories: {both} mean one category, {name} (id {number}); leave one out"
            )
    ids: dict[str, list[int]] = {}
    for number, name in written:
        if (becomes := _becomes(number, name, wanted, written)) is not None:
            ids.setdefault(becomes, []).append(number)
    for name, numbers in ids.items():
        if len(numbers) > 1 and not all(_said(number, wanted, written) for number in numbers):
            listed = ", ".join(map(str, numbers))
            out = f"dataset.categories: {{{numbers[0]}: null}} leaves one out, {{{name}: {name}}} makes them one class"
            raise DataError(f"{where}: category names that stand twice: {name} (ids {listed}); {out}")
    if not ids:
        raise DataError(f"{where}: dataset.categories leaves no category")
    named = sorted((min(numbers), name) for name, numbers in ids.items())
    of = {number: min(numbers) for numbers in ids.values() for number in numbers}
    return Classes(tuple(named), of, tuple(name for number, name in written if number not in of))


def follow(written: Written, train: Written, classes: Classes, wanted: Wanted) -> tuple[Classes, list[str]]:
    """The classes of a validation file's categories, which are training's; and its categories that training lacks."""
    known = dict(train)
    same = [(number, name) for number, name in written if known.get(number) == name]
    others = [(number, name) for number, name in written if known.get(number) != name]
    unknown = [
        f"{name} (id {number})" for number, name in others if _becomes(number, name, wanted, written) is not None
    ]
    of = {number: classes.of[number] for number, _ in same if number in classes.of}
    return Classes(classes.named, of, tuple(name for number, name in written if number not in of)), unknown


def _meant(key: str, category: tuple[int, str], written: Written) -> bool:
    """Whether a key stands for a category: its name, or its id where no category has the key as its name."""
    number, name = category
    return key == name or (key == str(number) and all(each != key for _, each in written))


def _said(number: int, wanted: Wanted, written: Written) -> bool:
    """Whether the settings name the class of a category."""
    name = dict(written)[number]
    return isinstance(wanted, Mapping) and any(_meant(key, (number, name), written) for key in wanted)


def _becomes(number: int, name: str, wanted: Wanted, written: Written) -> str | None:
    """The name of the class of a category, None where it is left out."""
    if wanted is None:
        return name
    keys = [key for key in wanted if _meant(key, (number, name), written)]
    if isinstance(wanted, Mapping):
        return wanted[keys[0]] if keys else name
    return name if keys else None
