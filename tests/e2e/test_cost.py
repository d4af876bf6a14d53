"""`plan --cost` says before training what the results say after it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pvt_exp import config, cost
from pvt_exp.config.sweep import Sweep
from pvt_exp.plan import expand, pretraining
from pvt_exp.system import children
from tests.conftest import ROOT, Cli


@pytest.mark.slow
def test_what_is_counted_is_what_is_trained(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    cli("sweep", sweep, "--seeds", "0")
    found = json.loads(cli("plan", sweep, "--cost", "--json", **env).stdout)
    for row, counted in zip(found["variants"], found["costs"], strict=True):
        assert row["name"] == counted["name"]
        due = json.loads((tmp_path / "runs" / row["runs"][0]["id"] / "result.json").read_text())["cost"]
        assert {name: counted[name] for name in due} == due
        assert 0 < counted["backbone_params"] < counted["params"]
        assert counted["memory"] > 3 * 4 * counted["params"], "weights, and AdamW's two averages of the gradients"
    counted = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache/pvt_exp").rglob("*.json")}
    assert len(counted) == 2, "a model once, whatever the seeds"
    shown = cli("plan", sweep, "--cost", **env).stdout
    assert "x 1.00, x 1.00" in shown
    assert counted == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache/pvt_exp").rglob("*.json")}
    next(iter(counted)).write_text("torn")
    assert "the same command counts again" in cli("plan", sweep, "--cost", ok=2, **env).stderr
    cli("plan", sweep, "--cost", **env)


@pytest.mark.slow
def test_hours_follow_from_a_few_steps_and_fall_as_runs_are_done(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    before = json.loads(cli("plan", sweep, "--cost", "--slots", "1", "--json", **env).stdout)
    assert before["hours"] is None
    assert "--calibrate measures" in cli("plan", sweep, "--cost", "--slots", "1", **env).stdout
    found = json.loads(cli("plan", sweep, "--calibrate", "--slots", "1", "--json", **env).stdout)
    for each in found["costs"]:
        throughput = each["throughput"]
        assert throughput["steps"] >= 2
        assert (
            min(
                throughput["step_s"],
                throughput["val_images_per_s"],
                throughput["inference_images_per_s"],
                each["run_h"],
            )
            > 0
        )
        assert 0 <= throughput["data_wait"] < 1
        assert throughput["peak_memory_bytes"] > each["memory"], "of the process, libraries and all"
    seeds = len(found["seeds"])
    assert found["hours"]["left"] == seeds * len(found["costs"])
    due = sum(seeds * each["run_h"] for each in found["costs"])
    assert found["hours"]["device_h"] == found["hours"]["wall_h"] == pytest.approx(due)
    assert not list((tmp_path / "runs").glob("*/run.yaml")), "no run was begun"
    cli("sweep", sweep, "--seeds", "0")
    after = json.loads(cli("plan", sweep, "--cost", "--slots", "1", "--json", **env).stdout)
    assert after["hours"]["left"] == found["hours"]["left"] - len(found["costs"])
    assert after["hours"]["device_h"] == pytest.approx(due * (seeds - 1) / seeds)
    shown = cli("plan", sweep, "--cost", "--slots", "1", **env).stdout
    assert "left to train: " in shown
    assert "with 1 at once" in shown


def test_a_model_that_cannot_be_built_leaves_the_others_counted(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    text = (
        sweep.read_text()
        + "      net:\n        wrong: {backbone: {kind: timm, name: resnet18, options: {nosuch: 1}}}\n"
    )
    sweep.write_text(text)
    done = cli("plan", sweep, "--cost", "--json", ok=2, **env)
    base, deeper, wrong = json.loads(done.stdout)["costs"]
    assert 0 < base["params"] < deeper["params"]
    assert wrong["params"] is wrong["memory"] is None
    assert "none called 'nosuch'" in wrong["reason"]
    place = f"{sweep}:{len(text.splitlines())}: net wrong: cannot be built: "
    assert [line for line in done.stderr.splitlines() if "error" in line] == [f"error: {place}{wrong['reason']}"]
    sweep.write_text(text + "where: macs > 0.5 * base.macs\n")
    assert f"where: net wrong cannot be counted: {wrong['reason']}" in cli("plan", sweep, ok=2, **env).stderr


def test_a_filter_over_costs(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    sweep.write_text(sweep.read_text() + "where: params < 1.01 * base.params\n")
    said = cli("plan", sweep, XDG_CACHE_HOME=str(tmp_path / "cache")).stdout
    assert "1 variant removed by where" in said
    assert "removed by where: depth deeper\n" in said
    assert "merged: depth same as the base = base\n" in said


def test_one_process_counts_all_that_a_plan_asks_and_its_end_is_told(
    sweep: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, start = [], children.start

    def noted(*words: Any, **pipes: Any) -> Any:
        started.append(start(*words, **pipes))
        return started[-1]

    monkeypatch.setattr(children, "start", noted)
    sweep.write_text(sweep.read_text() + "where: params > 1\n")
    with cost.counting():
        _, planned = expand.load(sweep, count=cost)
        base, deeper = cost.of([row.first for row in planned.variants])
        assert base.params < deeper.params
        assert len(started) == 1
        started[0].kill()
        larger = pretraining.experiment(sweep.with_name("base.yaml"), ["backbone.depths=[3, 1, 1, 1]"])
        assert cost.each([larger]) == [cost.NoCost("the process that counts was ended by SIGKILL")]
        cost.let_go()
    assert len(started) == 1
    assert cost.of([planned.variants[0].first]) == [base], "what was counted is kept"


@pytest.mark.slow
def test_matched_rows_cost_what_the_base_does(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    sweep.write_text(sweep.read_text() + "match: {cost: macs, within: 15%, by: backbone.embed_dims}\n")
    found = json.loads(cli("plan", sweep, "--cost", "--json", **env).stdout)
    base, row = found["variants"]
    macs = {each["name"]: each["macs"] for each in found["costs"]}
    assert row["matched"]["field"] == "backbone.embed_dims"
    assert row["matched"]["residual"] == macs[row["name"]] / macs[base["name"]] - 1
    assert abs(row["matched"]["residual"]) <= 0.15
    assert "matched to the base: depth deeper: backbone.embed_dims" in cli("plan", sweep, **env).stdout
    sweep.write_text(sweep.read_text().replace("15%", "0.0001%"))
    said = cli("plan", sweep, ok=2, **env).stderr
    assert "no backbone.embed_dims brings depth deeper to the base's macs" in said
    assert "the nearest, " in said


NETS = """\
  - one_at_a_time:
      net:
        resnet: {backbone: {kind: timm, name: resnet18}}
        deit: {backbone: {kind: timm, name: deit_tiny_patch16_224}}
