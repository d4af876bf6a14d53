"""Every verb and option, typed for real in one small project; the table and how to add to it: `tests/verbs.py`."""

import contextlib
import signal
import subprocess
import sys
import traceback
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import typed  # the rows
from tests.conftest import environment, hear_signals
from tests.verbs import TABLE, Row, Said, fail, finish_elsewhere, make_project, names, type_here
from tests.wandb_server import serving

__all__ = ["typed"]

DRIVES = """
import sys, time
from pathlib import Path
from pvt_exp import drivers, store
with drivers.driving(store.create(Path("driven")), "sweep", ("pvt-exp", "sweep")) as asked:
    print("driving", flush=True)
    while not asked:
        time.sleep(0.05)
"""
MANY = "base: base.yaml\nblocks:\n  - variants:\n" + "".join(
    f"      c{i}: {{optim.lr: {(i + 10) * 1e-4:.4f}}}\n" for i in range(46)
)


@pytest.fixture
def project(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which all is typed."""
    for name in environment():
        monkeypatch.setenv(name, environment()[name])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    make_project(tmp_path)
    (tmp_path / "many.yaml").write_text(MANY)
    return tmp_path


@pytest.mark.slow
def test_every_verb_and_option(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = names(project)
    fail(project, found["run"])
    fail(project, found["single"], "optim.lr=1e-3")
    fail(project, found["of_wandb"], "optim.lr=3e-3")
    fail(project, found["failed"], "optim.lr=4e-3")
    finish_elsewhere(project)
    wrong = []
    for row in TABLE:
        with monkeypatch.context() as changes:
            for name, value in row.env.items():
                changes.setenv(name, value)
            said = type_row(row, project, dict(found), changes)
        try:
            assert said.status == row.status, "exit status"
            assert "Traceback" not in said.err
            row.look(said)
        except Exception:
            last = traceback.format_exc().splitlines()
            wrong.append("\n".join((f"{row}  [{said.status}]", said.out[-2000:], said.err[-2000:], *last[-6:])))
    assert not wrong, "\n\n".join(wrong)


def type_row(row: Row, folder: Path, found: dict[str, str], changes: pytest.MonkeyPatch) -> Said:
    """Type a row's words, with what must be there beside it."""
    words = [word.format_map(found) if word[:1] == "{" or "={" in word else word for word in row.words]
    if row.how == "page":
        said, found["page"] = see_page(words, folder)
    elif row.how == "server":
        with serving() as server:
            for name, value in server.env.items():
                changes.setenv(name, value)
            said = type_here(words, folder)
            found["registered"] = server.sweep
    elif row.how == "driven":
        with driven(folder):
            said = type_here(words, folder)
    else:
        said = type_here(words, folder)
    said.names = found
    return said


@contextlib.contextmanager
def driven(folder: Path) -> Iterator[None]:
    """A process that drives ``sweep`` in the store ``driven``, and ends when it is asked to."""
    with subprocess.Popen([sys.executable, "-c", DRIVES], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "driving\n"
        try:
            yield
            assert process.wait(30) == 0
        finally:
            process.kill()


def see_page(words: list[str], folder: Path) -> tuple[Said, str]:
    """Start what shows a page, ask for it, and end it by Ctrl-C; what it said, and what the page's server answered."""
    command = [str(Path(sys.executable).with_name("pvt-exp")), *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, preexec_fn=hear_signals, **pipes) as process:  # noqa: PLW1509
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            address = line.partition("at ")[2].partition("/dashboard")[0]
            with urllib.request.urlopen(f"{address}/api/studies", timeout=30) as answer:
                page = answer.read().decode()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return Said(process.returncode, line + out, err, folder), page
