"""Training inside an allocation of Slurm, or under torchrun or MPI: a run is none of their processes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pvt_exp.system import inherited
from tests.conftest import EXPERIMENT, PATIENCE_S, Cli, environment

FOREIGN = {
    "SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_JOB_NAME": "pvt", "SLURM_JOB_ID": "7", "SLURM_NTASKS_PER_NODE": "2",
    "RANK": "3", "LOCAL_RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1", "NODE_RANK": "1",
    "JSM_NAMESPACE_RANK": "2", "OMPI_COMM_WORLD_RANK": "2", "TORCHELASTIC_RUN_ID": "x", "GROUP_RANK": "1",
}  # fmt: skip


def test_a_run_is_trained_alike_inside_slurm_and_torchrun(
    experiment: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in filter(inherited.is_foreign, tuple(os.environ)):
        monkeypatch.delenv(name)
    experiment.write_text(EXPERIMENT.replace("epochs: 2", "epochs: 1"))
    found = {}
    for store, env in (("inside", FOREIGN), ("outside", {})):
        words = ("--gpus", "none", "--store", store)
        cli("run", experiment, *words, **env)
        if store == "inside":
            run = next((tmp_path / store).glob("*/result.json")).parent.name
            assert "top1" in cli("evaluate", run, *words, **env).stdout
        (result,) = (tmp_path / store).glob("*/result.json")
        (curves,) = (tmp_path / store).glob("*/attempts/1/metrics.csv")
        found[store] = json.loads(result.read_text())["metrics"], _without_times(curves.read_text())
        assert (curves.parent / "checkpoints").is_dir()
    assert found["inside"] == found["outside"]
    assert len(found["inside"][1]) >= 3, "a line of names, one of training, one of validation"


def _without_times(text: str) -> list[Any]:
    """The lines of metrics.csv without what differs between two runs of the same thing."""
    names, *lines = [line.split(",") for line in text.splitlines()]
    kept = [
        i for i, name in enumerate(names) if not any(word in name for word in ("seconds", "_s", "data_wait", "images"))
    ]
    return [[words[i] for i in kept] for words in (names, *lines)]


@pytest.mark.slow
def test_shared_memory_that_is_too_small_ends_a_run_at_once(experiment: Path, tmp_path: Path) -> None:
    mount = "mount -t tmpfs -o size=1m tmpfs /dev/shm"
    if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "sh", "-c", mount], check=False).returncode:
        pytest.skip("needs the right to mount")
    big = EXPERIMENT.replace("image_px: 32}", "image_px: 128}", 1).replace("batch_size: 16", "batch_size: 96")
    experiment.write_text(big)
    tool = Path(sys.executable).with_name("pvt-exp")
    command = f"{mount}; exec {tool} run base.yaml --gpus none --workers 2"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "failed: /dev/shm is too small for the batches of loading processes" in done.stdout
    assert "--workers 0 does without it" in done.stdout
