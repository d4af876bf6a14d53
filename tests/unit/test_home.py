"""Where what is counted once is kept, and that tests leave a person's home alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pvt_exp.system import machine
from pvt_exp.tracking import server
from tests.conftest import HOME, ROOT


def test_tests_have_a_home_of_their_own(tmp_path: Path) -> None:
    assert Path.home() == HOME
    assert machine.cache_folder().is_relative_to(HOME)
    script = (
        "from tests import conftest; from pvt_exp.system import machine; print(machine.cache_folder(), machine.home())"
    )
    person = tmp_path / "person"
    person.mkdir()
    environment = {**os.environ, "HOME": str(person), "XDG_CACHE_HOME": str(person / "cache")}
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == [str(HOME / ".cache/pvt_exp"), str(HOME)]
    assert not list(person.iterdir())


def test_the_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "named"))
    assert machine.cache_folder() == tmp_path / "named/pvt_exp"
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/x")
    assert machine.cache_folder() == tmp_path / "person/.cache/pvt_exp", "a relative path is ignored"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert machine.cache_folder() == tmp_path / "person/.cache/pvt_exp"


@pytest.mark.parametrize("kind", ["a file", "no home"])
def test_elsewhere_where_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    monkeypatch.setattr(machine.tempfile, "gettempdir", lambda: str(tmp_path))  # type: ignore[attr-defined]
    machine._writable.cache_clear()
    monkeypatch.delenv("XDG_CACHE_HOME")
    if kind == "a file":
        (tmp_path / "person").touch()
        monkeypatch.setenv("HOME", str(tmp_path / "person"))
    else:
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(os, "getuid", lambda: 87654)  # in no list of users
    folder = machine.cache_folder()
    assert folder.is_relative_to(tmp_path)
    (folder / "kept").touch()
    assert machine.cache_folder() == folder
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert str(folder) in said[0]
    assert ("Not a directory" if kind == "a file" else "there is no home folder") in said[0]
    assert server.base_url() == server.CLOUD, "which looks into the home folder too"
    machine._writable.cache_clear()


def test_a_folder_that_others_can_write_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine.tempfile, "gettempdir", lambda: str(tmp_path))  # type: ignore[attr-defined]
    monkeypatch.setattr(machine.tempfile, "tempdir", str(tmp_path))  # type: ignore[attr-defined]
    machine._writable.cache_clear()
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    there = tmp_path / f"pvt_exp-cache-{os.getuid()}"
    there.mkdir()
    there.chmod(0o777)
    assert machine.cache_folder() != there
    machine._writable.cache_clear()


def test_cores_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    monkeypatch.setattr(machine, "QUOTA", tmp_path / "cpu.max")
    assert machine.cores() == 64
    for told, cores in (("max 100000\n", 64), ("400000 100000\n", 4), ("150000 100000\n", 2), ("50000 100000", 1)):
        machine.QUOTA.write_text(told)
        assert machine.cores() == cores
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    machine.QUOTA.write_text("max 100000\n")
    assert machine.cores() == 8
