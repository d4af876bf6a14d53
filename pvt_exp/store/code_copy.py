"""The code that runs execute: a copy of the package, made when a sweep starts: editing files changes no run of it.

Other packages that have kinds of ours are copied beside it, with all that lies in them, unless that is more than
`provenance.MOST_BYTES`: then a run uses what is installed, and its result says which code that was.
"""

import hashlib
import json
import os
import shutil
from functools import cache
from pathlib import Path

from pvt_exp.store import provenance
from pvt_exp.system import files


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
    roots = {"pvt_exp": provenance.PACKAGE, **_of_others()}
    for name, root in roots.items():
        for path in provenance.files_of(root):
            key.update(os.fsencode(f"{name}/{path.relative_to(root)}") + b"\0" + path.read_bytes())
    folder = store / "code" / key.hexdigest()[:12]

    def fill(part: Path) -> None:
        for name, root in roots.items():
            for path in provenance.files_of(root):  # contents alone: some file systems take no rights and times
                copy = part / name / path.relative_to(root)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
        files.put(part / provenance.FROZEN, files.dump({"code": facts, "diff": diff}))

    files.make_folder(folder, fill)
    return folder


def _of_others() -> dict[str, Path]:
    return {
        name: root
        for package in provenance.packages().values()
        for name, root in package.roots.items()
        if sum(path.stat().st_size for path in provenance.files_of(root)) <= provenance.MOST_BYTES
    }
