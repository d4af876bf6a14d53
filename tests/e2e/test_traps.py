"""What evaluates, predicts and tells W&B runs nothing that lies where one types."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Cli
from tests.wandb_server import serving

NAMES = ("torch", "json", "numpy", "yaml", "wandb", "sitecustomize", "click", "PIL", "timm")


def lay_traps(folder: Path) -> Path:
    """Modules named as libraries are, and `pvt_exp` too: each says that it was imported. The file in which it says so."""
    said = folder / "said.txt"
    for name in (*NAMES, "pvt_exp/__init__", "pvt_exp/evaluate", "pvt_exp/predict", "pvt_exp/wandb_report"):
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"open({str(said)!r}, 'a').write({name!r} + '\\n')\nraise SystemExit('a trap')\n")
    return said


def test_the_traps_catch(tmp_path: Path) -> None:
    said = lay_traps(tmp_path)
    subprocess.run([sys.executable, "-c", "import wandb"], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert said.read_text().split()[-1] == "wandb"


@pytest.mark.slow
def test_nothing_of_the_current_folder_is_run(experiment: Path, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    words = ("sweep", sweep, "--only", "base", "--seeds", "0")
    said = lay_traps(tmp_path)
    with serving() as server:
        online = {**server.env, "WANDB_MODE": "offline"}
        cli(*words, "--wandb", "offline", **online)
        assert list(tmp_path.glob("runs/reports/*/told.json")), "the report's process has told W&B"
        assert list(tmp_path.glob("runs/*/attempts/1/wandb/offline-run-*"))
        (run_id,) = (path.parent.name for path in tmp_path.glob("runs/*/result.json"))
        synced = cli("wandb", "sync", **server.env).stdout
        assert run_id in server.history, synced
        assert not said.exists(), said.read_text()
    scores = json.loads(cli("evaluate", run_id, "--gpus", "none", "--json").stdout)
    assert scores["run"] == run_id
    (tmp_path / "images").mkdir()
    Image.new("RGB", (32, 32), "teal").save(tmp_path / "images/a.png")
    cli("predict", run_id, "images", "--gpus", "none", "--out", "found")
    assert (tmp_path / "found/predictions.json").is_file()
    assert not said.exists(), said.read_text()
