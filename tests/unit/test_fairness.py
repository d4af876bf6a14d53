"""In what recipes differ besides what is studied: told for every row, and refused where the sweep is strict."""

from pathlib import Path

import pytest

from pvt_exp import expand
from pvt_exp.config import ConfigError
from tests.unit.test_plan import make

BLOCKS = """\
  - one_at_a_time:
      depth: {two: {backbone.depths: [2, 1, 1, 1]}, three: {backbone.depths: [3, 1, 1, 1], optim.lr: 1e-4}}
      rate: {low: {optim.lr: 1e-4}, high: {optim.lr: 1e-2}}
      batch: {small: {batch_size: 8, optim.lr_batch: 16}}
  - variants:
      dropped: {backbone.depths: [2, 2, 1, 1], backbone.drop_path: 0.2, epochs: 3}
      sgd: {optim: {kind: sgd, lr: 0.1}}
"""


def told(path: Path) -> dict[str, tuple[str, ...]]:
    return {row.name: row.unlike for row in expand.load(path)[1].variants}


def test_what_is_studied_is_what_every_choice_of_the_axis_changes(experiment: Path) -> None:
    assert told(make(experiment.parent, BLOCKS)) == {
        "base": (),
        "depth two": (),
        "depth three": ("optim.lr 0.0001 (0.002)",),
        "rate low": (),
        "rate high": (),
        "batch small": ("group_size 8 (16)",),
        "dropped": ("epochs 3 (2)", "backbone.drop_path 0.2 (0.1)"),
        "sgd": ("optim sgd (adamw)",),
    }


def test_steps_study_what_any_of_them_changes(experiment: Path) -> None:
    steps = "  - cumulative: {first: {}, deep: {backbone.depths: [2, 1, 1, 1]}, long: {epochs: 3}}\n"
    assert set(told(make(experiment.parent, steps)).values()) == {()}


def test_tuned_fields_are_studied(experiment: Path) -> None:
    head = "tune: {space: {optim.lr: {low: 1e-4, high: 1e-2}}, trials: 1}\n"
    path = make(experiment.parent, "  - variants: {long: {epochs: 3}}\n", head)
    (row,) = expand.load(path, choose=lambda _: {"optim.lr": 5e-3})[1].variants
    assert row.unlike == ("epochs 3 (2)",)


def test_whether_a_row_is_pretrained_is_recipe(experiment: Path) -> None:
    """From which weights is not: each architecture has its own."""
    weights = "backbone.pretrained: timm:pvt_v2_b0.in1k"
    blocks = (
        f"  - variants: {{begun: {{{weights}}}}}\n  - one_at_a_time: {{start: {{weights: {{{weights}, epochs: 3}}}}}}\n"
    )
    assert told(make(experiment.parent, blocks)) == {
        "base": (),
        "begun": ("backbone.pretrained weights (none)",),
        "start weights": (),
    }


def test_strict_refuses(experiment: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        expand.load(make(experiment.parent, BLOCKS, "strict: true\n"))
    assert len(caught.value.problems) == 4
    said = "sweep.yaml:2: strict: the recipe of depth three differs from the base's: optim.lr 0.0001 (0.002)"
    assert said in str(caught.value)
    fair = "  - product: {depth: {two: {backbone.depths: [2, 1, 1, 1]}}}\n"
    assert len(expand.load(make(experiment.parent, fair, "strict: true\n"))[1].rows) == 1


def test_a_rate_that_follows_the_batch_is_told(experiment: Path) -> None:
    experiment.write_text(experiment.read_text().replace("lr: 2e-3", "lr: 2e-3, lr_batch: 16"))
    path = make(experiment.parent, "  - product: {batch: {small: {batch_size: 8, group_size: 8}}}\n")
    assert told(path) == {"batch small": ("learning rate for its batch 0.001 (0.002)",)}
