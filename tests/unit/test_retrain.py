"""Runs that are trained again though they are done, and runs that are removed."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pvt_exp import cli, config, store
from pvt_exp.cli import choose
from pvt_exp.config.run import Run
from pvt_exp.drive import registry
from pvt_exp.plan import Plan, expand
from pvt_exp.report import own_folder
from pvt_exp.store import attempts
from pvt_exp.store.outcome import outcome_of
from pvt_exp.store.results import read_result
from pvt_exp.system import locks
from tests.unit.test_recovery import SCRIPT, Scripted, planned, train

__all__ = ["planned"]


@pytest.fixture(autouse=True)
def launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "launcher", lambda *words, **more: Scripted())
    monkeypatch.setenv("WANDB_MODE", "disabled")


def typed(*words: str, ok: int = 0, **more: str) -> Result:
    done = CliRunner().invoke(cli.app, [*words], **more)  # type: ignore[arg-type]
    if ok != 2:
        assert done.exit_code == ok, (done.output, done.exception)
    else:
        assert isinstance(done.exception, config.ConfigError), (done.output, done.exception)
    return done


def results(run_id: str) -> tuple[int, list[int]]:
    """The attempts that the result is from, and those that were set aside."""
    folder = Path("runs") / run_id
    aside = [json.loads(path.read_text()) for path in sorted(folder.glob("result.set-aside-*.json"))]
    made = read_result(folder)
    assert made is not None
    return made["provenance"]["attempt"], [each["provenance"]["attempt"] for each in aside]


def test_what_is_named_is_trained_again_and_the_old_result_stays(planned: Plan) -> None:
    train(planned)
    first, second, *others = [run.id for run in planned.runs]
    for run_id in (first, second):
        folder = Path("runs") / run_id / "attempts/1/checkpoints"
        folder.mkdir()
        (folder / "epoch=1-step=12.ckpt").touch()
    assert "all 2 runs are done" in typed("retrain", first[:8], f"runs/{second}").stdout
    assert [results(run_id) for run_id in (first, second)] == [(2, [1]), (2, [1])]
    assert [results(run_id) for run_id in others] == [(1, [])] * 2
    assert store.sweeps(Path("runs") / first) == ["sweep"], "it stays a run of its sweep"
    assert attempts.all_checkpoints(Path("runs") / first) == [], (
        "it does not go on from what the old result was made with"
    )
    typed("retrain", first)
    assert results(first) == (3, [1, 2])


def test_a_result_that_does_not_count_is_told_when_its_run_is_trained_again(planned: Plan) -> None:
    train(planned)
    first = planned.runs[0].id
    path = Path("runs") / first / "result.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "metrics": {"top1": "high"}}))
    said = typed("sweep", "sweep.yaml").stdout
    why = "metrics.top1: must be a finite number of size below 1e+300; it is trained again"
    assert f"({first}): its result.json does not count: {why}" in said
    assert outcome_of(Path("runs"), first).state == "done"


def test_a_result_of_another_version_is_not_trained_anew_in_its_place(planned: Plan) -> None:
    train(planned)
    path = Path("runs") / planned.runs[0].id / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    said = CliRunner().invoke(cli.app, ["report", "sweep.yaml"])
    assert said.exit_code == 0, said.output
    assert "its result.json does not count: format 2 is not of this version (1)" in said.output
    before = sorted(Path("runs").rglob("*"))
    refused = CliRunner().invoke(cli.app, ["sweep", "sweep.yaml"])
    assert "result.json: format 2 is not of this version (1); take the version of pvt_exp" in str(refused.exception)
    assert sorted(Path("runs").rglob("*")) == before


def test_a_run_killed_while_it_is_retrained_goes_on_with_the_sweep(planned: Plan) -> None:
    train(planned)
    first = planned.runs[0].id
    SCRIPT[first] = [("killed", "stopped by Ctrl-C; it goes on from epoch 2", "stopped")]
    typed("retrain", first, ok=1)
    assert outcome_of(Path("runs"), first).state == "killed"
    train(planned)
    assert results(first) == (3, [1])


def test_a_sweep_trains_done_runs_again_where_they_are_named(planned: Plan) -> None:
    train(planned)
    done = typed("sweep", "sweep.yaml", "--retry", "done", ok=2)
    assert "name them with --only" in str(done.exception)
    typed("sweep", "sweep.yaml", "--retry", "done", "--only", "deep")
    assert [results(run.id) for variant in planned.variants for run in variant.runs] == [(1, [])] * 2 + [(2, [1])] * 2


def test_what_cannot_be_trained_again(planned: Plan) -> None:
    train(planned)
    first = planned.runs[0].id
    with locks.lock(Path("runs") / first):
        pass  # its lock is there, and free
    assert "matches no run" in str(typed("retrain", first, "0000", ok=2).exception)
    assert results(first) == (1, []), "nothing is begun before all are known"


def test_runs_are_removed(planned: Plan) -> None:
    train(planned)
    first, second, *_ = [run.id for run in planned.runs]
    done = typed("runs", "remove", first, ok=2)
    assert "nothing is removed; --yes removes" in str(done.exception)
    assert f"runs/{first}" in done.stdout
    assert "done, of sweep" in done.stdout
    said = typed("runs", "remove", first, second, first, "--yes").stdout
    assert "2 runs, " in said
    assert "MB: removed" in said
    assert not any((Path("runs") / run_id).exists() for run_id in (first, second))
    assert sum(path.parent.name != "names" for path in Path("runs").glob("*/result.json")) == 2


def test_a_run_that_is_being_trained_is_not_removed(planned: Plan) -> None:
    train(planned)
    first, second, *_ = [run.id for run in planned.runs]
    with locks.lock(Path("runs") / second):
        assert "is being trained" in str(typed("runs", "remove", first, second, "--yes", ok=2).exception)
        assert "is being trained" not in typed("runs", "remove", first, "--yes").stdout
    assert (Path("runs") / second / "result.json").exists()


def test_a_run_that_others_start_from_is_not_removed(planned: Plan) -> None:
    train(planned)
    first, second = planned.runs[0].id, planned.runs[1].id
    store.use(Path("runs"), first, "other", start=True)
    written = Path("runs") / second / "run.yaml"
    settings = config.read(written).value
    settings["backbone"]["pretrained"] = {"run": first}
    written.write_text(json.dumps(settings))
    second = written.parent.rename(Path("runs") / config.load(Run, written).id).name
    assert f"{second} starts from it" in str(typed("runs", "remove", first, "--yes", ok=2).exception)
    assert (Path("runs") / first).exists()
    typed("runs", "remove", first, second, "--yes")
    assert not (Path("runs") / first).exists()


def test_retrain_asks_at_a_terminal(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    train(planned)
    first = planned.runs[0].id
    monkeypatch.setattr("pvt_exp.cli.retrain._is_asked", lambda: True)
    typed("runs", "remove", first, ok=1, input="n\n")
    assert (Path("runs") / first).exists()
    assert "remove 1 run" in typed("runs", "remove", first, input="y\n").stdout
    assert not (Path("runs") / first).exists()


def test_two_sweeps_of_one_name_are_told_apart(planned: Plan) -> None:
    """Their runs are in one store; `stop` with a file's path stops that one alone."""
    Path("other").mkdir()
    text = Path("sweep.yaml").read_text().replace("base.yaml", "../base.yaml")
    Path("other/sweep.yaml").write_text(text.replace("[2, 1, 1, 1]", "[1, 2, 1, 1]"))
    other = expand.load(Path("other/sweep.yaml"))[1]
    assert "another sweep of this store" not in train(planned)[1]
    assert f"note: another sweep of this store is called sweep: {planned.file};" in train(other)[1]
    assert "another sweep of this store" in train(planned)[1], "whichever is typed"
    assert "another sweep of this store is called sweep" in typed("report", "other/sweep.yaml").stderr
    assert "another sweep of this store is called sweep" in typed("plan", "other/sweep.yaml", "--json").stderr
    Path("third").mkdir()
    Path("third/sweep.yaml").write_text(text.replace("[2, 1, 1, 1]", "[1, 1, 2, 1]"))
    said = typed("plan", "third/sweep.yaml", "--json").stderr
    assert f"2 other sweeps of this store are called sweep: {planned.file}, {other.file};" in said
    assert store.files_of(Path("runs") / planned.runs[0].id) == [planned.file, other.file]
    runs = Path("runs")
    with registry.driving(runs, "sweep", ("pvt-exp",), planned.file) as asked:
        assert registry.of(runs, "sweep", Path("other/sweep.yaml")) == []
        assert len(registry.of(runs, "sweep", Path("sweep.yaml"))) == len(registry.of(runs, "sweep")) == 1
        assert "no process trains it" in str(typed("stop", "other/sweep.yaml", ok=2).exception)
        assert not asked
    Path("other/sweep.yaml").unlink()
    assert "another sweep of this store" not in train(planned)[1], "the other is gone"


