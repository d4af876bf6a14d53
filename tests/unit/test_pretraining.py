"""The pretraining of a run: which changes of the run are applied to it, what counts in the id, and what cannot be used."""

import json
from pathlib import Path

import pytest

from pvt_exp import config
from pvt_exp.config import ConfigError
from pvt_exp.config.run import Run
from pvt_exp.plan import Plan, expand, pretraining
from tests.conftest import EXPERIMENT

FIRST = EXPERIMENT.replace("epochs: 2", "epochs: 1").replace(
    "mlp_ratios: [2, 2, 2, 2]", "mlp_ratios: [2, 2, 2, 2]\n  drop_path: 0.3"
)


@pytest.fixture
def base(experiment: Path) -> Path:
    """An experiment with a pretraining, which lies in a folder of its own."""
    folder = experiment.parent / "first"
    folder.mkdir()
    (folder / "first.yaml").write_text(FIRST)
    experiment.write_text(EXPERIMENT + "pretrain: first/first.yaml\n")
    return experiment


def expanded(base: Path, blocks: str, *overrides: str, seeds: str = "[0, 1]") -> Plan:
    path = base.with_name("sweep.yaml")
    path.write_text(f"base: base.yaml\nseeds: {seeds}\nblocks:\n{blocks}")
    return expand.load(path, overrides)[1]


def problem(base: Path, text: str | None = None, *overrides: str) -> str:
    """What is said of the experiment, without the folder it lies in."""
    if text is not None:
        base.write_text(text)
    with pytest.raises(ConfigError) as caught:
        pretraining.experiment(base, overrides)
    (line,) = caught.value.problems
    return line.replace(f"{base.parent}/", "")


NOTHING = "  - variants: {same: {}}\n"
DEPTH = "  - one_at_a_time:\n      depth: {deep: {backbone.depths: [2, 1, 1, 1]}}\n"


# ---------------------------------------------------------------- what is applied


def test_what_changes_the_architecture_changes_both_stages(base: Path) -> None:
    _, deep = expanded(base, DEPTH).variants
    first = deep.runs[0].pretraining
    assert first is not None
    assert (first.backbone.depths, first.backbone.drop_path, first.epochs) == ((2, 1, 1, 1), 0.3, 1)
    assert deep.runs[0].backbone.drop_path == 0.1


def test_what_is_no_architecture_stays_each_stages_own(base: Path) -> None:
    blocks = "  - one_at_a_time:\n      rates: {other: {backbone.drop_path: 0.2, optim.lr: 1.0}}\n"
    plain, other = expanded(base, blocks).variants
    assert [run.pretraining for run in plain.runs] == [run.pretraining for run in other.runs]
    assert plain.runs[0].id != other.runs[0].id


def test_another_kind_replaces_the_backbone_of_both(base: Path) -> None:
    blocks = "  - variants:\n      ResNet: {backbone: {kind: timm, name: resnet18, drop_path: 0.0}}\n"
    (variant,) = expanded(base, blocks).variants
    first = variant.runs[0].pretraining
    assert first is not None
    assert first.backbone.architecture() == {"kind": "timm", "name": "resnet18", "options": {}, "layers": None}
    assert (first.backbone.drop_path, variant.runs[0].backbone.drop_path) == (0.3, 0.0)


def test_what_is_frozen_is_frozen_in_the_second_stage_only(base: Path) -> None:
    blocks = "  - variants:\n      ResNet: {backbone: {kind: timm, name: resnet18, frozen: {}}}\n"
    (run,) = (variant.runs[0] for variant in expanded(base, blocks).variants)
    assert run.backbone.frozen is not None
    assert run.pretraining is not None
    assert run.pretraining.backbone.frozen is None
    with pytest.raises(ConfigError, match=r"frozen without weights to start from would keep random ones"):
        expanded(base, blocks, "pretrain=null")


def test_the_command_line_changes_both_stages_too(base: Path) -> None:
    run = pretraining.experiment(base, ["backbone.depths=[2, 2, 2, 2]"])
    assert run.pretraining is not None
    assert run.pretraining.backbone.depths == (2, 2, 2, 2)
    assert (
        expanded(base, DEPTH, "backbone.depths=[2, 2, 2, 2]").variants[0].runs[0].pretraining.id == run.pretraining.id
    )  # type: ignore[union-attr]


def test_a_pretraining_run_may_have_one_too(base: Path) -> None:
    (base.parent / "zero.yaml").write_text(FIRST.replace("epochs: 1", "epochs: 7"))
    first = base.parent / "first/first.yaml"
    first.write_text(FIRST + "pretrain: ../zero.yaml\n")
    found = expanded(base, DEPTH)
    deep = found.variants[1].runs[1]
    assert deep.pretraining is not None
    assert deep.pretraining.pretraining is not None
    assert (
        deep.pretraining.pretraining.backbone.depths,
        deep.pretraining.pretraining.seed,
        deep.pretraining.pretraining.epochs,
    ) == ((2, 1, 1, 1), 1, 7)
    assert [group.name for group in found.pretrainings] == [
        "pretraining of pretraining of base",
        "pretraining of base",
        "pretraining of pretraining of depth deep",
        "pretraining of depth deep",
    ]


