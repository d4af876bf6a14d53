"""YAML text to a `Document`: the core schema of YAML 1.2, and the line of every value.

``true True TRUE`` are booleans, ``null Null NULL ~`` nothing, ``1e-3 0o17 .inf`` numbers. What older readers of YAML take
for something else (``yes``, ``1_000``, ``1:30``, dates) is text; it is kept as `Doubtful`, which `config.make` refuses where
a field takes text and other values too.
"""

import os
import re
import typing
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from yaml.resolver import Resolver

from pvt_exp.config.document import Document, Keys, Whole, put, split
from pvt_exp.config.errors import ConfigError
from pvt_exp.system import files, spelling

MOST_BYTES = 2_000_000
MOST_NODES = 100_000  # a file of a few lines can expand to billions of nodes through aliases
MOST_DIGITS = 4_000
MOST_KEPT = 10_000  # characters of a text whose nodes stay in memory
ODD = "a character that no text has"


class Doubtful(str):
    """Text written without quotes that another reader of YAML, or of Python, takes for a boolean, null or a number."""

    __slots__ = ()

    @property
    def looks_like(self) -> str:
        """``boolean``, ``null`` or ``number`` (dates and times among them)."""
        if self.lower() in ("yes", "no", "on", "off", "y", "n"):
            return "boolean"
        return "null" if self.lower() == "none" else "number"


def plain(value: Any) -> Any:
    """The same with all text as plain text, as for writing it again."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


class _Loader(yaml.SafeLoader):
    """The scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: typing.ClassVar[dict[str, Any]] = {}  # type: ignore[misc]


_STANDARD = "tag:yaml.org,2002:"
_PATTERNS = {
    "null": r"^(?:~|null|Null|NULL|)$",
    "bool": r"^(?:true|True|TRUE|false|False|FALSE)$",
    "int": r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$",
    "float": r"^(?:[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
}
_FIRST = {
    "null": ["~", "n", "N", ""],
    "bool": list("tTfF"),
    "int": list("-+0123456789"),
    "float": list("-+.0123456789"),
}
for _tag, _pattern in _PATTERNS.items():
    _Loader.add_implicit_resolver(f"{_STANDARD}{_tag}", re.compile(_pattern), _FIRST[_tag])
_DOUBTFUL = re.compile(r"^(?:[yYnN]|None|NONE|[-+]?(?:inf|Inf|INF|infinity|Infinity)|nan|NaN|NAN)$")
# No name of a file has these, and no other text: udc80 to udcff stand for the bytes of a name that is not UTF-8.
_NO_TEXT = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")
_OLDER: Any = Resolver()  # YAML 1.1's words, as PyYAML reads them


def _is_doubtful(node: yaml.ScalarNode) -> bool:
    if node.style is not None or len(node.value) > 100:
        return False
    older = _OLDER.resolve(yaml.ScalarNode, node.value, (True, False))
    return older != f"{_STANDARD}str" or _DOUBTFUL.match(node.value) is not None


def _scalar(node: yaml.ScalarNode) -> Any:
    """Its value; raises ValueError for a tag that does not fit it, and for one that is not known here."""
    kind, text = node.tag.removeprefix(_STANDARD), node.value
    if kind == "str":
        if odd := _NO_TEXT.search(text):
            raise ValueError(f"{ODD}: {odd[0]!r}")
        return Doubtful(text) if _is_doubtful(node) else text
    shown = f"!!{kind}" if node.tag.startswith(_STANDARD) else node.tag
    if kind not in _PATTERNS:
        raise ValueError(f"the tag {shown} is not known here; leave it out")
    if not re.match(_PATTERNS[kind], text) and not (kind == "float" and re.match(_PATTERNS["int"], text)):
        raise ValueError(f"{shown} does not fit {text!r}")
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


