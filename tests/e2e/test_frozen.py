"""Editing pvt_exp's files while a sweep runs changes no run of it."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from pvt_exp.store import provenance
from tests.conftest import PATIENCE_S
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
def test_also_where_the_server_that_starts_them_is_killed(sweep: Path, driver: Driver, tmp_path: Path) -> None:
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
