"""Several processes a run, as it is typed: `--gpus-per-run`, which on the CPU are processes."""

import os
import signal
from pathlib import Path

import pytest

from pvt_exp.testing.launchers import holders
from tests.conftest import PATIENCE_S, Cli
from tests.e2e.test_sweep import Driver, driver, longer, processes_with, results, wait_for

__all__ = ["driver"]
WORDS = ("sweep", "sweep.yaml", "--gpus", "none", "--slots", "1", "--gpus-per-run", "2")


def halved(sweep: Path) -> None:
    """Batches of two groups."""
    base = longer(sweep).with_name("base.yaml")
    base.write_text(base.read_text() + "ghost_batch_size: 8\n")


@pytest.mark.slow
def test_a_sweep_goes_on_when_one_of_two_is_killed_or_all_are_stopped(
    sweep: Path, cli: Cli, driver: Driver, tmp_path: Path
) -> None:
    halved(sweep)
    process = driver(*WORDS)
    wait_for(lambda: any(tmp_path.glob("runs/*/attempts/1/checkpoints/*.ckpt")))
    folder = next(tmp_path.glob("runs/*/attempts/1/checkpoints/*.ckpt")).parents[3]
    log, first = folder / "attempts/1/log.txt", {int(pid) for pid in holders(folder / "lock")}
    others = [pid for pid in processes_with(f"MARK={tmp_path}") if Path(f"/proc/{pid}/fd/1").resolve() == log]
    (second,) = set(others) - first
    os.kill(second, signal.SIGKILL)
    wait_for((folder / "attempts/2/progress.json").exists)
    assert "sweep is stopped" in cli("stop", "sweep.yaml").stdout
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert "ended by SIGKILL; again, from its checkpoint" in said
    wait_for(lambda: not processes_with(f"MARK={tmp_path}"))
    assert "all 4 runs are done" in cli(*WORDS).stdout
    for made in results(tmp_path).values():
        assert made["provenance"]["ranks"] == 2  # type: ignore[index]


def test_batches_that_cannot_be_shared(sweep: Path, cli: Cli) -> None:
    said = cli(*WORDS, ok=2).stderr
    assert said.startswith("error: gpus_per_run 2: a batch of 16 images is 1 group of 16 ")
    assert said.endswith("which 2 GPUs cannot share evenly; a ghost_batch_size of 8 would do\n")
