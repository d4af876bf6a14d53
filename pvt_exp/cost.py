"""Parameters and MACs of a model, counted in a child process (which imports torch) and cached by the model's settings."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pvt_exp import files, provenance
from pvt_exp.schema import Run


class Cost(NamedTuple):
    """What a model costs, whatever it is trained on."""

    params: int
    trainable_params: int
    """Those that are not frozen."""
    backbone_params: int
    """Those of the backbone; the others are the neck's and the head's."""
    macs: int
    """Multiply-accumulates of one image's forward pass, attention included."""
    input_px: tuple[int, int]
    """Height and width that they are counted at."""


def of(runs: Sequence[Run]) -> list[Cost]:
    """The cost of each run's model. Only `task` and `backbone` count; equal ones are counted once.

    Raises:
        ValueError: with the child's words, if a model cannot be built.
    """
    folder, code = _cache(), _code()
    paths = [folder / f"{_key(run, code)}.json" for run in runs]
    missing = {path: run for path, run in zip(paths, runs, strict=True) if not path.exists()}
    if missing:
        asked = json.dumps([run.model_dump(mode="json") for run in missing.values()])
        child = subprocess.run(
            [sys.executable, "-m", "pvt_exp.count"], input=asked, capture_output=True, text=True, check=False
        )
        if child.returncode:
            raise ValueError(child.stderr.strip().splitlines()[-1] if child.stderr.strip() else "counting failed")
        folder.mkdir(parents=True, exist_ok=True)
        for path, counted in zip(missing, json.loads(child.stdout.splitlines()[-1]), strict=True):
            files.write(path, files.dump(counted))
    read = {path: _read(path) for path in dict.fromkeys(paths)}
    return [read[path] for path in paths]


def _read(path: Path) -> Cost:
    told = files.read_json(path)
    if told is None:
        path.unlink(missing_ok=True)
        raise ValueError(f"{path} could not be read and is removed; the same command counts again")
    return Cost(**{**told, "input_px": tuple(told["input_px"])})


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pvt_exp" / "costs"


def _code() -> str:
    """Changes with the code that builds models, and the libraries that it builds them with."""
    code = hashlib.sha256()
    for folder in ("backbones", "necks", "tasks", "nn"):
        for path in sorted((provenance.PACKAGE / folder).glob("*.py")):
            code.update(path.read_bytes())
    known = {
        name: version for name, version in provenance.versions().items() if name in ("torch", "torchvision", "timm")
    }
    return f"{code.hexdigest()} {json.dumps(known, sort_keys=True)}"


def _key(run: Run, code: str) -> str:
    model = run.model_dump(mode="json", include={"task", "backbone"})
    return hashlib.sha256(f"{json.dumps(model, sort_keys=True)} {code}".encode()).hexdigest()[:24]
