"""The light half on a system that lacks Linux's own calls: plan, status and report work, and training says what it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from pvt_exp import store
from pvt_exp.config.placement import Placement
from pvt_exp.plan import expand
from pvt_exp.store import attempts
from pvt_exp.store.results import publish_result
from pvt_exp.system import files
from tests.conftest import environment
from tests.unit.test_tables import result

SCRIPT = '''\
"""Take away what is Linux's own, then run pvt-exp."""
import builtins, io, os, signal, sys
import asyncio, importlib.metadata, multiprocessing.connection, netrc, platform, shutil, ssl, subprocess, tempfile
import urllib.request, webbrowser
import zoneinfo, jinja2, markupsafe, numpy, pydantic.main, rich.console, rich.live, rich.table, typer, typer.testing, yaml

kind, *words = sys.argv[1:]
CALLS = ("sched_getaffinity", "sched_setaffinity", "posix_fadvise", "posix_fallocate", "memfd_create", "pidfd_open")
WINDOWS = (
    *("fork", "register_at_fork", "link", "getuid", "geteuid", "sysconf", "killpg", "setsid", "statvfs", "getpgid"),
    *("waitid", "wait3", "wait4", "mkfifo", "nice", "uname"),
)
for name in CALLS + (WINDOWS if kind == "win32" else ()):
    if hasattr(os, name):
        delattr(os, name)
gone = ("sigwaitinfo", "sigtimedwait", "SIGRTMIN", "SIGRTMAX")
if kind == "win32":
    gone += ("SIGUSR1", "SIGUSR2", "SIGHUP", "SIGKILL", "SIGQUIT", "pthread_sigmask", "sigwait", "alarm", "pause")
    for name in ("fcntl", "resource", "pwd", "grp", "termios"):
        sys.modules[name] = None
for name in gone:
    if hasattr(signal, name):
        delattr(signal, name)


def without(call):
    def checked(path, *more, **options):
        if isinstance(path, (str, os.PathLike)) and str(path).startswith(("/proc", "/sys", "/dev/shm")):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return call(path, *more, **options)

    return checked


builtins.open = io.open = without(io.open)
os.open, os.stat, os.scandir, os.listdir = map(without, (os.open, os.stat, os.scandir, os.listdir))
sys.platform = kind
sys.argv = ["pvt-exp", *words]
from pvt_exp.cli import main

main()
'''


@pytest.fixture
def project(sweep: Path) -> Path:
    """A sweep of which one run is done and one has failed."""
    runs = store.create(sweep.parent / "runs")
    _, plan = expand.load(sweep)
    done, failed = plan.runs[:2]
    made = result(87.5)
    made |= {"epoch": 2, "best": {**made["best"], "epoch": 1}, "finished": files.now()}
    made["provenance"] = {**made["provenance"], "seconds": 60.0}
    assert publish_result(store.attempt(runs, done, Placement(), plan.name), made)
    attempts.end(store.attempt(runs, failed, Placement(), plan.name), "failed", "KeyError: 'x'")
    return sweep


@pytest.mark.parametrize("kind", ["darwin", "win32"])
def test_what_looks_works_and_what_trains_says_what_it_needs(project: Path, kind: str) -> None:
    script = project.with_name("elsewhere.py")
    script.write_text(SCRIPT)

    def call(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(script), kind, *words]
        return subprocess.run(
            command, cwd=project.parent, env=environment(), capture_output=True, text=True, check=False
        )

    def said(*words: str) -> str:
        done = call(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "2 variants x 2 seeds = 4 runs" in said("plan", project.name)
    assert "deeper" in said("status", project.name)
    assert "failed" in said("runs", "list")
    assert "87.5" in said("report", project.name)
    assert "87.5" in (project.parent / "reports/out/sweep/table.md").read_text()
    refused = call("sweep", project.name, "--gpus", "none")
    assert refused.returncode == 2
    assert refused.stderr == (
        f"error: training needs Linux, and this is {kind}; plan, status and report work here too\n"
    )
