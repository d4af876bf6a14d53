"""Ids of runs: every field counts, placement does not, and a release's ids do not move."""

import json
from pathlib import Path

import pytest

from pvt_exp import config
from pvt_exp.config import identity
from pvt_exp.config.component import Component
from pvt_exp.config.run import Run
from pvt_exp.plan import pretraining
from tests.conftest import ROOT

GOLDEN = ROOT / "tests/data/golden_ids.json"
EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.yaml"))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda p: p.stem)
def test_ids_do_not_move(path: Path) -> None:
    """To accept a change on purpose: ``python -m tests.unit.test_identity`` writes the file anew."""
    golden = json.loads(GOLDEN.read_text())
    assert pretraining.experiment(path).id == golden[str(path.relative_to(ROOT))]


def test_every_field_counts(experiment: Path) -> None:
    run = config.load(Run, experiment)
    base = run.model_dump(mode="json")
    changed = {
        "task.label_smoothing": 0.1, "task.augment.flip": 0.0, "dataset.seed": 1, "backbone.drop_path": 0.5,
        "backbone.attention.ratios": [1, 1, 1, 1], "optim.eps": 1e-7, "schedule.min_lr": 0.0, "epochs": 3,
        "batch_size": 32, "ghost_batch_size": 8, "ema_decay": 0.9, "precision": "tf32", "seed": 1,
        "holdout": {"fraction": 0.1},
    }  # fmt: skip
    ids = {run.id}
    for dotted, value in changed.items():
        ids.add(config.make(Run, config.put(base, dotted, value)).id)
    assert len(ids) == len(changed) + 1


def test_defaults_count_as_if_they_were_written(experiment: Path) -> None:
    run = config.load(Run, experiment)
    assert config.make(Run, json.loads(run.model_dump_json())).id == run.id


DETECTION = """\
task: {kind: detection, num_classes: 4, neck: {kind: fpn, width: 16}%s}
dataset: {kind: shapes, num_classes: 4, train_images: 8, val_images: 8}
backbone: {kind: pvt}
optim: {kind: adamw, lr: 1e-3}
schedule: {kind: cosine, warmup_epochs: 0}
epochs: 1
batch_size: 4
"""


@pytest.mark.parametrize(
    ("left_out", "written"),
    [
        ("", ", short_px: [800], long_px: 1333, test_short_px: 800, test_long_px: 1333"),
        (", short_px: [480, 800]", ", short_px: [480, 800], test_short_px: 800, test_long_px: 1333"),
        (", short_px: [96]", ", short_px: [96], test_short_px: 96, test_long_px: 1333"),
        (
            ", short_px: [96, 64], long_px: 160",
            ", short_px: [96, 64], long_px: 160, test_short_px: 96, test_long_px: 160",
        ),
        (", short_px: [96], test_short_px: 64", ", short_px: [96], test_short_px: 64, test_long_px: 1333"),
    ],
)
def test_a_size_in_testing_that_is_left_out_counts_as_the_one_of_training(left_out: str, written: str) -> None:
    ids = {config.validate(Run, config.parse(DETECTION % sizes, "")).id for sizes in (left_out, written)}
    assert len(ids) == 1


def test_a_group_that_is_left_out_is_the_batch() -> None:
    for words in ("", "ghost_batch_size: null\n"):
        assert config.validate(Run, config.parse(f"{DETECTION % ''}{words}", "")).ghost_batch_size == 4
    with pytest.raises(config.ConfigError) as refused:
        config.validate(Run, config.parse(DETECTION.replace("batch_size: 4", "batch_size: x") % ", short_px: [x]", "a"))
    assert [line.split(": ")[1] for line in refused.value.problems] == ["task.short_px.0", "batch_size"]


def test_a_raised_revision_changes_the_id(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = config.load(Run, experiment)
    before = run.id
    monkeypatch.setattr(type(run.backbone), "revision", 2)
    assert identity.digest(identity.texts(run)) != before
    assert issubclass(type(run.backbone), Component)


def test_a_field_added_later_is_left_out_while_neutral(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = config.load(Run, experiment)
    before = run.id
    monkeypatch.setitem(identity.ADDED, "Run.ema_decay", None)
    without = identity.digest(identity.texts(run))
    assert without != before
    assert identity.digest(identity.texts(run.model_copy(update={"ema_decay": 0.9}))) != without


if __name__ == "__main__":
    ids = {str(path.relative_to(ROOT)): pretraining.experiment(path).id for path in EXPERIMENTS}
    GOLDEN.write_text(json.dumps(ids, indent=1) + "\n")
