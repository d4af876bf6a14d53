"""Trials inside the variants of a sweep, as a user sees them: one budget, nothing lost, nothing tried twice."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pvt_exp import config, store
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.store import attempts
from pvt_exp.store.outcome import outcome_of
from tests.conftest import EXPERIMENT, PATIENCE_S, Cli, environment
from tests.e2e.test_sweep import Driver, driver, wait_for  # noqa: F401 - a fixture

SWEEP = """\
base: base.yaml
seeds: [0, 1]
tune:
  space: {optim.lr: {low: 1e-4, high: 1e-2, log: true}, backbone.drop_path: {choices: [0.0, 0.1]}}
  trials: 4
  holdout: {fraction: 0.25}
blocks:
  - one_at_a_time:
      depth: {deeper: {backbone.depths: [2, 1, 1, 1]}}
"""


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(EXPERIMENT)
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP)
    return path


def journal(folder: Path) -> list[list[dict[str, Any]]]:
    files = sorted(folder.glob("runs/tuning/*/trials.jsonl"))
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


def result(folder: Path, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs" / run / "result.json").read_text())
    return found


def test_the_best_setting_of_each_variant_is_trained(cli: Cli, tuned: Path, tmp_path: Path) -> None:
    planned = cli("plan", tuned).stdout
    assert "2 variants x 2 seeds = 4 runs, 4 of them decided after tuning" in planned
    assert "8 trials before: none yet" in planned
    cli("sweep", tuned, "--gpus", "none")
    tried = journal(tmp_path)
    assert [len(each) for each in tried] == [4, 4]
    found = json.loads(cli("status", tuned, "--json").stdout)
    assert found["states"] == {"done": 4}
    for each in found["tunings"]:
        scores = {trial["run"]: result(tmp_path, trial["run"])["metrics"]["top1"] for trial in each["tried"]}
        (best,) = [trial for trial in each["tried"] if trial["values"] == each["chosen"]]
        assert scores[best["run"]] == each["best"] == max(scores.values())
        for trial in each["tried"]:
            assert result(tmp_path, trial["run"])["data"]["images"] == {"train": 72, "val": 24}
        (variant,) = [variant for variant in found["variants"] if variant["name"] == each["name"]]
        for run in variant["runs"]:
            settings = json.loads(cli("runs", "show", run["id"], "--json").stdout)["settings"]
            assert settings["optim"]["lr"] == each["chosen"]["optim.lr"]
            assert settings["backbone"]["drop_path"] == each["chosen"]["backbone.drop_path"]
            assert settings["holdout"] is None
            assert result(tmp_path, run["id"])["data"]["images"] == {"train": 96, "val": 48}
    table = (tmp_path / "reports/out/sweep/table.md").read_text()
    assert "Tuned for each row: optim.lr from 0.0001 to 0.01 (logarithmic), backbone.drop\\_path of 0.0, 0.1" in table
    assert "| base<sup>a</sup>" in table
    assert "**" in table.split("\n", 2)[2], "tuned rows compare: the best is in bold"
    assert f"optim.lr {found['tunings'][0]['chosen']['optim.lr']:g}" in table
    with sqlite3.connect(tmp_path / "runs/tuning/sweep.db") as database:
        states = [state for (state,) in database.execute("select state from trials")]
    assert states == ["COMPLETE"] * 8
    again = cli("sweep", tuned, "--gpus", "none").stdout
    assert "all 4 runs are done" in again
    assert journal(tmp_path) == tried
    for file in tmp_path.glob("runs/tuning/*/choice.json"):
        file.write_text(json.dumps({**json.loads(file.read_text()), "data": "0" * 16}))
    told = cli("sweep", tuned, "--gpus", "none", ok=2).stderr
    assert "base: its values were chosen on data 0000000000000000; at hand are" in told
    assert "all 4 runs are done" in cli("sweep", tuned, "--gpus", "none", "--retry", "stale").stdout
    assert journal(tmp_path) == tried, "trials that saw the data at hand count"
    assert len(list(tmp_path.glob("runs/tuning/*/choice.set-aside-*.json"))) == 2


@pytest.mark.slow
def test_a_killed_driver_loses_no_trial_and_repeats_none(
    cli: Cli,
    driver: Driver,  # noqa: F811
    tuned: Path,
    tmp_path: Path,
) -> None:
    process = driver("sweep", "sweep.yaml", "--gpus", "none", "--slots", "2")
    wait_for(lambda: sum(map(len, journal(tmp_path))) >= 3)
    process.kill()
    process.wait()
    before = journal(tmp_path)
    torn = next(iter(sorted(tmp_path.glob("runs/tuning/*/trials.jsonl"))))
    with torn.open("a") as file:
        file.write('{"number": 9, "val')  # as a line that was being written
    (tmp_path / "runs/tuning/sweep.db").unlink()  # the database follows from the rest
    ended = {path.parent.name: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/result.json")}
    cli("sweep", tuned, "--gpus", "none", "--slots", "2")
    after = journal(tmp_path)
    assert [now[: len(then)] for then, now in zip(before, after, strict=True)] == before
    assert [[trial["number"] for trial in each] for each in after] == [[0, 1, 2, 3]] * 2
    assert all((tmp_path / "runs" / run / "result.json").stat().st_mtime_ns == when for run, when in ended.items())
    with sqlite3.connect(tmp_path / "runs/tuning/sweep.db") as database:
        assert [s for (s,) in database.execute("select state from trials")] == ["COMPLETE"] * 8


@pytest.mark.slow
def test_more_trials_go_on_from_those_there_are(cli: Cli, tuned: Path, tmp_path: Path) -> None:
    tuned.write_text(SWEEP.replace("trials: 4", "trials: 2"))
    cli("sweep", tuned, "--gpus", "none")
    first = journal(tmp_path)
    tuned.write_text(SWEEP.replace("trials: 4", "trials: 3"))
    said = cli("sweep", tuned, "--gpus", "none").stdout
    assert "2 variants to tune, 6 trials, 4 known already" in said
    assert [each[:2] for each in journal(tmp_path)] == first
    assert [len(each) for each in journal(tmp_path)] == [3, 3]
    for file in tmp_path.glob("runs/tuning/*/choice.json"):
        file.unlink()  # as if interrupted before
    tuned.write_text(tuned.read_text().replace("low: 1e-4", "low: 1e-3"))
    assert "tune: base has trials of another space, interrupted" in cli("sweep", tuned, "--gpus", "none", ok=2).stderr


@pytest.mark.slow
def test_every_cell_of_a_grid_is_tried_once(cli: Cli, tuned: Path, tmp_path: Path) -> None:
    space = "{optim.lr: {choices: [1e-3, 1e-2]}, epochs: {low: 1, high: 2}}"
    text = SWEEP.replace(SWEEP[SWEEP.index("{optim.lr") : SWEEP.index("\n  trials")], space)
    tuned.write_text(text.replace("trials: 4", "trials: 4\n  sampler: grid"))
    cli("sweep", tuned, "--gpus", "none", "--only", "base")
    (tried,) = journal(tmp_path)
    assert sorted((trial["values"]["optim.lr"], trial["values"]["epochs"]) for trial in tried) == [
        (0.001, 1), (0.001, 2), (0.01, 1), (0.01, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("optim.lr", "optim.rl", "optim.rl: unknown key"),
        ("low: 1e-4", "low: 1e-1", "low 0.1 is not below high 0.01"),
        ("low: 1e-4", "low: 0", "a logarithmic scale has no 0: low must be above 0"),
        ("[2, 1, 1, 1]", "[2, 1, 1, 1], optim.lr: 1e-3", "depth deeper fixes optim.lr, which the sweep tunes"),
        ("trials: 4", "trials: 4\n  sampler: grid", "a grid over optim.lr needs choices, whole numbers or a step"),
        ("trials: 4", "trials: 4\n  sampler: cmaes", "sampler cmaes searches two or more numeric fields and no choices"),
        ("trials: 4", "trials: 4\n  seed: 1", "tune.seed 1 is one of the sweep's seeds"),
        ("trials: 4", "trials: 4\n  storage: sqlite:////nowhere/x.db", "the storage sqlite:////nowhere/x.db cannot be used"),
        ("trials: 4", "trials: 4\n  storage: oracle://x", "tune: the storage oracle://x cannot be used"),
        ("fraction: 0.25", "fraction: 0.001", "holdout.fraction 0.001 of 96 training images leaves a part without any"),
    ],
)  # fmt: skip
def test_what_cannot_be_tuned(old: str, new: str, said: str, cli: Cli, tuned: Path, tmp_path: Path) -> None:
    tuned.write_text(SWEEP.replace(old, new))
    found = cli("sweep", tuned, "--gpus", "none", ok=2).stderr
    assert said in found
    assert not list(tmp_path.glob("runs/*/result.json"))


def test_an_override_of_a_tuned_field_is_refused(cli: Cli, tuned: Path) -> None:
    said = cli("sweep", tuned, "optim.lr=1e-3", "--gpus", "none", ok=2).stderr
    assert "override 'optim.lr=1e-3': the sweep tunes optim.lr, so it cannot be fixed" in said


def test_a_run_that_is_asked_to_end_does_after_its_epoch(tuned: Path, tmp_path: Path) -> None:
    run = config.load(Run, tuned.with_name("base.yaml"), ["epochs=3"])
    data = run.dataset.make(tmp_path / "data")
    attempt = store.attempt(store.create(tmp_path / "runs"), run, Placement(data=str(data)), "sweep")
    attempts.prune(attempt, "it does badly")
    subprocess.run(
        [sys.executable, "-m", "pvt_exp.train.worker", attempt], env=environment(), check=False, capture_output=True
    )
    seen = outcome_of(tmp_path / "runs", run.id)
    assert (seen.state, seen.reason) == ("pruned", "it does badly")
    assert json.loads((attempt / "progress.json").read_text())["scored_epoch"] == 1


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(file, timeout=20)) as other:
        other.execute("begin exclusive")
        yield


@contextlib.contextmanager
def _done_to(file: Path, what: Callable[[Path], object]) -> Iterator[None]:
    what(file)
    yield


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoilt",
    [
        _locked,
        lambda file: _done_to(file, Path.unlink),
        lambda file: _done_to(file, lambda f: f.write_bytes(b"no" * 9999)),
    ],
    ids=["locked", "gone", "broken"],
)
def test_a_sweep_goes_on_without_optunas_database_says_so_once_and_makes_it_anew(
    spoilt: Callable[[Path], contextlib.AbstractContextManager[None]],
    cli: Cli,
    driver: Driver,  # noqa: F811
    tuned: Path,
    tmp_path: Path,
) -> None:
    database = tmp_path / "runs/tuning/sweep.db"
    words = ("sweep", "sweep.yaml", "--gpus", "none", "--slots", "1", "--only", "base", "--seeds", "0")
    process = driver(*words)
    wait_for(lambda: list(tmp_path.glob("runs/*/result.json")))
    with spoilt(database):
        said = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert said.count("the search goes on in memory, and it is made anew at the end") == 1, said
    assert said.count(f"{database}: is made anew") == 1, said
    (tried,) = journal(tmp_path)
    with contextlib.closing(sqlite3.connect(database)) as made:
        assert [state for (state,) in made.execute("select state from trials")] == ["COMPLETE"] * 4
        values = [value for (value,) in made.execute("select value from trial_values order by trial_id")]
    assert values == pytest.approx([result(tmp_path, trial["run"])["metrics"]["top1"] for trial in tried])
    again = cli(*words)
    assert "Optuna's database" not in again.stdout + again.stderr
    assert journal(tmp_path) == [tried]
