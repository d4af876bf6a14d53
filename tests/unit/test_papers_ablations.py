"""The papers' ablations as sweeps: each row changes what it says and nothing else; rows of several sweeps are one run."""

from typing import Any

import pytest

from pvt_exp.config.run import Run
from pvt_exp.plan import Plan, expand
from tests.conftest import ROOT

PAPERS = sorted((ROOT / "sweeps/papers").glob("*.yaml"))
COSTS = ("v1_figure6", "v2_figure4")
"""Those whose point is the cost: the figures have no printed numbers."""


def plan(sweep: str) -> Plan:
    return expand.load(ROOT / f"sweeps/papers/{sweep}.yaml")[1]


def rows(sweep: str) -> dict[str, Run]:
    return {variant.name: variant.first for variant in plan(sweep).variants}


def changed(run: Run, base: Run) -> dict[str, Any]:
    """The fields of two levels that differ from the base's, with their new values."""
    mine, its = (each.model_dump(mode="json", exclude={"seed"}) for each in (run, base))
    found = {}
    for name in mine:
        if mine[name] != its[name]:
            parts = mine[name] if isinstance(mine[name], dict) else {}
            found |= {f"{name}.{part}": value for part, value in parts.items() if value != its[name].get(part)}
    return found


def test_every_table_has_published_rows_and_every_header_says_how_and_what() -> None:
    for path in PAPERS:
        published = [variant for variant in expand.load(path)[1].variants if variant.published]
        assert bool(published) != (path.stem in COSTS), path.stem
        header = path.read_text().partition("base:")[0]
        assert f"pvt-exp {'plan' if path.stem in COSTS else 'sweep'} sweeps/papers/{path.name}" in header
        assert "arXiv" in header
        assert path.stem in COSTS or "GPU hours: not measured here" in " ".join(header.replace("#", "").split())


TABLES = ("v1_table2", "v1_table3", "v1_table4", "v1_table5", "v2_table2", "v2_table3_retinanet", "v2_table3_mask_rcnn",
          "v2_table5")  # fmt: skip
METHODS = {
    "classification": "linear classifier",
    "semantic": "Semantic FPN",
    "retinanet": "RetinaNet",
    "mask_rcnn": "Mask R-CNN",
}


@pytest.mark.parametrize("sweep", TABLES)
def test_what_stands_beside_a_row_is_of_its_model_its_method_and_its_schedule(sweep: str) -> None:
    for variant in plan(sweep).variants:
        task = variant.first.task
        label = next(filter(None, variant.labels))
        method = METHODS[task.detector.kind if hasattr(task, "detector") else task.kind]
        assert variant.published, variant.name
        for figure in variant.published:
            assert figure.backbone == label.get("", label.get("backbone")), figure.key
            assert figure.method == method, figure.key
            assert task.metric in figure.metrics, figure.key
            if "schedule" in label:
                assert figure.schedule[:2] == label["schedule"], figure.key
            if task.kind == "classification":
                assert "ImageNet" in figure.data


def test_each_switch_of_v2_is_a_single_one() -> None:
    switches = rows("v2_switches")
    base = switches.pop("base")
    linear = {"kind": "linear", "pool": 7}
    assert {name: changed(run, base) for name, run in switches.items()} == {
        "patches overlapping": {"backbone.overlap": True},
        "positions no tables": {"backbone.position": "none"},
        "feed-forward depthwise": {"backbone.ffn": "depthwise"},
        "spatial reduction linear, as in the paper": {"backbone.attention": {**linear, "activation": False}},
        "spatial reduction linear, as released": {"backbone.attention": {**linear, "activation": True}},
        "norm between stages on": {"backbone.stage_norm": True},
        "classified by the mean": {"backbone.class_token": False},
        "convolutions begin by their fan out": {"backbone.conv_init": "fan_out"},
    }


def test_all_switches_together_are_v2() -> None:
    table = rows("v2_table2")
    small, b2 = table["base"], table["PVTv2-B2"]
    assert set(changed(b2, small)) == {
        f"backbone.{name}" for name in ("overlap", "position", "ffn", "stage_norm", "class_token", "conv_init")
    }


def test_reduction_and_patches_are_changed_alone() -> None:
    found = rows("sr_ratio_patch_size")
    base = found.pop("base")
    fields = {name: set(changed(run, base)) for name, run in found.items()}
    due: dict[str, set[str]] = {name: {"backbone.attention"} for name in fields if name.startswith("spatial")}
    due |= {name: {"backbone.patch_sizes"} for name in fields if name.startswith("patch")}
    due["pyramid none, one map of stride 16"] = {"backbone.patch_sizes", "backbone.attention"}
    assert fields == due
    assert found["pyramid none, one map of stride 16"].backbone.strides == (16, 16, 16, 16)


def test_position_and_input_size_are_a_product() -> None:
    found = rows("position_input_size")
    assert len(found) == 8
    assert found["base"].id == rows("v1_table2")["base"].id
    assert found["positions PVTv2-B2, input 224"].id == rows("v2_table2")["PVTv2-B2"].id
    assert {run.task.image_px for name, run in found.items() if name.endswith("448")} == {448}


@pytest.mark.parametrize(("top1", "two_stages"), [("v2_table6_top1", "v2_table6"), ("v1_table9_top1", "v1_table9")])
def test_a_column_of_top1_is_of_the_pretraining_runs(top1: str, two_stages: str) -> None:
    ours = [variant.first.id for variant in plan(top1).variants]
    assert ours == [variant.first.pretraining.id for variant in plan(two_stages).variants if variant.first.pretraining]
    figures = {f.key for v in plan(top1).variants for f in v.published}
    assert all("top1" in f.metrics for v in plan(top1).variants for f in v.published)
    assert figures - {"v1/table2/PVT-Small"} <= {f.key for v in plan(two_stages).variants for f in v.published}


def test_rows_of_several_tables_are_one_run() -> None:
    table3 = rows("v1_table3")
    for sweep in ("v1_table8", "v1_table11"):
        assert rows(sweep)["base"].id == table3["base"].id
    assert rows("v1_table11")["ResNet50-800"].id == table3["backbone ResNet50, schedule 1x"].id


def test_640_pixels_are_the_released_ones() -> None:
    found = rows("v1_table11")
    assert changed(found["PVT-Small-640"], found["base"]) == {
        "task.short_px": [640],
        "task.long_px": 1066,
        "task.test_short_px": 640,
        "task.test_long_px": 1066,
        "task.macs_px": [640, 960],
    }


def test_the_vits_of_table_8_are_not_deit() -> None:
    found = rows("v1_table8")
    for name, patch in (("ViT-Small/4", 4), ("ViT-Small/32", 32)):
        backbone = found[name].backbone.model_dump(mode="json")
        options = {"embed_dim": 768, "depth": 8, "num_heads": 8, "mlp_ratio": 3.0, "qkv_bias": False}
        assert backbone["options"] == (options | ({"patch_size": 4} if patch == 4 else {}))
        assert backbone["layers"] == [2, 4, 6, 8]


def test_the_cost_figures_are_of_the_same_models() -> None:
    v1, v2 = rows("v1_figure6"), rows("v2_figure4")
    assert (len(v1), len(v2)) == (36, 54)
    assert {name: run.id for name, run in v1.items()}.items() <= {name: run.id for name, run in v2.items()}.items()
