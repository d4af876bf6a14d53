"""What models cost, counted in a child process (which imports torch) and cached by their settings."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from pvt_exp.backbones import Width
from pvt_exp.config import ConfigError
from pvt_exp.config.run import Run
from pvt_exp.plan.budget import Problem
from pvt_exp.plan.matching import Solution
from pvt_exp.store import provenance
from pvt_exp.system import children, files, machine, signals

STEP = ("batch_size", "ghost_batch_size", "precision")
"""Fields that the memory of a step depends on, besides the model, the optimizer and whether there is an EMA."""


class Cost(NamedTuple):
    """What a model costs, independent of the data."""

    params: int
    trainable_params: int
    """Those that are not frozen."""
    backbone_params: int
    """Those of the backbone; the others are the neck's and the head's."""
    macs: int | None
    """Multiply-accumulates of one image's forward pass, attention included; none: they cannot be counted."""
    input_px: tuple[int, int]
    """Height and width that they are counted at."""
    test_macs: int | None
    """Those of the largest image in testing."""
    test_px: tuple[int, int]
    """Its height and width."""
    memory: int | None = None
    """Peak bytes of a training step, a group of images at a time; None: not asked for, or it cannot be counted."""
    uncounted: Mapping[str, str] = {}
    """Why ``macs``, ``test_macs`` or ``memory`` could not be counted, by name."""


class NoCost(NamedTuple):
    """The model cannot be built."""

    reason: str


def each(runs: Sequence[Run], memory: bool = True) -> list[Cost | NoCost]:
    """The cost of each run, or why it has none; with ``memory`` of its training step too. Equal ones are counted once."""

    def whole(run: Run) -> dict[str, Any]:
        return {"run": run.model_dump(mode="json"), "memory": memory}

    questions = [(_question(run, memory), partial(whole, run)) for run in runs]
    return [told if isinstance(told, NoCost) else _cost(told) for told in _asked("costs", questions)]


def of(runs: Sequence[Run], memory: bool = True) -> list[Cost]:
    """The cost of each run, as `each` has it.

    Raises:
        ConfigError: with the reason, if a model cannot be built.
    """
    found = each(runs, memory)
    if failed := [told.reason for told in found if isinstance(told, NoCost)]:
        raise ConfigError(dict.fromkeys(failed))
    return [told for told in found if isinstance(told, Cost)]


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


def widths(runs: Sequence[Run]) -> list[Width | str]:
    """The field that sets each backbone's width, or why it is not known."""

    def whole(run: Run) -> dict[str, Any]:
        return {"width_of": run.model_dump(mode="json")}

    questions = [({"width_of": _counts(run, False)}, partial(whole, run)) for run in runs]
    return [
        told.reason
        if isinstance(told, NoCost)
        else Width(told["field"], tuple(told["value"]), tuple(told["units"]), told["single"])
        for told in _asked("widths", questions)
    ]


def solve(problems: Sequence[Problem]) -> list[Solution | str | None]:
    """The value of a field at which each run costs what is asked for, or the nearest; None where no value is a model, and
    the reason where it cannot be counted.
    """

    def worded(problem: Problem, words: Callable[[Run], dict[str, Any]]) -> dict[str, Any]:
        return {**problem._asdict(), "run": words(problem.run), "base": words(problem.base)}

    questions = [
        (
            worded(each, partial(_counts, memory=each.cost == "memory")),
            partial(worded, each, partial(Run.model_dump, mode="json")),
        )
        for each in problems
    ]
    return [
        told.reason
        if isinstance(told, NoCost)
        else told and Solution(tuple(told["value"]), told["cost"], told["target"])
        for told in _asked("matches", questions)
    ]


def _counts(run: Run, memory: bool) -> dict[str, Any]:
    """The fields of a run that its cost depends on."""
    found = run.model_dump(mode="json", include={"task", "backbone", *(STEP if memory else ())})
    found |= provenance.of_components(run)
    return {**found, "optim": run.optim.kind, "ema_decay": run.ema_decay is not None} if memory else found


def _asked(name: str, questions: Sequence[tuple[dict[str, Any], Callable[[], dict[str, Any]]]]) -> list[Any]:
    """The child's answers, or `NoCost`; cached ones are not asked again, and new ones are cached one by one.

    A question has what its answer depends on, which is the cache's key, and a function that makes the whole question.
    """
    folder, code = machine.cache_folder() / name, _code()
    paths = [folder / f"{_key(question, code)}.json" for question, _ in questions]
    missing = {path: whole for path, (_, whole) in zip(paths, questions, strict=True) if not path.exists()}
    failed: dict[Path, Any] = {}
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        answers = _child([whole() for whole in missing.values()])
        for count, (path, told) in enumerate(zip(missing, answers, strict=True), 1):
            if "error" in told:
                failed[path] = NoCost(told["error"])
            elif isinstance(told["answer"], dict) and told["answer"].get("uncounted"):
                failed[path] = told["answer"]  # asked again the next time
            else:
                files.write(path, files.dump({"answer": told["answer"]}))
            if len(missing) > 3 and sys.stderr.isatty():
                end = "\n" if count == len(missing) else ""
                print(f"\rcounted {count} of {len(missing)} models", end=end, file=sys.stderr, flush=True)
    read = {path: failed[path] if path in failed else _read(path) for path in dict.fromkeys(paths)}
    return [read[path] for path in paths]


def _child(questions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """``answer`` or ``error`` of each question, in order; if the child ends early, the rest get its error."""
    with tempfile.TemporaryFile("w+") as asked, tempfile.TemporaryFile("w+") as said:
        json.dump(questions, asked)
        asked.seek(0)
        with children.start(
            "pvt_exp.train.count", stdin=asked, stdout=subprocess.PIPE, stderr=said, text=True
        ) as child:
            assert child.stdout is not None
            answered = 0
            for line in child.stdout:
                yield json.loads(line)
                answered += 1
        if answered < len(questions):
            said.seek(0)
            ended = (
                f"the process that counts was ended by {signals.name(-child.returncode)}"
                if child.returncode < 0
                else ""
            )
            reason = ended or children.last_line(said.read(), "the process that counts ended")
            yield from ({"error": reason} for _ in questions[answered:])


def _read(path: Path) -> Any:
    told = files.read_json(path)
    if told is None:
        path.unlink(missing_ok=True)
        raise ConfigError(f"{path} could not be read and is removed; the same command counts again")
    return told["answer"]


def _code() -> str:
    """Hash of the code that builds and counts models, and the versions of its libraries."""
    code = hashlib.sha256()
    builders = (sorted((provenance.PACKAGE / folder).rglob("*.py")) for folder in ("backbones", "necks", "tasks", "nn"))
    for path in (
        *chain.from_iterable(builders),
        *(provenance.PACKAGE / f"{name}.py" for name in ("train/count", "plan/matching")),
    ):
        code.update(path.read_bytes())
    known = {
        name: version for name, version in provenance.versions().items() if name in ("torch", "torchvision", "timm")
    }
    return f"{code.hexdigest()} {json.dumps(known, sort_keys=True)}"


def _key(question: dict[str, Any], code: str) -> str:
    return hashlib.sha256(f"{json.dumps(question, sort_keys=True)} {code}".encode()).hexdigest()[:24]
