"""Rows brought to the base's cost: the search, and what a sweep makes of it. Counts are stand-ins; e2e has real ones."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pvt_exp.backbones import Width
from pvt_exp.config import ConfigError
from pvt_exp.config.run import Run
from pvt_exp.plan import Plan, expand
from pvt_exp.plan.budget import Problem
from pvt_exp.plan.matching import Solution, nearest
from tests.unit.test_plan import make


def squares(value: Sequence[int], blocks: int = 2) -> int:
    return sum(blocks * 12 * v * v + 1000 * v for v in value)


PVT = (32, 64, 160, 256)
HEADS = (1, 2, 5, 8)


@pytest.mark.parametrize("blocks", [1, 3, 6])
def test_widths_are_solved_in_proportion_with_whole_heads(blocks: int) -> None:
    asked: list[tuple[int, ...]] = []

    def cost(value: tuple[int, ...]) -> int:
        asked.append(value)
        return squares(value, blocks)

    found = nearest(PVT, HEADS, cost, squares(PVT), 0.02)
    assert found is not None
    assert abs(found.cost / squares(PVT) - 1) <= 0.02
    assert all(dim % heads == 0 for dim, heads in zip(found.value, HEADS, strict=True))
    heads = [dim // heads for dim, heads in zip(found.value, HEADS, strict=True)]
    assert max(heads) - min(heads) <= 1, "in proportion"
    assert len(asked) == len(set(asked)) <= 20, "each model is counted once, and few are"


def test_what_costs_the_target_is_left_as_it_is() -> None:
    assert nearest(PVT, HEADS, squares, squares(PVT), 0.02) == Solution(PVT, squares(PVT), squares(PVT))


@pytest.mark.parametrize("target", [4, 17, 100])
def test_depths_rise_one_block_at_a_time(target: int) -> None:
    found = nearest((2, 2, 6, 2), (1, 1, 1, 1), lambda v: 10 * sum(v), 10 * target, 0.001)
    assert found is not None
    assert found.cost == 10 * target


def test_values_that_are_no_model_are_passed_over() -> None:
    found = nearest((192,), (1,), lambda v: None if v[0] % 3 else v[0] ** 2, 100**2, 0.05)
    assert found is not None
    assert found.value in {(99,), (102,)}
    assert nearest((192,), (1,), lambda _: None, 100, 0.05) is None


# ------------------------------------------------------------ in a sweep

DEPTH = "      depth:\n        two: {backbone.depths: [2, 1, 1, 1]}\n        four: {backbone.depths: [4, 1, 1, 1]}\n"
WIDER = "match: {cost: params, within: 5%, by: backbone.embed_dims}\n"


def params(run: Run) -> int:
    return sum(12 * n * v * v for n, v in zip(run.backbone.depths, run.backbone.embed_dims, strict=True))


def solve(problems: Sequence[Problem]) -> list[Solution | None]:
    def one(each: Problem) -> Solution | None:
        def cost(value: tuple[int, ...]) -> int:
            return sum(12 * n * v * v for n, v in zip(each.run.backbone.depths, value, strict=True))

        return nearest(each.value, each.units, cost, params(each.base), each.within)

    return [one(each) for each in problems]


def plan(experiment: Path, blocks: str, head: str) -> Plan:
    path = make(experiment.parent, blocks, head)
    return expand.load(path, count=SimpleNamespace(solve=solve))[1]


def test_rows_are_changed_and_say_so(experiment: Path) -> None:
    planned = plan(experiment, f"  - one_at_a_time:\n{DEPTH}", WIDER)
    base, *others = planned.variants
    assert base.is_base
    assert base.matched is None
    for row in others:
        assert abs(params(row.first) / params(base.first) - 1) <= 0.05
    changed = [row for row in others if row.matched]
    assert changed
    for row in changed:
        assert row.matched is not None
        assert row.matched.after == row.first.backbone.embed_dims
        assert row.matched.before == base.first.backbone.embed_dims
        assert row.matched.residual == pytest.approx(params(row.first) / params(base.first) - 1)
        assert ", not " in str(row.matched)
        assert not row.unlike, "width is no recipe"


@pytest.mark.parametrize("allow", ["[]", "['*']"])
def test_pretrained_weights_that_a_scaled_row_cannot_start_from(allow: str, experiment: Path) -> None:
    weights = experiment.with_name("w.pth")
    weights.write_bytes(b"weights")
    start = f"{{path: {weights}, allow: {allow}}}"
    text = experiment.read_text().replace("backbone:\n", f"backbone:\n  pretrained: {start}\n")
    experiment.write_text(text)
    if allow == "[]":
        with pytest.raises(ConfigError) as caught:
            plan(experiment, f"  - one_at_a_time:\n{DEPTH}", WIDER)
        said = str(caught.value)
        assert "match: depth four needs backbone.embed_dims " in said
        assert ", not 8-16-16-16, and its backbone.pretrained does not fit then" in said
        return
    planned = plan(experiment, f"  - one_at_a_time:\n{DEPTH}", WIDER)
    changed = [row.matched for row in planned.variants if row.matched is not None]
    assert changed
    assert all(
        row.fresh and str(row).endswith("; tensors that its pretrained weights do not fit start at random")
        for row in changed
    )


def test_a_row_without_the_field_is_told_how_far_off_it_is(experiment: Path) -> None:
    def each(runs: Sequence[Run], memory: bool) -> list[SimpleNamespace]:
        assert not memory
        return [SimpleNamespace(params=90 if run.backbone.kind == "timm" else 100) for run in runs]

    other = "      net: {resnet: {backbone: {kind: timm, name: resnet18}}}\n"
    for within, told in (("5%", "it has no backbone.embed_dims (params -10.0 %)"), ("20%", None)):
        path = make(experiment.parent, f"  - one_at_a_time:\n{DEPTH}{other}", WIDER.replace("5%", within))
        planned = expand.load(path, count=SimpleNamespace(solve=solve, each=each))[1]
        assert {row.name: row.unmatched for row in planned.variants if row.unmatched or row.name == "net resnet"} == {
            "net resnet": told
        }


BY_ITSELF = "match: {cost: params, within: 5%}\n"
NETS = """\
      net:
        resnet: {backbone: {kind: timm, name: resnet18}}
        vit: {backbone: {kind: timm, name: vit_tiny_patch16_224, options: {patch_size: 8}}}
        regnet: {backbone: {kind: timm, name: regnetx_002}}
