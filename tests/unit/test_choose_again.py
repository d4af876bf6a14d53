"""``--retry stale`` of a tuned sweep: the values that were chosen on other data are kept, and that is told."""

import io
import json
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from pvt_exp import config
from pvt_exp.cli import driving
from pvt_exp.config.placement import Placement
from pvt_exp.drive.placing import DriverContext
from pvt_exp.launchers import local
from pvt_exp.plan import expand
from pvt_exp.plan.data_sets import DataSets
from pvt_exp.store import trial_record
from tests.unit.test_recovery import SWEEP

TUNE = "tune: {space: {optim.lr: {low: 1e-4, high: 1e-2}}, trials: 1, holdout: {fraction: 0.25}}\n"


def test_old_values_are_kept_and_named(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(experiment.parent)
    Path("sweep.yaml").write_text(SWEEP + TUNE)
    runs = Path("runs")
    load = partial(expand.load, Path("sweep.yaml"), choose=partial(trial_record.choice, runs))
    for tuning in load()[1].tunings:
        folder = trial_record.place(runs, tuning)
        folder.mkdir(parents=True)
        told = {"trials": 1, "values": {"optim.lr": 0.001}, "data": "0123"}
        (folder / "choice.json").write_text(json.dumps(told))
    planned = load()[1]
    planned.runs[0].dataset.make(Path("data/shapes"))
    console = Console(file=io.StringIO(), record=True, width=400)
    with pytest.raises(config.ConfigError, match=r"were chosen on data 0123; at hand are .*; --retry stale"):
        driving.choose_again(console, planned, DriverContext(runs, local.Settings(), Placement()))
    assert driving.choose_again(
        console, planned, DriverContext(runs, local.Settings(), Placement(), DataSets(), ("stale",))
    )
    said = console.export_text()
    kept = sorted(runs.glob("tuning/*/choice.set-aside-*.json"))
    assert len(kept) == 2
    assert all(f"for all sweeps that tune it so; the old ones: {path}\n" in said for path in kept)
