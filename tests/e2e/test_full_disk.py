"""A report and its figures on a disk that is full: one line says so, and what was there stays whole."""

from pathlib import Path

import pytest

from pvt_exp.plan import expand
from tests.conftest import Cli
from tests.e2e.test_bad_input import contents, leave, lines, small_disk
from tests.e2e.test_check import finish

__all__ = ["small_disk"]


@pytest.fixture
def reported(sweep: Path, small_disk: Path, cli: Cli) -> Path:
    """The folder on the small disk with the report of a sweep, which now has more results than it tells."""
    finish(sweep, sweep.parent / "runs", (0,))
    cli("report", sweep, "--out", small_disk / "out")
    finish(sweep, sweep.parent / "runs")
    return small_disk / "out"


@pytest.mark.parametrize("pages", [0, 1])
def test_a_report_on_a_full_disk_leaves_the_old_files_whole(
    pages: int, reported: Path, sweep: Path, cli: Cli, small_disk: Path
) -> None:
    before = contents(reported)
    leave(small_disk, pages)
    (line,) = lines(cli("report", sweep, "--out", reported, ok=1))
    assert line.startswith(f"{reported}/sweep/")
    assert line.endswith(": No space left on device; free some space and type it again")
    after = contents(reported)
    assert set(after) == set(before), "nothing half is left"
    leave(small_disk, None)
    cli("report", sweep, "--out", reported)
    whole = contents(reported)
    assert all(text in (before[name], whole[name]) for name, text in after.items()), "the old file or the new one"
    assert whole != before


@pytest.mark.parametrize("pages", [0, 4, 6])
def test_figures_of_a_report_on_a_full_disk_leave_the_old_files_whole(
    pages: int, reported: Path, sweep: Path, cli: Cli, small_disk: Path
) -> None:
    pytest.importorskip("matplotlib")
    cli("report", sweep, "--out", reported)
    for run in expand.load(sweep)[1].runs:
        folder = sweep.parent / "runs" / run.id / "attempts/1"
        (folder / "metrics.csv").write_text("epoch,top1\n0,60\n1,70\n")
    cli("report", sweep, "--out", reported, "--figures")
    before = contents(reported)
    assert {Path(name).name for name in before} >= {"curves.png", "curves.pdf", "cost.png", "cost.pdf"}
    for run in expand.load(sweep)[1].runs:
        (sweep.parent / "runs" / run.id / "attempts/1/metrics.csv").write_text("epoch,top1\n0,10\n1,70\n")
    leave(small_disk, pages)
    (line,) = lines(cli("report", sweep, "--out", reported, "--figures", ok=1))
    assert line.startswith(f"{reported}/sweep/{'curves' if pages else 'table'}.")
    assert line.endswith(": No space left on device; free some space and type it again")
    after = contents(reported)
    assert set(after) == set(before), "nothing half is left"
    leave(small_disk, None)
    cli("report", sweep, "--out", reported, "--figures")
    whole = contents(reported)
    assert all(text in (before[name], whole[name]) for name, text in after.items()), "the old file or the new one"
    assert whole != before
