"""What a run was asked for by: ``runs/<id>/sweeps/<name>``, a line for each file with the changes typed after it."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pvt_exp.system import files

SEPARATOR = "\t"
"""Between the file and the changes of a line; it is not printable, so no part has it."""


class Use(NamedTuple):
    """One command that asked for a run."""

    sweep: str
    """The name of the sweep or experiment."""
    file: Path
    """Its file, whole, where it was then."""
    changes: tuple[str, ...]
    """The changes that were typed after the file: ``optim.lr=1e-3``."""

    def __str__(self) -> str:
        return " ".join((str(self.shown), *self.changes))

    @property
    def shown(self) -> Path:
        """The file as it can be typed in the current folder."""
        here = Path.cwd()
        return self.file.relative_to(here) if self.file.is_relative_to(here) else self.file

    def as_json(self) -> dict[str, Any]:
        """Its entry in JSON."""
        return {"sweep": self.sweep, "file": str(self.file), "changes": list(self.changes)}


def line(file: Path, changes: Sequence[str] = ()) -> str:
    """The line of a file; empty where it holds characters that a line cannot, so that nothing is remembered."""
    parts = [str(file), *changes]
    return SEPARATOR.join(parts) if all(part.isprintable() for part in parts) else ""


def of(folder: Path) -> list[Use]:
    """The uses of the run in this folder, by the names of the sweeps."""
    found = []
    for path in sorted((folder / "sweeps").glob("*")):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            for each in filter(None, files.read_text(path).splitlines()):
                file, *changes = each.split(SEPARATOR)
                found.append(Use(path.name, Path(file), tuple(changes)))
    return found


def changes(folder: Path) -> list[str]:
    """The typed changes that the run is told apart by; empty where some file was used without any."""
    found = of(folder)
    return list(found[0].changes) if found and all(use.changes for use in found) else []


def named_files(store: Path) -> list[Path]:
    """The files of all sweeps that were launched on a store."""
    found = []
    for path in sorted((store / "names").glob("*")):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            found += [Path(each) for each in files.read_text(path).splitlines() if each]
    return found
