"""Which folder below ``--out`` has the tables of a file: one of its name, of its own where another file is called so too.

Each folder has `RECORD`, which says which file its tables are of, as a path from the folder: a project that is moved or
cloned whole stays as it is.
"""

import os
from itertools import count
from pathlib import Path

from pvt_exp.system import files

RECORD = ".of.json"


def of(out: Path, name: str, file: Path) -> tuple[Path, Path | None]:
    """The folder for the tables of ``file``, and the other file that has the folder ``out/name``, if one has.

    Another file that is not there any more has none. The folder need not be there.
    """
    file, free, other = file.resolve(), None, None
    for number in count(1):
        folder = out / (name if number == 1 else f"{name}.{number}")
        owner = _owner(folder)
        if owner == file:
            return folder, other
        if number == 1 and owner is not None:
            other = owner
        if free is None and owner is None and (number == 1 or (folder / RECORD).exists()):
            free = folder
        if not folder.exists():
            return free or folder, other
    raise AssertionError


def claim(folder: Path, file: Path) -> None:
    """Note that the tables in a folder are of ``file``. Raises OSError if it cannot be written."""
    if _owner(folder) != file.resolve():
        told = {"file": os.path.relpath(file.resolve(), folder.resolve())}
        files.write(folder / RECORD, files.dump(told))


def _owner(folder: Path) -> Path | None:
    told = (files.read_json(folder / RECORD) or {}).get("file")
    path = Path(os.path.normpath(folder.resolve() / told)) if isinstance(told, str) else None
    return path.resolve() if path is not None and path.is_file() else None
