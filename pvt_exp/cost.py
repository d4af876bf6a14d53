"""Parameters and MACs of a model, counted in a child process (which imports torch) and cached by the model's settings."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pvt_exp import files, provenance


class Question(NamedTuple):
    """A model whose cost is asked for."""

    backbone: dict[str, Any]
    """Settings as a mapping, its `kind` among them."""
    num_classes: int
    image_px: int


class Cost(NamedTuple):
    """What a model costs, whatever it is trained on."""

    params: int
    macs: int
    """Multiply-accumulates of one image's forward pass, attention included."""


def of(questions: Sequence[Question]) -> list[Cost]:
    """The cost of each model.

    Raises:
        ValueError: with the child's words, if a model cannot be built.
    """
    folder = _cache()
    paths = [folder / f"{_key(question)}.json" for question in questions]
    missing = {path: question for path, question in zip(paths, questions, strict=True) if files.read_json(path) is None}
    if missing:
        asked = json.dumps([question._asdict() for question in missing.values()])
        child = subprocess.run(
            [sys.executable, "-m", "pvt_exp.count"], input=asked, capture_output=True, text=True, check=False
        )
        if child.returncode:
            raise ValueError(child.stderr.strip().splitlines()[-1] if child.stderr.strip() else "counting failed")
        folder.mkdir(parents=True, exist_ok=True)
        for path, counted in zip(missing, json.loads(child.stdout.splitlines()[-1]), strict=True):
            files.write(path, files.dump(counted))
    return [Cost(**(files.read_json(path) or {})) for path in paths]


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pvt_exp" / "costs"


def _key(question: Question) -> str:
    """Changes with the settings, the code that builds models, and the libraries that it builds them with."""
    code = hashlib.sha256()
    for folder in ("backbones", "nn"):
        for path in sorted((provenance.PACKAGE / folder).glob("*.py")):
            code.update(path.read_bytes())
    known = {name: version for name, version in provenance.versions().items() if name in ("torch", "timm")}
    text = json.dumps([question._asdict(), known, code.hexdigest()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
