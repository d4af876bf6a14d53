"""Processes that draw the same set at once, or are killed while they do."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.test_datasets import FEW, GOLDEN

CODE = "from tests.unit.test_datasets import FEW; import sys, pathlib; print(FEW.make(pathlib.Path(sys.argv[1])))"
Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    def call(code: str) -> "subprocess.Popen[str]":
        here = Path(__file__).parents[2]
        return subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=here, stdout=subprocess.PIPE, text=True)

    return call


def test_three_processes_make_one_set(tmp_path: Path, start: Start) -> None:
    makers = [start(CODE) for _ in range(3)]
    assert len({maker.communicate(timeout=60)[0] for maker in makers}) == 1
    assert [maker.returncode for maker in makers] == [0, 0, 0]
    assert FEW.inspect(tmp_path).fingerprint == GOLDEN
    assert not list(tmp_path.glob(".*.part"))


def test_a_killed_maker_leaves_nothing_that_looks_finished(tmp_path: Path, start: Start) -> None:
    stuck = start("import pvt_exp.nn.data.draw_shapes as d; d.draw = lambda *_: __import__('time').sleep(60); " + CODE)
    for _ in range(600):
        if list(tmp_path.glob(".*.part/train")):
            break
        time.sleep(0.05)
    stuck.send_signal(signal.SIGKILL)
    stuck.communicate()
    assert list(tmp_path.glob(".*.part"))
    assert FEW.inspect(tmp_path).fingerprint is None
    FEW.make(tmp_path)
    assert FEW.inspect(tmp_path).fingerprint == GOLDEN
    assert not list(tmp_path.glob(".*.part"))
