"""A sweep as it is typed where the system is odd: no hard links, a long $TMPDIR, a home that cannot be written to."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PATIENCE_S, ROOT, Cli, environment
from tests.e2e.test_bad_input import as_anyone  # noqa: F401 - a fixture

NO_LINKS = """\
#include <errno.h>
#include <unistd.h>
int link(const char *a, const char *b) { errno = EPERM; return -1; }
int linkat(int a, const char *b, int c, const char *d, int e) { errno = EPERM; return -1; }
"""
REFUSES = """\
#include <errno.h>
#include <sys/types.h>
int link(const char *a, const char *b) { errno = EPERM; return -1; }
int linkat(int a, const char *b, int c, const char *d, int e) { errno = EPERM; return -1; }
int chmod(const char *a, mode_t b) { errno = EPERM; return -1; }
int flock(int a, int b) { errno = 524; return -1; }
"""
PUBLISHES = """\
import sys
from pathlib import Path
from pvt_exp.system import files, locks; from pvt_exp import store
runs = store.create(Path(sys.argv[1]))
assert files.publish(runs / "x.json", "1") and not files.publish(runs / "x.json", "2")
with locks.lock(runs) as mine:
    assert mine
print((runs / "x.json").read_text(), sorted(path.name for path in runs.iterdir()))
"""
WORDS = ("sweep", "sweep.yaml", "--gpus", "none", "--slots", "2")


def results(folder: Path) -> list[Path]:
    return sorted(folder.glob("runs/*/result.json"))


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_a_store_where_the_system_refuses_links_rights_and_locks(tmp_path: Path) -> None:
    source = tmp_path / "shim.c"
    source.write_text(REFUSES)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "shim.so", source], check=True)
    env = {**os.environ, "LD_PRELOAD": str(tmp_path / "shim.so"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PUBLISHES, str(tmp_path / "runs")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "1 ['lock', 'store.json', 'x.json']\n", done.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_a_store_without_hard_links(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    """All its processes are refused link(); two drivers at once publish each result once."""
    made = tmp_path / "shim"
    made.mkdir()
    (made / "nolink.c").write_text(NO_LINKS)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", made / "nolink.so", made / "nolink.c"], check=True)
    env = environment(LD_PRELOAD=str(made / "nolink.so"))
    command = [str(Path(sys.executable).with_name("pvt-exp")), *WORDS]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    both = [subprocess.Popen(command, cwd=tmp_path, env=env, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    try:
        for process in both:
            said = process.communicate(timeout=PATIENCE_S)[0]
            assert process.returncode == 0, said
            told = said.index("runs has no hard links; a result is published by a folder's rename")
            assert "    done  " not in said[:told], "it is said before training"
    finally:
        for process in both:
            process.kill()
    assert len(results(tmp_path)) == 4
    assert all(json.loads(path.read_text())["run"] == path.parent.name for path in results(tmp_path))
    ends = [json.loads(path.read_text())["state"] for path in tmp_path.glob("runs/*/attempts/*/end.json")]
    assert ends == ["done"] * 4
    assert not [path for path in tmp_path.glob("runs/**/.*") if path.name.endswith((".publishing", ".part", ".tmp"))]
    assert "| deeper" in (tmp_path / "reports/out/sweep/table.md").read_text()
    before = {path: path.read_bytes() for path in results(tmp_path)}
    again = cli(*WORDS, LD_PRELOAD=str(made / "nolink.so")).stdout
    assert "all 4 runs are done" in again
    assert {path: path.read_bytes() for path in results(tmp_path)} == before
    assert (
        "hard links" not in cli("sweep", "sweep.yaml", "--retry", "failed", "--seeds", "0,1,2", "--gpus", "none").stdout
    )


@pytest.mark.slow
def test_temporary_files_far_down(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    """$TMPDIR is longer than a socket's path may be; runs have loading processes, which talk by sockets."""
    far = tmp_path.joinpath(*["a-rather-long-name-of-a-folder"] * 5)
    far.mkdir(parents=True)
    assert len(str(far)) > 108
    cli(*WORDS, "--seeds", "0", "--workers", "1", TMPDIR=str(far))
    assert len(results(tmp_path)) == 2
    assert (tmp_path / "reports/out/sweep/table.seeds-0.md").is_file()
    left = [path.name for path in far.iterdir() if not path.name.startswith("torchinductor_")]  # a cache of torch's
    assert not left, "a sweep removes what it puts there"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["read only", "no folder", "a file"])
def test_a_home_that_cannot_be_written_to(
    how: str,
    as_anyone: list[str],  # noqa: F811
    sweep: Path,
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    if how == "a file":
        home.touch()
    elif how == "read only":
        home.mkdir(mode=0o555)
    env = environment(HOME=str(home if how != "no folder" else home / "nobody"))
    if how == "no folder":
        home.mkdir(mode=0o555)
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        env.pop(name, None)
    command = [*as_anyone, str(Path(sys.executable).with_name("pvt-exp")), *WORDS, "--seeds", "0"]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "cannot be written to" in line]
    assert "what is counted is kept in" in line
    assert len(results(tmp_path)) == 2
    assert json.loads(results(tmp_path)[0].read_text())["cost"]["params"] > 0
    assert "| deeper" in (tmp_path / "reports/out/sweep/table.seeds-0.md").read_text()
    if home.is_dir():
        assert not list(home.iterdir())
