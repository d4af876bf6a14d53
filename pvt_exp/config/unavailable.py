"""Kinds that cannot be used here, and why: the package that has one cannot be loaded, or is not installed."""

from collections.abc import Callable, Iterable

Ask = Callable[[str, str], str | None]
_BROKEN: dict[tuple[str, str], str] = {}
_ASKED: dict[str, Ask] = {}


def put(group: str, kind: str, why: str) -> None:
    """Remember that a kind of a group, ``backbones`` for instance, cannot be used."""
    _BROKEN[group, kind] = why


def ask_also(name: str, ask: Ask) -> None:
    """Have ``ask(group, kind)`` say which package a kind is of that is not known here; one for each name."""
    _ASKED[name] = ask


def why(fields: Iterable[object], kind: str) -> str | None:
    """Why there is no such kind, if that is known; ``fields`` are those on the way to it, such as ``backbone``."""
    for field in fields:
        group = f"{str(field).removesuffix('s')}s"
        if (group, kind) in _BROKEN:
            return _BROKEN[group, kind]
        for ask in _ASKED.values():
            if (known := ask(group, kind)) is not None:
                return known
    return None


def every() -> list[str]:
    """A line for each kind that was found and cannot be used."""
    return [f"kind {kind} of {group}: {why}" for (group, kind), why in _BROKEN.items()]