# ---------------------------------------------------------------- seeds, weights, and what a plan needs


def test_the_seed_is_the_runs_own_or_one_for_all(base: Path) -> None:
    same = expanded(base, DEPTH)
    assert [(run.seed, run.pretraining.seed) for run in same.runs if run.pretraining] == [
        (0, 0),
        (0, 0),
        (1, 1),
        (1, 1),
    ]
    assert [run.seed for run in same.pretraining_runs] == [0, 1, 0, 1]
    fixed = expanded(base, DEPTH, "pretrain.seed=5")
    assert {run.pretraining.seed for run in fixed.runs if run.pretraining} == {5}
    assert len(fixed.pretraining_runs) == 2
    written = expanded(base, DEPTH, "pretrain={experiment: " + str(base.parent / "first/first.yaml") + ", seed: 5}")
    assert [run.id for run in written.runs] == [run.id for run in fixed.runs]


def test_runs_are_ordered_seed_by_seed_with_what_they_need(base: Path) -> None:
    found = expanded(base, DEPTH)
    which = ["pretraining" if run.pretraining is None else "run" for run in found.order]
    assert which == ["pretraining", "pretraining", "run", "run"] * 2
    assert [run.seed for run in found.order] == [0] * 4 + [1] * 4
    assert found.names[found.order[1].id] == "pretraining of depth deep"
    assert len(found.only(["base"]).pretraining_runs) == 2


def test_weights_are_what_was_scored_unless_it_is_said(base: Path) -> None:
    assert pretraining.experiment(base).pretrain.weights == "last"  # type: ignore[union-attr]
    (base.parent / "first/first.yaml").write_text(FIRST + "ema_decay: 0.9\n")
    averaged, last = pretraining.experiment(base), pretraining.experiment(base, ["pretrain.weights=last"])
    assert averaged.pretrain.weights == "ema"  # type: ignore[union-attr]
    assert averaged.id == pretraining.experiment(base, ["pretrain.weights=ema"]).id != last.id


def test_a_choice_may_change_the_start(base: Path) -> None:
    (base.parent / "other.yaml").write_text(FIRST.replace("epochs: 1", "epochs: 5"))
    blocks = (
        "  - one_at_a_time:\n      start:\n        from scratch: {pretrain: null}\n"
        "        other: {pretrain: other.yaml}\n        fixed: {pretrain.seed: 3}\n"
    )
    runs = {variant.name: variant.runs[1] for variant in expanded(base, blocks).variants}
    assert runs["start from scratch"].pretraining is None
    assert [runs[f"start {name}"].pretraining for name in ("other", "fixed")] != [None, None]
    assert runs["start other"].pretraining.epochs == 5  # type: ignore[union-attr]
    assert runs["start fixed"].pretraining.seed == 3  # type: ignore[union-attr]
    (scratch,) = expanded(base, NOTHING, "pretrain=null").variants
    assert scratch.runs[1].id == runs["start from scratch"].id


def test_a_choice_may_bring_a_pretraining_run_of_its_own_architecture(base: Path) -> None:
    wide = "embed_dims: [16, 16, 16, 16]"
    (base.parent / "wide.yaml").write_text(FIRST.replace("embed_dims: [8, 16, 16, 16]", wide))
    blocks = "  - variants: {wide: {backbone.embed_dims: [16, 16, 16, 16], pretrain: wide.yaml}}\n"
    (variant,) = expanded(base, blocks).variants
    assert variant.runs[0].pretraining is not None


# ---------------------------------------------------------------- identity


def test_the_id_includes_that_of_the_pretraining_run(base: Path) -> None:
    run = pretraining.experiment(base)
    scratch = pretraining.experiment(base, ["pretrain=null"])
    first = base.parent / "first/first.yaml"
    assert run.pretraining is not None
    assert run.pretraining.id == pretraining.experiment(first).id
    first.write_text(FIRST.replace("lr: 2e-3", "lr: 1e-3"))
    assert len({run.id, scratch.id, pretraining.experiment(base).id}) == 3


def test_the_id_of_a_run_without_pretraining_is_what_it_was(base: Path, experiment: Path) -> None:
    base.write_text(EXPERIMENT)
    before = config.load(Run, base).id
    base.write_text(EXPERIMENT + "pretrain: null\n")
    assert pretraining.experiment(base).id == before


def test_the_record_is_whole_by_itself(base: Path) -> None:
    run = pretraining.experiment(base).with_seeds([0, 4])[1]
    text = run.model_dump_json()
    assert "yaml" not in text
    again = config.make(Run, json.loads(text))
    assert again.id == run.id
    assert again.pretraining == run.pretraining


def test_where_the_file_lies_does_not_count(base: Path) -> None:
    before = pretraining.experiment(base).id
    (base.parent / "first/first.yaml").rename(base.parent / "elsewhere.yaml")
    base.write_text(EXPERIMENT + "pretrain: {experiment: elsewhere.yaml}\n")
    assert pretraining.experiment(base).id == before


