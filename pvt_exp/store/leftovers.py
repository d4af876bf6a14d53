"""What killed attempts left half written in the folders of runs that are done: it is removed."""

import os
import shutil
from pathlib import Path

from pvt_exp.store import attempts
from pvt_exp.system import files, locks

HALF_WRITTEN = (".tmp", ".part", files.IN_HAND)
"""How hidden names end of what is being written."""


def tidy(folder: Path) -> None:
    """Remove what was being written when attempts at a run were killed; of a run that is done, so nobody writes there."""
    tries = attempts.of(folder)
    for place in (folder, folder / "attempts", *tries, *(attempt / "checkpoints" for attempt in tries)):
        for left in _half_written(place):
            left.unlink(missing_ok=True) if left.is_symlink() or not left.is_dir() else shutil.rmtree(left, True)
    for attempt in tries:
        (attempt / "ranks").unlink(missing_ok=True)


def _half_written(folder: Path) -> list[Path]:
    """What lies in a folder under a name of something that is being written; of a folder behind a link nothing."""
    try:
        names = [] if folder.is_symlink() else os.listdir(folder)  # noqa: PTH208 - a path an entry would be slow
    except (FileNotFoundError, NotADirectoryError):
        return []
    of_checkpoints = folder.name == "checkpoints"
    return [
        folder / name
        for name in names
        if (name.startswith(".") and name.endswith(HALF_WRITTEN)) or (of_checkpoints and name.endswith(".part"))
    ]


def tidy_all(store: Path) -> None:
    """Do so for all runs that are done, as some may have ended while no driver looked; for none that is trained again."""
    for left in store.glob(".*.tmp"):
        left.unlink(missing_ok=True)
    for made in store.glob("*/result.json"):
        if not made.parent.is_symlink() and not locks.is_locked(made.parent):
            tidy(made.parent)
