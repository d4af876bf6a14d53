"""What a result was made with: code, ours and that of other packages, versions, hardware."""

import hashlib
import os
import platform
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from pvt_exp.config import component
from pvt_exp.system import files

PACKAGE = Path(__file__).parents[1]
FROZEN = "code.json"
"""Beside a copy of the package (`pvt_exp.store.code_copy`): what `code` said of the original."""
COMPUTES = (
    *("backbones", "datasets", "detectors", "losses", "metrics", "necks", "optimizers", "schedules", "tasks", "nn"),
    *("config/run.py", "config/space.py"),
    *("train/checkpoints.py", "train/fit.py", "train/record.py"),
)
"""Folders and files of the package that a run's result follows from; the rest plans, drives and reports."""
CODE = (".py", ".so")
MOST_BYTES = 64 * 2**20
"""Of another package, to be copied (`pvt_exp.store.code_copy`), and for the contents of all its files to count."""
WRITTEN = (".dist-info", ".egg-info", ".pth")
"""How the names of what an installer writes end."""
UNREAD = {"__pycache__", ".git"}
"""Folders in a package that nothing of it reads."""
LIBRARIES = ("torch", "torchvision", "pytorch-lightning", "torchmetrics", "timm", "numpy", "pillow", "pvt-exp")


def code() -> tuple[dict[str, Any], str]:
    """The commit and a hash of the package's files; and the diff of what is not committed, to be kept beside it.

    Where the code was copied without its ``.git``, into a container for instance, there is no commit: the hash of the
    files says which code it was.
    """
    if (frozen := files.read_json(PACKAGE.parent / FROZEN)) is not None:
        return frozen["code"], frozen["diff"]
    sha = _git("rev-parse", "HEAD")
    diff = _git("diff", "HEAD", "--", ".") if sha else None
    untracked = _git("ls-files", "--others", "--exclude-standard", "--", "*.py") if sha else None
    facts = {
        "sha": sha.strip() if sha else None,
        "dirty": bool(diff or untracked),
        "diff_sha256": hashlib.sha256(diff.encode()).hexdigest() if diff else None,
        "files_sha256": _hash({str(path.relative_to(PACKAGE)): path for path in PACKAGE.rglob("*.py")}),
        "computes_sha256": computes(),
    }
    return facts, diff or ""


@cache
def computes() -> str:
    """A hash of the files of this package that a run's result follows from, as they are at the first call."""
    roots = [PACKAGE / name for name in COMPUTES]
    found = [path for root in roots for path in (root.rglob("*.py") if root.is_dir() else (root,))]
    return _hash({str(path.relative_to(PACKAGE)): path for path in found})


def _hash(named: dict[str, Path]) -> str:
    """Over names and contents."""
    digest = hashlib.sha256()
    for name, path in sorted(named.items()):
        digest.update(os.fsencode(name) + b"\0" + path.read_bytes())
    return digest.hexdigest()


# ---------------------------------------------------------------- other packages


class Package(NamedTuple):
    """An installed package that has a kind of ours."""

    name: str
    version: str
    roots: dict[str, Path]
    """The packages and modules in which its kinds are, by their names in the folder that they are imported from."""
    files_sha256: str
    """Over all files of its top-level packages, as they were when it was imported; equal wherever it is installed.

    Where they are more than `MOST_BYTES`, files that are not code count by their names and sizes alone."""


@cache
def packages() -> dict[str, Package]:
    """Every other package that has kinds, by its name, as it is at the first call."""
    found = {}
    for origin in component.origins():
        name = origin.package
        if name not in found:
            modules = [each.module for each in component.origins() if each.package == name]
            roots = dict(map(_root, modules))
            found[name] = Package(name, origin.version, roots, _hash_of_other(_recorded(name, roots) | _in(roots)))
    return found