def test_a_table_of_another_file_of_the_name_is_not_overwritten(planned: Plan) -> None:
    """Of another store too; each file keeps its folder, whichever is typed, also when all has been moved."""
    train(planned)
    typed("report", "sweep.yaml")
    first = Path("reports/out/sweep/table.csv").read_bytes()
    Path("p2").mkdir()
    Path("p2/base.yaml").write_text(Path("base.yaml").read_text().replace("2e-3", "1e-3"))
    Path("p2/sweep.yaml").write_text(Path("sweep.yaml").read_text())
    typed("sweep", "p2/sweep.yaml", "--store", "p2/runs", "--no-smoke", "--out", "p2/out")
    other = typed("report", "p2/sweep.yaml", "--store", "p2/runs")
    here = Path("p2/sweep.yaml").resolve()
    told = "note: reports/out/sweep has the tables of {}; those of {} are in reports/out/sweep.2"
    assert told.format(planned.file, "p2/sweep.yaml") in other.stderr
    assert "reports/out/sweep.2/table.csv" in other.stdout
    assert Path("reports/out/sweep/table.csv").read_bytes() == first
    assert Path("reports/out/sweep.2/table.csv").read_bytes() != first
    again = typed("report", "sweep.yaml")
    assert "reports/out/sweep/table.csv" in again.stdout
    assert "note" not in again.stderr
    out = Path("reports/out")
    Path("moved").mkdir()
    for name in ("sweep.yaml", "p2", "reports"):
        Path(name).rename(Path("moved") / name)
    assert own_folder.of("moved" / out, "sweep", Path("moved/p2/sweep.yaml"))[0] == "moved" / out / "sweep.2"
    assert own_folder.of("moved" / out, "sweep", Path("moved/sweep.yaml")) == ("moved" / out / "sweep", None)
    Path("moved/sweep.yaml").unlink()
    Path("moved/new").mkdir()
    Path("moved/new/sweep.yaml").touch()
    new = own_folder.of("moved" / out, "sweep", Path("moved/new/sweep.yaml"))
    assert new == ("moved" / out / "sweep", None), "whose file has gone"
    assert not here.exists()


