"""Data sets of one name and other settings are told apart."""

from pathlib import Path

import pytest

from pvt_exp import store
from pvt_exp.config.placement import Placement
from pvt_exp.plan import expand
from pvt_exp.plan.data_sets import DataSets
from pvt_exp.store.outcome import outcomes_of
from pvt_exp.store.results import publish_result


def test_two_settings_of_one_data_set(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(experiment.parent)
    sweep = experiment.with_name("sizes.yaml")
    sweep.write_text("base: base.yaml\nblocks: [{one_at_a_time: {images: {more: {dataset.train_images: 128}}}}]\n")
    _, planned = expand.load(sweep)
    runs = store.create(experiment.parent / "runs")
    for run in planned.runs:
        run.dataset.make(Path("data/shapes"))
        found = run.dataset.inspect(Path("data/shapes")).fingerprint
        attempt = store.attempt(runs, run, Placement(), "sizes")
        publish_result(
            attempt,
            {
                "metrics": {"top1": 1.0},
                "data": {"fingerprint": found},
                "cost": {},
                "provenance": {"attempt": 1, "seconds": 1.0},
            },
        )
    found = DataSets().of(planned)
    assert not found.problems
    assert len(set(found.fingerprints.values())) == 2
    assert {seen.state for seen in outcomes_of(runs, planned.runs, found.fingerprints).values()} == {"done"}
