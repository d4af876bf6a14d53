"""Which places for runs there are, and which GPUs a run sees."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pvt_exp import cli, config, launchers
from pvt_exp.cli import choose
from pvt_exp.config import ConfigError
from pvt_exp.config.run import Run
from pvt_exp.launchers import Slot, Work, local, threads_of, visible, workers_of
from pvt_exp.launchers.local import Settings
from pvt_exp.store import provenance
from pvt_exp.system import machine

CORES = machine.cores()


@pytest.fixture(autouse=True)
def no_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.fixture(autouse=True)
def eight_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_listed", lambda: EIGHT)


EIGHT = tuple(f"GPU {number}: NVIDIA H200 (UUID: GPU-{number}{number}ab-cd)" for number in range(8))


@pytest.mark.parametrize(
    ("visible", "listed", "found"),
    [
        (None, EIGHT, 8),
        (None, (), 0),
        ("0,1", EIGHT, 2),
        ("4, 7,", EIGHT, 2),
        ("GPU-33ab,GPU-4", EIGHT, 2),
        ("MIG-GPU-33ab-cd/1/0", EIGHT, 1),
        ("GPU-33ab", ("nvidia0", "nvidia1"), 1),  # device files do not say which it is
        *((word, (), 0) for word in ("NoDevFiles", "0", "0,1", "abc", "GPU-12", "MIG-1", "-1", "")),
        *((word, EIGHT, 0) for word in ("NoDevFiles", "8", "abc", "GPU-12", "-1", "", "\u0663")),
        ("0,8,1", EIGHT, 1),  # CUDA takes none after one that is not there
        ("0,-1,1", EIGHT, 1),
    ],
)
def test_gpus_are_those_of_the_variable_that_are_there(
    visible: str | None, listed: tuple[str, ...], found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(local, "_listed", lambda: listed)
    assert sum(len(slot.gpus) for slot in Settings().slots()) == found
    assert Settings().slots()


def test_a_gpu_that_is_asked_for_by_number_and_is_not_there_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles")
    with pytest.raises(
        ConfigError, match=r"--gpus 0: no GPU 0 here; there are none \(CUDA_VISIBLE_DEVICES is 'NoDevFiles'\)"
    ):
        choose.launcher(Settings(), "0")


@pytest.mark.parametrize(
    ("told", "names", "found"),
    [
        (f"echo '{EIGHT[0]}'; echo '  MIG 1g.5gb Device 0: (UUID: MIG-1)'", ["nvidia0", "nvidia1"], (EIGHT[0],)),
        ("echo no driver; exit 9", ["nvidia0"], ()),
        (None, ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"], ("nvidia0", "nvidia1")),
        (None, [], ()),
    ],
)
def test_gpus_are_listed_by_nvidia_smi_or_else_by_their_device_files(
    told: str | None, names: list[str], found: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the list of eight
    for name in ("bin", "dev"):
        (tmp_path / name).mkdir()
    for name in names:
        (tmp_path / "dev" / name).touch()
    if told is not None:
        (tmp_path / "bin/nvidia-smi").write_text(f"#!/bin/sh\n{told}\n")
        (tmp_path / "bin/nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(local, "DEVICES", tmp_path / "dev")
    local._listed.cache_clear()
    assert local._listed() == found
    local._listed.cache_clear()


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
    with pytest.raises(ValueError, match="gpus_per_run is 3, and there is 1 GPU to use"):
        Settings(gpus=(0, 0, 0), gpus_per_run=3).slots()
    assert Settings(gpus=(), cpu_slots=2, gpus_per_run=3).slots() == [Slot((), max(1, CORES // 6), 3)] * 2


def test_a_run_sees_the_drivers_gpus_only() -> None:
    assert visible((1,), "4,5") == "5"
    assert visible((0, 1), None) == "0,1"
    assert visible((), "4,5") == ""


WORKER = """
import sys
from pathlib import Path

def main(attempt, rank):
    attempt.joinpath("ran").write_text(__file__)
    return 0
