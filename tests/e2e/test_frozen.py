"""Editing pvt_exp's files while a sweep runs changes no run of it."""

import json
import shutil
from pathlib import Path

from pvt_exp import provenance
from tests.conftest import PATIENCE_S
from tests.e2e.test_sweep import Driver, driver, longer, results, wait_for

__all__ = ["driver"]


def test_runs_execute_the_code_that_stood_when_the_sweep_was_launched(
    sweep: Path,
    driver: Driver,
    tmp_path: Path,
) -> None:
    package = tmp_path / "lib/pvt_exp"
    shutil.copytree(provenance.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    longer(sweep)
    process = driver("sweep", "sweep.yaml", "--slots", "1", PYTHONPATH=str(package.parent))
    wait_for(lambda: bool(results(tmp_path)))
    for path in (*package.glob("nn/*.py"), package / "train.py", package / "record.py", package / "checkpoints.py"):
        path.write_text("raise RuntimeError('edited')\n")
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert "all 4 runs are done" in said
    hashes = {made["provenance"]["git"]["files_sha256"] for made in results(tmp_path).values()}  # type: ignore[index]
    (frozen,) = tmp_path.glob("runs/code/[!.]*")
    assert hashes == {json.loads((frozen / "code.json").read_text())["code"]["files_sha256"]}
