"""Editing pvt_exp's files while a sweep runs changes no run of it."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from pvt_exp.store import provenance
from tests.conftest import PATIENCE_S, Cli
from tests.e2e.test_sweep import Driver, driver, longer, processes_with, results, wait_for

__all__ = ["driver"]


@pytest.mark.parametrize("where", ["lib", "."])
def test_runs_execute_the_code_that_stood_when_the_sweep_was_launched(
    where: str,
    sweep: Path,
    driver: Driver,
    tmp_path: Path,
) -> None:
    """Also those of a sweep that is typed in the folder that holds the package, from which Python would import it."""
    package = tmp_path / where / "pvt_exp"
    shutil.copytree(provenance.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    longer(sweep)
    process = driver("sweep", "sweep.yaml", "--slots", "1", PYTHONPATH=str(package.parent))
    wait_for(lambda: bool(results(tmp_path)))
    for path in (*package.glob("nn/**/*.py"), *package.glob("train/*.py")):
        path.write_text("raise RuntimeError('edited')\n")
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert "all 4 runs are done" in said
    assert_frozen(tmp_path)


@pytest.mark.slow
def test_runs_of_a_server_that_replaces_a_killed_one_execute_the_code_of_the_launch(
    sweep: Path, driver: Driver, tmp_path: Path
) -> None:
    longer(sweep)
    process = driver("sweep", "sweep.yaml", "--slots", "1")
    wait_for(lambda: bool(results(tmp_path)))
    for server in set(processes_with(f"MARK={tmp_path}")) & set(processes_with("forkserver")):
        if Path(f"/proc/{server}/stat").read_text().split()[3] == str(process.pid):
            os.kill(server, signal.SIGKILL)
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert_frozen(tmp_path)


def assert_frozen(folder: Path) -> None:
    made = results(folder)
    assert len(made) == 4
    (frozen,) = folder.glob("runs/code/[!.]*")
    code = json.loads((frozen / "code.json").read_text())["code"]
    assert [each["provenance"]["git"] for each in made.values()] == [code] * 4  # type: ignore[index]


@pytest.mark.slow
def test_results_of_another_state_of_the_package_are_told_before_training(
    sweep: Path, cli: Cli, tmp_path: Path
) -> None:
    """By plan, and by sweep before its first run; a file that results do not follow from changes no word."""
    package = tmp_path / "lib/pvt_exp"
    shutil.copytree(provenance.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    here = {"PYTHONPATH": str(package.parent)}
    cli("sweep", "sweep.yaml", "--seeds", "0", "--gpus", "none", **here)
    finished = set(results(tmp_path))
    with (package / "report/terminal.py").open("a") as file:
        file.write("# edited\n")
    assert "other code" not in cli("plan", "sweep.yaml", **here).stdout
    with (package / "nn/backbones/pvt.py").open("a") as file:
        file.write("# edited\n")
    planned = json.loads(cli("plan", "sweep.yaml", "--json", **here).stdout)
    ids = [row["runs"][0]["id"] for row in planned["variants"]]
    assert finished == set(ids)
    told = (
        "2 of the 2 finished runs were made by other code of pvt_exp than is here now: base; depth deeper "
        f"(pvt-exp retrain {ids[0]} ... trains again)"
    )
    assert told in cli("plan", "sweep.yaml", **here).stdout.splitlines()
    assert [[run["other_code"] for run in row["runs"]] for row in planned["variants"]] == [[["pvt_exp"], []]] * 2
    said = cli("sweep", "sweep.yaml", "--gpus", "none", **here).stdout.splitlines()
    assert said.index(told) < min(n for n, line in enumerate(said) if line.startswith("    done  "))
    assert "all 4 runs are done" in "\n".join(said)
    table = " ".join((tmp_path / "reports/out/sweep/table.md").read_text().split())
    assert "its runs are of different code: seed 0 by pvt\\_exp" in table
