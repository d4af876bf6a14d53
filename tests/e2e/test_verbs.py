"""Every verb and option, typed for real in one small project; the table and how to add to it: `tests/verbs.py`."""

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import traceback
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pvt_exp.launchers import local
from pvt_exp.system import locks
from tests import (
    json_fields,
    typed,  # the rows
)
from tests.conftest import environment, hear_signals
from tests.verbs import TABLE, Row, Said, fail, finish_elsewhere, make_project, names, type_here
from tests.wandb_server import serving

__all__ = ["typed"]

DRIVES = """
import sys, time
from pathlib import Path
from pvt_exp.drive import registry; from pvt_exp import store
sweep, runs = sys.argv[1:]
with registry.driving(store.create(Path(runs)), sweep, ("pvt-exp", "sweep")) as asked:
    print("driving", flush=True)
    while not asked:
        time.sleep(0.05)
"""
MANY = "base: base.yaml\nblocks:\n  - variants:\n" + "".join(
    f"      c{i}: {{optim.lr: {(i + 10) * 1e-4:.4f}}}\n" for i in range(46)
)


ELSEWHERE = (
    *("why ID --json` drivers", "stop SWEEP --json` drivers"),  # tests/unit/test_json_fields.py
    *("predict", "per_class"),  # of other tasks: tests/e2e/test_predict.py
    "provenance packages",  # tests/e2e/test_plugins.py
    *("ends micro_batch", "ends memory_gb", "ends peak_memory_bytes", "ends gpu"),  # where memory has run out
    *("hardware gpus", "hardware visible_gpus"),  # where there are GPUs
    *("cost uncounted", "best epoch: always", "best metrics: always", "pretrained", "evaluate --json` recipe"),
)
"""What these rows do not see, of the fields that docs/json.md names."""


@pytest.fixture
def project(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which all is typed."""
    for name in environment():
        monkeypatch.setenv(name, environment()[name])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # but where a row names GPUs, and there are two
    monkeypatch.setattr(local, "_listed", lambda: ("GPU 0", "GPU 1"))
    make_project(tmp_path)
    (tmp_path / "many.yaml").write_text(MANY)
    yield tmp_path
    local.stop_server()  # it has its code from the folder's store


@pytest.mark.slow
@pytest.mark.timeout(1800)  # all of the table; five minutes where nothing else computes
def test_every_verb_and_option(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = names(project)
    fail(project, found["run"])
    fail(project, found["single"], "optim.lr=1e-3")
    fail(project, found["of_wandb"], "optim.lr=3e-3")
    fail(project, found["failed"], "optim.lr=4e-3")
    finish_elsewhere(project)
    wrong, seen = [], json_fields.Seen()
    for row in TABLE:
        with monkeypatch.context() as changes:
            for name, value in row.env.items():
                changes.setenv(name, value)
            said = type_row(row, project, dict(found), changes)
        try:
            assert said.status == row.status, "exit status"
            assert "Traceback" not in said.err
            row.look(said)
            if "--json" in row.words and row.status < 2:
                json_fields.check(row.words, said.out, seen)
        except Exception:
            last = traceback.format_exc().splitlines()
            wrong.append("\n".join((f"{row}  [{said.status}]", said.out[-2000:], said.err[-2000:], *last[-6:])))
    assert not wrong, "\n\n".join(wrong)
    assert not seen.changed(), f"a field whose type changes means another thing; else add it to {json_fields.TYPES}"
    assert not [line for line in seen.lacking() if not any(words in line for words in ELSEWHERE)]


def type_row(row: Row, folder: Path, found: dict[str, str], changes: pytest.MonkeyPatch) -> Said:
    """Type a row's words, with what must be there beside it."""
    weights = sorted(folder.glob(f"runs/{found['run']}/attempts/*/checkpoints/*.ckpt"))
    found["weights"] = str(weights[-1]) if weights else "there are none"
    words = [word.format_map(found) if word[:1] == "{" or "={" in word else word for word in row.words]
    if row.how == "page":
        said, found["page"] = see_page(words, folder)
    elif row.how.endswith("server"):
        with serving("lost" if row.how == "lost server" else "ok") as server:
            for name, value in server.env.items():
                changes.setenv(name, value)
            said = type_here(words, folder)
            found["registered"], found["at once"] = server.sweep, str(server.at_once)
    elif row.how == "running":
        with running(folder, found):
            said = type_here(words, folder)
    elif row.how == "driven":
        with driven(folder):
            said = type_here(words, folder)
    else:
        said = type_here(words, folder)
    said.names = found
    return said


@contextlib.contextmanager
def driven(folder: Path, sweep: str = "sweep", runs: str = "driven") -> Iterator[None]:
    """A process that drives a sweep of a store, and ends when it is asked to."""
    command = [sys.executable, "-c", DRIVES, sweep, runs]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "driving\n"
        try:
            yield
            assert process.wait(30) == 0
        finally:
            process.kill()


@contextlib.contextmanager
def running(folder: Path, found: dict[str, str]) -> Iterator[None]:
    """Have the run that has failed be one that is being trained, as far as another one came."""
    progress = folder / "runs" / found["failed"] / "attempts/1/progress.json"
    shutil.copy(folder / "runs" / found["run"] / "attempts/2/progress.json", progress)
    with locks.lock(folder / "runs" / found["failed"]) as mine:
        assert mine
        yield


def see_page(words: list[str], folder: Path) -> tuple[Said, str]:
    """Start what shows a page, ask for it, and end it by Ctrl-C; what it said, and what the page's server answered."""
    command = [str(Path(sys.executable).with_name("pvt-exp")), *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=folder, preexec_fn=hear_signals, **pipes) as process:  # noqa: PLW1509
        try:
            assert process.stdout is not None
            line, address = "", None
            while address is None and (more := process.stdout.readline()):
                line += more
                address = re.search(r"http://[^/]+", line)
            assert address is not None, line
            with urllib.request.urlopen(f"{address[0]}/api/studies", timeout=30) as answer:
                page = answer.read().decode()
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            out, err = process.stdout.read(), process.stderr.read()  # communicate() would lose what was read ahead
            process.wait(60)
        finally:
            process.kill()
    return Said(process.returncode, line + out, err, folder), page
