"""A sweep's blocks, its runs in order, and where its errors are told."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from pvt_exp.config import ConfigError
from pvt_exp.config.run import Run
from pvt_exp.plan import Plan, expand


def make(folder: Path, blocks: str, head: str = "seeds: [0, 1]\n") -> Path:
    path = folder / "sweep.yaml"
    path.write_text(f"base: base.yaml\n{head}blocks:\n{blocks}")
    return path


def expanded(experiment: Path, blocks: str, head: str = "seeds: [0, 1]\n") -> Plan:
    return expand.load(make(experiment.parent, blocks, head))[1]


def problems(experiment: Path, blocks: str, head: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        expanded(experiment, blocks, head)
    return [line.replace(str(experiment.parent) + "/", "") for line in caught.value.problems]


DEPTH = "      depth: {two: {backbone.depths: [2, 1, 1, 1]}, three: {backbone.depths: [3, 1, 1, 1]}}\n"
RATE = "      rate: {low: {optim.lr: 1e-4}, high: {optim.lr: 1e-2}}\n"


def test_a_product_has_each_combination(experiment: Path) -> None:
    found = expanded(experiment, "  - product:\n" + DEPTH + RATE)
    assert [v.name for v in found.variants] == [
        "depth two, rate low", "depth two, rate high", "depth three, rate low", "depth three, rate high",
    ]  # fmt: skip
    assert [(v.runs[0].backbone.depths[0], v.runs[0].optim.lr) for v in found.variants] == [
        (2, 1e-4), (2, 1e-2), (3, 1e-4), (3, 1e-2),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["product", "zip"])
@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("{epochs: 3}", "{epochs: 5}", "epochs: 'y' overwrites what 'x' sets (sweep.yaml:4), which would do nothing"),
        ("{backbone.depths.0: 2}", "{backbone.depths: [1, 1, 1, 1]}", "backbone.depths: 'y' overwrites what 'x' sets"),
        ("{optim: {lr: 1.0}}", "{optim.lr: 2.0}", "set optim in one of the axes"),
        ("{optim.lr: 1.0}", "{optim: {lr: 2.0}}", "set optim.lr in one of the axes"),
        ("{optim.lr: 1.0}", "{optim: {kind: sgd, lr: 2.0}}", "optim: 'y' overwrites what 'x' sets"),
        ("{backbone.depths: [2, 1, 1, 1]}", "{backbone.depths.0: 3}", None),
        ("{optim: {kind: sgd, lr: 1.0}}", "{optim.lr: 2.0}", None),
        ("{optim.lr: 1.0}", "{optim: {weight_decay: 0.5}}", None),
    ],
)
def test_an_axis_that_undoes_one_before_it_is_refused_and_one_that_changes_a_part_is_not(
    experiment: Path, kind: str, first: str, second: str, said: str | None
) -> None:
    blocks = f"  - {kind}:\n      x: {{p: {first}}}\n      y: {{r: {second}}}\n"
    if said is None:
        assert [row.name for row in expanded(experiment, blocks).variants] == ["x p, y r"]
    else:
        (told,) = problems(experiment, blocks)
        assert said in told


def test_an_axis_is_refused_where_one_of_its_choices_undoes_one_before_it(experiment: Path) -> None:
    blocks = "  - product:\n      x: {p: {}, q: {epochs: 4}}\n      y: {r: {optim.lr: 1.0}, s: {epochs: 6}}\n"
    assert len(problems(experiment, blocks)) == 1
    assert len(expanded(experiment, blocks.replace("product", "cumulative").replace("x: {p: {}, q: ", "q: ").replace(
        "y: {r: {optim.lr: 1.0}, s: ", "s: ").replace("}}", "}")).variants) == 2  # fmt: skip


def test_a_zip_goes_along_its_lists(experiment: Path) -> None:
    found = expanded(experiment, "  - zip:\n" + DEPTH + RATE)
    assert [v.name for v in found.variants] == ["depth two, rate low", "depth three, rate high"]


def test_one_at_a_time_has_the_base_and_merges_what_equals_it(sweep: Path) -> None:
    _, found = expand.load(sweep)
    assert [v.name for v in found.variants] == ["base", "depth deeper"]
    assert found.variants[0].is_base
    assert found.variants[0].labels == ({}, {"depth": "same as the base"})
    assert found.merged == (("depth same as the base", "base"),)


def test_cumulative_steps_build_on_one_another(experiment: Path) -> None:
    found = expanded(
        experiment, "  - cumulative:\n      + depth: {backbone.depths: [2, 1, 1, 1]}\n      + rate: {optim.lr: 1.0}\n"
    )
    last = found.variants[-1].runs[0]
    assert [v.name for v in found.variants] == ["+ depth", "+ rate"]
    assert (last.backbone.depths, last.optim.lr) == ((2, 1, 1, 1), 1.0)


def test_a_variant_equal_to_the_base_is_the_base_row(experiment: Path) -> None:
    found = expanded(experiment, "  - variants:\n      plain: {}\n      fast: {optim.lr: 1.0}\n")
    assert [(v.name, v.is_base) for v in found.variants] == [("base", True), ("fast", False)]


def test_every_row_has_a_choice_of_every_axis(experiment: Path) -> None:
    one = "{deep: {backbone.depths: [2, 1, 1, 1]}, as is: {backbone.depths: [1, 1, 1, 1]}}"
    plan = expanded(
        experiment,
        f"  - one_at_a_time: {{depth: {one}, rate: {{low: {{optim.lr: 1e-4}}}}, nothing: {{same: {{}}}}}}\n"
        "  - variants: {wide: {batch_size: 8}}\n",
    )
    assert plan.axes == {"depth": ("as is", "deep"), "rate": ("base", "low"), "variant": ("base", "wide")}
    assert [plan.coordinates(row) for row in plan.rows] == [
        {"depth": "as is", "rate": "base", "variant": "base"},
        {"depth": "deep", "rate": "base", "variant": "base"},
        {"depth": "as is", "rate": "low", "variant": "base"},
        {"depth": "as is", "rate": "base", "variant": "wide"},
    ]


def test_kind_replaces_and_fields_merge(experiment: Path) -> None:
    blocks = (
        "  - variants:\n"
        "      linear: {backbone.attention: {kind: linear, pool: 3}}\n"
        "      sgd: {optim: {kind: sgd, lr: 0.1}}\n"
    )
    first, second = (v.runs[0] for v in expanded(experiment, blocks).variants)
    assert first.backbone.attention.kind == "linear"
    assert first.backbone.embed_dims == (8, 16, 16, 16)
    assert second.optim.kind == "sgd"
    assert second.optim.weight_decay == 1e-4


def test_runs_are_seed_major_and_blocks_add_up(experiment: Path) -> None:
    found = expanded(experiment, "  - product:\n" + DEPTH + "  - zip:\n" + DEPTH + RATE)
    assert [run.seed for run in found.runs] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert len({run.id for run in found.runs}) == 8


def test_the_id_is_the_same_however_a_run_is_spelled(experiment: Path) -> None:
    a = expanded(experiment, "  - variants: {x: {optim.lr: 1}}\n").runs[0]
    b = expanded(experiment, "  - variants: {y: {optim: {lr: 1.0}}}\n").runs[0]
    c = expanded(experiment, "  - product:\n      a: {b: {optim.lr: 1}}\n", "seeds: [3, 0]\n")
    assert a.id == b.id == c.variants[0].runs[1].id != c.variants[0].runs[0].id


def test_where_filters_on_settings(experiment: Path) -> None:
    found = expanded(
        experiment, "  - product:\n" + DEPTH + RATE, "where: backbone.depths[0] < 3 and optim.lr < base.optim.lr\n"
    )
    assert [v.name for v in found.variants] == ["depth two, rate low"]
    assert found.removed == ("depth two, rate high", "depth three, rate low", "depth three, rate high")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("backbone.deths[0] > 1", "'backbone.deths': no such field of kind pvt; did you mean depths"),
        ("__import__('os').system('x')", "is not allowed here"),
        ("optim.lr >", "not an expression: invalid syntax"),
        ("optim.lr > 100", "removes all 4 variants"),
        ("optim.lr > 'a'", "cannot be computed"),
        ("backbone.depths[9] > 1", "cannot be computed: tuple index out of range"),
        ("().__class__", "'().__class__': no such field"),
        ("true or backbone.deths[0] > 1", "'backbone.deths': no such field of kind pvt; did you mean depths"),
        ("epochs > 0 or base.bacbone", "'base.bacbone': no such field; did you mean backbone"),
        ("epochs > 0 or print(1)", "'print(1)' is not allowed here"),
        ("epochs > 0 or f'{epochs}'", "is not allowed here"),
        ("1 == '%z' % epochs", "arithmetic is for numbers"),
        ("optim.lr == 'x' * 10000000000000", "arithmetic is for numbers"),
        ("epochs is 300", "'epochs is 300': 'is' goes with None, True and False only; write =="),
        ("epochs is not 300", "'epochs is not 300': 'is' goes with None, True and False only; write !="),
        ("optim.kind is 'adamw'", "write =="),
        ("seed == 0", "'seed': each variant is trained with all seeds; to choose these, write seeds or --seeds"),
        ("epochs > 0 or base.seed == 0", "'base.seed': each variant is trained with all seeds"),
        ("pretrain.run.seed == 0", "'pretrain.run.seed': each variant is trained with all seeds"),
    ],
)
def test_a_filter_that_cannot_be_used(experiment: Path, where: str, said: str) -> None:
    found = problems(experiment, "  - product:\n" + DEPTH + RATE, f"where: {where}\n")
    assert len(found) == 1
    assert found[0].startswith("sweep.yaml:2: where: ")
    assert said in found[0]


@pytest.mark.parametrize("single", ["ema_decay is None", "null is ema_decay", "(epochs > 0) is true"])
def test_is_goes_with_what_there_is_one_of(experiment: Path, single: str) -> None:
    rest = "optim.lr < base.optim.lr\n"
    kept, due = (
        [row.name for row in expanded(experiment, "  - product:\n" + DEPTH + RATE, f"where: {each}").variants]
        for each in (f"{single} and {rest}", rest)
    )
    assert kept == due == ["depth two, rate low", "depth three, rate low"]


def test_where_filters_on_costs(experiment: Path) -> None:
    def count(runs: Sequence[Run], memory: bool) -> list[SimpleNamespace]:
        return [SimpleNamespace(params=sum(run.backbone.depths), macs=1) for run in runs]

    def kept(where: str) -> list[str]:
        path = make(experiment.parent, f"  - product:\n{DEPTH}", f"where: {where}\n")
        return [row.name for row in expand.load(path, count=SimpleNamespace(each=count))[1].rows]

    assert kept("params < 1.3 * base.params") == ["depth two"]  # 5 of 4, and 6 of 4
    assert kept("params > 5 and macs == base.macs") == ["depth three"]
    with pytest.raises(ConfigError, match="removes all 2 variants"):
        kept("macs > base.macs")
    with pytest.raises(ConfigError, match=r"'base\.parms': no such field"):
        kept("params < base.parms")


def test_a_filter_on_costs_names_each_row_that_has_none(experiment: Path) -> None:
    def count(runs: Sequence[Run], memory: bool) -> list[SimpleNamespace]:
        good = SimpleNamespace(params=1, macs=None, uncounted={"macs": "no such operation"})
        return [good, *[SimpleNamespace(reason="heads must divide")] * (len(runs) - 1)]

    path = make(experiment.parent, f"  - product:\n{DEPTH}", "where: macs <= base.macs\n")
    with pytest.raises(ConfigError) as told:
        expand.load(path, count=SimpleNamespace(each=count))
    assert [problem.partition("where: ")[2] for problem in told.value.problems] == [
        "base cannot be counted: no such operation",
        "depth two cannot be counted: heads must divide",
        "depth three cannot be counted: heads must divide",
    ]


def test_models_are_counted_only_where_a_filter_asks(experiment: Path) -> None:
    path = make(experiment.parent, f"  - product:\n{DEPTH}", "where: backbone.depths[0] < 3\n")
    assert len(expand.load(path, count=SimpleNamespace(each=lambda *_: pytest.fail("counted")))[1].rows) == 1


def test_errors_name_the_line_of_the_choice(experiment: Path) -> None:
    blocks = (
        "  - one_at_a_time:\n"
        "      depth:\n"
        "        good: {backbone.depths: [2, 1, 1, 1]}\n"
        "        short: {backbone.depths: [2, 1]}\n"
        "      heads:\n"
        "        odd: {backbone.heads: [1, 3, 2, 2]}\n"
        "      nothing:\n"
        "        a: {backbone.dpeths: [1, 1, 1, 1]}\n"
        "        b:\n"
        "          backbone.attention: {kind: sra, ratois: [1, 1, 1, 1]}\n"
    )
    found = problems(experiment, blocks)
    assert [line.split(":")[1] for line in found] == ["6", "8", "10", "12", "12"][: len(found)]
    assert "did you mean backbone.depths" in found[2]
    assert "backbone.attention.ratois" in " ".join(found[3:])


def test_errors_of_several_choices_together_name_the_rows(experiment: Path) -> None:
    lengths = "      length: {short: {epochs: 3}, long: {epochs: 9}}\n"
    warm = "      warm: {none: {schedule.warmup_epochs: 0}, much: {schedule.warmup_epochs: 7}}\n"
    (line,) = problems(experiment, "  - product:\n" + lengths + warm)
    assert line.endswith("sweep.yaml:5: schedule.warmup_epochs 7 leaves none of 3 epochs (row length short, warm much)")


def test_errors_of_a_field_that_the_choice_leaves_alone_name_the_choice_and_the_field(experiment: Path) -> None:
    experiment.write_text(experiment.read_text().replace("warmup_epochs: 0", "warmup_epochs: 1"))
    (line,) = problems(experiment, "  - variants:\n      long: {epochs: 9}\n      short:\n        epochs: 1\n")
    assert line.endswith("sweep.yaml:5: schedule.warmup_epochs 1 leaves none of 1 epoch")


@pytest.mark.parametrize(
    ("blocks", "head", "said"),
    [
        ("  - product: {}\n", "", "sweep.yaml:3: blocks.0.product: "),
        ("  - product: {depth: {}}\n", "", "sweep.yaml:3: blocks.0.product.depth: "),
        ("  []\n", "", "blocks: "),
        ("  - {}\n", "", "a block has exactly one key"),
        ("  - {product: {a: {b: {}}}, zip: {a: {b: {}}}}\n", "", "a block has exactly one key"),
        ("  - prodcut: {a: {b: {}}}\n", "", "did you mean blocks.0.product"),
        ("  - zip:\n" + DEPTH + "      one: {a: {}}\n", "", "zip needs axes of one length: depth has 2, one has 1"),
        ("  - variants: {a: {optim.lr: 1}, a: {optim.lr: 2}}\n", "", "a: this key stands here twice"),
        ("  - variants: {a: {}}\n", "seeds: [1, 1]\n", "the same seed twice"),
        ("  - variants: {a: {seed: 5}}\n", "", "no choice has a seed; write seeds"),
        ("  - variants: {a: {}}\n", "seeds: [-1]\n", "seeds.0"),
        ("  - variants: {a: {}}\n", "seeds: 0-2\n", "seeds: write the numbers in a list, such as [0, 1, 2], not '0-2'"),
        (
            "  - variants: {a: {}}\n",
            "seeds: [1-2, 5]\n",
            "seeds: write the numbers in a list, such as [1, 2], not '1-2'",
        ),
    ],
)
def test_a_sweep_that_cannot_be_used(experiment: Path, blocks: str, head: str, said: str) -> None:
    assert said in " ".join(problems(experiment, blocks, head))


def test_a_base_that_is_missing_or_a_sweep(sweep: Path) -> None:
    other = sweep.with_name("other.yaml")
    other.write_text("base: nowhere.yaml\nblocks: [{variants: {a: {}}}]\n")
    with pytest.raises(ConfigError, match=r"other\.yaml:1: base: .*nowhere\.yaml: no such file"):
        expand.load(other)
    other.write_text("base: sweep.yaml\nblocks: [{variants: {a: {}}}]\n")
    with pytest.raises(ConfigError, match=r"other\.yaml:1: base: .*sweep\.yaml is a sweep"):
        expand.load(other)
    with pytest.raises(ConfigError, match="this is an experiment"):
        expand.load(sweep.with_name("base.yaml"))


def test_a_sweep_has_seeds_and_takes_no_seed(sweep: Path) -> None:
    with pytest.raises(ConfigError, match="override 'seed=7': a sweep has seeds"):
        expand.load(sweep, ["seed=7"])


def test_only_plans_the_named_variants(experiment: Path) -> None:
    found = expanded(experiment, "  - product:\n" + DEPTH + RATE)
    assert [v.name for v in found.only(["low"]).variants] == ["depth two, rate low", "depth three, rate low"]
    assert len(found.only([found.runs[0].id[:6]]).variants) == 1
    with pytest.raises(ConfigError, match="--only lwo"):
        found.only(["lwo"])
    with pytest.raises(ConfigError) as error:
        found.only(["dept"])
    rows = "'depth two, rate low', 'depth two, rate high', 'depth three, rate low', 'depth three, rate high'"
    assert str(error.value).endswith(f"; did you mean 'depth'; it has {rows}")


def test_an_entry_of_a_list_that_an_earlier_step_set(experiment: Path) -> None:
    steps = "      a: {backbone.depths: [2, 2, 2, 2]}\n      b: {backbone.depths.3: 4}\n"
    steps += "      c: {backbone: {depths: [1, 2, 3, 4]}}\n"
    found = expanded(experiment, f"  - cumulative:\n{steps}      d: {{backbone.depths.0: 5}}\n")
    assert [v.first.backbone.depths for v in found.variants] == [(2, 2, 2, 2), (2, 2, 2, 4), (1, 2, 3, 4), (5, 2, 3, 4)]
    axes = "      first: {two: {backbone.depths: [2, 2, 2, 2]}}\n      then: {same: {}, deep: {backbone.depths.3: 4}}\n"
    for kind, depths in (("product", [(2, 2, 2, 2), (2, 2, 2, 4)]), ("zip", [(2, 2, 2, 4)])):
        written = axes.replace("same: {}, ", "") if kind == "zip" else axes
        found = expanded(experiment, f"  - {kind}:\n{written}")
        assert [v.first.backbone.depths for v in found.variants] == depths


def test_an_entry_of_a_list_that_is_a_preset_s_or_a_default(experiment: Path) -> None:
    preset = "backbone={kind: pvt, preset: pvt_v2_b0}"
    blocks = "  - cumulative:\n      a: {backbone.depths.3: 4}\n      b: {backbone.attention.ratios.0: 4}\n"
    path = make(
        experiment.parent, f"{blocks}      c: {{backbone.preset: pvt_v2_b1}}\n      d: {{backbone.embed_dims.0: 32}}\n"
    )
    last = expand.load(path, [preset])[1].variants[-1].first.backbone
    assert (last.depths, last.attention.ratios, last.embed_dims) == ((2, 2, 2, 4), (4, 4, 2, 1), (32, 128, 320, 512))
    (told,) = problems(experiment, "  - variants: {a: {backbone.depths.4: 1}}\n")
    assert told.endswith("backbone.depths.4: '4' is no place in a list of 4; the first is 0")
    _, planned = expand.load(make(experiment.parent, "  - variants: {a: {}}\n"), [preset, "backbone.depths.3=7"])
    assert planned.variants[0].first.backbone.depths == (2, 2, 2, 7)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("backbone.depths: [1, 1, 1, 1]", "backbone.depths.3: 2"),
        ("backbone.depths.3: 2", "backbone.depths: [1, 1, 1, 1]"),
        ("backbone: {depths: [1, 1, 1, 1]}", "backbone.depths: [2, 1, 1, 1]"),
        ("backbone: {kind: timm, name: resnet18}", "backbone.drop_path: 0.1"),
        ("backbone.drop_path: 0.1", "backbone: {kind: timm, name: resnet18}"),
        ("backbone.depths.3: 2", "backbone.depths.03: 4"),
    ],
)
def test_a_choice_that_contradicts_itself(experiment: Path, first: str, second: str) -> None:
    fields = [each.partition(": ")[0] for each in (first, second)]
    (told,) = problems(experiment, f"  - variants:\n      a:\n        {first}\n        {second}\n")
    said = f"sweep.yaml:6: {fields[1]}: the same choice sets {fields[0]} too (sweep.yaml:5); write one of them"
    assert told == said


def test_python_s_booleans_reach_timm_as_booleans(experiment: Path) -> None:
    net = "backbone: {kind: timm, name: vit_tiny_patch16_224, options: {patch_size: 8, qkv_bias: %s}}"
    blocks = "".join(f"      {word}: {{{net % word}}}\n" for word in ("False", "FALSE", "false"))
    found = expanded(experiment, f"  - variants:\n{blocks}")
    assert [v.first.backbone.options["qkv_bias"] for v in found.variants] == [False]
    assert found.merged == (("FALSE", "False"), ("false", "False"))
    (told,) = problems(experiment, f"  - variants:\n      a: {{{net % 'no'}}}\n")
    assert told.startswith("sweep.yaml:4: backbone.options.qkv_bias: write true or false, not no")
