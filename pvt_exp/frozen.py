"""The code that runs execute: a copy of the package, made when a sweep starts: editing files changes no run of it."""

import hashlib
import json
import shutil
from functools import cache
from pathlib import Path

from pvt_exp import files, provenance


@cache
def freeze(store: Path) -> Path:
    """The folder ``runs/code/<key>`` that holds the copy as it stands now, and stood at the first call of this process.

    Beside the package lies what `provenance.code` says of it. Equal code is copied once.

    Raises:
        OSError: if it cannot be written.
    """
    facts, diff = provenance.code()
    told = json.dumps(facts, sort_keys=True)
    key = hashlib.sha256(told.encode())
    package = [
        path for path in sorted(provenance.PACKAGE.rglob("*")) if path.is_file() and "__pycache__" not in path.parts
    ]
    for path in package:
        key.update(str(path.relative_to(provenance.PACKAGE)).encode() + b"\0" + path.read_bytes())
    folder = store / "code" / key.hexdigest()[:12]

    def fill(part: Path) -> None:
        for path in package:  # contents alone: some file systems take no rights and times
            copy = part / "pvt_exp" / path.relative_to(provenance.PACKAGE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        (part / provenance.FROZEN).write_text(files.dump({"code": facts, "diff": diff}))

    files.make_folder(folder, fill)
    return folder
