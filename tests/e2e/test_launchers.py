"""What every launcher must do: three runs, one ends well, one fails, one is killed; each is reported right."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from pvt_exp import config, store
from pvt_exp.config.component import kinds
from pvt_exp.config.placement import Placement, Tracking
from pvt_exp.config.run import Run
from pvt_exp.launchers import Launcher, Slot, Work
from pvt_exp.store import attempts
from pvt_exp.store.outcome import outcome_of
from pvt_exp.store.results import read_result
from pvt_exp.system import locks
from tests.conftest import PATIENCE_S, ROOT
from tests.e2e.test_sweep import _holders

HERE: dict[str, dict[str, Any]] = {"local": {"cpu_slots": 2}}
"""Settings with which each kind works on this machine."""


@pytest.fixture(params=sorted(kinds("launchers")))
def launcher(request: pytest.FixtureRequest) -> Launcher:
    settings = HERE.get(request.param)
    assert settings is not None, f"say in HERE how the launcher {request.param} is tried on this machine"
    made: Launcher = kinds("launchers")[request.param](**settings)
    return made


def test_each_end_is_reported(launcher: Launcher, experiment: Path, tmp_path: Path) -> None:
    runs = store.create(tmp_path / "runs")
    good, bad, killed = (
        config.load(Run, experiment, words)
        for words in (["seed=1"], ["seed=2", "dataset={kind: image_folder, name: nowhere}"], ["seed=3", "epochs=500"])
    )
    waiting = [store.attempt(runs, run, placement(tmp_path), "test") for run in (killed, bad, good)]
    ended: dict[str, int] = {}
    deadline = time.monotonic() + PATIENCE_S

    def next_attempt(slot: Slot) -> Path | None:
        return waiting.pop(0) if waiting else None

    for each in launcher.launch(Work(next_attempt, tuple, lambda: ROOT)):
        assert time.monotonic() < deadline
        if each is not None:
            ended[attempts.run_folder(each.attempt).name] = each.code
        elif any((runs / killed.id).glob("attempts/1/progress.json")) and killed.id not in ended:
            for holder in _holders(runs / killed.id / "lock"):
                os.kill(int(holder), signal.SIGKILL)
    assert ended[good.id] == 0
    assert ended[bad.id] == 1
    assert ended[killed.id] == -signal.SIGKILL
    assert outcome_of(runs, good.id).state == "done"
    failed = outcome_of(runs, bad.id)
    assert failed.state == "failed"
    assert failed.reason
    assert outcome_of(runs, killed.id).state == "killed"


def test_a_run_can_be_ended_from_without(launcher: Launcher, experiment: Path, tmp_path: Path) -> None:
    """With all its processes; as a hung one is."""
    runs = store.create(tmp_path / "runs")
    run = config.load(Run, experiment, ["epochs=500"])
    attempt = store.attempt(runs, run, placement(tmp_path, workers=1), "test")
    waiting, to_end = [attempt], []
    for each in launcher.launch(Work(lambda slot: waiting.pop() if waiting else None, lambda: to_end, lambda: ROOT)):
        if each is not None:
            assert each.attempt == attempt
            assert each.code == -signal.SIGKILL
        elif (attempt / "progress.json").exists():
            to_end.append(attempt)
    assert to_end
    assert not locks.is_locked(runs / run.id)


def test_a_run_can_have_several_processes(launcher: Launcher, experiment: Path, tmp_path: Path) -> None:
    launcher = launcher.model_copy(update={"gpus_per_run": 2})
    runs = store.create(tmp_path / "runs")
    run = config.load(Run, experiment, ["ghost_batch_size=8"])
    waiting = [store.attempt(runs, run, placement(tmp_path).model_copy(update={"ranks": 2}), "test")]
    assert {slot.ranks for slot in launcher.slots()} == {2}
    ended = list(launcher.launch(Work(lambda slot: waiting.pop() if waiting else None, tuple, lambda: ROOT)))
    assert [each.code for each in ended if each is not None] == [0]
    assert (read_result(runs / run.id) or {})["provenance"]["ranks"] == 2


def placement(tmp_path: Path, workers: int = 0) -> Placement:
    return Placement(data=str(tmp_path / "data"), workers=workers, tracking=Tracking(mode="disabled"))
