"""A run that is stopped at any step, or killed at any moment, and goes on ends bit-equal to one that never was."""

import errno
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from pvt_exp import config, store
from pvt_exp.config.component import kinds
from pvt_exp.config.placement import Placement, Tracking
from pvt_exp.config.run import Run
from pvt_exp.launchers import local
from pvt_exp.nn.tasks.classification import Classifier
from pvt_exp.nn.tasks.training import Diverged, Training
from pvt_exp.store import attempts
from pvt_exp.store.results import kept_weights, read_result
from pvt_exp.system import files
from pvt_exp.system.ends import Stopped
from pvt_exp.system.signals import Stopping
from pvt_exp.train import checkpoints, fit
from tests.nn import test_dense_training as dense

CHANGES: dict[str, Any] = {
    "dataset": {"kind": "shapes", "num_classes": 3, "train_images": 20, "val_images": 6, "image_px": 48},
    "epochs": 3,
    "batch_size": 4,
    "ghost_batch_size": 2,
    "ema_decay": 0.9,
}


class After:
    """Asks a run to stop after so many steps; a `Stopping` of the test's own."""

    def __init__(self, steps: int) -> None:
        self.left, self.training = steps, False

    @property
    def asked(self) -> bool:
        self.left -= 1
        return self.left < 0


def small(kind: str, experiment: Path) -> Run:
    """A run of a few steps, scored by every metric that its task can take."""
    metrics = [{"kind": name} for name, settings in kinds("metrics").items() if kind in settings.tasks]  # type: ignore[attr-defined]
    if kind != "classification":
        run = dense.run(kind, **CHANGES)
        return config.make(Run, config.put(run.model_dump(mode="json"), "task.metrics", metrics))
    task = {"kind": "classification", "num_classes": 3, "image_px": 48, "mixing": {}, "metrics": metrics}
    base = config.load(Run, experiment).model_dump(mode="json")
    return config.make(Run, {**base, **CHANGES, "task": task, "schedule": {"kind": "cosine", "warmup_epochs": 1}})


def placement(run: Run, tmp_path: Path, checkpoint_minutes: float = 10) -> Placement:
    return Placement(
        data=str(tmp_path / "data"),
        micro_batch=2 if run.task.kind in ("semantic", "instance") else 1,  # BatchNorm, and losses over both images
        checkpoint_minutes=checkpoint_minutes,
        tracking=Tracking(mode="disabled"),
    )


def train(run: Run, tmp_path: Path, runs: str, steps: int = 1000) -> bool:
    """Train in a new attempt; whether it came to its end."""
    where = placement(run, tmp_path)
    attempt = store.attempt(tmp_path / runs, run, where, "test")
    try:
        return fit.fit(run, where, attempt, stopping=After(steps))  # type: ignore[arg-type]
    except Stopped:
        return False


def end(run: Run, tmp_path: Path, runs: str) -> tuple[dict[str, Any], dict[str, Any]]:
    result = files.read_json(tmp_path / runs / run.id / "result.json")
    checkpoint = kept_weights(tmp_path / runs, run.id)
    assert result is not None
    assert checkpoint is not None
    return result, torch.load(checkpoint, weights_only=True)