class _Reader:
    """One text; ``name`` is what errors call it, with the line unless ``lines`` is off."""

    def __init__(self, name: str, lines: bool) -> None:
        self.name, self.lines = name, lines
        self.origins: dict[Keys, str] = {}
        self.problems: list[str] = []
        self._open: set[int] = set()
        self._count = [0]

    def at(self, mark: yaml.Mark | None) -> str:
        return f"{self.name}:{mark.line + 1}" if mark and self.lines else self.name

    def read(self, node: yaml.Node, keys: Keys, origin: str) -> Any:
        """The value of a node, whose origin and those of all in it are kept."""
        self.origins[keys] = origin
        self._count[0] += 1
        if self._count[0] > MOST_NODES:
            raise ConfigError(f"{self.name}: more than {MOST_NODES} values; aliases that expand without end?")
        if isinstance(node, yaml.ScalarNode):
            try:
                return _scalar(node)
            except ValueError as error:
                self.problems.append(f"{self.at(node.start_mark)}: {error}")
                return None
        assert isinstance(node, yaml.CollectionNode)
        kind = node.tag.removeprefix(_STANDARD)
        if kind not in ("map", "seq"):
            shown = f"!!{kind}" if node.tag.startswith(_STANDARD) else node.tag
            self.problems.append(f"{self.at(node.start_mark)}: the tag {shown} is not known here; leave it out")
            return None
        if id(node) in self._open:
            raise ConfigError(f"{self.at(node.start_mark)}: an alias to what it stands in, which never ends")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, keys)
            return [self.read(child, (*keys, i), self.at(child.start_mark)) for i, child in enumerate(node.value)]
        finally:
            self._open.remove(id(node))

    def _mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        value: dict[str, Any] = {}
        merged: list[yaml.MappingNode] = []
        for key, child in node.value:
            where = self.at(key.start_mark)
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(f"{where}: a key must be a plain word")
            elif odd := _NO_TEXT.search(key.value):
                self.problems.append(f"{where}: {ODD}: {odd[0]!r}")
            elif key.value == "<<" and key.style is None:
                merged += self._merged(child, where)
            elif key.value in value:
                self.problems.append(f"{where}: {key.value}: this key stands here twice")
            else:
                value[key.value] = self.read(child, (*keys, key.value), where)
        for each in merged:  # what is written in the mapping itself wins, then what comes first
            found, origins = self._aside(each, keys)
            fresh = {key: item for key, item in found.items() if key not in value}
            deep = len(keys)
            self.origins |= {at: line for at, line in origins.items() if len(at) > deep and at[deep] in fresh}
            value |= fresh
        return value

    def _aside(self, node: yaml.MappingNode, keys: Keys) -> tuple[dict[str, Any], dict[Keys, str]]:
        """A mapping that is merged into another, and its origins, of which not all may count."""
        inner = _Reader(self.name, self.lines)
        inner._open, inner._count, inner.problems = self._open, self._count, self.problems
        found = inner.read(node, keys, "")
        return found or {}, inner.origins

    def _merged(self, child: yaml.Node, where: str) -> list[yaml.MappingNode]:
        parts = child.value if isinstance(child, yaml.SequenceNode) else [child]
        mappings = [each for each in parts if isinstance(each, yaml.MappingNode)]
        if len(mappings) < len(parts):
            self.problems.append(f"{where}: <<: merges a mapping, or a list of them, such as *name")
        return mappings


@lru_cache(maxsize=64)
def _composed(text: str) -> yaml.Node | None:
    """The nodes of a short text, which nobody changes: a command reads the same settings several times."""
    return _compose(text)


def _compose(text: str) -> yaml.Node | None:
    return yaml.compose(text, Loader=_Loader)