def of_packages(run: BaseModel) -> dict[str, dict[str, Any]]:
    """The other packages that a run's components are of, by name: version, hash of the files, and which kinds."""
    found: dict[str, dict[str, Any]] = {}
    for part in component.parts(run) if component.origins() else ():
        if (origin := component.origin(type(part))) is not None:
            package = packages()[origin.package]
            told = {"version": package.version, "files_sha256": package.files_sha256, "kinds": []}
            kinds = found.setdefault(origin.package, told)["kinds"]
            if (kind := f"{origin.group}/{origin.kind}") not in kinds:
                kinds.append(kind)
    return found


def of_components(model: BaseModel) -> dict[str, Any]:
    """What the computing of a model follows from besides its fields: revisions, and files of other packages.

    Empty where all is ours and of the first revision.
    """
    parts = list(component.parts(model))
    revisions = {f"{type(p).__module__}.{type(p).__qualname__}": p.revision for p in parts if p.revision > 1}
    hashes = {name: told["files_sha256"] for name, told in of_packages(model).items()}
    return {name: told for name, told in (("revisions", revisions), ("packages", hashes)) if told}


def _root(module: str) -> tuple[str, Path]:
    """The outermost package that holds a module, and is no namespace that several packages share.

    Where there is none: the folder that the module is in, or, of one that is in no package, its file.
    """
    words = module.split(".")
    for count in range(1, len(words) + 1):
        spec = sys.modules[".".join(words[:count])].__spec__
        if spec is not None and spec.has_location and spec.origin:
            file = Path(spec.origin)
            path = file.parent if spec.submodule_search_locations or count > 1 else file
            before = words[: count - 1] if spec.submodule_search_locations else words[: max(0, count - 2)]
            return "/".join((*before, path.name)), path
    raise AssertionError(f"{module} was imported from no file")


def files_of(root: Path) -> list[Path]:
    """All files in a package's folder that it may read, sorted; or a module's file itself."""
    there = sorted(root.rglob("*")) if root.is_dir() else [root]
    return [path for path in there if path.is_file() and UNREAD.isdisjoint(path.relative_to(root).parts)]


def _in(roots: dict[str, Path]) -> dict[str, Path]:
    return {
        f"{name}/{path.relative_to(root)}" if root.is_dir() else name: path
        for name, root in roots.items()
        for path in files_of(root)
    }


def _hash_of_other(named: dict[str, Path]) -> str:
    """Over names and contents; where that is too much to read, of what is no code over names and sizes."""
    sizes = {name: path.stat().st_size for name, path in named.items()}
    if sum(sizes.values()) <= MOST_BYTES:
        return _hash(named)
    code = _hash({name: path for name, path in named.items() if path.suffix in CODE})
    return hashlib.sha256(repr((code, sorted(sizes.items()))).encode()).hexdigest()


def _recorded(name: str, roots: dict[str, Path]) -> dict[str, Path]:
    """The files that were installed with a package, where it was not installed as editable: then its roots have all.

    Without what the installer wrote of it, which differs from place to place, and without scripts outside of its folders.
    """
    try:
        recorded = metadata.distribution(name).files or ()
    except metadata.PackageNotFoundError:
        return {}
    paths = {
        str(file): Path(str(file.locate()))
        for file in recorded
        if UNREAD.isdisjoint(file.parts) and ".." not in file.parts and not file.parts[0].endswith(WRITTEN)
    }
    apart = ("__editable__", *(f"{root}/" for root in roots))  # of roots all counts that is there
    return {name: path for name, path in paths.items() if not name.startswith(apart) and path.is_file()}


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE), *words],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


@cache
def versions() -> dict[str, str]:
    """Of Python and of the libraries that compute."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Host, processor, cores and operating system; GPUs are added by who uses them."""
    processor = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((ln.partition(":")[2].strip() for ln in lines if ln.startswith("model name")), processor)
    except OSError:
        pass
    return {
        "host": platform.node(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor,
        "cores": os.cpu_count(),
        "python": sys.executable,
    }
