"""Results that are trained again: who is told, where the old ones are, and that a good table is not lost by it."""

from pathlib import Path

import pytest

from pvt_exp.plan import Plan
from tests.unit.test_recovery import SCRIPT, SWEEP, planned
from tests.unit.test_retrain import launcher, results, typed

__all__ = ["launcher", "planned"]


@pytest.fixture
def shared(planned: Plan) -> list[str]:
    """Ids of the base's runs, which two finished sweeps have."""
    Path("other.yaml").write_text(SWEEP.replace("deep: {backbone.depths", "deeper: {backbone.depths"))
    for name in ("sweep.yaml", "other.yaml"):
        typed("sweep", name, "--no-smoke")
    return [run.id for run in planned.variants[0].runs]


def tables(name: str) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path("reports/out", name).iterdir()}


@pytest.mark.parametrize("way", ["retry", "retrain"])
def test_other_sweeps_and_the_old_results_are_named(way: str, shared: list[str]) -> None:
    words = ("sweep", "sweep.yaml", "--no-smoke", "--retry", "done", "--only", "base")
    said = typed(*words).stdout if way == "retry" else typed("retrain", *shared).stdout
    before, after = said.split("2 to train")
    assert "2 finished runs to be trained again" in before
    assert f"seed 0 ({shared[0]})" in before or f"run {shared[0]}, seed 0" in before
    assert "result.set-aside-<time>.json" in before
    (note,) = [line for line in before.splitlines() if line.startswith("note: these results are used elsewhere too")]
    assert "other.yaml (2 runs)" in note
    assert ("sweep.yaml (2 runs)" in note) is (way == "retrain"), "its own sweep is named where only runs were"
    for run_id in shared:
        (path,) = Path("runs", run_id).glob("result.set-aside-*.json")
        assert f"({run_id}): " in after or f"run {run_id}, seed" in after
        assert str(path) in after
        assert results(run_id) == (2, [1])


def test_nothing_is_told_where_no_result_is_replaced(planned: Plan) -> None:
    SCRIPT[planned.runs[0].id] = [("failed", "x", None)]
    typed("sweep", "sweep.yaml", "--no-smoke", ok=1)
    said = typed("sweep", "sweep.yaml", "--no-smoke", "--retry", "failed").stdout
    assert "to be trained again" not in said
    assert "old result" not in said


@pytest.mark.parametrize("verb", ["report", "sweep"])
def test_a_table_is_not_replaced_by_one_that_lacks_its_results(verb: str, shared: list[str]) -> None:
    written = tables("other")
    SCRIPT[shared[0]] = [("failed", "the disk was away", None)]
    typed("sweep", "sweep.yaml", "--no-smoke", "--retry", "done", "--only", "base", ok=1)
    done = typed(verb, "other.yaml", ok=1)
    said = " ".join((done.stdout + done.stderr).split())
    assert "no table is written: the one in reports/out/other has results of runs that are not done now" in said
    assert f"({shared[0]} is failed)" in said
    assert tables("other") == written
    if verb == "report":
        typed("report", "other.yaml", "--out", "new")
        assert "failed" in Path("new/other/table.md").read_text()
    typed("sweep", "sweep.yaml", "--no-smoke", "--retry", "failed")
    Path("reports/out/other/table.md").unlink()
    typed(verb, "other.yaml")
    assert Path("reports/out/other/table.md").exists(), "all is done again"


def test_a_page_is_not_replaced_either(shared: list[str]) -> None:
    Path("page.yaml").write_text("tables: [{sweep: sweep.yaml}, {sweep: other.yaml}]\n")
    typed("report", "page.yaml")
    written = Path("reports/out/page/index.md").read_bytes()
    SCRIPT[shared[1]] = [("failed", "the disk was away", None)]
    typed("retrain", shared[1], ok=1)
    assert f"({shared[1]} is failed)" in typed("report", "page.yaml", ok=1).stderr
    assert Path("reports/out/page/index.md").read_bytes() == written


def test_a_row_that_the_sweep_has_no_more_holds_nothing_back(shared: list[str]) -> None:
    Path("sweep.yaml").write_text(SWEEP.replace("deep: {backbone.depths: [2, 1", "deep: {backbone.depths: [3, 1"))
    typed("sweep", "sweep.yaml", "--no-smoke")
    assert "no table is written" not in typed("report", "sweep.yaml").stderr


@pytest.mark.parametrize("there", [False, True])
def test_of_nothing_finished_no_table_is_written(there: bool, planned: Plan) -> None:
    if there:
        typed("sweep", "sweep.yaml", "--no-smoke")
    said = typed("report", "sweep.yaml", "--store", "elsewhere", ok=1)
    assert "no run of sweep is finished in elsewhere (4 pending)" in said.stderr
    stays = "; the one in reports/out/sweep stays as it is" if there else ""
    assert f"no table is written{stays}\n" in said.stderr
    assert Path("reports").exists() is there
    if there:
        assert "pending" not in Path("reports/out/sweep/table.md").read_text()
    assert "have their ids" not in said.stdout
