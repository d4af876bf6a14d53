"""A ``result.json`` that was edited by hand, or is of another run or program, is told; no verb breaks on it."""

import copy
import json
import math
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from typer.testing import CliRunner

import pvt_exp
from pvt_exp import cli, config, store
from pvt_exp.config.placement import Placement
from pvt_exp.plan import Plan, expand
from pvt_exp.store import result_fields
from pvt_exp.store.outcome import outcome_of
from pvt_exp.store.results import publish_result
from pvt_exp.system import files
from pvt_exp.tune import mirror
from tests.verbs import verbs

WHOLE: dict[str, Any] = {
    "format": 1,
    "epoch": 2,
    "metrics": {"loss": 0.5, "top1": 70.0, "top5": 90.0},
    "per_class": [],
    "best": {"epoch": 1, "metrics": {"loss": 0.5, "top1": 71.0, "top5": 90.0}},
    "cost": {"params": 41708, "trainable_params": 41708, "macs": 1_000_000, "input_px": [32, 32]},
    "data": {"name": "shapes", "fingerprint": "f" * 16, "images": {"train": 96, "val": 48}, "skipped": 0},
    "provenance": {
        "git": {"sha": "a" * 40, "dirty": False, "files_sha256": "b" * 64},
        "seconds": 3.0,
        "samples_seen": 192,
        "batch_size": 16,
        "lr": 0.002,
        "precision": "32",
        "attempt": 1,
    },
    "finished": "2026-01-01T00:00:00Z",
}


def changed(*keys: str, to: Any = None) -> dict[str, Any]:
    """A whole result with one value changed, or taken away where ``to`` is ``...``."""
    found = copy.deepcopy(WHOLE)
    place = found
    for key in keys[:-1]:
        place = place[key]
    if to is ...:
        del place[keys[-1]]
    else:
        place[keys[-1]] = to
    return found