# ---------------------------------------------------------------- what cannot be used


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("nowhere.yaml", "base.yaml:14: pretrain: nowhere.yaml: no such file"),
        ("first/frist.yaml", "base.yaml:14: pretrain: first/frist.yaml: no such file; did you mean first/first.yaml"),
        ("base.yaml", "base.yaml:14: pretrain: base.yaml: it starts from itself: base.yaml <- base.yaml"),
        ("{seed: 1}", "base.yaml:14: pretrain: experiment is missing: the file of the pretraining"),
        (
            "{experiment: first/first.yaml, seed: some}",
            "pretrain.seed: must be same, or a number from 0 on, not 'some'",
        ),
        (
            "{experiment: first/first.yaml, wieghts: ema}",
            "pretrain.wieghts: unknown key; did you mean pretrain.weights",
        ),
        ("{experiment: first/first.yaml, weights: best}", "pretrain.weights: must be 'last' or 'ema', not 'best'"),
        ("{experiment: first/first.yaml, weights: ema}", "ema is not there: the pretraining has no ema_decay"),
        ("3", "pretrain: must be a mapping, not 3"),
    ],
)
def test_a_pretraining_run_that_cannot_be_used(base: Path, written: str, said: str) -> None:
    assert said in problem(base, EXPERIMENT + f"pretrain: {written}\n")


def test_an_error_in_the_pretraining_runs_file_names_its_line(base: Path) -> None:
    (base.parent / "first/first.yaml").write_text(FIRST.replace("epochs: 1", "epochs: none"))
    assert problem(base).startswith("base.yaml:14: pretrain: first/first.yaml:13: epochs: must be")


def test_a_run_and_its_pretraining_of_two_architectures(base: Path) -> None:
    (base.parent / "first/first.yaml").write_text(FIRST.replace("depths: [1, 1, 1, 1]", "depths: [1, 2, 1, 1]"))
    due = (
        "first/first.yaml: backbone.depths is [1, 2, 1, 1] there and [1, 1, 1, 1] here: both runs have one architecture"
    )
    assert due in problem(base)
    head, _, tail = EXPERIMENT.partition("backbone:\n")
    rest = tail[tail.index("optim:") :]
    said = problem(base, f"{head}backbone: {{kind: timm, name: resnet18}}\n{rest}pretrain: first/first.yaml\n")
    assert 'backbone.kind is "pvt" there and "timm" here' in said


def test_an_architecture_that_the_pretraining_run_cannot_have(base: Path) -> None:
    small = FIRST.replace("image_px: 32}\ndataset", "image_px: 24}\ndataset").replace(
        "preset: pvt_v2_b0", "preset: pvt_v2_b0\n  attention: {ratios: [4, 2, 2, 1]}"
    )
    (base.parent / "first/first.yaml").write_text(small)
    base.write_text(
        EXPERIMENT.replace("preset: pvt_v2_b0", "preset: pvt_v2_b0\n  attention: {ratios: [4, 2, 2, 1]}")
        + "pretrain: first/first.yaml\n"
    )
    with pytest.raises(ConfigError) as caught:
        expanded(base, "  - one_at_a_time:\n      sr: {more: {backbone.attention.ratios: [8, 4, 2, 1]}}\n")
    (line,) = caught.value.problems
    assert line.replace(f"{base.parent}/", "").startswith(
        "sweep.yaml:5: pretrain: first/first.yaml with this architecture: backbone: an image of 24 x 24"
    )


def test_a_pretraining_run_beside_pretrained_weights_is_refused(base: Path) -> None:
    assert "pretrain and backbone.pretrained are two starts" in problem(
        base, None, "backbone.pretrained=timm:pvt_v2_b0"
    )


def test_a_circle_of_pretraining_runs(base: Path) -> None:
    (base.parent / "first/first.yaml").write_text(FIRST + "pretrain: ../base.yaml\n")
    assert "it starts from itself: base.yaml <- first.yaml <- base.yaml" in problem(base)


# ---------------------------------------------------------------- runs of the store


def test_runs_of_the_store_are_named_by_how_their_id_begins(experiment: Path) -> None:
    def find(prefix: str) -> str:
        if prefix != "0123":
            raise ConfigError(f"'{prefix}' matches no run in runs")
        return "0123456789ab"

    run = pretraining.experiment(experiment, ["backbone.pretrained=runs/0123"], find)
    assert run.backbone.pretrained.run == "0123456789ab"
    assert pretraining.experiment(experiment, ["backbone.pretrained=runs/0123456789ab"]).id == run.id
    with pytest.raises(ConfigError, match=r"override .*: backbone.pretrained: '45' matches no run in runs"):
        pretraining.experiment(experiment, ["backbone.pretrained=runs/45"], find)
    sweep = experiment.with_name("sweep.yaml")
    sweep.write_text("base: base.yaml\nblocks:\n  - variants:\n      a: {backbone.pretrained: runs/0123}\n")
    assert expand.load(sweep, find=find)[1].runs[0].id == run.id
