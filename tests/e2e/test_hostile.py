"""A store that somebody, or something, has put strange things into: nothing finished is lost, nothing outside is touched."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pvt_exp import store
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.plan import pretraining
from pvt_exp.store import attempts
from pvt_exp.store.leftovers import tidy
from pvt_exp.store.results import publish_result
from pvt_exp.train import fit
from tests.conftest import Cli


@pytest.fixture
def run(experiment: Path, tmp_path: Path) -> Run:
    """A finished run, as far as the store can tell; ``shapes`` is not made, so its data are not looked at."""
    run = pretraining.experiment(experiment)
    attempt = store.attempt(store.create(tmp_path / "runs"), run, Placement(), "base")
    provenance = {"attempt": 1, "seconds": 1.0, "git": {"sha": "a", "dirty": False, "files_sha256": "b" * 64}}
    cost = {"params": 1, "trainable_params": 1, "macs": 1, "input_px": [32, 32]}
    data = {"name": "shapes", "fingerprint": "f", "images": {}, "skipped": 0}
    made = {"metrics": {"top1": 50.0}, "data": data, "provenance": provenance, "cost": cost, "epoch": 2}
    publish_result(attempt, {**made, "best": {"epoch": 1, "metrics": {"top1": 50.0}}})
    return run


def looks(cli: Cli) -> str:
    """What all verbs that look say; none gives a traceback."""
    return "".join(cli(*words).stdout for words in (["status"], ["runs", "list"], ["status", "--json"]))


def test_a_run_folder_that_is_a_link_is_not_written_through(run: Run, cli: Cli, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (tmp_path / "runs" / run.id).rename(outside)
    (outside / "result.json").unlink()
    (tmp_path / "runs" / run.id).symlink_to(outside)
    before = sorted(path.name for path in outside.rglob("*"))
    assert run.id in looks(cli)
    said = cli("run", "base.yaml", "--gpus", "none", ok=2).stderr
    assert f"{run.id}: is a link, and runs are kept in folders" in said
    cli("clean", "base.yaml", "--remove")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/other.yaml").write_text((tmp_path / "base.yaml").read_text().replace("2e-3", "1e-3"))
    cli("clean", "--remove")
    assert set(before) <= {path.name for path in outside.rglob("*")}


@pytest.mark.parametrize("place", ["sweeps", "lock"])
def test_a_link_within_a_run_folder_is_not_written_through(place: str, run: Run, cli: Cli, tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "runs" / run.id
    (folder / "result.json").unlink()
    shutil.rmtree(folder / place, ignore_errors=True)
    outside.mkdir()
    (folder / place).symlink_to(outside if place == "sweeps" else outside / "made")
    assert f"{place}: is a link" in cli("run", "base.yaml", "--gpus", "none", ok=2).stderr
    assert not list(outside.iterdir())


def test_checkpoints_behind_a_link_are_neither_read_nor_removed(run: Run, tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "runs" / run.id
    outside.mkdir()
    (outside / "epoch=0-step=1.ckpt").touch()
    (outside / "epoch=0-step=2.part").touch()
    (folder / "attempts/1/checkpoints").symlink_to(outside)
    (outside / "checkpoints").mkdir()
    (outside / "checkpoints/epoch=0-step=3.ckpt").touch()
    (folder / "attempts/2").symlink_to(outside)
    assert attempts.all_checkpoints(folder) == []
    tidy(folder)
    fit._clean(folder / "attempts/1", "none")
    assert len(list(outside.rglob("*=*"))) == 3


@pytest.mark.parametrize("name", ["..", "a\nb", "x" * 200, "ランズ", "-rf", "$(touch hacked)", "run.yaml"])
def test_folders_of_other_names_are_no_runs(run: Run, name: str, cli: Cli, tmp_path: Path) -> None:
    if name != "..":
        (tmp_path / "runs" / name).mkdir()
    assert run.id in looks(cli)
    assert not (tmp_path / "hacked").exists()
    for word in (f"../{run.id}", "../../etc", name):
        done = cli("runs", "show", "--", word, ok=2)
        assert done.stderr.startswith("error: ")


def test_a_result_of_a_gigabyte_is_none(run: Run, cli: Cli, tmp_path: Path) -> None:
    result = tmp_path / "runs" / run.id / "result.json"
    with result.open("r+") as file:
        file.truncate(10**9)  # of holes, so it takes no room
    assert "killed" in looks(cli)


@pytest.mark.parametrize("metrics", [{"top1": "high"}, {"top1": None}, {"top1": [1]}, {"top1": True}, "none", [1, 2]])
def test_text_where_numbers_are_due(run: Run, metrics: object, cli: Cli, tmp_path: Path) -> None:
    result = tmp_path / "runs" / run.id / "result.json"
    result.write_text(json.dumps({**json.loads(result.read_text()), "metrics": metrics}))
    assert "killed" in looks(cli)
    told = {"epoch": "x", "epochs": 2, "fraction": [], "scored_epoch": None, "metrics": metrics}
    (tmp_path / "runs" / run.id / "attempts/1/progress.json").write_text(json.dumps(told))
    (tmp_path / "runs" / run.id / "attempts/1/metrics.csv").write_text("epoch,top1\n\0,a\n1,b\nc,3\n")
    looks(cli)
    cli("why", run.id)


def test_a_clock_that_jumped_back_does_not_choose_an_older_checkpoint(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / run.id
    second = store.attempt(tmp_path / "runs", run, Placement(), "base")
    for attempt, step, year in ((folder / "attempts/1", 90, 2090), (second, 10, 2080), (second, 20, 1990)):
        path = attempt / f"checkpoints/epoch=0-step={step}.ckpt"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.utime(path, (0, (year - 1970) * 31_556_952))
    assert [path.stem for path in attempts.all_checkpoints(folder)] == [f"epoch=0-step={step}" for step in (20, 10, 90)]


def test_a_store_that_cannot_be_written_to(run: Run, cli: Cli, tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "none", str(place)], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        shutil.copytree(tmp_path / "runs", place / "runs")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        assert run.id in cli("runs", "list", "--store", place / "runs").stdout
        said = cli("run", "base.yaml", "seed=1", "--store", place / "runs", ok=2).stderr
        assert "Read-only file system" in said
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
