"""Data sets of one name and other settings are told apart."""

from pathlib import Path

import pytest

from pvt_exp import config, store
from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.inference import requests
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


def test_evaluate_says_that_the_training_split_must_be_there_too(experiment: Path) -> None:
    text = experiment.read_text()
    start, end = text.index("dataset:"), text.index("backbone:")
    experiment.write_text(f"{text[:start]}dataset: {{kind: image_folder, name: photos}}\n{text[end:]}")
    run, root = config.load(Run, experiment), experiment.parent / "photos"
    (root / "val" / "a").mkdir(parents=True)
    needs = "the training split must be there too, as the classes and the fingerprint are those of the whole data set"
    with pytest.raises(ConfigError, match=f"train: no such folder; {needs}$"):
        requests.data_of(run, [f"photos={root}"])
    (root / "train").mkdir()
    with pytest.raises(ConfigError, match="a folder for each class is expected here, with images in it"):
        requests.data_of(run, [f"photos={root}"])
