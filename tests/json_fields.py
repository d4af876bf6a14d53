"""docs/json.md as data: what each `--json` must have, and whether what a verb printed is just that, at every depth.

A line of a list of the document is a field, or several: its words up to the colon say what it is.

    - `a`, `b`: text                     two fields, which are always there
    - `c`, where X: text                 one that may be absent
    - `d`, by metric: text               an object whose keys are no fields
    - `e`, as in [heading](#anchor)      what is below it stands under that heading
    - `f`, as in `run.yaml`              what is below it is documented elsewhere
    - the fields of [heading](#anchor)   all that stand under that heading
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from tests.conftest import ROOT

Path = tuple[str, ...]
"""The heading, then names of fields."""
TYPES = ROOT / "tests/data/json_types.json"
"""What each field's values are; `tests/e2e/test_verbs.py` compares it with what all verbs print."""


@dataclass
class Field:
    """What is below a name."""

    place: Path
    """Where it is written; one that stands under several headings has one place."""
    below: "dict[str, Field]" = field(default_factory=dict)
    is_conditional: bool = False
    keys: int = 0
    """How many levels of keys that are no fields come first."""
    is_foreign: bool = False

    def take(self, other: "Field") -> None:
        """Have the fields of another one, too."""
        for name, each in other.below.items():
            if name in self.below:
                self.below[name].take(each)
            else:
                self.below[name] = each
        self.keys = max(self.keys, other.keys)
        self.is_foreign |= other.is_foreign


class Seen:
    """Which fields were there, and which of those that may be absent were, in what was compared."""

    def __init__(self) -> None:
        self.present, self.absent = set[Path](), set[Path]()
        self.types: dict[Path, set[str]] = {}
        """What the values of each field were, null aside."""

    def take(self, other: "Seen") -> None:
        """Count what another one saw, too."""
        self.present |= other.present
        self.absent |= other.absent
        for place, types in other.types.items():
            self.types.setdefault(place, set()).update(types)

    def changed(self) -> list[str]:
        """Fields whose values are of another type than `TYPES` has of them, or that it lacks."""
        due = json.loads(TYPES.read_text())
        found = {" ".join(place): types for place, types in self.types.items() if types}
        return [
            f"{name}: {each}, not {' or '.join(due.get(name, ['known']))}"
            for name, types in sorted(found.items())
            for each in sorted(types - set(due.get(name, ())))
            if not any(_may_be(each, known) for known in due.get(name, ()))
        ]

    def lacking(self) -> list[str]:
        """Documented fields that nobody saw, or saw only there where they may be absent; with the places of these."""
        every = {each.place: each for section in sections().values() for each in _all(section)}
        never = [f"{' '.join(place)}: never there" for place in every if place not in self.present]
        always = [place for place, each in every.items() if each.is_conditional and place not in self.absent]
        return never + [f"{' '.join(place)}: always there" for place in always]


def _all(at: Field) -> Iterator[Field]:
    for each in at.below.values():
        yield each
        yield from _all(each)


# ---------------------------------------------------------------- comparing


def headings(words: Sequence[str]) -> list[str]:
    """The headings that tell of what these words print, by the verb and by the options that a heading names."""
    found: dict[str, int] = {}
    for heading in sections():
        for command in re.findall(r"`pvt-exp ([^`]*)`", heading):
            parts = command.split()
            verb = [part for part in parts if part.isalpha() and part.islower()]
            options = [part for part in parts if part.startswith("--") and part != "--json"]
            if list(words[: len(verb)]) == verb and set(options) <= set(words):
                found[heading] = len(options)
    return [heading for heading, named in found.items() if named == max(found.values())]


def differences(words: Sequence[str], value: Any, seen: Seen | None = None) -> list[str]:
    """How a JSON document that these words printed differs from what is documented."""
    tried = {}
    for heading in headings(words):
        saw = Seen()
        found = list(_differences((heading,), sections()[heading], value, saw))
        if not found:
            if seen is not None:
                seen.take(saw)
            return []
        tried[heading] = found
    return min(tried.values(), key=len, default=[f"{' '.join(words)}: no heading of docs/json.md"])


def check(words: Sequence[str], text: str, seen: Seen | None = None) -> None:
    """Raise AssertionError unless a text that these words printed is a JSON document with just the documented fields."""
    found = differences(words, json.loads(text), seen)
    assert not found, "\n".join(found)


