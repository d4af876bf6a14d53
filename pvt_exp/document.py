"""What was written in YAML and where: each field's origin is ``file:line`` or the command line's override.

Documents merge, so a sweep's choice laid over its base still says in an error which of the two lines is wrong.
"""

import difflib
import re
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Keys = tuple[str | int, ...]
MOST_BYTES = 2_000_000
MOST_NODES = 100_000  # a file of a few lines can expand to billions of nodes through aliases


class ConfigError(ValueError):
    """What a person wrote cannot be used. One line for each thing that is wrong: where, which field, why."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        told = [problems] if isinstance(problems, str) else problems
        self.problems = ["".join(c if c.isprintable() else repr(c)[1:-1] for c in problem) for problem in told]
        super().__init__("\n".join(self.problems))


class Document(NamedTuple):
    """A value as it was written, and the origin of each of its fields."""

    value: Any
    origins: dict[Keys, str]

    def origin(self, keys: Keys) -> str:
        """Where the field, or the nearest of its parents that was written down, stands."""
        return next(self.origins[keys[:n]] for n in range(len(keys), -1, -1) if keys[:n] in self.origins)


# ---------------------------------------------------------------- reading


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars: ``1e-3`` is a number, and ``on``, ``no`` and ``1:30`` are words."""

    yaml_implicit_resolvers: typing.ClassVar[dict[str, Any]] = {}  # type: ignore[misc]


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("bool", r"^(?:true|false)$", list("tf")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def _scalar(node: yaml.ScalarNode) -> Any:
    kind = node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool":
        return node.value == "true"
    if kind in ("int", "float"):
        return {"int": int, "float": float}[kind](node.value)
    return node.value


def parse(text: str, name: str, lines: bool = True) -> Document:
    """Read YAML text; ``name`` is what errors call it, with the line unless ``lines`` is off.

    Raises:
        ConfigError: for what is not YAML, and for every key that stands twice in one mapping.
    """
    origins: dict[Keys, str] = {}
    problems: list[str] = []

    def at(node: yaml.Node) -> str:
        return f"{name}:{node.start_mark.line + 1}" if lines else name

    def read(node: yaml.Node, keys: Keys, origin: str) -> Any:
        origins[keys] = origin
        if len(origins) > MOST_NODES:
            raise ConfigError(f"{name}: more than {MOST_NODES} values; aliases that expand without end?")
        if isinstance(node, yaml.MappingNode):
            value: dict[str, Any] = {}
            for key_node, child in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    problems.append(f"{at(key_node)}: a key must be a plain word")
                elif key_node.value in value:
                    problems.append(f"{at(key_node)}: {key_node.value}: this key stands here twice")
                else:
                    value[key_node.value] = read(child, (*keys, key_node.value), at(key_node))
            return value
        if isinstance(node, yaml.SequenceNode):
            return [read(child, (*keys, i), at(child)) for i, child in enumerate(node.value)]
        if not isinstance(node, yaml.ScalarNode):  # pragma: no cover - YAML has no fourth kind
            raise ConfigError(f"{at(node)}: not a value")
        if len(node.value) > 4_000 and node.tag.endswith("int"):
            problems.append(f"{at(node)}: a number of {len(node.value)} digits")
            return None
        return _scalar(node)

    try:
        root = yaml.compose(text, Loader=_Loader)
        value = None if root is None else read(root, (), at(root))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark and lines else name
        why = error.problem or error.context or "not YAML"
        if "'\\t'" in why:
            why = "a tab: YAML is indented with spaces"
        raise ConfigError(f"{where}: {why}") from None
    except (yaml.YAMLError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise ConfigError(f"{name}: not YAML: {why}") from None
    if problems:
        raise ConfigError(problems)
    origins.setdefault((), name)
    return Document(value, origins)


def read(path: Path) -> Document:
    """Read a YAML file that holds a mapping.

    Raises:
        ConfigError: if it is missing, unreadable, not text, not YAML, empty, or no mapping.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES).decode("utf-8")
            rest = file.read(1)
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")], 1)
        hint = f"; did you mean {path.parent / near[0]}" if near else ""
        raise ConfigError(f"{path}: no such file{hint}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if rest:
        raise ConfigError(f"{path}: larger than {MOST_BYTES // 1000} kB; this is no file of settings")
    document = parse(text, str(path))
    if document.value is None:
        raise ConfigError(f"{path}: the file is empty")
    if not isinstance(document.value, dict):
        raise ConfigError(f"{path}: a mapping of fields is due here, not a {type(document.value).__name__}")
    return document


# ---------------------------------------------------------------- merging


def merge(base: Any, change: Any) -> Any:
    """Lay ``change`` over ``base``: mappings merge, all else replaces; a mapping that names its ``kind`` replaces."""
    if not isinstance(base, dict) or not isinstance(change, dict) or "kind" in change:
        return change
    return {**base, **{key: merge(base[key], value) if key in base else value for key, value in change.items()}}


def put(value: Any, dotted: str, change: Any) -> Any:
    """A copy of ``value`` with the field at ``a.b.c`` merged with ``change``; ``a.0`` is the first of a list.

    Raises:
        ConfigError: if the path leads through something that holds no fields.
    """

    def descend(node: Any, keys: list[str]) -> Any:
        if not keys:
            return merge(node, change)
        key, rest = keys[0], keys[1:]
        if isinstance(node, list):
            if not key.isdecimal() or int(key) >= len(node):
                raise ConfigError(f"{dotted}: '{key}' is no place in a list of {len(node)}")
            return [descend(item, rest) if i == int(key) else item for i, item in enumerate(node)]
        if node is not None and not isinstance(node, dict):
            raise ConfigError(f"{dotted}: '{key}' leads into {node!r}, which has no fields")
        node = node or {}
        return {**node, key: descend(node.get(key), rest)}

    return descend(value, dotted.split("."))


def split(dotted: str) -> Keys:
    """``a.b.0`` as the keys of a `Document`."""
    return tuple(int(key) if key.isdecimal() else key for key in dotted.split("."))


def override(document: Document, overrides: Iterable[str]) -> Document:
    """Lay ``a.b=value`` words of the command line over a document; the value is YAML."""
    value, origins = document.value, dict(document.origins)
    problems = []
    for word in overrides:
        dotted, equals, text = word.partition("=")
        name = f"override '{word}'"
        try:
            if not equals or not dotted:
                raise ConfigError("write field=value, for instance optim.lr=1e-3")
            change = parse(text, name, lines=False)
            value = put(value, dotted, change.value)
        except ConfigError as error:
            problems += [p if p.startswith(name) else f"{name}: {p}" for p in error.problems]
        else:
            keys = split(dotted)
            for n in range(1, len(keys)):
                origins.setdefault(keys[:n], name)
            origins.update({keys + below: name for below in change.origins})
    if problems:
        raise ConfigError(problems)
    return Document(value, origins)