"""


@pytest.mark.slow
@pytest.mark.parametrize("cost_of", ["params", "macs"])
def test_match_by_default_brings_resnet_and_deit_of_timm_to_the_base(
    cost_of: str, experiment: Path, cli: Cli, tmp_path: Path
) -> None:
    """A PVT v2 b0; both cost more as they are written, and what is planned is what is counted and can be built."""
    experiment.write_text(re.sub(r"  (embed_dims|heads|depths|mlp_ratios): .*\n", "", experiment.read_text()))
    sweep, env = experiment.with_name("nets.yaml"), {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    sweep.write_text(f"base: base.yaml\nblocks:\n{NETS}")
    plain = json.loads(cli("plan", sweep, "--cost", "--json", **env).stdout)
    sweep.write_text(f"base: base.yaml\nmatch: {{cost: {cost_of}, within: 3%}}\nblocks:\n{NETS}")
    found = json.loads(cli("plan", sweep, "--cost", "--json", **env).stdout)
    costs = {each["name"]: each[cost_of] for each in found["costs"]}
    before = {each["name"]: each[cost_of] for each in plain["costs"]}
    base, *rows = found["variants"]
    for row, field, written in zip(rows, ("channels", "embed_dim"), ([64, 128, 256, 512], [192]), strict=True):
        assert abs(before[row["name"]] / before[base["name"]] - 1) > 0.1
        assert abs(costs[row["name"]] / costs[base["name"]] - 1) <= 0.03
        assert row["matched"]["field"] == f"backbone.options.{field}"
        assert row["matched"]["before"] == written
        assert row["matched"]["residual"] == costs[row["name"]] / costs[base["name"]] - 1
    deit = rows[1]["matched"]["after"][0]
    assert deit % 3 == 0, "a head keeps a whole number of channels"


MATCHED = [path for path in sorted((ROOT / "sweeps").rglob("*.yaml")) if config.load(Sweep, path).match is not None]


@pytest.mark.slow
@pytest.mark.parametrize("path", MATCHED, ids=lambda path: path.stem)
def test_the_matched_sweeps_have_a_solution_for_every_row(path: Path, cache: Path) -> None:
    sweep, planned = expand.load(path, count=cost)
    assert sweep.match is not None
    counted = cost.of([row.first for row in planned.variants], memory=sweep.match.cost == "memory")
    costs = [getattr(each, sweep.match.cost) for each in counted]
    base = next(each for each, row in zip(costs, planned.variants, strict=True) if row.is_base)
    assert all(abs(each / base - 1) <= sweep.match.within for each in costs)
    assert any(row.matched for row in planned.variants)


@pytest.mark.slow
def test_models_are_counted_and_measured_with_this_code_wherever_one_types(
    sweep: Path, cli: Cli, tmp_path: Path
) -> None:
    """Not with a ``torch.py`` or another `pvt_exp` of the current folder."""
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    here = tmp_path / "hostile"
    (here / "pvt_exp").mkdir(parents=True)
    for name in ("torch", "timm", "pvt_exp/__init__", "pvt_exp/count", "pvt_exp/measure"):
        (here / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    found = cli("plan", sweep, "--calibrate", "--only", "base", "--slots", "1", "--json", cwd=here, **env)
    (row,) = json.loads(found.stdout)["costs"]
    assert row["params"] > 1000
