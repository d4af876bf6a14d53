"""The papers' ablations with pretraining: which pretraining each row starts from."""

from pvt_exp.config.run import Run
from pvt_exp.plan import expand
from tests.conftest import ROOT


def rows(sweep: str) -> dict[str, Run]:
    _, planned = expand.load(ROOT / f"sweeps/papers/{sweep}.yaml")
    return {
        name: variant.runs[0] for variant in planned.variants for label in variant.labels for name in label.values()
    }


def pretraining_of(run: Run) -> str | None:
    return run.pretrain.run.id if run.pretrain else None


def test_the_ends_of_v2_table_6_are_published_models() -> None:
    steps, published = rows("v2_table6"), rows("v2_table2")
    ends = {"PVT-Small": "PVT-Small", "depthwise convolution": "PVTv2-B2", "linear SRA": "PVTv2-B2-Li"}
    assert {step: pretraining_of(steps[step]) for step in ends} == {
        step: published[name].id for step, name in ends.items()
    }


def test_v1_table_9_changes_the_architecture_of_both_stages() -> None:
    for name, run in rows("v1_table9").items():
        assert run.pretrain is not None
        ours, first = run.backbone.model_dump(), run.pretrain.run.backbone.model_dump()
        assert ours == first, name
    assert len({pretraining_of(run) for run in rows("v1_table9").values()}) == 3


def test_two_rows_of_v1_figure_5_share_a_pretraining_run() -> None:
    _, planned = expand.load(ROOT / "sweeps/papers/v1_figure5.yaml")
    starts = {variant.name: pretraining_of(variant.runs[0]) for variant in planned.variants}
    pretrained = rows("v2_table2")["PVT-Small"].id
    assert [starts[name] == pretrained for name in sorted(starts)] == ["pretrained" in name for name in sorted(starts)]
    ours, table_3 = rows("v1_figure5"), expand.load(ROOT / "sweeps/papers/v1_table3.yaml")[1]
    theirs = {variant.name: variant.first.id for variant in table_3.variants}
    for schedule in ("1x", "3x"):
        assert ours[f"ResNet50 {schedule}"].id == theirs[f"backbone ResNet50, schedule {schedule}"]
    assert sorted(starts.values(), key=str) == sorted([None] * 4 + [pretrained] * 2, key=str)