WRONG: dict[str, tuple[Any, str]] = {
    "a list": ([1, 2], "cannot be read"),
    "a text": ("done", "cannot be read"),
    "empty": ({"format": 1}, "metrics: is missing"),
    "no metrics": (changed("metrics", to={}), "has no metrics"),
    "reasons that are none": ({**changed("metrics", to={}), "unscored": ["why"]}, "unscored: must be a mapping"),
    "metrics a list": (changed("metrics", to=[70.0]), "metrics: must be a mapping"),
    "NaN": (changed("metrics", "top1", to=math.nan), "metrics.top1: must be a finite number"),
    "infinite": (changed("metrics", "loss", to=math.inf), "metrics.loss: must be a finite number"),
    "huge": (changed("metrics", "loss", to=10**400), "metrics.loss: must be a finite number"),
    "a text for a number": (changed("metrics", "top1", to="70.0"), "metrics.top1: must be a finite number"),
    "true for a number": (changed("metrics", "top1", to=True), "metrics.top1: must be a finite number"),
    "the best NaN": (changed("best", "metrics", "top1", to=math.nan), "best.metrics.top1: must be a finite number"),
    "a best of one number": (changed("best", to=71.0), "best: must be a mapping"),
    "a metric without a name": (changed("metrics", "", to=1.0), "metrics: a metric is called ''; a name is text of"),
    "a name of two lines": (changed("metrics", "a\nb", to=1.0), "metrics: a metric is called 'a\\nb'; a name is text"),
    "the best's name of two lines": (changed("best", "metrics", "a\nb", to=1.0), "best.metrics: a metric is called 'a"),
    "a name of two lines that has no score": ({**WHOLE, "unscored": {"a\nb": "why"}}, "unscored: a metric is called"),
    "a name in colour": (changed("metrics", "\x1b[31m", to=1.0), "metrics: a metric is called '\\x1b[31m'"),
    "a unit of two lines": ({**WHOLE, "metric_info": {"top1": {"unit": "a\nb"}}}, "metric_info: must be a mapping"),
    "no cost": (changed("cost", to=...), "cost: is missing"),
    "cost null": (changed("cost", to=None), "cost: must be a mapping"),
    "params a text": (changed("cost", "params", to="41 k"), "cost.params: must be a number from 0 to 1e+300"),
    "params negative": (changed("cost", "params", to=-1), "cost.params: must be a number from 0 to 1e+300"),
    "one size": (changed("cost", "input_px", to=32), "cost.input_px: must be a list of whole numbers"),
    "data a list": (changed("data", to=[]), "data: must be a mapping"),
    "a fingerprint of numbers": (changed("data", "fingerprint", to=1234), "data.fingerprint: must be text"),
    "more than all": (
        changed("metrics", "top1", to=250),
        "metrics.top1: 250 is outside 0 to 100, and its unit is %",
    ),
    "less than none": (changed("metrics", "top5", to=-5.0), "metrics.top5: -5 is outside 0 to 100, and its unit is %"),
    "the best more than all": (changed("best", "metrics", "top1", to=100.5), "best.metrics.top1: 100.5 is outside"),
    "more than all, as the result says": (
        {**changed("metrics", to={"mine": 101}), "metric_info": {"mine": {"unit": "%"}}},
        "metrics.mine: 101 is outside 0 to 100",
    ),
    "an epoch that never was": (changed("epoch", to=3), "epoch: 3 is not the last of the run's 2 epochs"),
    "an epoch before the last": (changed("epoch", to=1), "epoch: 1 is not the last of the run's 2 epochs"),
    "very large": (changed("metrics", "loss", to=1e308), "metrics.loss: must be a finite number of size below 1e+300"),
    "very long": (changed("provenance", "seconds", to=1e308), "provenance.seconds: must be a number from 0 to 1e+300"),
    "a best before all": (changed("best", "epoch", to=0), "best.epoch: 0 is none of the run's epochs, 1 to 2"),
    "a best that never was": (changed("best", "epoch", to=99), "best.epoch: 99 is none of the run's epochs, 1 to 2"),
    "time that ran back": (
        changed("provenance", "seconds", to=-1e200),
        "provenance.seconds: must be a number from 0 to 1e+300",
    ),
    "a rate below 0": (changed("provenance", "lr", to=-0.1), "provenance.lr: must be a number from 0 to 1e+300"),
    "fewer images than none": (
        changed("data", "images", to={"train": -96}),
        "data.images: must be a mapping of whole numbers from 0 on",
    ),
    "no seconds": (changed("provenance", "seconds", to=...), "provenance.seconds: is missing"),
    "seconds NaN": (changed("provenance", "seconds", to=math.nan), "provenance.seconds: is missing"),
    "git a text": (changed("provenance", "git", to="abc"), "provenance.git: must be a mapping"),
    "packages of texts": (
        changed("provenance", "packages", to={"x": "1"}),
        "provenance.packages: must be a mapping of",
    ),
    "one GPU": (changed("provenance", "hardware", to={"gpus": 5}), "provenance.hardware.gpus: must be a list of texts"),
    "GPUs of numbers": (
        changed("provenance", "hardware", to={"gpus": [5]}),
        "provenance.hardware.gpus: must be a list",
    ),
    "memory a text": (
        changed("provenance", "hardware", to={"peak_memory_bytes": "much"}),
        "provenance.hardware.peak_memory_bytes: must be a number from 0 to 1e+300",
    ),
    "a start from a list": (
        changed("provenance", "pretrained", to={"data": []}),
        "provenance.pretrained.data: must be text",
    ),
    "a start of counts": (
        changed("provenance", "pretrained", to={"matched": 1, "resized": 0, "missing": 0}),
        "provenance.pretrained.resized: must be a list of texts",
    ),
    "a format of text": (changed("format", to="1"), "format: must be a whole number from 0 on"),
    "no format": (changed("format", to=...), "format: is missing"),
    "another format, with other fields": ({"format": 2, "scores": []}, "format 2 is not of this version (1)"),
    "finished sometime": (changed("finished", to="yesterday"), "finished: must be a date and time"),
    "another run": ({**WHOLE, "run": "0123456789ab"}, "is of the run 0123456789ab: a copy"),
    "an id of numbers": ({**WHOLE, "run": 123}, "run: must be text"),
}
LACKING = {
    "no parameters": changed("cost", "params", to=...),
    "no MACs": changed("cost", "macs", to=None),
    "no size": changed("cost", "input_px", to=...),
    "no best": changed("best", to=...),
    "no data's name": changed("data", "name", to=...),
    "no fingerprint": changed("data", "fingerprint", to=...),
    "no git": changed("provenance", "git", to=...),
    "no rate": changed("provenance", "lr", to=...),
    "no GPUs": changed("provenance", "hardware", to={"gpus": None, "threads": 1}),
    "a start that says no numbers": changed("provenance", "pretrained", to={"data": "f" * 16, "resized": None}),
    "no start": changed("provenance", "pretrained", to=None),
    "a start": changed("provenance", "pretrained", to={"matched": 3, "resized": [], "missing": ["a"], "data": "f"}),
    "no date": changed("finished", to=...),
    "all of them right": changed("metrics", to={"loss": 250.0, "top1": 100.00001, "top5": 100.0}),
    "a gain that is no percentage": changed("metrics", to={"top1": 70.0, "mine": -250.0}),
    "other metrics": changed("metrics", to={"rmse": 2.0}),
    "NaN where nobody looks": changed("per_class", to=[{"name": "a", "AP": math.nan}]),
    "more": {**WHOLE, "mine": {"x": math.inf}},
}
"""Results that count: what they lack is nothing that their metrics follow from."""