def test_an_experiment_is_no_sweep_though_its_file_is_called_so(planned: Plan) -> None:
    Path("experiments").mkdir()
    Path("experiments/sweep.yaml").write_text(Path("base.yaml").read_text())
    assert "another sweep" not in typed("run", "experiments/sweep.yaml").stdout
    assert "another sweep" not in train(planned)[1]
    assert "another sweep" not in typed("report", "sweep.yaml").stderr
    assert "another sweep" not in typed("run", "experiments/sweep.yaml").stdout


def test_a_finished_table_stays_where_other_data_are_at_hand(planned: Plan) -> None:
    typed("sweep", "sweep.yaml", "--no-smoke")
    written = {path: path.read_bytes() for path in Path("reports/out/sweep").iterdir()}
    assert len(written) == 6, "five of the table, and which file they are of"
    planned.runs[0].dataset.make(Path("other"))
    words = ("sweep.yaml", "--data", "shapes=other")
    said = typed("sweep", *words, "--no-smoke", ok=1).stdout
    assert "4 of 4 runs of sweep are stale: trained on data aa; at hand are" in said
    assert f"in {Path('other').resolve()}; if that is the wrong folder, correct --data shapes=PATH" in said
    assert {path: path.read_bytes() for path in Path("reports/out/sweep").iterdir()} == written
    told = typed("report", *words, ok=1)
    assert "note: 4 of 4 runs of sweep are stale" in told.stderr
    assert "stale" in told.stdout
    assert "no table is written; the one in reports/out/sweep stays as it is" in told.stderr
    assert {path: path.read_bytes() for path in Path("reports/out/sweep").iterdir()} == written
    typed("sweep", "sweep.yaml", "--no-smoke")
    assert "stale" not in Path("reports/out/sweep/table.md").read_text()
