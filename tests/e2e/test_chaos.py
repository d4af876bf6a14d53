"""A sweep under kill -9 of its runs and drivers at random moments; the same command, typed again, finishes it."""

import json
import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pvt_exp.testing.launchers import holders
from tests import no_op
from tests.conftest import EXPERIMENT, Cli
from tests.e2e.test_sweep import Driver, driver, processes_with, results, wait_for

__all__ = ["driver"]
RATES = ", ".join(f'"{n}": {{optim.lr: {n}e-4}}' for n in range(1, 11))
WORDS = ("sweep", "sweep.yaml", "--slots", "2", "--no-smoke")


def lay_out(folder: Path, seeds: int) -> None:
    """A sweep of ten rows of short runs."""
    (folder / "base.yaml").write_text(EXPERIMENT.replace("lr: 2e-3", "lr: 1e-4"))
    (folder / "sweep.yaml").write_text(
        f"base: base.yaml\nseeds: {list(range(seeds))}\nblocks:\n  - one_at_a_time: {{rate: {{{RATES}}}}}\n"
    )


def torment(tmp_path: Path, driver: Driver, kills: int, draw: random.Random, pause_s: float, **env: str) -> None:
    """Drive the sweep to its end, and kill a run or the driver at random moments, so many in all."""
    killed = 0
    for _ in range(10 * kills):
        process = driver(*WORDS, **env)
        while process.poll() is None:
            time.sleep(draw.uniform(0, pause_s))
            if killed == kills:
                process.communicate()
                break
            victims = [pid for lock in tmp_path.glob("runs/*/lock") for pid in map(int, holders(lock)) if pid > 0]
            if victims and draw.random() < 0.6:
                with suppress(ProcessLookupError):  # it ended by itself since its lock was read
                    os.kill(draw.choice(victims), signal.SIGKILL)
                    killed += 1
            elif draw.random() < 0.3:
                process.kill()
                process.wait()
                killed += 1
        if process.returncode == 0:
            assert killed == kills, "the sweep was over before"
            return
    raise AssertionError("the same command, typed again, does not finish the sweep")


def assert_nothing_lost(tmp_path: Path, runs: int) -> None:
    made = results(tmp_path)
    assert len(made) == runs
    for run_id, result in made.items():
        tries = [int(path.name) for path in (tmp_path / "runs" / run_id / "attempts").iterdir()]
        assert max(tries) == result["provenance"]["attempt"], "none is trained again when it is done"  # type: ignore[index]
    wait_for(lambda: not processes_with(f"MARK={tmp_path}"))
    left = [path for pattern in (".*.tmp", "*.part", "*.stop") for path in (tmp_path / "runs").rglob(pattern)]
    assert not left
    assert not list((tmp_path / "runs/drivers").iterdir())


@pytest.mark.slow
def test_ten_runs_under_six_kills(cli: Cli, driver: Driver, tmp_path: Path) -> None:
    lay_out(tmp_path, 1)
    torment(tmp_path, driver, 6, random.Random(20), 1.0)
    assert_nothing_lost(tmp_path, 10)
    cli(*WORDS, "--store", "undisturbed", "--data", f"shapes={tmp_path}/data/shapes")
    whole = {path.parent.name: path for path in tmp_path.glob("undisturbed/*/result.json")}
    disturbed = results(tmp_path)
    assert set(whole) == set(disturbed)
    undisturbed = {run_id: json.loads(path.read_text())["metrics"] for run_id, path in whole.items()}
    assert {run_id: made["metrics"] for run_id, made in disturbed.items()} == undisturbed


@pytest.mark.slow
def test_fifty_kills_over_runs_that_train_nothing(driver: Driver, tmp_path: Path) -> None:
    lay_out(tmp_path, 15)
    library = no_op.make(tmp_path / "lib")
    torment(tmp_path, driver, 50, random.Random(100), 0.3, PYTHONPATH=str(library))
    assert_nothing_lost(tmp_path, 150)
