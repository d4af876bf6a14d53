"""The entry points by which installed packages add kinds, also of packages whose metadata are damaged.

`importlib.metadata.entry_points` stops at the first damaged package of the whole environment, whoever it is of.
"""

from collections.abc import Iterator
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import NamedTuple

PREFIX = "pvt_exp."
"""How the names of our groups begin."""
DAMAGED = "reinstall or uninstall it"


class Point(NamedTuple):
    """An entry point of one of our groups, or of one that looks like one."""

    group: str
    """What follows ``pvt_exp.``."""
    name: str
    """The kind."""
    value: str
    module: str
    attr: str
    """What follows a colon; there should be nothing."""
    package: str
    version: str
    problem: str
    """What is wrong with the package's metadata; empty if nothing is."""

    @property
    def label(self) -> str:
        """Name and version of the package."""
        return f"{self.package} {self.version}".strip()


@cache
def every() -> tuple[Point, ...]:
    """Of all packages, which takes a while; of several copies of a package the first on the path counts, as for Python."""
    found: list[Point] = []
    seen: set[str] = set()
    for dist in distributions():
        points = list(_of(dist))
        names = {point.package.lower().replace("_", "-") for point in points}
        if not names & seen:
            found += points
        seen |= names
    return tuple(found)


def _of(dist: Distribution) -> Iterator[Point]:
    """Of one package; nothing of the many that add no kinds, whose names are not even read."""
    try:
        text = dist.read_text("entry_points.txt") or ""
    except UnicodeDecodeError as error:
        if PREFIX.encode() in error.object:
            yield _unreadable(dist, "its entry_points.txt is not text in UTF-8")
        return
    except OSError:
        return
    if PREFIX not in text:
        return
    package, version, problem = _named(dist)
    try:
        points = [point for point in dist.entry_points if point.group.startswith(PREFIX)]
    except Exception as error:  # lines without "=", sections without a name
        yield _unreadable(dist, f"its entry_points.txt cannot be read: {type(error).__name__}")
        return
    for point in points:
        module, attr, wrong = _target(point)
        group = point.group.removeprefix(PREFIX)
        yield Point(group, point.name, point.value, module, attr, package, version, problem or wrong)


def _target(point: EntryPoint) -> tuple[str, str, str]:
    """Module, what follows the colon, and what is wrong with both."""
    try:
        return point.module, point.attr or "", ""
    except AttributeError:  # the value is not of the form that is due
        return "", "", f"entry point {point.value!r} names no module"


def _named(dist: Distribution) -> tuple[str, str, str]:
    """Name and version, as far as they are known, and what is wrong."""
    found = {}
    for key in ("Name", "Version"):
        try:
            found[key] = str(dist.metadata[key] or "")
        except Exception:  # METADATA is missing, or is not text
            found[key] = ""
    lacking = " and ".join(key for key, value in found.items() if not value)
    problem = f"its METADATA is missing or lacks {lacking}; {DAMAGED}" if lacking else ""
    return found["Name"] or f"(without a name, in {dist.locate_file('')})", found["Version"], problem


def _unreadable(dist: Distribution, why: str) -> Point:
    package, version, _ = _named(dist)
    return Point("", "(unknown)", "", "", "", package, version, f"{why}; {DAMAGED}")