@pytest.fixture(autouse=True)
def _verbs_are_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not for each of the hundreds of commands that are typed here."""
    monkeypatch.setattr("typer.testing._get_command", lambda app: verbs()[()])


def filled(sweep: Path, *results: Any) -> Plan:
    """A store in which the base's runs have these results, a seed each."""
    plan = expand.load(sweep, seeds=range(len(results)))[1]
    runs = store.create(sweep.parent / "runs")
    for run, made in zip(plan.variants[0].runs, results, strict=True):
        store.attempt(runs, run, Placement(), plan.name)
        (runs / run.id / "result.json").write_text(json.dumps(made))
    return plan


def every_verb(plan: Plan, folder: Path) -> dict[str, Any]:
    """What the light verbs say, as JSON where they can; none may raise."""
    said: dict[str, Any] = {}
    seeds = f"--seeds=0-{len(plan.seeds) - 1}"
    single = [[*verb, run.id] for run in plan.variants[0].runs for verb in (("runs", "show"), ("why",))]
    for words in (
        *(["status"], ["status", "sweep.yaml", seeds], ["plan", "sweep.yaml", seeds], ["runs", "list"]),
        *(["report", "sweep.yaml", seeds], ["clean", "sweep.yaml"], ["stop", "sweep"]),
        *single,
    ):
        for more in ([], ["--json"]):
            done = CliRunner().invoke(cli.app, [*words, *more])
            if done.exit_code == 2 and "No such option" in done.output:
                continue  # it has no --json
            fine = done.exception is None or isinstance(done.exception, SystemExit | config.ConfigError)
            assert fine, (words, more, done.exception)
            said[" ".join((*words, *more))] = done.stdout
            if more and words[0] != "stop":
                json.loads(done.stdout, parse_constant=pytest.fail)
    frame = pvt_exp.results("sweep.yaml", seeds=plan.seeds)
    said["frame"] = dict(zip(frame["run"], frame["state"], strict=True))
    mirror.Mirror(lambda: plan, folder / "runs", optuna.storages.InMemoryStorage()).refresh()
    return said


