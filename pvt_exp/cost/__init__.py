"""What models cost, counted in a child process (which imports torch) and cached by their settings."""

import contextlib
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

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
        answers = _answers([whole() for whole in missing.values()])
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


class _Child:
    """The process that counts, from its first question on."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._said: IO[str] | None = None

    def answers(self, questions: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """``answer`` or ``error`` of each question, in order; if the process ends early, the rest get its error."""
        for number, question in enumerate(questions):
            if (told := self._answer(question)) is None:
                yield from ({"error": reason} for reason in [self._why_it_ended()] * (len(questions) - number))
                return
            yield told

    def _answer(self, question: dict[str, Any]) -> dict[str, Any] | None:
        if self._process is None:
            self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `end` closes it
            self._process = children.start(
                "pvt_exp.train.count", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(question), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        told: dict[str, Any] | None = json.loads(line) if line else None
        return told

    def _why_it_ended(self) -> str:
        assert self._process is not None
        assert self._said is not None
        if (code := self._process.wait()) < 0:
            reason = f"the process that counts was ended by {signals.name(-code)}"
        else:
            self._said.seek(0)
            reason = children.last_line(self._said.read(), "the process that counts ended")
        self.end()
        return reason

    def end(self) -> None:
        """The next question starts another one."""
        if self._process is not None:
            with contextlib.suppress(BrokenPipeError), self._process:
                pass  # its input ends, and so does it
        if self._said is not None:
            self._said.close()
        self._process = self._said = None


_open: list[_Child] = []


@contextlib.contextmanager
def counting() -> Iterator[None]:
    """Ask one process all that is counted inside: to start it takes seconds, and a plan asks up to three times."""
    if _open:  # around this one is another
        yield
        return
    child = _Child()
    _open.append(child)
    try:
        yield
    finally:
        _open.remove(child)
        child.end()


def let_go() -> None:
    """End the process of `counting`, which takes memory, until something is to be counted again."""
    for child in _open:
        child.end()


def _answers(questions: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    with counting():
        yield from _open[-1].answers(questions)


def _read(path: Path) -> Any:
    told = files.read_json(path)
    if told is None:
        path.unlink(missing_ok=True)
        raise ConfigError(f"{path} could not be read and is removed; the same command counts again")
    return told["answer"]


def _code() -> str:
    """Hash of the code that builds and counts models, and the versions of its libraries."""
    code = hashlib.sha256()
    builders = (
        sorted((provenance.PACKAGE / folder).rglob("*.py"))
        for folder in ("backbones", "detectors", "losses", "necks", "optimizers", "tasks", "nn")
    )
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
