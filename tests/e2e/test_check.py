"""`pvt-exp report --check`: whether a committed table still equals what the store gives, and what is said if not."""

import json
import re
from pathlib import Path

import pytest

from pvt_exp import store
from pvt_exp.config.placement import Placement
from pvt_exp.plan import expand
from pvt_exp.store.outcome import outcome_of
from pvt_exp.store.results import publish_result
from tests.conftest import Cli

FOLDER = "reports/out/sweep"


def finish(sweep: Path, runs: Path, seeds: tuple[int, ...] = (0, 1)) -> list[str]:
    """Results for all runs of a sweep that have none, as training would have left them; their ids."""
    store.create(runs)
    cost = {"params": 1_234_567, "trainable_params": 1_234_567, "macs": 98_765_432, "input_px": [32, 32]}
    rest = {"epoch": 2, "best": None, "cost": cost, "data": {"name": "shapes", "fingerprint": "f" * 16, "skipped": 0}}
    rest["provenance"] = {"git": {"sha": "a" * 40, "dirty": False, "diff_sha256": None}, "seconds": 1.0, "hardware": {}}
    planned = expand.load(sweep, (), seeds)[1]
    for i, run in enumerate(planned.runs):
        if outcome_of(runs, run.id).state != "done":
            metrics = {"top1": 70 + i / 3, "loss": 1 - i / 7}
            publish_result(store.attempt(runs, run, Placement(), planned.name), {"metrics": metrics, **rest})
    return [run.id for run in planned.runs]


