"""Which image files are meant by what was typed: files, folders and patterns; what in a folder is no picture is told."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pvt_exp.config import ConfigError, excluded
from pvt_exp.config.excluded import LeftOut
from pvt_exp.datasets import SUFFIXES, listing
from pvt_exp.system import files

MASK = "_mask"


class Meant(NamedTuple):
    """Image files, each once; and what lies in the folders besides."""

    images: list[Path]
    told: tuple[LeftOut, ...]


def images(words: Sequence[str]) -> Meant:
    """The image files that are meant: files, all in folders, and what patterns match.

    Raises:
        ConfigError: for a word that means no image, or something else than a file.
        DataError: for a folder that cannot be read.
    """
    found: dict[Path, None] = {}
    told: list[LeftOut] = []
    for word in words:
        path = Path(word).expanduser()
        if path.is_dir():
            here, rest = _in_folder(path)
            told += rest
        elif os.path.lexists(path):
            if _is_special(path):
                raise ConfigError(
                    f"{files.shown(word)}: a named pipe, socket or device, where an image file is expected"
                )
            here = [path]
        else:
            here, special = _matching(path)
            told += excluded.special(special)
        if not here:
            what = "no image in it" if path.is_dir() else "no such file, and nothing matches it"
            raise ConfigError(f"{files.shown(word)}: {what}; images end in: {' '.join(sorted(SUFFIXES))}")
        found |= dict.fromkeys(Path(os.path.normpath(each)) for each in here)
    return Meant(list(found), tuple(told))


def _is_special(path: Path) -> bool:
    """Whether it is a named pipe, socket or device, whose opening may wait without end."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _matching(pattern: Path) -> tuple[list[Path], list[str]]:
    """The files that match a pattern, links that lead nowhere among them; and what matches and is special."""
    every = [each for name in sorted(glob.glob(str(pattern), recursive=True)) if not (each := Path(name)).is_dir()]  # noqa: PTH207
    special = [each for each in every if _is_special(each)]
    return [each for each in every if each not in special], [str(each) for each in special]


def _in_folder(folder: Path) -> tuple[list[Path], tuple[LeftOut, ...]]:
    """The images in a folder and those below it, without what `pvt-exp predict` wrote and without masks of other images."""
    hidden, special = list[str](), list[str]()
    every = sorted(
        listing(folder, ".", dead_links=True, hidden=hidden, special=special)
    )  # predict says which links are dead
    names = [os.path.normpath(name) for name, _ in every]
    taken = [name for name in names if excluded.suffix(name) in SUFFIXES]
    ours = {name for name in names if Path(name).name == "predictions.json"}
    written = {name for record in ours for name in _written(folder, record)}
    stems = {_stem(name) for name in taken}
    masks = {name for name in taken if _stem(name).endswith(MASK) and _stem(name).removesuffix(MASK) in stems}
    told = (
        *excluded.by_suffix(name for name in names if name not in taken and name not in ours),
        *excluded.count("files that pvt-exp predict wrote", excluded.NOT_TAKEN, sorted(written & set(taken))),
        *excluded.count(f"masks beside their images (*{MASK}.*)", excluded.NOT_TAKEN, sorted(masks - written)),
        *excluded.special(map(os.path.normpath, special)),
        *excluded.hidden(map(os.path.normpath, hidden)),
    )
    return [folder / name for name in taken if name not in written and name not in masks], told


def _written(folder: Path, record: str) -> set[str]:
    """What an earlier prediction wrote, by its ``predictions.json``."""
    lines = (files.read_json(folder / record) or {}).get("images")
    here = Path(record).parent
    return {
        os.path.normpath(here / str(line[name]))
        for line in (lines if isinstance(lines, list) else [])
        if isinstance(line, dict)
        for name in ("picture", "mask")
        if line.get(name)
    }


def _stem(name: str) -> str:
    return name.removesuffix(Path(name).suffix)