"""


def test_each_launch_runs_its_own_copy_of_the_code(tmp_path: Path) -> None:
    """Also in a process that launched another copy before, which is gone since."""
    ran = []
    for name in ("one", "other"):
        package = tmp_path / name / "pvt_exp"
        shutil.copytree(provenance.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        (package / "train/preload.py").write_text("")
        (package / "train/worker.py").write_text(WORKER)
        attempts = [tmp_path / name]
        work = Work(lambda slot, left=attempts: left.pop() if left else None, tuple, lambda at=package.parent: at)  # type: ignore[misc]
        codes = [ended.code for ended in Settings(cpu_slots=1).launch(work) if ended]
        assert codes == [0]
        ran.append((tmp_path / name / "ran").read_text())
        shutil.rmtree(package)
    local.stop_server()
    assert ran == [f"{tmp_path}/{name}/pvt_exp/train/worker.py" for name in ("one", "other")]


def test_a_limit_of_memory_is_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert choose.launcher(Settings(), "none", memory_gb=4.0).memory_gb == 4.0
    with pytest.raises(ConfigError, match="memory_gb: is for runs on the CPU"):
        choose.launcher(Settings(), None, memory_gb=4.0)


@pytest.mark.parametrize(
    ("cores", "processes", "asked", "cap", "threads"),
    [
        (16, 4, None, None, 4),
        (16, 4, None, "2", 2),
        (16, 4, None, "8", 4),
        (16, 4, None, "3,2", 3),  # of nested regions
        (16, 4, 7, "2", 7),  # what is typed is meant
        (2, 4, None, None, 1),
        (16, 4, None, "none", 4),
        (16, 4, None, "0", 4),
    ],
)
def test_threads_of_a_run_follow_from_cores_processes_and_what_is_asked(
    monkeypatch: pytest.MonkeyPatch, cores: int, processes: int, asked: int | None, cap: str | None, threads: int
) -> None:
    if cap is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", cap)
    assert threads_of(cores, processes, asked) == threads


MB = 2**20


@pytest.mark.parametrize(
    ("cores", "gpus", "ranks", "batch_mb", "shared_mb", "workers"),
    [
        (16, 1, 1, 20, None, 8),  # no more than 8 feed one GPU
        (16, 4, 1, 20, None, 3),  # a core of each share stays with the process that feeds the GPU
        (16, 8, 1, 20, None, 1),
        (4, 8, 1, 20, None, 1),  # one at least
        (16, 2, 2, 20, None, 3),  # two processes a run, each with a share
        (16, 4, 1, 20, 64, 0),  # Docker's 64 MB
        (16, 4, 1, 20, 20 * 6 * 4 * 2, 2),  # room for two each
        (16, 4, 1, 20, 10**6, 3),
        (16, 0, 1, 20, None, 0),  # on the CPU they would take the cores that compute
    ],
)
def test_workers_share_the_cores_where_there_is_a_gpu(
    cores: int, gpus: int, ranks: int, batch_mb: int, shared_mb: int | None, workers: int
) -> None:
    slots = [Slot((gpu,), 1, ranks) for gpu in range(gpus)] or [Slot((), 1)]
    shared = None if shared_mb is None else shared_mb * MB
    assert workers_of(slots, cores, batch_mb * MB, shared) == workers


def test_workers_as_typed(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = config.load(Run, experiment)
    monkeypatch.setattr(machine, "cores", lambda: 9)
    monkeypatch.setattr(machine, "shared_memory", lambda: None)
    on_gpu = [Slot((0,), 9)]
    assert choose.workers("auto", on_gpu, [run]) == 8
    assert choose.workers("3", on_gpu, [run]) == 3
    assert choose.workers("auto", [Slot((), 9)], [run]) == 0
    batch = 16 * 3 * 32 * 32 * 4
    monkeypatch.setattr(machine, "shared_memory", lambda: 6 * 5 * batch)
    assert choose.workers("auto", on_gpu, [run]) == 5
    for wrong in ("-1", "x", "1.5", ""):
        with pytest.raises(ConfigError, match="write a number, or auto"):
            choose.workers(wrong, on_gpu, [run])


def test_what_was_chosen_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(machine, "cores", lambda: 8)
    assert launchers.at_once(Settings(), 3) == "1 on GPU 0, 1 on GPU 1; 4 threads and 3 loading processes each"
    assert launchers.at_once(Settings(threads=1), 1) == "1 on GPU 0, 1 on GPU 1; 1 thread and 1 loading process each"
    assert launchers.at_once(Settings(cpu_slots=2), 0) == "2 on the CPU; 4 threads and no loading process each"


@pytest.mark.parametrize("option", ["--gpus", "--workers"])
@pytest.mark.parametrize("word", ["\u00b2", "0-\u00b2", "\u0663", "99999999999", "-1", "0;1"])
def test_what_is_no_plain_number_is_refused_where_nothing_is_counted(sweep: Path, option: str, word: str) -> None:
    done = CliRunner().invoke(cli.app, ["plan", str(sweep), f"{option}={word}"])
    assert isinstance(done.exception, ConfigError), done.output
    why = "99999999999 is too large" if (option, word) == ("--gpus", "99999999999") else "write"
    assert str(done.exception).startswith(f"{option} {word}: {why}")


def test_a_bare_plan_says_what_the_runs_would_get(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def planned(*words: str) -> str:
        done = CliRunner().invoke(cli.app, ["plan", str(sweep), *words])
        assert done.exit_code == 0, done.output
        return done.output

    two = "at once: 1 on GPU 0, 1 on GPU 1; 4 threads and 3 loading processes each\n"
    assert two in planned()
    assert "at once: 2 on the CPU; 3 threads and 1 loading process each\n" in planned(
        "--slots", "2", "--threads", "3", "--workers", "1"
    )
    sweep.write_text(sweep.read_text() + "launcher: {gpus: [7]}\n")
    assert (
        "at once: nothing on this machine: launcher: no GPU 7 here; there are [0, 1] (CUDA_VISIBLE_DEVICES is '0,1')\n"
        in planned()
    )
