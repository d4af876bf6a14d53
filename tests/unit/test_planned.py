"""Runs that have not begun, and stores that are not there: what the verbs that only look say of them."""

import json
from pathlib import Path

import pytest

from pvt_exp import cli, config, store
from pvt_exp.cli import planned as planning
from pvt_exp.plan import Plan
from pvt_exp.store import attempts
from tests.unit.test_recovery import SCRIPT, planned
from tests.unit.test_retrain import launcher, typed

__all__ = ["cli", "launcher", "planned"]
ABSENT = "there is no store at runs; another one: --store PATH, or $PVT_EXP_RUNS"


@pytest.fixture
def last(planned: Plan) -> str:
    """The id of a run that has not begun, of a sweep in its usual folder."""
    Path("sweeps").mkdir()
    Path("sweeps/mine.yaml").write_text(Path("sweep.yaml").read_text().replace("base.yaml", "../base.yaml"))
    Path("sweep.yaml").unlink()
    Path("notes.yaml").write_text("a: [\n")
    return planned.variants[1].runs[1].id


@pytest.mark.parametrize("has_store", [False, True])
@pytest.mark.parametrize("verb", [("why",), ("runs", "show")])
def test_a_planned_run_is_found_in_its_sweep(verb: tuple[str, ...], has_store: bool, last: str) -> None:
    if has_store:
        store.create(Path("runs"))
    lines = typed(*verb, last[:6]).stdout.splitlines()
    assert lines == [
        f"{last} is pending (of mine)",
        "row: depth deep, seed 1",
        "it has not begun, and no process trains its sweep now; to train it: pvt-exp sweep sweeps/mine.yaml",
    ]
    told = json.loads(typed(*verb, last, "--json").stdout)
    assert (told["id"], told["state"]) == (last, "pending")
    assert Path("runs").exists() is has_store, "it only looks"


def test_a_sweep_of_another_folder_is_found_through_the_store(
    last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed("sweep", "sweeps/mine.yaml", "--no-smoke", "--seeds", "0")
    Path("far").mkdir()
    monkeypatch.chdir("far")
    said = typed("why", last, "--store", "../runs").stdout
    assert f"to train it: pvt-exp sweep {tmp_path}/sweeps/mine.yaml --store ../runs" in said


def test_an_id_that_nothing_has(last: str) -> None:
    def said(*words: str) -> str:
        return str(typed(*words, ok=2).exception)

    assert said("why", "0123") == f"'0123' matches no run in runs: {ABSENT}; files that were not looked at: notes.yaml"
    store.create(Path("runs"))
    due = "'0123' matches no run in runs: a store has the runs that have begun; pvt-exp plan SWEEP.yaml shows the ids"
    for verb in (("why",), ("runs", "show"), ("retrain",), ("runs", "remove")):
        assert said(*verb, "0123").startswith(due)


def test_sweeps_for_which_models_are_counted_are_not_expanded(last: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("sweeps/mine.yaml").open("a") as file:
        file.write("where: params < 1e9\n")
    monkeypatch.setattr("pvt_exp.cost.each", None)
    with pytest.raises(config.ConfigError, match=r"not looked at: sweeps/mine.yaml, notes.yaml"):
        planning.find(Path("runs"), last)


@pytest.mark.parametrize("words", [["status"], ["runs", "list"], ["status", "sweeps/mine.yaml"]])
def test_a_store_that_is_not_there_is_told(words: list[str], last: str) -> None:
    done = typed(*words)
    assert done.stderr == f"note: {ABSENT}\n"
    assert json.loads(typed(*words, "--json").stdout)
    store.create(Path("runs"))
    assert not typed(*words).stderr


def test_report_and_clean_tell_it_too(last: str) -> None:
    assert "(there is no store at runs)" in typed("report", "sweeps/mine.yaml", ok=1).stderr
    assert ABSENT in typed("clean").stdout


def test_why_has_the_log_and_a_command_that_trains_just_this_run(last: str) -> None:
    """With the changes that were typed, without which it would be another run."""
    run_id = json.loads(typed("run", "base.yaml", "optim.lr=0.5", "--json").stdout)["id"]
    SCRIPT[run_id] = [("failed", "the disk was away", None)]
    typed("retrain", run_id, ok=1)
    newest = attempts.of(Path("runs", run_id))[-1]
    (newest / "log.txt").touch()
    lines = typed("why", run_id).stdout.splitlines()
    assert f"log: {newest}/log.txt" in lines
    assert lines[-1].endswith("then pvt-exp run base.yaml optim.lr=0.5 --retry failed")


def test_a_base_beside_its_sweeps_folder_has_a_short_name(last: str, tmp_path: Path) -> None:
    Path("base.yaml").write_text(Path("base.yaml").read_text() + "epohcs: 2\n")
    assert str(typed("plan", "sweeps/mine.yaml", ok=2).exception).startswith("base.yaml:")
    Path("sweeps/first.yaml").write_text("epohcs: 2\n")
    Path("base.yaml").write_text(
        Path("base.yaml").read_text().replace("epohcs: 2", "pretrain: sweeps/../sweeps/first.yaml")
    )
    assert "pretrain: sweeps/first.yaml:1: epohcs" in str(typed("plan", "sweeps/mine.yaml", ok=2).exception)
    assert "sweeps/.." not in str(typed("plan", "sweeps/mine.yaml", ok=2).exception)
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "link").symlink_to("deep/er")
    assert config.beside(Path("link/x.yaml"), "../y.yaml") == Path("link/../y.yaml"), "which is deep/y.yaml"
    assert config.beside(Path("sweeps/x.yaml"), "../y.yaml") == Path("y.yaml")
    assert config.beside(Path("gone/x.yaml"), "../y.yaml") == Path("gone/../y.yaml")
