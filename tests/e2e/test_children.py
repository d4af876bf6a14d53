"""Children run this package and the installed libraries, whatever lies in the folder where one types."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pvt_exp.store import provenance
from pvt_exp.system import children
from tests.conftest import ROOT, SWEEP, Cli, environment

HOSTILE = ("torch", "yaml", "argparse", "pydantic", "numpy")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder with files named as libraries are, and with another `pvt_exp`; whoever imports one of them ends."""
    for name in (*HOSTILE, "pvt_exp/__init__", "pvt_exp/config/__init__", "pvt_exp/config/document", "pvt_exp/cli"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} of the current folder')\n")
    return tmp_path


def test_the_folder_is_hostile(hostile: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pvt_exp.config.document"], cwd=hostile, capture_output=True, text=True
    )
    assert "of the current folder" in done.stderr


@pytest.mark.parametrize("python_path", [None, "", os.pathsep, "{}:elsewhere"])
@pytest.mark.parametrize("module", ["pvt_exp.optimizers.adamw", "pvt_exp.drive.session"])
def test_a_child_imports_nothing_of_the_current_folder(
    module: str, python_path: str | None, hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if python_path is not None:
        monkeypatch.setenv("PYTHONPATH", python_path.format(""))  # an empty entry is the current folder to Python
    done = children.run(module, cwd=hostile, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_module_of_a_library_imports_nothing_of_the_current_folder_as_a_child(hostile: Path) -> None:
    done = children.run("json.tool", "--help", cwd=hostile, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout


def test_a_child_is_of_the_package_that_started_it(hostile: Path, tmp_path: Path) -> None:
    """And not of another one that is installed, nor does it see what lies beside the package."""
    other = tmp_path / "checkout"
    (other / "pvt_exp/system").mkdir(parents=True)
    (other / "yaml.py").write_text("raise SystemExit('beside the package')\n")
    for package in ("pvt_exp", "pvt_exp/system"):
        (other / package / "__init__.py").touch()
    for name in ("children", "inherited"):
        path = f"system/{name}.py"
        (other / "pvt_exp" / path).write_bytes((provenance.PACKAGE / path).read_bytes())
    (other / "pvt_exp/which.py").write_text("import sys, yaml; print(__file__, *sys.argv[1:])\n")
    asked = f"import sys; sys.path.insert(0, {str(other)!r})\n"
    asked += "from pvt_exp.system import children; children.run('pvt_exp.which', 'a', 'b c')"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=hostile,
        env=environment(PYTHONSAFEPATH="1"),
        capture_output=True,
        text=True,
    )
    assert done.stdout.split(" ", 1) == [str(other / "pvt_exp/which.py"), "a b c\n"], done.stderr


def test_what_a_child_starts_imports_nothing_of_the_current_folder() -> None:
    done = children.run("json.tool", "-h", changes={"PYTHONPATH": None}, capture_output=True)
    assert done.returncode == 0
    assert children.environment()["PYTHONSAFEPATH"] == "1"
    assert "HOME" not in children.environment({"HOME": None})


def test_python_m_pvt_exp_reads_no_library_of_the_current_folder(hostile: Path, experiment: Path) -> None:
    """It is the checkout's own package there, as `python -m` says, but not its ``yaml.py``."""
    experiment.with_name("sweep.yaml").write_text(SWEEP)
    folder = hostile / "pvt_exp"
    shutil.rmtree(folder)
    folder.symlink_to(ROOT / "pvt_exp")
    (hostile / "torch.py").unlink()  # the light half does not ask for it
    done = subprocess.run(
        [sys.executable, "-m", "pvt_exp", "plan", "sweep.yaml"],
        cwd=hostile,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "2 variants x 2 seeds" in done.stdout


def test_the_command_reads_nothing_of_the_current_folder(hostile: Path, experiment: Path, cli: Cli) -> None:
    experiment.with_name("sweep.yaml").write_text(SWEEP)
    assert "2 variants x 2 seeds" in cli("plan", "sweep.yaml", cwd=hostile).stdout
