"""The process that trains one run: what it imports of ours, and where it may be typed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pvt_exp import config, store
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.store import provenance
from pvt_exp.system import inherited
from tests.conftest import EXPERIMENT, PATIENCE_S, environment
from tests.e2e.test_environment import FOREIGN

BESIDE = {"system", "store", "plan", "tracking", "launchers"}
"""Packages from which no result follows: they read, write, plan, start, show and tell."""
MODULES = {
    *("config", "train", "train/worker", "train/ends", "train/epoch_lines"),
    *(
        f"config/{name}"
        for name in ("component", "document", "errors", "explain", "identity", "metrics", "metric_names", "placement")
    ),
    *(f"config/{name}" for name in ("ambiguous", "excluded", "reading", "unavailable", "sweep", "match", "where")),
    "config/entry_points",
}
"""Modules of the other packages that read YAML, say where runs are computed, start a run, or say how it goes and ended."""
TYPED = """
import json, os, runpy, sys
sys.argv = ["worker", sys.argv[1]]
try:
    runpy.run_module("pvt_exp.train.worker", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
ours = sorted(name for name in sys.modules if name.startswith("pvt_exp."))
print("\\n" + json.dumps({"modules": ours, "environment": sorted(os.environ)}))
"""
"""``python -m pvt_exp.train.worker ATTEMPT``, and then what it has imported of ours, and its variables."""


def attempt_of(experiment: Path, folder: Path) -> Path:
    """An attempt at a run of one step on the CPU, as a driver makes it."""
    experiment.write_text(
        experiment.read_text()
        .replace("epochs: 2", "epochs: 1")
        .replace("train_images: 96, val_images: 48", "train_images: 16, val_images: 8")
    )
    placement = Placement(data=str(folder / "data"))
    return store.attempt(store.create(folder / "runs"), config.load(Run, experiment), placement, "mine")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    """An attempt that a person trained inside Slurm and torchrun, and what its process said."""
    folder = tmp_path_factory.mktemp("worker")
    (folder / "base.yaml").write_text(EXPERIMENT)
    attempt = attempt_of(folder / "base.yaml", folder)
    done = subprocess.run(
        [sys.executable, "-c", TYPED, str(attempt)],
        env={**inherited.cleared(environment()), **FOREIGN},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return attempt, json.loads(done.stdout.splitlines()[-1])


def test_what_a_run_imports_counts_for_its_result(trained: tuple[Path, dict[str, list[str]]]) -> None:
    """A module that a worker imports is one of those that `provenance.computes` is over, or is known to compute nothing."""
    paths = [module.removeprefix("pvt_exp.").replace(".", "/") for module in trained[1]["modules"]]
    computes = {each.removesuffix(".py") for each in provenance.COMPUTES}
    counted = {each for each in computes for path in paths if path == each or path.startswith(f"{each}/")}
    assert computes - counted <= {"necks"}, "is named and not imported; a classifier has no neck"
    apart = {path for path in paths if not any(path == each or path.startswith(f"{each}/") for each in computes)}
    wrong = {path for path in apart if path.partition("/")[0] not in BESIDE and path not in MODULES}
    assert not wrong, "is in no list: does a result follow from it?"


def test_a_worker_that_is_typed_inside_slurm_and_torchrun_is_none_of_their_processes(
    trained: tuple[Path, dict[str, list[str]]],
) -> None:
    attempt, said = trained
    assert not list(filter(inherited.is_foreign, said["environment"])), "what it starts would have them too"
    assert said["environment"], "it has others"
    assert json.loads((attempt.parents[1] / "result.json").read_text())["metrics"]["top1"] >= 0
    assert len((attempt / "metrics.csv").read_text().splitlines()) >= 3, "the first rank alone writes curves"
