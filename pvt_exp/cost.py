"""What models cost, counted in a child process (which imports torch) and cached by their settings."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from pvt_exp import children, files, machine, provenance
from pvt_exp.budget import Problem
from pvt_exp.config import ConfigError
from pvt_exp.match import Solution
from pvt_exp.schema import Run

STEP = ("batch_size", "group_size", "precision")
"""Fields of a run that the memory of a step depends on, besides its model, its optimizer and whether it keeps an average."""


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
    test_macs: int
    """Those of the largest image in testing."""
    test_px: tuple[int, int]
    """Its height and width."""
    memory: int | None = None
    """Most bytes that a training step holds, a group of images at a time; none: not asked for."""


def of(runs: Sequence[Run], memory: bool = True) -> list[Cost]:
    """The cost of each run; with ``memory`` that of its training step too. Equal ones are counted once.

    Raises:
        ConfigError: with the child's words, if a model cannot be built.
    """
    questions = [(_question(run, memory), {"run": run.model_dump(mode="json"), "memory": memory}) for run in runs]
    return list(map(_cost, _asked("costs", questions)))


def known(runs: Sequence[Run]) -> list[Cost | None]:
    """The cost of each run, its step's memory too, if it was counted before; nothing is counted now."""
    code = _code()
    paths = [machine.cache_folder() / "costs" / f"{_key(_question(run, True), code)}.json" for run in runs]
    told = [files.read_json(path) for path in paths]
    return [_cost(each["answer"]) if each else None for each in told]


def _cost(answer: dict[str, Any]) -> Cost:
    return Cost(**{**answer, **{key: tuple(answer[key]) for key in ("input_px", "test_px")}})


def _question(run: Run, memory: bool) -> dict[str, Any]:
    return {"run": _counts(run, memory), "memory": memory}


def solve(problems: Sequence[Problem]) -> list[Solution | None]:
    """The value of a field at which each run costs what is asked for, or the nearest; None where no value is a model.

    Raises:
        ConfigError: with the child's words, if it fails.
    """

    def worded(problem: Problem, words: Callable[[Run], dict[str, Any]]) -> dict[str, Any]:
        return {**problem._asdict(), "run": words(problem.run), "base": words(problem.base)}

    questions = [
        (
            worded(each, partial(_counts, memory=each.cost == "memory")),
            worded(each, partial(Run.model_dump, mode="json")),
        )
        for each in problems
    ]
    return [
        each and Solution(tuple(each["value"]), each["cost"], each["target"]) for each in _asked("matches", questions)
    ]


def _counts(run: Run, memory: bool) -> dict[str, Any]:
    """What of a run its cost depends on."""
    found = run.model_dump(mode="json", include={"task", "backbone", *(STEP if memory else ())})
    return {**found, "optim": run.optim.kind, "ema_decay": run.ema_decay is not None} if memory else found


def _asked(name: str, questions: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> list[Any]:
    """The child's answers, from the cache where they are there; each is kept as it comes.

    Of each question there is what its answer depends on, and the whole.
    """
    folder, code = machine.cache_folder() / name, _code()
    paths = [folder / f"{_key(question, code)}.json" for question, _ in questions]
    missing = {path: whole for path, (_, whole) in zip(paths, questions, strict=True) if not path.exists()}
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        for count, (path, answer) in enumerate(zip(missing, _child(list(missing.values())), strict=True), 1):
            files.write(path, files.dump({"answer": answer}))
            if len(missing) > 3 and sys.stderr.isatty():
                end = "\n" if count == len(missing) else ""
                print(f"\rcounted {count} of {len(missing)} models", end=end, file=sys.stderr, flush=True)
    read = {path: _read(path) for path in dict.fromkeys(paths)}
    return [read[path] for path in paths]


def _child(questions: list[dict[str, Any]]) -> Iterator[Any]:
    """Its answers, one after the other."""
    with tempfile.TemporaryFile("w+") as asked, tempfile.TemporaryFile("w+") as said:
        json.dump(questions, asked)
        asked.seek(0)
        with children.start("pvt_exp.count", stdin=asked, stdout=subprocess.PIPE, stderr=said, text=True) as child:
            assert child.stdout is not None
            yield from map(json.loads, child.stdout)
        if child.returncode:
            said.seek(0)
            raise ConfigError(children.last_line(said.read(), "counting failed"))


def _read(path: Path) -> Any:
    told = files.read_json(path)
    if told is None:
        path.unlink(missing_ok=True)
        raise ConfigError(f"{path} could not be read and is removed; the same command counts again")
    return told["answer"]


def _code() -> str:
    """Changes with the code that builds models and counts them, and the libraries that it builds them with."""
    code = hashlib.sha256()
    builders = (sorted((provenance.PACKAGE / folder).glob("*.py")) for folder in ("backbones", "necks", "tasks", "nn"))
    for path in (*chain.from_iterable(builders), *(provenance.PACKAGE / f"{name}.py" for name in ("count", "match"))):
        code.update(path.read_bytes())
    known = {
        name: version for name, version in provenance.versions().items() if name in ("torch", "torchvision", "timm")
    }
    return f"{code.hexdigest()} {json.dumps(known, sort_keys=True)}"


def _key(question: dict[str, Any], code: str) -> str:
    return hashlib.sha256(f"{json.dumps(question, sort_keys=True)} {code}".encode()).hexdigest()[:24]
