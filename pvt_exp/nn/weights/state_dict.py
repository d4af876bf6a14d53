"""Finds a network's tensors in a checkpoint: in any wrapper, and with any prefix that their names share.

There is no list of known wrappers: every mapping in the checkpoint is tried with every prefix of its names, and the one
with most of the wanted tensors is taken, and reported.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

DEPTH = 4  # of wrappers in one another
SHOWN = 8  # keys in a message
AVERAGES = re.compile(r"(^|[._])(n?ema|teacher|momentum|averaged?|avg|swa|target|encoder_k)([._]|$)|_ema([._]|$)")
"""Words in a wrapper's or a prefix's name that mark a copy, such as an EMA, and not the trained weights."""
COUNTERS = frozenset({"n_averaged"})
"""Counters of torch.optim.swa_utils, which are no weights."""
OURS = ("ema.module.", "network.")
"""How the names in a run's own checkpoints begin. The moving average is what a run was scored with."""


@dataclass(frozen=True)
class Taken:
    """The tensors that are meant, by their names without the prefix."""

    tensors: dict[str, Tensor]
    others: list[str]
    """Names in the same mapping without the prefix, as they stand there; those of a copy are not among them."""
    words: str
    """Where they were and what was taken off; empty where that was nothing."""


@dataclass(frozen=True)
class _Place:
    """A mapping in a checkpoint, a prefix of its names, and how many of the wanted tensors are found so."""

    path: tuple[str, ...]
    prefix: str
    fit: int
    number: int
    """Its position in the file."""

    @property
    def rank(self) -> tuple[int, bool, int, int]:
        """The least is taken: most fit; no average, but for a run of ours; the shorter prefix; the first."""
        averaged = AVERAGES.search(".".join((*self.path, self.prefix))) is not None
        if self.prefix.startswith(OURS):
            averaged = self.prefix.startswith(OURS[1])
        return -self.fit, averaged, self.prefix.count("."), self.number

    @property
    def words(self) -> str:
        """What a message calls it."""
        where = f"'{'.'.join(self.path)}'" if self.path else "the file itself"
        return f"{where}, names without '{self.prefix}'" if self.prefix else where


def choose(content: Any, own: Callable[[str], str | None], source: str) -> Taken:
    """Take from a checkpoint's content what fits best.

    Args:
        content: what was read.
        own: gives the wanted tensor that a name in a checkpoint stands for, None for none.
        source: what an error calls the checkpoint.

    Raises:
        ValueError: if there is no mapping of names to tensors in it.
    """
    found = dict(_mappings(content, ()))
    if not found:
        keys = [str(key) for key in content][:SHOWN] if isinstance(content, Mapping) else []
        there = f"its keys are: {', '.join(keys)}" if keys else f"it is {_kind(content)}"
        raise ValueError(f"{source}: holds no state dict, that is, tensors by name; {there}")
    places = [place for path, tensors in found.items() for place in _places(path, tensors, own)]
    places = [_Place(each.path, each.prefix, each.fit, number) for number, each in enumerate(places)]
    best = min(places, key=lambda place: place.rank)
    rivals = [place for place in places if place.fit == best.fit and _apart(place, best)] if best.fit else []
    tensors = found[best.path]
    copies = tuple(place.prefix for place in rivals if place.path == best.path)
    taken = {name.removeprefix(best.prefix): each for name, each in tensors.items() if name.startswith(best.prefix)}
    others = [
        name for name in tensors
        if not name.startswith(best.prefix) and not (copies and name.startswith(copies)) and name not in COUNTERS
    ]  # fmt: skip
    words = best.words if best.prefix or best.path else ""
    if rivals:
        words = f"{best.words}; not taken, as it would fit too: {'; '.join(place.words for place in rivals)}"
    return Taken(taken, others, words)


def _mappings(content: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Every mapping that holds tensors by name, with the keys that lead to it."""
    if isinstance(content, list | tuple):
        content = {str(number): each for number, each in enumerate(content)}
    if not isinstance(content, Mapping) or len(path) > DEPTH:
        return
    own = {name: each for name, each in content.items() if isinstance(name, str) and isinstance(each, Tensor)}
    if own:
        yield path, own
    for key, each in content.items():
        if isinstance(each, Mapping | list | tuple):
            yield from _mappings(each, (*path, str(key)))


def _places(path: tuple[str, ...], tensors: Mapping[str, Tensor], own: Callable[[str], str | None]) -> Iterator[_Place]:
    """The mapping as it is, and with each prefix without which some of its names fit."""
    fitting: dict[str, set[str]] = {"": set()}
    for name in tensors:
        words = name.split(".")
        for number in range(len(words)):
            if (wanted := own(".".join(words[number:]))) is not None:
                prefix = "".join(f"{word}." for word in words[:number])
                fitting.setdefault(prefix, set()).add(wanted)
    for prefix, wanted_names in fitting.items():
        yield _Place(path, prefix, len(wanted_names), 0)


def _apart(one: _Place, other: _Place) -> bool:
    """Whether two places are of different tensors; of one mapping, where one prefix continues the other, they are not."""
    if one.path != other.path:
        return True
    return not one.prefix.startswith(other.prefix) and not other.prefix.startswith(one.prefix)


def _kind(content: Any) -> str:
    """What stands where a mapping was wanted."""
    if isinstance(content, Mapping):
        return "empty"
    return f"a {type(content).__name__}"