"""


def widths(runs: Sequence[Run]) -> list[Width | str]:
    known = {
        "resnet18": Width("options.channels", (64, 128), (1, 1)),
        "vit_tiny_patch16_224": Width("options.embed_dim", (192,), (3,), single=True),
        "regnetx_002": "no width of regnetx_002",
    }
    return [
        known[b.name] if b.kind == "timm" else Width("embed_dims", b.embed_dims, b.heads) for b in map(backbone, runs)
    ]


def backbone(run: Run) -> Any:
    return run.backbone


def test_without_a_field_each_kind_is_scaled_by_its_width(experiment: Path) -> None:
    asked: list[Problem] = []

    def halved(problems: Sequence[Problem]) -> list[Solution | None]:
        asked.extend(problems)
        return [Solution(tuple(n // 2 for n in each.value), 100, 100) for each in problems]

    def of(runs: Sequence[Run], memory: bool) -> list[SimpleNamespace]:
        return [SimpleNamespace(params=100 + 50 * (run.backbone.kind == "timm")) for run in runs]

    path = make(experiment.parent, f"  - one_at_a_time:\n{DEPTH}{NETS}", BY_ITSELF)
    planned = expand.load(path, count=SimpleNamespace(solve=halved, of=of, each=of, widths=widths))[1]
    rows = {row.name: row for row in planned.variants}
    assert [(each.field, each.units) for each in asked] == [
        *[("backbone.embed_dims", rows["base"].first.backbone.heads)] * 2,
        ("backbone.options.channels", (1, 1)), ("backbone.options.embed_dim", (3,)),
    ]  # fmt: skip
    assert rows["net resnet"].first.backbone.options == {"channels": (32, 64)}
    assert rows["net vit"].first.backbone.options == {"patch_size": 8, "embed_dim": 96}
    assert rows["depth two"].first.backbone.embed_dims == tuple(n // 2 for n in rows["base"].first.backbone.embed_dims)
    assert rows["net regnet"].unmatched == "no width of regnetx_002 (params +50.0 %)"
    assert rows["base"].matched is None
    assert rows["net regnet"].matched is None


def test_rows_of_which_no_width_is_known(experiment: Path) -> None:
    blocks = "  - one_at_a_time: {net: {regnet: {backbone: {kind: timm, name: regnetx_002}}}}\n"
    path = make(experiment.parent, blocks, BY_ITSELF)
    with pytest.raises(ConfigError, match=r"sweep\.yaml:2: match: net regnet: no width of regnetx_002$"):
        expand.load(path, count=SimpleNamespace(widths=widths))


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (WIDER.replace("5%", "0.01%"), "no backbone.embed_dims brings depth four to the base's params"),
        (WIDER.replace("embed_dims", "width"), "match.by: no row has backbone.width"),
        (WIDER.replace("embed_dims", "mlp_ratios"), "match.by: backbone.mlp_ratios has no whole numbers"),
        (WIDER.replace("5%", "200%"), "match.within: "),
        (WIDER.replace("5%", "much"), "match.within: "),
        (WIDER.replace("params", "money"), "match.cost: "),
    ],
)
def test_what_cannot_be_matched_is_refused(experiment: Path, head: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        plan(experiment, f"  - one_at_a_time:\n{DEPTH}", head)
    (told,) = [problem for problem in refused.value.problems if said in problem]
    assert "sweep.yaml:" in told
    if "brings" in said:
        assert "; the nearest, " in told
