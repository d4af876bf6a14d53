"""Starts Python child processes: they import this package, and nothing from the current folder.

``python -m`` would look for modules in the current folder first: a ``torch.py`` there would be run, and the `pvt_exp` of
another checkout would answer for this one. Run as a script, this file imports the package that it is part of, and then
runs the module that it is told, as ``python -m`` does. The launcher's processes get `path` and `SAFE` as well.
"""

import atexit
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SAFE = {"PYTHONSAFEPATH": "1"}
"""Tells Python, and children of a child, not to import from the current folder."""

LONGEST = 92 if sys.platform == "darwin" else 107
"""Bytes of a socket's path that a system takes."""
SOCKET = "pymp-xxxxxxxx/listener-xxxxxxxx"
"""The path that multiprocessing adds to the folder for temporary files."""
SHORT = ("/tmp", "/var/tmp", "/dev/shm")


def command(module: str, *words: str) -> list[str]:
    """The command line that runs a module of this package, or of a library, in a process of its own."""
    how = [__file__, module] if module.partition(".")[0] == "pvt_exp" else ["-m", module]
    return [sys.executable, "-P", *how, *words]


def path(*first: str) -> str:
    """``PYTHONPATH`` with some folders before those of the environment; an empty entry would be the current folder."""
    return os.pathsep.join(filter(None, [*first, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]))


def environment(changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """The environment of a child: this process's, with ``changes``, of which None takes a variable away.

    Without what Slurm, torchrun and MPI say of ranks: children are no processes of theirs.
    """
    from pvt_exp.system import inherited  # not above, as this file is run as a script too

    own = inherited.cleared(os.environ)
    whole: dict[str, str | None] = {**own, **SAFE, "PYTHONPATH": path() or None, **(changes or {})}
    return {name: value for name, value in whole.items() if value is not None}


def start(
    module: str, *words: str, changes: Mapping[str, str | None] | None = None, **pipes: Any
) -> "subprocess.Popen[Any]":
    """Start a module as a child; ``pipes`` are those of `subprocess.Popen`."""
    return subprocess.Popen(command(module, *words), env=environment(changes), **pipes)


def run(
    module: str, *words: str, changes: Mapping[str, str | None] | None = None, **pipes: Any
) -> "subprocess.CompletedProcess[str]":
    """Run a module as a child to its end, with text in its pipes.

    Raises:
        subprocess.TimeoutExpired: where ``timeout`` is given, and it has been ended for it.
    """
    return subprocess.run(command(module, *words), env=environment(changes), text=True, check=False, **pipes)


def make_room() -> None:
    """Give multiprocessing another folder for its sockets where ``$TMPDIR`` has too long a path; it goes with this process.

    Raises:
        OSError: if there is no other one.
    """
    usual = tempfile.gettempdir()
    if len(f"{usual}/{SOCKET}".encode(errors="surrogateescape")) <= LONGEST:
        return
    from multiprocessing import process

    config: dict[str, str] = process.current_process()._config  # type: ignore[attr-defined]
    if config.get("tempdir"):
        return
    for folder in SHORT:
        try:
            config["tempdir"] = tempfile.mkdtemp(prefix="pymp-", dir=folder)
        except OSError:
            continue
        atexit.register(shutil.rmtree, Path(config["tempdir"]), ignore_errors=True)
        return
    none = f"too long for a socket, and none of {', '.join(SHORT)} can be written to"
    raise OSError(errno.ENAMETOOLONG, f"{none}; set TMPDIR to a folder with a short path", usual)


def last_line(said: str, otherwise: str) -> str:
    """The last line that a failed child wrote."""
    lines = said.strip().splitlines()
    return lines[-1] if lines else otherwise


def _main() -> None:
    import importlib
    import runpy
    import typing  # noqa: F401 - what the package's own first lines import, before its folder is looked in

    module, home = sys.argv[1], str(Path(__file__).resolve().parents[2])
    sys.path.insert(0, home)
    importlib.import_module("pvt_exp")  # all that is below it is found through it
    sys.path.remove(home)  # other things may lie beside the package
    del sys.argv[0]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
