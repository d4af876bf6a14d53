"""Axes of one block that set the same field: the later one would undo the earlier one, whose choices then do nothing."""

from collections.abc import Iterable, Iterator
from itertools import combinations, product
from typing import Any

from pvt_exp import config
from pvt_exp.config import ConfigError, Document, Keys
from pvt_exp.config.sweep import Block, Changes


def check(blocks: Iterable[Block], document: Document) -> None:
    """Raise ConfigError where an axis of a product or zip overwrites whole what an axis before it set.

    A part may change: an index of a list, a field of a mapping.
    """
    problems = []
    for index, block in enumerate(blocks):
        for kind in block.model_fields_set & {"product", "zip"}:
            axes: dict[str, dict[str, Changes]] = getattr(block, kind)
            for first, second in combinations(axes, 2):
                pairs = (product if kind == "product" else zip)(axes[first].items(), axes[second].items())
                clash = next((each for one, other in pairs if (each := _overwritten(one, other))), None)
                if clash is not None:
                    (choice, field), (later, again) = clash
                    place: Keys = ("blocks", index, kind)
                    before = document.origin((*place, first, choice, field))
                    problems.append(
                        f"{document.origin((*place, second, later, again))}: {again}: '{second}' overwrites what "
                        f"'{first}' sets ({before}), which would do nothing; set {field} in one of the axes"
                    )
    if problems:
        raise ConfigError(problems)


def _overwritten(
    one: tuple[str, Changes], other: tuple[str, Changes]
) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """A field of one choice that the other one undoes, and the field that does so, each with its choice."""
    later = {keys: dotted for dotted, change in other[1].items() for keys in _leaves(config.split(dotted), change)}
    for dotted, change in one[1].items():
        found = [_above(keys, later) for keys in _leaves(config.split(dotted), change)]
        if found[0] is not None and None not in found:
            return (one[0], dotted), (other[0], found[0])
    return None


def _above(keys: Keys, later: dict[Keys, str]) -> str | None:
    """The later field that is, or holds, the one at these keys."""
    return next((later[keys[:n]] for n in range(1, len(keys) + 1) if keys[:n] in later), None)


def _leaves(keys: Keys, change: Any) -> Iterator[Keys]:
    """The fields that a change sets: those of a mapping are merged with what is there, but one with a kind replaces it."""
    if isinstance(change, dict) and change and "kind" not in change:
        for key, value in change.items():
            yield from _leaves((*keys, key), value)
    else:
        yield keys
