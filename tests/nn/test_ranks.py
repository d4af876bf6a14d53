"""Two processes that train a run together: what they compute is what one computes, but for rounding."""

import csv
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from pvt_exp import store
from pvt_exp.config.component import kinds
from pvt_exp.config.run import Run
from pvt_exp.launchers import Ended, Work
from pvt_exp.launchers.local import Settings
from pvt_exp.store import attempts
from pvt_exp.store.outcome import outcome_of
from pvt_exp.system import locks
from tests.conftest import ROOT
from tests.nn.test_resume import end, placement, small, train


def together(run: Run, tmp_path: Path, runs: str, ranks: int = 2, kill: str | None = None, **changes: Any) -> Ended:
    """Train the run in a new attempt, with so many processes, of which one may be killed when training has begun."""
    where = placement(run, tmp_path).model_copy(update={"ranks": ranks, **changes})
    waiting = [store.attempt(store.create(tmp_path / runs), run, where, "test")]
    launcher = Settings(cpu_slots=1, gpus_per_run=ranks)
    ended = []
    for each in launcher.launch(Work(lambda slot: waiting.pop() if waiting else None, tuple, lambda: ROOT)):
        if each is not None:
            ended.append(each)
        elif kill and attempts.all_checkpoints(tmp_path / runs / run.id):
            for process in multiprocessing.active_children():
                if process.name.startswith(kill) and process.pid:
                    os.kill(process.pid, signal.SIGKILL)
    (one,) = ended
    return one


def assert_close(one: Any, other: Any) -> None:
    """Results and last checkpoints, after 15 steps: as near as sums in another order are."""
    assert one[0]["metrics"] == pytest.approx(other[0]["metrics"], rel=1e-3)
    assert one[0]["provenance"]["samples_seen"] == other[0]["provenance"]["samples_seen"] == 3 * 20
    assert one[1]["global_step"] == other[1]["global_step"] == 15
    for name, tensor in one[1]["state_dict"].items():
        assert torch.allclose(tensor, other[1]["state_dict"][name], rtol=1e-3, atol=1e-5), name


QUICK = ("classification", "semantic")
KINDS = [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in sorted(kinds("tasks"))]


@pytest.mark.parametrize("kind", KINDS)
def test_two_ranks_compute_what_one_process_does(kind: str, experiment: Path, tmp_path: Path) -> None:
    """The running statistics of BatchNorm and the moving average among it."""
    run = small(kind, experiment)
    assert train(run, tmp_path, "alone")
    assert together(run, tmp_path, "together").code == 0
    alone, both = end(run, tmp_path, "alone"), end(run, tmp_path, "together")
    assert_close(alone, both)
    assert (alone[0]["provenance"]["ranks"], both[0]["provenance"]["ranks"]) == (1, 2)
    assert [line["class"] for line in both[0]["per_class"]] == [line["class"] for line in alone[0]["per_class"]]
    assert losses(tmp_path / "together") == pytest.approx(losses(tmp_path / "alone"), rel=1e-3)


def losses(runs: Path) -> list[float]:
    """Of training, for each epoch."""
    with next(runs.glob("*/attempts/1/metrics.csv")).open() as file:
        return [float(row["train/loss_epoch"]) for row in csv.DictReader(file) if row["train/loss_epoch"]]


@pytest.mark.parametrize("changes", [{"ranks": 2}, {"micro_batch": 2}], ids=["ranks", "micro-batch"])
def test_a_run_goes_on_in_the_midst_of_an_epoch_placed_otherwise(
    changes: dict[str, Any], experiment: Path, tmp_path: Path
) -> None:
    run = small("classification", experiment)  # without drop path, whose masks follow from the micro-batches
    run = run.model_copy(update={"backbone": run.backbone.model_copy(update={"drop_path": 0.0})})
    assert train(run, tmp_path, "alone")
    assert not train(run, tmp_path, "moved", 8)
    assert together(run, tmp_path, "moved", **{"ranks": 1, **changes}).code == 0
    moved = end(run, tmp_path, "moved")
    assert moved[0]["provenance"]["resumed"] == 1
    assert_close(end(run, tmp_path, "alone"), moved)


@pytest.mark.parametrize("which", ["rank 0", "rank 1"])
def test_a_rank_that_is_killed_ends_the_run(which: str, experiment: Path, tmp_path: Path) -> None:
    run = small("classification", experiment).model_copy(update={"epochs": 500})
    ended = together(run, tmp_path, "runs", kill=which)
    assert ended.code == -signal.SIGKILL
    assert not multiprocessing.active_children()
    assert not locks.is_locked(tmp_path / "runs" / run.id)
    assert outcome_of(tmp_path / "runs", run.id).state == "killed"


def test_a_loss_that_is_no_number_is_told(experiment: Path, tmp_path: Path) -> None:
    run = small("classification", experiment)
    run = run.model_copy(update={"optim": run.optim.model_copy(update={"lr": 1e30})})
    assert together(run, tmp_path, "runs").code == 1
    seen = outcome_of(tmp_path / "runs", run.id)
    assert seen.state == "diverged"
    assert "loss is NaN or Inf at step" in (seen.reason or "")
