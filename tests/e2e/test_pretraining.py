"""Pretraining as a user drives it: trained before, started from, killed in between, failed, shared and cleaned."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import EXPERIMENT, PATIENCE_S, Cli
from tests.e2e.test_sweep import Driver, driver, processes_with, wait_for

__all__ = ["driver"]

FIRST = (
    EXPERIMENT.replace("epochs: 2", "epochs: 1\nema_decay: 0.5")
    .replace("num_classes: 4", "num_classes: 6")
    .replace("kind: shapes,", "kind: shapes, seed: 7,")
)
DEPTH = "  - one_at_a_time:\n      depth:\n        deeper: {backbone.depths: [2, 1, 1, 1]}\n"


@pytest.fixture
def stages(tmp_path: Path) -> Path:
    """A sweep over the depth of an experiment and its pretraining, which differ in data, classes and head."""
    (tmp_path / "first.yaml").write_text(FIRST)
    (tmp_path / "base.yaml").write_text(EXPERIMENT.replace("epochs: 2", "epochs: 1") + "pretrain: first.yaml\n")
    path = tmp_path / "sweep.yaml"
    path.write_text(f"base: base.yaml\nseeds: [0, 1]\nblocks:\n{DEPTH}")
    return path


def status(cli: Cli, sweep: Path, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli("status", sweep, "--json", *words).stdout)
    return found


def result(folder: Path, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs" / run / "result.json").read_text())
    return found


def runs_of(found: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [run for group in found[kind] for run in group["runs"]]


def test_both_runs_to_the_end_and_shared(stages: Path, cli: Cli, tmp_path: Path) -> None:
    said = cli("plan", stages).stdout
    assert "2 variants x 2 seeds = 4 runs, 4 pending" in said
    assert "and 4 pretraining runs they start from: 4 pending" in said
    assert "pretraining of depth deeper" in said
    said = cli("sweep", stages, "--keep", "none").stdout
    assert "= 4 runs, and 4 pretraining runs they start from, 0 known already, 8 to train" in said
    assert "trained 8 runs" in said
    assert "all 4 runs are done" in said
    found = status(cli, stages)
    assert found["states"] == {"done": 4}
    for run in runs_of(found, "variants"):
        start = result(tmp_path, run["id"])["provenance"]["pretrained"]
        first = result(tmp_path, run["pretraining"])
        assert (start["run"], start["weights"]) == (run["pretraining"], "ema")
        assert start["data"] == first["data"]["fingerprint"] != result(tmp_path, run["id"])["data"]["fingerprint"]
        assert (start["missing"], start["resized"]) == ([], [])
        assert start["matched"] > 50
        assert start["unexpected"] == ["head.weight", "head.bias"]
        assert not list((tmp_path / "runs" / run["id"]).rglob("*.ckpt"))  # --keep none
        assert len(list((tmp_path / "runs" / run["pretraining"]).rglob("*.ckpt"))) == 1  # but others start from it
    table = (tmp_path / "reports/out/sweep/table.md").read_text()
    assert (
        "/first.yaml, pretrained with the row's architecture and its seed (moving average of the weights); "
        "all tensors of the backbone were loaded." in table
    )
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("runs/*/result.json")}

    other = tmp_path / "other.yaml"
    other.write_text("base: base.yaml\nblocks:\n  - one_at_a_time:\n      rate: {low: {optim.lr: 1e-4}}\n")
    said = cli("sweep", other).stdout
    assert "= 2 runs, and 1 pretraining run they start from, 2 known already, 1 to train" in said
    assert {p: p.stat().st_mtime_ns for p in tmp_path.glob("runs/*/result.json") if p in before} == before
    start_of_others = runs_of(status(cli, other), "variants")[1]["pretraining"]
    assert sorted(p.name for p in (tmp_path / "runs" / start_of_others / "starts").iterdir()) == ["other", "sweep"]


@pytest.mark.slow
def test_kill_9_between_pretraining_and_training(stages: Path, cli: Cli, driver: Driver, tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text(base.read_text().replace("epochs: 1", "epochs: 8"))
    process = driver("sweep", "sweep.yaml", "--slots", "1")
    wait_for(lambda: len(list(tmp_path.glob("runs/*/result.json"))) >= 2)
    process.kill()
    process.wait()
    wait_for(lambda: not processes_with(f"MARK={tmp_path}"))
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("runs/*/result.json")}
    assert 2 <= len(before) < 8
    assert "all 4 runs are done" in cli("sweep", stages).stdout
    after = {p: p.stat().st_mtime_ns for p in tmp_path.glob("runs/*/result.json")}
    assert len(after) == 8
    assert before.items() <= after.items()


@pytest.mark.slow
def test_a_pretraining_run_that_fails_ends_its_followers(stages: Path, cli: Cli, tmp_path: Path) -> None:
    """Only its own; they say why, and start once it has been tried again with success."""
    (tmp_path / "wild.yaml").write_text(FIRST.replace("{kind: adamw, lr: 2e-3}", "{kind: sgd, lr: 1e30}"))
    stages.write_text(
        "base: base.yaml\nseeds: [0, 1]\nblocks:\n  - one_at_a_time:\n      start:\n"
        "        wild: {pretrain: {experiment: wild.yaml, seed: 3}}\n        from scratch: {pretrain: null}\n"
    )
    said = cli("sweep", stages, ok=1).stdout
    assert "= 6 runs, and 3 pretraining runs they start from, 0 known already, 9 to train" in said
    assert "4 of 6 runs are done" in said
    found = status(cli, stages)
    wild = next(group for group in found["variants"] if group["name"] == "start wild")
    (need,) = {run["pretraining"] for run in wild["runs"]}
    for run in wild["runs"]:
        assert (run["state"], run["attempts"]) == ("pending", 0)
        assert run["reason"].startswith(f"waits for {need}, which diverged: loss is NaN or Inf")
    assert f"waits for {need}, which diverged" in said
    table = (tmp_path / "reports/out/sweep/table.md").read_text()
    assert f"pending: waits for {need}, which diverged: loss is NaN or Inf" in table
    assert "starts from random weights" in table
    assert "/wild.yaml, pretrained with the row's architecture and seed 3" in table
    again = cli("sweep", stages, ok=1).stdout
    assert "to train" not in again
    assert "--retry diverged" in again
    said = cli("sweep", stages, "--retry", "diverged", ok=1).stdout
    assert "3 to train" in said
    assert len(list((tmp_path / "runs" / need / "attempts").iterdir())) == 2


@pytest.mark.slow
def test_two_drivers_train_a_pretraining_run_once(stages: Path, driver: Driver, tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text(FIRST.replace("epochs: 1", "epochs: 6"))
    both = [driver("sweep", "sweep.yaml", "--slots", "2") for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE_S)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    ends = [json.loads(p.read_text())["state"] for p in tmp_path.glob("runs/*/attempts/*/end.json")]
    assert ends == ["done"] * 8


@pytest.mark.slow
def test_a_pretraining_run_whose_weights_were_not_kept(stages: Path, cli: Cli, tmp_path: Path) -> None:
    cli("run", "first.yaml", "--keep", "none")
    said = cli("run", "base.yaml", ok=1).stdout
    assert "stale: it is done, but its weights, which runs start from, were not kept; --retry stale" in said
    assert "try them again: the same command with --retry stale" in said
    assert "the run is done" in cli("run", "base.yaml", "--retry", "stale").stdout
    assert len(list(tmp_path.glob("runs/*/result.set-aside-*.json"))) == 1
    assert "first: the run is done" in cli("run", "first.yaml").stdout
    cli("run", "base.yaml")
    for checkpoint in tmp_path.glob("runs/*/attempts/*/checkpoints/*.ckpt"):
        checkpoint.unlink()
    assert "the run is done" in cli("run", "base.yaml").stdout  # nothing waits for them any more


# ---------------------------------------------------------------- runs of the store


@pytest.mark.slow
def test_a_finished_run_as_weights_to_start_from(stages: Path, cli: Cli, tmp_path: Path) -> None:
    cli("run", "first.yaml")
    (first,) = [path.parent.name for path in tmp_path.glob("runs/*/result.json")]
    base = tmp_path / "base.yaml"
    base.write_text(
        EXPERIMENT.replace("epochs: 2", "epochs: 1").replace(
            "preset: pvt_v2_b0", f"preset: pvt_v2_b0\n  pretrained: runs/{first[:5]}"
        )
    )
    stages.write_text(
        "base: base.yaml\nblocks:\n  - one_at_a_time:\n      start: {from scratch: {backbone.pretrained: null}}\n"
    )
    cli("sweep", stages)
    reports = [json.loads(p.read_text())["provenance"]["pretrained"] for p in tmp_path.glob("runs/*/result.json")]
    (start,) = [report for report in reports if report]
    assert (start["run"], start["weights"], start["missing"]) == (first, "ema", [])
    assert f"starts from run {first}" in (tmp_path / "reports/out/sweep/table.md").read_text()
    for checkpoint in tmp_path.glob("runs/*/attempts/*/checkpoints/*.ckpt"):
        checkpoint.unlink()
    said = cli("sweep", stages, "--seeds", "1", ok=2).stderr
    assert f"backbone.pretrained: runs/{first}: its weights were not kept" in said
    said = cli("run", "base.yaml", "backbone.pretrained=runs/fffff", ok=2).stderr
    assert "backbone.pretrained: 'fffff' matches no run in runs" in said
    said = cli("run", "base.yaml", "backbone.pretrained=runs/ffffffffffff", ok=2).stderr
    assert "runs/ffffffffffff: it is pending" in said
