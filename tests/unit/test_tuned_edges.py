"""A value that was chosen at an end of its range is told: after the trials, in the plan, in the table and as JSON."""

import io
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from rich.console import Console

from pvt_exp.cli import driving, views
from pvt_exp.config.placement import Placement, Tracking
from pvt_exp.config.space import Tune, Values
from pvt_exp.drive.placing import DriverContext
from pvt_exp.plan import expand
from pvt_exp.store import trial_record
from pvt_exp.store.outcome import outcomes_of
from pvt_exp.tables import Source
from pvt_exp.tables.ablation import Settings as Ablation
from tests.unit.test_recovery import SCRIPT, SEEN, Scripted

SWEEP = """\
base: base.yaml
seeds: [0]
tune:
  space: {optim.lr: {choices: [1.0e-3, 2.0e-3, 3.0e-3]}, epochs: {low: 2, high: 4}}
  sampler: grid
  trials: 9
  holdout: {fraction: 0.25}
blocks: [{variants: {one: {}}}]
"""


@pytest.mark.parametrize(
    ("space", "value", "end"),
    [
        ({"low": 1e-4, "high": 1e-2, "log": True}, 1e-2, "high"),
        ({"low": 1e-4, "high": 1e-2, "log": True}, 9e-3, "high"),
        ({"low": 1e-4, "high": 1e-2, "log": True}, 7e-3, None),
        ({"low": 1e-4, "high": 1e-2, "log": True}, 1.2e-4, "low"),
        ({"low": 0.0, "high": 1.0}, 0.96, "high"),
        ({"low": 0.0, "high": 1.0}, 0.9, None),
        ({"low": 1, "high": 8}, 8, "high"),
        ({"low": 1, "high": 8}, 7, None),
        ({"low": 0.0, "high": 1.0, "step": 0.3}, 0.9, "high"),
        ({"low": 1, "high": 100, "log": True}, 99, "high"),
        ({"low": 0, "high": 10**18}, 10**18, "high"),
        ({"low": 0, "high": 10**18}, 10**17, None),
        ({"low": 0, "high": 1, "step": 1e-9}, 1.0, "high"),
        ({"choices": (3e-3, 1e-3, 2e-3)}, 3e-3, "high"),
        ({"choices": (3e-3, 1e-3, 2e-3)}, 2e-3, None),
        ({"choices": ("adamw", "sgd", "lamb")}, "lamb", None),
        ({"choices": (True, False)}, True, None),
        ({"choices": (1, None, 3)}, 3, None),
    ],
)
def test_ends_of_ranges(space: dict[str, Any], value: Any, end: str | None) -> None:
    assert Values.model_validate(space).edge(value) == end


@pytest.mark.parametrize(
    ("space", "trials", "said"),
    [
        (
            {"a": {"low": 0, "high": 1, "step": 1e-9}},
            5,
            r"this grid has 1,000,000,000 settings, and no more than 100,000",
        ),
        (
            {"a": {"low": 0, "high": 10**18}, "b": {"choices": (1, 2)}},
            5,
            "this grid has 2,000,000,000,000,000,002 settings",
        ),
        ({"a": {"low": 0, "high": 1, "step": 0.1}, "b": {"low": 1, "high": 3}}, 5, "this grid has 33 settings"),
        ({"a": {"low": 0, "high": 1e300, "step": 1e-300}}, 5, "step 1e-300 is too small"),
        ({"a": {"low": 0.0, "high": 1.0}}, 5, "a grid over a needs choices"),
        ({"a": {"low": 0, "high": 1}}, 10**9, "less than or equal to 100000"),
    ],
)
def test_a_grid_is_counted_by_arithmetic(space: dict[str, Any], trials: int, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Tune.model_validate({"space": space, "trials": trials, "sampler": "grid"})


def test_every_setting_of_a_grid() -> None:
    space = {"a": {"low": 0.5, "high": 1, "step": 0.25}, "b": {"low": 1, "high": 2}}
    grid = Tune.model_validate({"space": space, "trials": 6, "sampler": "grid"}).grid()
    assert grid == [{"a": a, "b": b} for a in (0.5, 0.75, 1.0) for b in (1, 2)]


def test_an_end_is_told(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(experiment.parent)
    SEEN.clear()
    SCRIPT.clear()
    Path("sweep.yaml").write_text(SWEEP)
    console = Console(width=200, record=True, file=io.StringIO())
    placement = Placement(tracking=Tracking(mode="disabled"))
    planned = expand.load(Path("sweep.yaml"))[1]
    assert not driving.tune(console, planned, DriverContext(Path("runs"), Scripted(), placement)).undecided
    end = "is at the lower end of its range"
    due = f"optim.lr 0.001 {end}, epochs 2 {end}; better values may lie beyond"
    assert f": chosen {due}" in console.export_text(), "all trials score the same, and the first is chosen"
    chosen = {"optim.lr": 1e-3, "epochs": 2}
    planned = expand.load(Path("sweep.yaml"), choose=lambda tuning: chosen)[1]
    told = trial_record.progress(planned, Path("runs"))
    assert [each["at_edge"] for each in told] == [{"optim.lr": "low", "epochs": "low"}]
    outcomes = outcomes_of(Path("runs"), planned.runs, {})
    views.print_plan(console, planned, outcomes, told, None)
    assert f"    {due}" in console.export_text()
    table = Ablation(sweep="sweep.yaml").build([Source(planned, outcomes)])
    assert any(note.text.endswith(f": {due}.") for note in table.notes)
