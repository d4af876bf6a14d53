"""What W&B is told, read back from the offline files with W&B's own reader."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import EXPERIMENT, Cli
from tests.e2e.test_sweep import Driver, driver, processes_with, wait_for
from tests.wandb_server import serving

__all__ = ["driver"]


def records(folder: Path) -> list[dict[str, Any]]:
    """Every record of the offline run in a folder ``offline-run-*``."""
    reader = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", str(folder), "--json"]
    done = subprocess.run(reader, capture_output=True, text=True, timeout=120, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def history(folder: Path) -> list[dict[str, Any]]:
    """The logged rows: name -> value."""
    return [record["history"]["item"] for record in records(folder) if record["type"] == "history"]


@pytest.mark.slow
def test_an_offline_run_has_its_config_and_its_curve_goes_on(
    sweep: Path, cli: Cli, driver: Driver, tmp_path: Path
) -> None:
    sweep.with_name("base.yaml").write_text(EXPERIMENT.replace("epochs: 2", "epochs: 12"))
    words = ("sweep", "sweep.yaml", "--only", "base", "--seeds", "0", "--wandb", "offline")
    process = driver(*words)
    wait_for(lambda: any(tmp_path.glob("runs/*/attempts/1/checkpoints/epoch=[2-9]*.ckpt")))
    process.kill()
    process.wait()
    wait_for(lambda: not processes_with(f"MARK={tmp_path}"))
    cli(*words)

    run_id = next(tmp_path.glob("runs/*/result.json")).parent.name
    parts = [next(tmp_path.glob(f"runs/*/attempts/{n}/wandb/offline-run-*")) for n in (1, 2)]
    told = next(record["run"] for record in records(parts[1]) if record["type"] == "run")
    assert run_id in json.dumps(told)
    assert told["run_group"] == "sweep"
    assert told["tags"] == ["depth = same as the base", "sweep"]
    assert "base, seed 0" in json.dumps(told)
    config = told["config"]["update"]
    assert config["optim"]["lr"] == 2e-3
    assert config["backbone"]["embed_dims"] == [8, 16, 16, 16]

    first, second = (history(part) for part in parts)
    steps = [[row["_step"] for row in rows if "_step" in row] for rows in (first, second)]
    assert steps[0] == sorted(steps[0])
    assert steps[1] == sorted(steps[1])
    assert steps[1][0] > 0, "a resumed run goes on; it does not begin at step 0 again"
    assert steps[1][-1] >= 12 * 6 - 1
    assert any("top1" in row for row in second)
    assert any("train/loss" in row or "train/loss_step" in row for row in second)
    result = json.loads((tmp_path / "runs" / run_id / "result.json").read_text())
    ((count, files),) = [
        (row["val/pictures.count"], row["val/pictures.filenames"]) for row in second if "val/pictures.count" in row
    ]
    assert count == len(files) == 8
    assert all((parts[1] / "files" / name).exists() for name in files)
    assert [row["top1"] for row in second if "top1" in row][-1] == result["metrics"]["top1"]
    summary = {name: value for each in records(parts[1]) if each["type"] == "summary" for name, value in set_in(each)}
    assert summary["state"] == "done"
    assert summary["last"]["top1"] == result["metrics"]["top1"]
    assert summary["best"]["epoch"] == result["best"]["epoch"]
    assert summary["cost"]["params"] == result["cost"]["params"]

    with serving() as server:  # both parts are one run there
        cli("wandb", "sync", **server.env)
    rows = [row["_step"] for row in server.history[run_id]]
    assert {*steps[0], *steps[1]} == set(rows)


def set_in(record: dict[str, Any]) -> list[tuple[str, Any]]:
    """Names and values that a record of a summary sets."""
    return list(record["summary"].get("update", {}).items())


def test_w_and_b_can_be_off(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    cli("sweep", sweep, "--only", "base", "--seeds", "0", "--wandb", "disabled")
    assert len(list(tmp_path.glob("runs/*/result.json"))) == 1
    assert not list(tmp_path.rglob("offline-run-*"))