def test_a_result_that_does_not_count_is_told(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sweep.parent)
    plan = filled(sweep, *(made for made, _ in WRONG.values()), WHOLE)
    *runs, good = plan.variants[0].runs
    said = every_verb(plan, sweep.parent)
    listed = {run["id"]: run for run in json.loads(said["runs list --json"])["runs"]}
    for run, (name, (_, why)) in zip(runs, WRONG.items(), strict=True):
        assert why in said[f"runs show {run.id}"], name
        assert why in said[f"why {run.id}"], name
        assert (listed[run.id]["state"], listed[run.id]["metrics"]) == ("killed", None), name
        assert why in listed[run.id]["reason"], name
        assert said["frame"][run.id] == "killed", name
    assert listed[good.id]["state"] == "done"
    assert (
        "its result.json does not count: best.metrics.top1: must be a finite number of size below 1e+300"
        in said["status"]
    )
    assert "must be a finite number" in next(said[name] for name in said if name.startswith("status sweep"))


@pytest.mark.parametrize("alone", [True, False])
def test_a_result_that_lacks_what_is_not_its_score_counts(
    alone: bool, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside good ones, and where there is no other that has what it lacks."""
    monkeypatch.chdir(sweep.parent)
    bare = copy.deepcopy(WHOLE) | {"best": None, "cost": {}, "data": {}, "provenance": {"seconds": 1.0}}
    plan = filled(sweep, *([bare] if alone else [*LACKING.values(), WHOLE]))
    said = every_verb(plan, sweep.parent)
    assert {said["frame"][run.id] for run in plan.variants[0].runs} == {"done"}


def test_a_whole_result_has_nothing_wrong() -> None:
    assert result_fields.problem(copy.deepcopy(WHOLE), "0123456789ab") is None


def test_a_copied_folder_is_no_second_run(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is called; and its weights and its id are not taken for the run's."""
    monkeypatch.chdir(sweep.parent)
    first = expand.load(sweep)[1].runs[0].id
    plan = filled(sweep, {**WHOLE, "run": first}, WHOLE)
    for name in (f"{first} (copy)", "old", "0123456789ab"):
        shutil.copytree(Path("runs") / first, Path("runs") / name)
    said = every_verb(plan, sweep.parent)
    found = json.loads(said["runs list --json"])
    assert found["other_folders"] == sorted([f"{first} (copy)", "old"])
    assert sorted(run["id"] for run in found["runs"] if run["state"] == "done") == sorted(
        run.id for run in plan.variants[0].runs
    )
    assert f"is of the run {first}: a copy" in said["status"]
    assert "folders whose names are not those of runs, not counted" in said["status"]
    assert store.find(Path("runs"), first[:6]) == first


def test_what_does_not_count_is_set_aside_when_it_is_trained(sweep: Path) -> None:
    plan = filled(sweep, WRONG["NaN"][0])
    runs, run = sweep.parent / "runs", plan.runs[0]
    attempt = store.attempt(runs, run, Placement(), "sweep")
    assert publish_result(attempt, {**WHOLE, "run": run.id})
    assert outcome_of(runs, run.id).state == "done"
    assert len(list((runs / run.id).glob("result.set-aside-*.json"))) == 1


@pytest.mark.parametrize("written", ['"metrics": ', '"metrics" :\n'])
def test_a_result_in_which_a_key_stands_twice_does_not_count(written: str, sweep: Path) -> None:
    plan = filled(sweep, WHOLE)
    (run,) = plan.variants[0].runs
    path = sweep.parent / "runs" / run.id / "result.json"
    assert outcome_of(sweep.parent / "runs", run.id).state == "done"
    path.write_text(path.read_text()[:-1] + f', {written}{{"top1": 99.0}}}}')
    assert json.loads(path.read_text())["metrics"] == {"top1": 99.0}
    seen = outcome_of(sweep.parent / "runs", run.id)
    assert (seen.state, seen.cause) == ("killed", "result_not_valid")
    assert seen.reason == "its result.json does not count: keys that stand twice in one object: metrics"


@pytest.mark.parametrize("text", ['{"a:b": "c:d", "e": "\\u003a", "f": {"a:b": "\\ud800"}}', '{"a": NaN, "b": 1e999}'])
def test_a_record_in_which_none_does_is_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(text)
    assert (files.read_json(tmp_path / "record.json") or {}).keys() == json.loads(text).keys()
    assert files.keys_twice(tmp_path / "record.json") == []
