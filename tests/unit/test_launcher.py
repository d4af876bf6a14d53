"""Which places for runs there are, and which GPUs a run sees."""

import os

import pytest

from pvt_exp import worker
from pvt_exp.cli import options
from pvt_exp.config import ConfigError
from pvt_exp.launchers import Slot
from pvt_exp.launchers.local import Settings

CORES = len(os.sched_getaffinity(0))


def test_slots_on_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    threads = max(1, CORES // 2)
    assert Settings().slots() == [Slot((0,), threads), Slot((1,), threads)]
    assert [slot.gpus for slot in Settings(gpus=(0, 0, 1)).slots()] == [(0,), (0,), (1,)]
    with pytest.raises(ValueError, match="no GPU 2 here"):
        Settings(gpus=(0, 2)).slots()
    assert Settings(cpu_slots=1).slots() == [Slot((), CORES)]


def test_slots_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert Settings().slots() == [Slot((), 1)] * CORES
    assert Settings(gpus=(), cpu_slots=3).slots() == [Slot((), max(1, CORES // 3))] * 3


def test_slots_of_several_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4")
    threads = max(1, CORES // 4)
    assert Settings(gpus_per_run=2).slots() == [Slot((0, 1), threads, 2), Slot((2, 3), threads, 2)]
    assert [slot.gpus for slot in Settings(gpus=(0, 0, 1, 1), gpus_per_run=2).slots()] == [(0, 1), (0, 1)]
    with pytest.raises(ValueError, match="gpus_per_run is 3, and there are 1 GPUs to use"):
        Settings(gpus=(0, 0, 0), gpus_per_run=3).slots()
    assert Settings(gpus=(), cpu_slots=2, gpus_per_run=3).slots() == [Slot((), max(1, CORES // 6), 3)] * 2


def test_a_run_sees_the_drivers_gpus_only() -> None:
    assert worker.visible((1,), "4,5") == "5"
    assert worker.visible((0, 1), None) == "0,1"
    assert worker.visible((), "4,5") == ""


def test_a_limit_of_memory_is_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert options.choose_launcher(Settings(), "none", None, 4.0).memory_gb == 4.0
    with pytest.raises(ConfigError, match="memory_gb: is for runs on the CPU"):
        options.choose_launcher(Settings(), None, None, 4.0)