@pytest.fixture
def committed(sweep: Path, cli: Cli, tmp_path: Path) -> list[str]:
    """A table of two rows of two seeds each, and the ids of its runs."""
    ids = finish(sweep, tmp_path / "runs")
    cli("report", sweep)
    return ids


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_an_unchanged_table_is_equal_and_nothing_is_written(committed, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    before = contents(tmp_path)
    said = cli("report", sweep, "--check").stdout
    assert said == f"{FOLDER}: equal to what runs gives: 2 rows, 6 columns, 4 runs\n"
    assert contents(tmp_path) == before


def test_a_cell_that_was_edited_is_told(committed, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / FOLDER / "table.csv"
    text = path.read_text()
    path.write_text(text.replace(",0,70.6", ",0,71.6", 1))
    assert path.read_text() != text
    said = lines(cli("report", sweep, "--check", ok=1).stdout)
    assert said[0] == f"{FOLDER}: differs from what runs gives"
    assert said[1] == "table.csv: row deeper, top1: committed 71.66666666666666, now 70.66666666666666"
    assert f"the committed table says it was made by: pvt-exp report {sweep}" in said
    assert said[-1] == f"to accept it as it is now: pvt-exp report {sweep}"


def test_a_figure_edited_in_latex_alone_is_told(committed, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / FOLDER / "table.tex"
    path.write_text(path.read_text().replace("70.3", "79.3", 1))
    said = lines(cli("report", sweep, "--check", ok=1).stdout)
    assert re.fullmatch(r"table\.tex: line \d+: committed .*79\.3.*, now .*70\.3.*", said[1])


def test_the_command_that_made_it_may_be_another(committed, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    cli("report", "sweep.yaml", "--store", tmp_path / "runs")
    assert "equal to" in cli("report", sweep, "--check", cwd=tmp_path).stdout


@pytest.mark.parametrize("name", ["table.md", "table.html", "table.tex"])
def test_a_text_that_cannot_be_read_is_not_equal(name: str, committed, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / FOLDER / name
    path.write_bytes(path.read_bytes() + b"\xff")
    said = lines(cli("report", sweep, "--check", ok=1).stdout)
    assert said[1] == f"{name}: all of it: committed not a text file, now a text"


def test_what_stands_beside_the_command_is_compared(committed, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / FOLDER / "table.md"
    text = path.read_text()
    path.write_text(text.replace("Made by", "Not made by", 1))
    assert path.read_text() != text
    assert lines(cli("report", sweep, "--check", ok=1).stdout)[1].startswith("table.md: line ")


def test_runs_that_came_are_told_by_their_ids(committed, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    ids = finish(sweep, tmp_path / "runs", (0, 1, 2))
    found = json.loads(cli("report", sweep, "--check", "--seeds", "0-2", "--json", ok=1).stdout)
    (table,) = found["tables"]
    assert (found["equal"], table["equal"], table["folder"]) == (False, False, FOLDER)
    runs = {each["row"]: each for each in table["differences"] if each["column"] == "runs"}
    assert set(runs) == {"base (same as the base)", "deeper"}
    came = {run for each in runs.values() for run in set(each["now"].split()) - set(each["committed"].split())}
    assert came == set(ids) - set(committed)
    said = cli("report", sweep, "--check", "--seeds", "0-2", ok=1).stdout
    assert f"table.csv: row deeper, runs: now {(came & set(runs['deeper']['now'].split())).pop()}" in said


def test_a_store_without_the_runs_is_told(committed, sweep: Path, cli: Cli) -> None:
    said = cli("report", sweep, "--check", "--store", "elsewhere", ok=1).stdout
    assert f"runs of the committed table that elsewhere has not, or not finished: {' '.join(sorted(committed))}" in said
    assert "if they are in another store, name it: --store PATH" in said
    assert f"to accept it as it is now: pvt-exp report {sweep} --store elsewhere" in said


def test_seeds_that_were_not_asked_for_are_told(committed, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    """The store has the runs: what is wrong is the command."""
    more = set(finish(sweep, tmp_path / "runs", (0, 1, 5))) - set(committed)
    text = sweep.read_text()
    sweep.write_text(text.replace("seeds: [0, 1]", "seeds: [0, 1, 5]"))
    cli("report", sweep)  # with --seeds the table would lie beside the committed one
    sweep.write_text(text)
    said = lines(cli("report", sweep, "--check", ok=1).stdout)
    assert f"runs of the committed table that runs has, and that were not asked for: {' '.join(sorted(more))}" in said
    assert "they are of other seeds (5): the same command with --seeds 0,1,5 compares all" in said
    assert not any("has not, or not finished" in line or "another store" in line for line in said)
    (told,) = json.loads(cli("report", sweep, "--check", "--json", ok=1).stdout)["tables"]
    assert (told["lost"], told["not_asked"]) == ([], dict.fromkeys(sorted(more), 5))
    assert "equal to" in cli("report", sweep, "--check", "--seeds", "0,1,5").stdout


def test_rows_and_columns_that_came_and_went_are_told(committed, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / FOLDER / "table.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head.replace("loss,", "misses,"), rows[0], rows[1].replace("deeper", "taller")]) + "\n")
    said = cli("report", sweep, "--check", ok=1).stdout
    for due in (
        "table.csv: column misses: is not made any more",
        "table.csv: column loss: is made now and not in the committed table",
        "table.csv: row taller: is not made any more",
        "table.csv: row deeper: is made now and not in the committed table",
    ):
        assert due in said


def test_a_page_is_checked_table_by_table(committed, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "page.yaml").write_text("tables: [{sweep: sweep.yaml}, {sweep: sweep.yaml, columns: [loss]}]\n")
    cli("report", "page.yaml")
    said = cli("report", "page.yaml", "--check").stdout
    assert [line.split(":")[0] for line in said.splitlines()] == [
        "reports/out/page/sweep",
        "reports/out/page/sweep.2",
    ]
    path = tmp_path / "reports/out/page/sweep.2/table.csv"
    path.write_text(path.read_text().replace("0.", "1.", 1))
    said = cli("report", "page.yaml", "--check", ok=1).stdout
    assert "sweep.2: differs" in said
    assert "page/sweep: equal" in said


def test_what_cannot_be_checked_is_told(committed, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    def said(*words: str) -> str:
        return cli("report", sweep, "--check", *words, ok=2).stderr.strip()

    assert said("--out", "x") == (
        "error: x/sweep/table.csv: there is no table to check; without --check the same command writes it "
        "(--out is its folder)"
    )
    path = tmp_path / FOLDER / "table.csv"
    path.write_text("a,b\n1,2\n")
    assert said().startswith(f"error: {FOLDER}/table.csv: no table of pvt-exp: its first line lacks ")
    path.write_bytes(bytes(range(256)))
    assert said() == f"error: {FOLDER}/table.csv: not a text file, so no table that can be checked"


def test_a_sweep_with_no_finished_run_is_told_and_shown(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    due = "no run of sweep is finished in runs (4 pending); train them: pvt-exp sweep sweep.yaml; or name the store"
    done = cli("report", "sweep.yaml", ok=1)
    assert done.stderr.startswith(due)
    assert "pending" in done.stdout
    assert done.stderr.endswith("\nno table is written\n")
    assert not (tmp_path / FOLDER).exists()
    (tmp_path / "page.yaml").write_text("title: x\ntables:\n  - sweep: sweep.yaml\n")
    done = cli("report", "page.yaml", ok=1)
    assert done.stderr.startswith(f"page.yaml:3: tables.0: {due}")
    assert (tmp_path / "reports/out/page/index.html").exists()