def assert_equal(whole: tuple[dict[str, Any], dict[str, Any]], resumed: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Results and last checkpoints."""
    for part in ("metrics", "per_class", "best"):
        assert resumed[0][part] == whole[0][part]
    assert resumed[0]["provenance"]["samples_seen"] == whole[0]["provenance"]["samples_seen"] == 3 * 20
    for name, tensor in whole[1]["state_dict"].items():
        assert torch.equal(tensor, resumed[1]["state_dict"][name]), name
    assert resumed[1]["lr_schedulers"] == whole[1]["lr_schedulers"]
    assert resumed[1]["global_step"] == whole[1]["global_step"] == 15


@pytest.mark.parametrize("kind", sorted(kinds("tasks")))
def test_a_run_stopped_at_any_step_ends_bit_equal(kind: str, experiment: Path, tmp_path: Path) -> None:
    run, draw = small(kind, experiment), random.Random(kind)
    assert train(run, tmp_path, "whole")
    stops = 0
    while not train(run, tmp_path, "stopped", draw.randint(1, 3)):
        stops += 1
    assert stops >= 4
    (whole, at_end), (resumed, at_resumed_end) = (end(run, tmp_path, runs) for runs in ("whole", "stopped"))
    assert resumed["provenance"]["resumed"] == stops
    assert_equal((whole, at_end), (resumed, at_resumed_end))


def test_a_run_stopped_in_a_long_validation_computes_one_step_again(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LONG_S", 0.0)
    run = small("classification", experiment)
    assert train(run, tmp_path, "whole")
    assert not train(run, tmp_path, "stopped", 4 + 1 + 2)  # steps, after the checkpoint, and images scored
    (kept,) = attempts.all_checkpoints(tmp_path / "stopped" / run.id)
    assert kept.stem == "epoch=0-step=4"
    assert train(run, tmp_path, "stopped")
    assert_equal(end(run, tmp_path, "whole"), end(run, tmp_path, "stopped"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(kinds("tasks")))
def test_a_run_killed_at_ten_moments_ends_bit_equal(kind: str, experiment: Path, tmp_path: Path) -> None:
    """Real processes and real kill -9, with a checkpoint after each step; as the local launcher starts them."""
    run, draw = small(kind, experiment), random.Random(kind)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pvt_exp.system.quick_end", "pvt_exp.train.preload"])

    def start(runs: str) -> Any:
        attempt = store.attempt(tmp_path / runs, run, placement(run, tmp_path, 1e-9), "test")
        process = context.Process(target=local._run, args=(str(attempt),))
        process.start()
        return process

    warm = context.Process(target=int)  # the server's start is not the run's
    warm.start()
    warm.join()
    begun = time.monotonic()
    whole = start("whole")
    whole.join()
    assert whole.exitcode == 0
    seconds = time.monotonic() - begun
    kills, stores = 0, ["killed"]
    while kills < 10:
        if read_result(tmp_path / stores[-1] / run.id) is not None:
            stores.append(f"killed, {len(stores) + 1}")  # it got to its end before: once more
        process = start(stores[-1])
        process.join(draw.uniform(0.0, 0.5 * seconds))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL), "it ended by itself, and not well"
    while read_result(tmp_path / stores[-1] / run.id) is None:
        last = start(stores[-1])
        last.join()
        assert last.exitcode == 0
    made = [read_result(tmp_path / each / run.id) or {} for each in stores]
    assert any(each["provenance"]["resumed"] for each in made), "some were killed after a checkpoint"
    for each in stores:
        assert_equal(end(run, tmp_path, "whole"), end(run, tmp_path, each))


def test_a_torn_checkpoint_falls_back_to_the_one_before(experiment: Path, tmp_path: Path) -> None:
    run = small("classification", experiment)
    assert train(run, tmp_path, "whole")
    assert not train(run, tmp_path, "torn", 3)
    assert not train(run, tmp_path, "torn", 2)
    newest, before = attempts.all_checkpoints(tmp_path / "torn" / run.id)
    newest.write_bytes(newest.read_bytes()[:-1000])
    kept = torch.load(before, weights_only=True)["callbacks"]["Record"]
    assert checkpoints.newest(tmp_path / "torn" / run.id, kept["fingerprint"]) == before
    assert not train(run, tmp_path, "torn", 1)
    later, *others = attempts.all_checkpoints(tmp_path / "torn" / run.id)
    assert others == [newest, before], "the torn one takes no place of a good one"
    assert checkpoints.newest(tmp_path / "torn" / run.id, kept["fingerprint"]) == later
    assert train(run, tmp_path, "torn")
    assert end(run, tmp_path, "torn")[0]["metrics"] == end(run, tmp_path, "whole")[0]["metrics"]
    assert len(attempts.all_checkpoints(tmp_path / "torn" / run.id)) == 1, (
        "those that are not kept are removed at the end"
    )


def test_a_checkpoint_that_cannot_be_read_for_now_is_no_reason_to_begin_again(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small("classification", experiment)
    assert not train(run, tmp_path, "runs", 3)
    kept = attempts.all_checkpoints(tmp_path / "runs" / run.id)

    def away(path: Path, **_: Any) -> Any:
        raise OSError(errno.EIO, "Input/output error", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(torch, "load", away)
        with pytest.raises(OSError, match="Input/output error"):
            train(run, tmp_path, "runs")
    assert attempts.all_checkpoints(tmp_path / "runs" / run.id) == kept
    assert train(run, tmp_path, "runs")


def test_no_checkpoint_has_weights_that_are_not_numbers(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of the step is a number, its gradients are not, and then the epoch ends."""
    run = small("classification", experiment)
    loss = Classifier.loss

    def steep(self: Classifier, batch: dict[str, Any]) -> torch.Tensor:
        found = loss(self, batch)
        last = self.trainer.is_last_batch and self.current_epoch == 1
        return found + (found * 0).sqrt() if last else found

    monkeypatch.setattr(Classifier, "loss", steep)
    with pytest.raises(Diverged):
        train(run, tmp_path, "runs")
    kept = attempts.all_checkpoints(tmp_path / "runs" / run.id)
    assert kept[0].stem == "epoch=0-step=5"
    weights = torch.load(kept[0], weights_only=True)["state_dict"]
    assert all(torch.isfinite(each).all() for each in weights.values())


def test_checkpoints_come_every_so_many_minutes(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = config.load(Run, experiment, ["epochs=1"])
    where = placement(run, tmp_path, 1e-9)
    attempt = store.attempt(tmp_path / "runs", run, where, "test")
    written: list[str] = []
    rename = files.rename
    monkeypatch.setattr(files, "rename", lambda part, path: (written.append(path.name), rename(part, path)))
    assert fit.fit(run, where, attempt)
    assert written == [f"epoch=0-step={step}.ckpt" for step in range(1, 7)]


@pytest.mark.parametrize("kind", sorted(kinds("tasks")))
def test_a_step_is_tried_and_nothing_kept(kind: str, experiment: Path, tmp_path: Path) -> None:
    run = small(kind, experiment)
    fit.try_out(run, placement(run, tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"data", "base.yaml"}


def test_a_signal_between_two_parts_of_a_step_waits_for_its_end(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning's own answer to SIGTERM, which is kept from hearing it, ends a run after the part, without a checkpoint."""
    run, step = small("classification", experiment), Training.training_step

    def signalled(self: Training, batch: dict[str, Any], batch_idx: int) -> Any:
        if self.current_epoch == 0 and batch_idx == 5:  # the second of four parts
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Training, "training_step", signalled)
    where = placement(run, tmp_path)
    attempt = store.attempt(tmp_path / "runs", run, where, "test")
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
    stopping = Stopping(lambda: None)
    stopping.listen()
    try:
        with pytest.raises(Stopped, match="it goes on from epoch 1, step 2"):
            fit.fit(run, where, attempt, stopping=stopping)
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGUSR1), before, strict=True):
            signal.signal(number, handler)
    assert [path.name for path in attempts.checkpoints(attempt)] == ["epoch=0-step=2.ckpt"]