def parse(text: str, name: str, lines: bool = True) -> Document:
    """Read YAML text; ``name`` is what errors call it, with the line unless ``lines`` is off.

    Raises:
        ConfigError: for what is not YAML, for a tag that is not of the core schema or does not fit its value, and for every
            key that stands twice in one mapping.
    """
    reader = _Reader(name, lines)
    if odd := yaml.reader.Reader.NON_PRINTABLE.search(text):
        place = f"{name}:{text.count(chr(10), 0, odd.start()) + 1}" if lines else name
        raise ConfigError(f"{place}: {ODD}: {odd[0]!r}")
    try:
        root = _composed(text) if len(text) <= MOST_KEPT else _compose(text)
        value = None if root is None else reader.read(root, (), reader.at(root.start_mark))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigError(f"{reader.at(mark)}: {_words(error.problem or error.context or 'not YAML')}") from None
    except (yaml.YAMLError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise ConfigError(f"{name}: not YAML: {why}") from None
    if reader.problems:
        raise ConfigError(reader.problems)
    reader.origins.setdefault((), name)
    return Document(value, reader.origins)


def _words(problem: str) -> str:
    """PyYAML's words, or plainer ones."""
    if "'\\t'" in problem:
        return "a tab: YAML is indented with spaces"
    if problem == "but found another document":
        return "a second document begins here (---); a file holds one"
    return problem


def beside(path: Path, name: str) -> Path:
    """The file that ``path`` names as seen from its folder, without ``..`` where that leads to the same folder.

    Behind a link ``..`` may lead elsewhere; then it stays.
    """
    place = path.parent / name
    short = Path(os.path.normpath(place))
    try:
        return short if short.parent.samefile(place.parent) else place
    except (OSError, ValueError):
        return place


def read(path: Path, may_be_empty: bool = False) -> Document:
    """Read a YAML file that holds a mapping; with ``may_be_empty`` a file without any field is an empty one.

    Raises:
        ConfigError: if it is missing, unreadable, not text in UTF-8, not YAML, empty, or no mapping.
    """
    try:
        with files.opened(path) as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        near = spelling.near(path.name, (each.name for each in path.parent.glob("*.yaml")))
        hint = spelling.meant(str(path.parent / name) for name in near)
        hint = f"; it is a link to {os.readlink(path)}" if path.is_symlink() else hint  # noqa: PTH115 - as text
        raise ConfigError(f"{path}: no such file{hint}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MOST_BYTES:
        raise ConfigError(f"{path}: larger than {MOST_BYTES // 1000} kB; this is no file of settings")
    document = parse(_decoded(data, path), str(path))
    if document.value is None and may_be_empty:
        return document._replace(value={})
    if document.value is None:
        raise ConfigError(f"{path}: the file is empty")
    if not isinstance(document.value, dict):
        raise ConfigError(f"{path}: a mapping of fields is due here, not a {type(document.value).__name__}")
    return document


def _decoded(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise ConfigError(f"{path}: text in UTF-16; save it in UTF-8") from None
        if b"\0" in data:
            raise ConfigError(f"{path}: not a text file") from None
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise ConfigError(f"{path}:{line}: not UTF-8 (byte 0x{byte:02x}); save the file in UTF-8") from None


def _twice(words: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of ``a.b=value`` words of which the second sets what the first does, or more, so that the first is lost."""
    fields = [split(word.partition("=")[0]) for word in words]
    for i, keys in enumerate(fields):
        for first, before in zip(words, fields[:i], strict=False):
            if before[: len(keys)] == keys:
                yield first, words[i]


def override(document: Document, words: Iterable[str], whole: Whole | None = None) -> Document:
    """Lay ``a.b=value`` words of the command line over a document; the value is YAML. ``whole``: see `put`."""
    value, origins, words = document.value, dict(document.origins), list(words)
    problems = [f"override '{again}': '{first}' sets that too; write one of them" for first, again in _twice(words)]
    for word in words:
        dotted, equals, text = word.partition("=")
        name = f"override '{word}'"
        try:
            if not equals or not dotted:
                raise ConfigError("write field=value, for instance optim.lr=1e-3")
            change = parse(text, name, lines=False)
            value = put(value, dotted, change.value, whole)
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
