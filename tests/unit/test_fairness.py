"""In what recipes differ besides what is studied: told for every row, and refused where the sweep is strict."""

from pathlib import Path

import pytest

from pvt_exp.config import ConfigError
from pvt_exp.plan import expand
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
        "batch small": ("ghost_batch_size 8 (16)",),
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


def test_an_axis_that_changes_the_model_studies_no_recipe_beside_it(experiment: Path) -> None:
    blocks = """\
  - product:
      size:
        small: {backbone.embed_dims: [8, 16, 24, 32], optim.lr: 1e-3}
        deep: {backbone.depths: [2, 2, 2, 2], optim.lr: 1e-4}
  - one_at_a_time:
      only: {deeper: {backbone.depths: [3, 3, 3, 3], epochs: 9}}
      other: {resnet: {backbone: {kind: timm, name: resnet18}}}
      drop: {more: {backbone.drop_path: 0.3, epochs: 4}}
"""
    assert told(make(experiment.parent, blocks)) == {
        "base": (),
        "size small": ("optim.lr 0.001 (0.002)",),
        "size deep": ("optim.lr 0.0001 (0.002)",),
        "only deeper": ("epochs 9 (2)",),
        "other resnet": ("backbone.drop_path 0 (0.1)",),
        "drop more": (),
    }


def test_steps_that_change_the_model_likewise(experiment: Path) -> None:
    deep = "{backbone.depths: [2, 1, 1, 1], epochs: 3}"
    steps = f"  - cumulative: {{first: {{}}, deep: {deep}, batch: {{batch_size: 8, ghost_batch_size: 8}}}}\n"
    assert told(make(experiment.parent, steps))["deep"] == ("epochs 3 (2)",)


def test_what_a_row_starts_from_is_recipe(experiment: Path) -> None:
    """From which weights only where the architecture is one: others have their own."""
    weights = "backbone.pretrained: timm:pvt_v2_b0.in1k"
    blocks = (
        f"  - variants: {{begun: {{{weights}}}}}\n  - one_at_a_time: {{start: {{weights: {{{weights}, epochs: 3}}}}}}\n"
    )
    assert told(make(experiment.parent, blocks)) == {
        "base": (),
        "begun": ("backbone.pretrained weights (none)",),
        "start weights": ("epochs 3 (2)",),
    }
    other = "backbone.pretrained: timm:pvt_v2_b1.in1k"
    blocks = f"  - variants: {{other: {{{other}}}, deep: {{backbone.depths: [2, 1, 1, 1], {other}}}}}\n"
    _, plan = expand.load(make(experiment.parent, blocks), ["backbone.pretrained=timm:pvt_v2_b0.in1k"])
    assert {row.name: row.unlike for row in plan.variants} == {
        "other": ("backbone.pretrained timm:pvt_v2_b1.in1k (timm:pvt_v2_b0.in1k)",),
        "deep": (),
    }


def test_pretraining_runs_are_compared(experiment: Path) -> None:
    first = experiment.read_text()
    (experiment.parent / "first.yaml").write_text(first)
    (experiment.parent / "longer.yaml").write_text(first.replace("epochs: 2", "epochs: 5"))
    experiment.write_text(first + "pretrain: first.yaml\n")
    path = make(experiment.parent, "  - variants: {longer: {pretrain: longer.yaml}, none: {pretrain: null}}\n")
    assert told(path) == {
        "longer": ("pretrain.epochs 5 (2)",),
        "none": ("pretrain none (pretrained)",),
    }
    path = make(experiment.parent, "  - one_at_a_time: {first: {longer: {pretrain: longer.yaml}}}\n")
    assert told(path)["first longer"] == ()


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
    path = make(experiment.parent, "  - product: {batch: {small: {batch_size: 8, ghost_batch_size: 8}}}\n")
    assert told(path) == {"batch small": ("learning rate for its batch 0.001 (0.002)",)}
