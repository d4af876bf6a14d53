"""Mutated experiments, sweeps and reports: whatever is in a file, what is wrong is told, in time, and nothing is written."""

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pvt_exp import config, expand, stages
from pvt_exp.budget import Problem
from pvt_exp.config import ConfigError
from pvt_exp.cost import Cost
from pvt_exp.page import Report
from pvt_exp.schema import Run
from tests.conftest import ROOT, Cli

PATIENCE_S = 60
MUTATIONS = 1000
VALUES = [
    "1e999", "-1", ".nan", "-.inf", "9" * 40, "''", "null", "[]", "{}", "../../etc/passwd", "x" * 10_000, "true",
    "2026-11-27", "0x10", "1_000", "[1, 2", "[" * 200, "{a: " * 100, "\u202e\u200b", "'\\0'", '"\\0"',
    "!!python/object:os.system x", "&a [*a]", "*nobody", "<<", "|", ">-", "? x", "- - -", "@x", "`", "%", "'", '"',
    "[[[[1]]]]", "{kind: pvt}", "{kind: [1]}",
    "kind", "runs/0123", "\x07", "\ud83d\ude00", "1.0e-3-5", "~", "NO", "1:30", "__import__('os')", "base.params", "a.b.c",
]  # fmt: skip


def delete(lines: list[str], draw: random.Random) -> None:
    del lines[draw.randrange(len(lines))]


def double(lines: list[str], draw: random.Random) -> None:
    at = draw.randrange(len(lines))
    lines.insert(at, lines[at])


def swap(lines: list[str], draw: random.Random) -> None:
    one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]


def indent(lines: list[str], draw: random.Random) -> None:
    at = draw.randrange(len(lines))
    lines[at] = " " * draw.randint(0, 6) + draw.choice(["", "\t", "- "]) + lines[at].lstrip()


def value(lines: list[str], draw: random.Random) -> None:
    at = draw.randrange(len(lines))
    key, colon, _ = lines[at].partition(":")
    lines[at] = f"{key}: {draw.choice(VALUES)}" if colon else draw.choice(VALUES)


def inside(lines: list[str], draw: random.Random) -> None:
    """Another value in place of a word of a line."""
    at = draw.randrange(len(lines))
    words = lines[at].split(" ")
    words[draw.randrange(len(words))] = draw.choice(VALUES)
    lines[at] = " ".join(words)


def character(lines: list[str], draw: random.Random) -> None:
    at = draw.randrange(len(lines))
    place = draw.randint(0, len(lines[at]))
    lines[at] = lines[at][:place] + draw.choice(":{}[]&*!|>'\"%@`,?-#\t\0\u2028\ufeff\ud83d") + lines[at][place:]


def torn(lines: list[str], draw: random.Random) -> None:
    text = "\n".join(lines)
    lines[:] = text[: draw.randrange(len(text))].split("\n")


WAYS: list[Callable[[list[str], random.Random], None]] = [delete, double, swap, indent, value, inside, character, torn]


class Unknown:
    """Counts no model, as that takes seconds: all cost the same, and no width solves a match."""

    def of(self, runs: Sequence[Run], memory: bool = True) -> list[Cost]:
        return [Cost(1, 1, 1, 1, (1, 1), 1, (1, 1), 1) for _ in runs]

    def solve(self, problems: Sequence[Problem]) -> list[None]:
        return [None for _ in problems]


def read_sweep(path: Path) -> Any:
    return expand.load(path, count=Unknown())


def read_report(path: Path) -> Any:
    return config.load(Report, path)


READERS: dict[str, Callable[[Path], Any]] = {
    "experiments": stages.experiment,
    "sweeps": read_sweep,
    "reports": read_report,
}
FILES = [path for folder in READERS for path in sorted((ROOT / folder).rglob("*.yaml"))]


@pytest.fixture
def in_time() -> Iterator[None]:
    """Nothing hangs."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("part", range(10))
def test_what_is_wrong_in_a_file_is_told(part: int, tmp_path: Path, in_time: None) -> None:
    for folder in READERS:
        (tmp_path / folder).symlink_to(ROOT / folder)
    for number in range(part * MUTATIONS // 10, (part + 1) * MUTATIONS // 10):
        draw = random.Random(number)
        source = FILES[number % len(FILES)]
        lines = source.read_text().split("\n")
        for _ in range(draw.randint(1, 3)):
            if "".join(lines):
                draw.choice(WAYS)(lines, draw)
        text = "\n".join(lines).encode("utf-8", "surrogatepass")
        mutated = tmp_path / "mutated.yaml"
        mutated.write_bytes(text.replace(b"../experiments", b"experiments"))
        signal.alarm(PATIENCE_S)
        told = "nothing is wrong"
        try:
            READERS[source.relative_to(ROOT).parts[0]](mutated)
        except ConfigError as error:
            told = str(error)
        except BaseException as error:
            raise AssertionError(f"mutation {number} of {source.name}: {error!r}\n{mutated.read_bytes()!r}") from error
        signal.alarm(0)
        assert told.strip(), number
        assert "Traceback" not in told
    assert {path.name for path in tmp_path.iterdir()} == {*READERS, "mutated.yaml"}


def test_and_by_the_command_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    for number in range(12):
        draw = random.Random(number)
        lines = (ROOT / "sweeps/quickstart.yaml").read_text().replace("../experiments", "experiments").split("\n")
        draw.choice(WAYS)(lines, draw)
        (tmp_path / "mutated.yaml").write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        done = cli("plan", "mutated.yaml", ok=None)
        assert done.returncode in (0, 2), done.stderr
        assert done.returncode == 0 or done.stderr.startswith("error: ")
    assert not (tmp_path / "runs").exists()
