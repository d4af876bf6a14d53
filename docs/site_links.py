"""For mkdocs: links to files outside of docs/, which the site does not have, become their text."""

import re
from pathlib import PurePosixPath
from typing import Any

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by mkdocs with each page's text."""
    folder = PurePosixPath(page.file.src_uri).parent

    def inside(link: re.Match[str]) -> str:
        return link[1] if "://" not in link[2] and leaves(folder, link[2]) else link[0]

    return LINK.sub(inside, markdown)


def leaves(folder: PurePosixPath, target: str) -> bool:
    """Whether a relative link goes above docs/."""
    depth = len(folder.parts)
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 0 if part == "." else 1
        if depth < 0:
            return True
    return False
