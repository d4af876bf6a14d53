"""What was written in YAML and where: each field's origin is ``file:line`` or the command line's override.

Documents merge, so a sweep's choice laid over its base still says in an error which of the two lines is wrong.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from pvt_exp.config.errors import ConfigError

Keys = tuple[str | int, ...]
Whole = Callable[[Any, str], Any]
"""What a field is, written or not, of the model that such a value makes; None where there is none."""


class Document(NamedTuple):
    """A value as it was written, and the origin of each of its fields."""

    value: Any
    origins: dict[Keys, str]

    def origin(self, keys: Keys) -> str:
        """Where the field, or the nearest of its parents that was written down, stands."""
        return next(self.origins[keys[:n]] for n in range(len(keys), -1, -1) if keys[:n] in self.origins)


# ---------------------------------------------------------------- merging


def merge(base: Any, change: Any) -> Any:
    """Lay ``change`` over ``base``: mappings merge, all else replaces; a mapping that names its ``kind`` replaces."""
    if not isinstance(base, dict) or not isinstance(change, dict) or "kind" in change:
        return change
    return {**base, **{key: merge(base[key], value) if key in base else value for key, value in change.items()}}


def put(value: Any, dotted: str, change: Any, whole: Whole | None = None) -> Any:
    """A copy of ``value`` with the field at ``a.b.c`` merged with ``change``; ``a.0`` is the first of a list.

    ``whole`` is asked for a list of which one entry changes and that is not written: a default, or a preset's.

    Raises:
        ConfigError: if the path leads through something that holds no fields.
    """
    keys = dotted.split(".")

    def descend(node: Any, depth: int) -> Any:
        if depth == len(keys):
            return merge(node, change)
        key = keys[depth]
        if node is None and key.isdecimal() and whole is not None:
            node = whole(value, ".".join(keys[:depth]))
        if isinstance(node, list | tuple):
            if not key.isdecimal() or int(key) >= len(node):
                raise ConfigError(f"{dotted}: '{key}' is no place in a list of {len(node)}; the first is 0")
            return [descend(item, depth + 1) if i == int(key) else item for i, item in enumerate(node)]
        if node is not None and not isinstance(node, dict):
            raise ConfigError(f"{dotted}: '{key}' leads into {node!r}, which has no fields")
        node = node or {}
        return {**node, key: descend(node.get(key), depth + 1)}

    return descend(value, 0)


def twice(changes: Collection[str]) -> Iterator[tuple[str, str]]:
    """Pairs of dotted fields of which one is, or holds, the other: which of the two is meant?"""
    if len(changes) < 2:
        return
    split_up = [(split(dotted), dotted) for dotted in changes]
    for i, (keys, dotted) in enumerate(split_up):
        for other, again in split_up[i + 1 :]:
            if keys == other[: len(keys)] or other == keys[: len(other)]:
                yield dotted, again


def split(dotted: str) -> Keys:
    """``a.b.0`` as the keys of a `Document`."""
    return tuple(int(key) if key.isdecimal() else key for key in dotted.split("."))
