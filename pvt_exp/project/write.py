"""Writes the files of a new project beside what is there already, of which nothing is replaced."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pvt_exp.config import ConfigError
from pvt_exp.plan import site
from pvt_exp.project.found import Data
from pvt_exp.project.texts import IGNORED
from pvt_exp.system import files

SITE, IGNORE = "site.yaml", ".gitignore"


class Written(NamedTuple):
    """What was done."""

    new: tuple[str, ...]
    """Paths below the folder."""
    changed: tuple[str, ...]
    """Files that were there, and got lines at their end."""
    notes: tuple[str, ...]
    """What is left to the person."""


def write(folder: Path, data: Data, texts: Mapping[str, str], schemas: Mapping[str, str]) -> Written:
    """Write the texts, by their paths below ``folder``, and the schemas for editors into its folder ``schema``.

    Raises:
        ConfigError: if one of the texts' files is there already; then nothing is written. An own ``site.yaml`` stays.
    """
    if there := [path for path in texts if path != SITE and (folder / path).exists()]:
        raise ConfigError(
            f"{folder / there[0]} is there already, and nothing was written; --name NAME writes other files"
        )
    notes = []
    if SITE in texts and (folder / SITE).exists():
        texts = {path: text for path, text in texts.items() if path != SITE}
        if data.name not in site.load(folder / SITE).data:
            notes.append(
                f"{folder / SITE} is yours and stays as it is; add the line under data: {data.name}: {data.root}"
            )
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        files.put(folder / path, text)
    for name, text in schemas.items():  # made by the command alone, so they may be replaced by those of this version
        (folder / "schema").mkdir(parents=True, exist_ok=True)
        files.put(folder / "schema" / name, text)
    new = [*texts, *(f"schema/{name}" for name in schemas)]
    was_there = (folder / IGNORE).exists()
    added = (IGNORE,) if _ignore(folder / IGNORE) else ()
    return Written((*new, *added), (), tuple(notes)) if not was_there else Written(tuple(new), added, tuple(notes))


def _ignore(path: Path) -> bool:
    """Add the lines that a .gitignore lacks at its end; whether there were any."""
    text = files.read_bytes(path).decode("utf-8", "surrogateescape") if path.exists() else ""
    lines = {line.strip().strip("/") for line in text.splitlines()}
    if lacking := [line for line in IGNORED if line.strip("/") not in lines]:
        gap = "" if text.endswith("\n") or not text else "\n"
        files.append(path, gap + "".join(f"{line}\n" for line in lacking))
    return bool(lacking)
