"""Mutated experiments, sweeps, reports and committed tables: whatever is in a file, what is wrong is told, in time."""

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pvt_exp import cli as commands
from pvt_exp import config
from pvt_exp.cli.console import typed
from pvt_exp.config import ConfigError, DataError
from pvt_exp.config.run import Run
from pvt_exp.cost import Cost
from pvt_exp.plan import expand, pretraining
from pvt_exp.plan.budget import Problem
from pvt_exp.report.page import Report
from tests.conftest import ROOT, Cli
from tests.e2e.test_check import contents, finish

PATIENCE_S = 60
MUTATIONS = 1000
TABLES = 200
"""Mutated reports of which tables are made, and mutated tables that are checked."""
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


def mutate(text: str, draw: random.Random) -> bytes:
    """One to three mutations of a text."""
    lines = text.split("\n")
    for _ in range(draw.randint(1, 3)):
        if "".join(lines):
            draw.choice(WAYS)(lines, draw)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


class Unknown:
    """Counts no model, as that takes seconds: all cost the same, and no width solves a match."""

    def each(self, runs: Sequence[Run], memory: bool = True) -> list[Cost]:
        return [Cost(1, 1, 1, 1, (1, 1), 1, (1, 1), 1) for _ in runs]

    def solve(self, problems: Sequence[Problem]) -> list[None]:
        return [None for _ in problems]


def read_sweep(path: Path) -> Any:
    return expand.load(path, count=Unknown())


def read_report(path: Path) -> Any:
    return config.load(Report, path)


READERS: dict[str, Callable[[Path], Any]] = {
    "experiments": pretraining.experiment,
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
        mutated = tmp_path / "mutated.yaml"
        mutated.write_bytes(mutate(source.read_text(), draw).replace(b"../experiments", b"experiments"))
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


MATRIX = """\
base: base.yaml
seeds: [0, 1]
blocks:
  - product:
      model: {small: {backbone.depths: [1, 1, 1, 1]}, deep: {backbone.depths: [2, 1, 1, 1]}}
      schedule: {1x: {epochs: 2}, 2x: {epochs: 4}}
published: {"model small, schedule 1x": v1/table2/PVT-Tiny}
"""
PAGE = """\
title: All kinds of tables
tables:
  - sweep: matrix.yaml
    metrics: [top1, loss]
    epoch: last
    title: Top-1 & loss
  - kind: ablation
    sweep: sweep.yaml
    columns: [top1, interval, difference, p, n, params, macs]
  - kind: comparison
    sweep: matrix.yaml
    rows: schedule
    columns: [params, top1, difference, p]
  - kind: comparison
    title: Both
    parts:
      - sweep: matrix.yaml
        title: First
        columns: [n, top1]
      - sweep: sweep.yaml
        title: Second
  - kind: cost
    sweep: sweep.yaml
    columns: [params, macs, memory, peak_memory]
  - kind: reproduction
    sweep: matrix.yaml
    columns: [top1, n, params]
    tolerance: 0.5
"""


@pytest.fixture
def page(sweep: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report of tables of all kinds, of two sweeps with results."""
    monkeypatch.chdir(sweep.parent)
    for name, text in (("matrix.yaml", MATRIX), ("page.yaml", PAGE)):
        Path(name).write_text(text)
    for each in ("sweep.yaml", "matrix.yaml"):
        finish(Path(each), Path("runs"))
    return Path("page.yaml")


def told(*words: str) -> str:
    """What ``pvt-exp`` says of it, in this process: a plain answer, or what is wrong."""
    signal.alarm(PATIENCE_S)
    done = CliRunner().invoke(commands.app, ["report", *words])
    signal.alarm(0)
    assert done.exception is None or isinstance(done.exception, SystemExit | ConfigError | DataError), words
    return done.output + str(done.exception or "")


@pytest.mark.slow
def test_tables_of_a_mutated_report_are_made_or_what_is_wrong_is_told(page: Path, in_time: None) -> None:
    said = told(str(page))
    assert Path("reports/out/page/index.html").exists(), said
    before = contents(Path("runs"))
    for number in range(TABLES):
        Path("mutated.yaml").write_bytes(mutate(PAGE, random.Random(number)))
        assert told("mutated.yaml").strip()
    assert Path("reports/out/mutated/index.html").exists(), "none was still a report"
    assert contents(Path("runs")) == before


def tables() -> dict[str, bytes]:
    """The files of tables; beside them lies a note of whose they are."""
    return {name: text for name, text in contents(Path("reports/out")).items() if not name.endswith(".of.json")}


@pytest.mark.slow
def test_mutated_tables_are_checked_or_what_is_wrong_with_them_is_told(page: Path, in_time: None) -> None:
    told(str(page))
    whole = tables()
    for number in range(TABLES):
        draw = random.Random(number)
        name = draw.choice(sorted(whole))
        Path(name).write_bytes(mutate(whole[name].decode(), draw))
        said = told(str(page), "--check")
        now, before = (each.decode(errors="replace").splitlines() for each in (Path(name).read_bytes(), whole[name]))
        if name.endswith(".csv"):
            now = [line for line in now if line]  # an empty line is no row
        changed = [was for was, new in zip_longest(before, now) if was != new]
        if said.count(": equal to ") == PAGE.count("kind: ") + 1:
            assert all(was is not None and typed() in was for was in changed), (number, name)
        else:
            assert Path(name).read_bytes() != whole[name], (number, name)
        Path(name).write_bytes(whole[name])
    assert tables() == whole


def test_mutated_sweeps_are_planned_or_what_is_wrong_is_told_by_the_command_line(cli: Cli, tmp_path: Path) -> None:
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
