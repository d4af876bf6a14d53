"""What the documents show: their blocks of YAML and of commands, and the commands inside sentences, with their places.

Found by themselves, so that what is written into a document tomorrow is tried too: `blocks()` are all fenced blocks,
`commands()` all commands that begin with ``pvt-exp``.
"""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from markdown_it import MarkdownIt

from tests.conftest import ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))


PACKAGED = "docs/extending.md"
"""The page whose blocks are whole packages: `tests/e2e/test_extending.py` installs them and trains with them."""


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    """What stands behind the fence: ``yaml``, ``python``, or nothing for commands and output."""
    text: str

    @property
    def place(self) -> str:
        """``docs/sweeps.md:17``."""
        return f"{self.page}:{self.line}"

    @property
    def statements(self) -> list[str]:
        """The text of each top-level field of a block of YAML, which may show one field several times."""
        lines = [line for line in self.text.splitlines() if line.strip() and not line.startswith("#")]
        starts = [at for at, line in enumerate(lines) if not line.startswith((" ", "}"))]
        return ["\n".join(lines[a:b]) for a, b in zip(starts, [*starts[1:], None], strict=True)]

    @property
    def fields(self) -> list[str]:
        """The name of each of `statements`."""
        return [statement.partition(":")[0] for statement in self.statements]


class Command(NamedTuple):
    """A command of a page, as it is typed."""

    page: str
    line: int
    words: tuple[str, ...]
    """What stands behind ``pvt-exp``."""
    inline: bool
    """Whether it stands in a sentence or a table, so that it may be a part of a command."""

    @property
    def place(self) -> str:
        """``docs/sweeps.md:17``."""
        return f"{self.page}:{self.line}"

    def __str__(self) -> str:
        return shlex.join(("pvt-exp", *self.words))


@cache
def blocks() -> tuple[Block, ...]:
    """Every fenced block of every page."""
    return tuple(
        Block(_name(page), token.map[0] + 1, token.info.strip(), token.content)
        for page in PAGES
        for token in _parsed(page)
        if token.type == "fence" and token.map
    )


def yaml_blocks() -> list[Block]:
    """Every block of YAML that goes with what is installed here."""
    return [block for block in blocks() if block.language == "yaml" and block.page != PACKAGED]


@cache
def commands() -> tuple[Command, ...]:
    """Every command of every page, in fenced blocks and between backticks."""
    return (*_in_blocks(), *_in_sentences())


def options() -> dict[str, set[str]]:
    """Every option that is typed in a command or stands between backticks: the option and its places."""
    found: dict[str, set[str]] = {}
    for command in commands():
        for word in command.words:
            if (option := re.fullmatch(r"(--[a-z][a-z-]*)(=.*)?", word)) is not None:
                found.setdefault(option[1], set()).add(command.place)
    for page, line, text in spans():
        for option in re.findall(r"(?:^|[\s|/])(--[a-z][a-z-]*)", text):
            found.setdefault(option, set()).add(f"{page}:{line}")
    return found


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _parsed(page: Path) -> list:  # type: ignore[type-arg]
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def _in_blocks() -> Iterator[Command]:
    for block in blocks():
        if block.language not in ("", "sh", "bash", "console"):
            continue
        for at, line in whole_lines(block.text):
            if (found := re.match(r"(?:\$ )?(?:\S+=\S+ )*pvt-exp (.*)", line, re.DOTALL)) is not None:
                yield Command(block.page, block.line + 1 + at, tuple(shlex.split(found[1], comments=True)), False)


def whole_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a block with those that end in a backslash joined to the next one."""
    begun, at = "", 0
    for number, line in enumerate(text.splitlines()):
        at = at if begun else number
        if line.endswith("\\"):
            begun += line[:-1]
            continue
        yield at, begun + line
        begun = ""


def _in_sentences() -> Iterator[Command]:
    for page, line, text in spans():
        if (found := re.match(r"pvt-exp (.*)", text, re.DOTALL)) is not None:
            words = shlex.split(" ".join(found[1].split()).replace(r"\|", "|"))
            yield Command(page, line, tuple(words), True)


def spans() -> Iterator[tuple[str, int, str]]:
    """Page, line and text of what stands between backticks."""
    for page, line, child in _inside():
        if child.type == "code_inline":
            yield page, line, child.content


def links() -> Iterator[tuple[str, int, str]]:
    """Page, line and target of each link and picture."""
    for page, line, child in _inside():
        if target := child.attrs.get("href") or child.attrs.get("src"):
            yield page, line, str(target)


def anchors(page: Path) -> set[str]:
    """The headings of a page as links call them, by GitHub's rule."""
    tokens = _parsed(page)
    texts = [b.content for a, b in pairwise(tokens) if a.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in texts}


def _inside() -> Iterator[tuple[str, int, Any]]:
    """Page, line and each part of what stands in sentences, headings and tables."""
    for page in PAGES:
        for token in _parsed(page):
            for child in token.children or () if token.type == "inline" and token.map else ():
                yield _name(page), token.map[0] + 1, child