def _differences(path: Path, due: Field, value: Any, seen: Seen, keys: int | None = None) -> Iterator[str]:
    keys = due.keys if keys is None else keys
    where = " ".join(path)
    if isinstance(value, list):
        for each in value:
            yield from _differences(path, due, each, seen, keys)
    elif value is None or due.is_foreign:
        return
    elif keys:
        if not isinstance(value, dict):
            yield f"{where}: not an object"
            return
        for each in value.values():
            yield from _differences(path, due, each, seen, keys - 1)
    elif isinstance(value, dict):
        seen.present |= {each.place for name, each in due.below.items() if name in value}
        seen.absent |= {each.place for name, each in due.below.items() if name not in value}
        yield from (f"{where} {name}: not documented" for name in value if name not in due.below)
        for name, each in due.below.items():
            if name in value:
                seen.types.setdefault(each.place, set()).update(_types(value[name], each.keys))
                yield from _differences((*path, name), each, value[name], seen)
            elif not each.is_conditional:
                yield f"{where} {name}: missing"
    elif due.below:
        yield f"{where}: not an object"


def _may_be(told: str, known: str) -> bool:
    """Whether one of the two is an empty list, or nothing by a key, of what the other is."""
    for empty, whole in ((told, known), (known, told)):
        if (empty == "list" and whole.startswith("list")) or (empty == "object" and whole.endswith("by key")):
            return True
    return False


def _types(value: Any, keys: int) -> set[str]:
    """What a value is, or what those of a list or under keys are: ``text``, ``list of number``, ``number by key``."""
    if value is None:
        return set()
    if isinstance(value, list):
        return {f"list of {name}" for each in value for name in _types(each, keys)} or {"list"}
    if isinstance(value, dict) and keys:
        return {f"{name} by key" for each in value.values() for name in _types(each, keys - 1)} or {"object"}
    names: dict[type, str] = {bool: "flag", int: "number", float: "number", str: "text", dict: "object"}
    return {names[type(value)]}


# ---------------------------------------------------------------- reading


@cache
def sections() -> dict[str, Field]:
    """The fields under each heading that has any."""
    lists = _lists()
    return {heading: _resolved(heading, lists) for heading, items in lists.items() if items}


def _lists() -> dict[str, list[SyntaxTreeNode]]:
    text = (ROOT / "docs/json.md").read_text(encoding="utf-8")
    found: dict[str, list[SyntaxTreeNode]] = {}
    heading = ""
    for node in SyntaxTreeNode(MarkdownIt("commonmark").parse(text)).children:
        if node.type == "heading":
            heading = node.children[0].content
            found[heading] = []
        elif node.type == "bullet_list":
            found[heading] += node.children
    return found


def _resolved(heading: str, lists: dict[str, list[SyntaxTreeNode]]) -> Field:
    return _fields((heading,), lists[heading], lists)


def _fields(place: Path, items: Sequence[SyntaxTreeNode], lists: dict[str, list[SyntaxTreeNode]]) -> Field:
    found = Field(place)
    for item in items:
        head = " ".join(item.children[0].children[0].content.split()).partition(": ")[0]
        links = [_resolved(_called(anchor, lists), lists) for anchor in re.findall(r"\]\(#([^)]*)\)", head)]
        if head.startswith("the fields of "):
            for linked in links:
                found.take(linked)
            continue
        names = re.match(r"`\w+`(, `\w+`)*", head)
        assert names is not None, f"docs/json.md: {head}"
        for name in re.findall(r"`(\w+)`", names[0]):
            about = head[names.end() :]
            own = _fields((*place, name), [each for child in item.children[1:] for each in child.children], lists)
            own.is_conditional, own.keys = " where " in about, len(re.findall(r"\bby\b", about))
            own.is_foreign = re.search("as in (W|`)", about) is not None
            for linked in links:
                own.take(linked.below.get(name, linked))
            if name in found.below:
                found.below[name].take(own)
            else:
                found.below[name] = own
    return found


def _called(anchor: str, lists: dict[str, list[SyntaxTreeNode]]) -> str:
    """The heading with this anchor, as GitHub makes them."""
    (found,) = [each for each in lists if re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") == anchor]
    return found
