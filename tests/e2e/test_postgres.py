"""Studies in PostgreSQL: a server of the test's own, on loopback."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from tests.conftest import EXPERIMENT, Cli
from tests.e2e.test_sweep import wait_for
from tests.e2e.test_tune import SWEEP

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # where Debian has them
pytestmark = pytest.mark.skipif(not BINARIES, reason="PostgreSQL is not installed")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def server() -> Iterator[str]:
    """The URL of a database that lives as long as the test."""
    folder = Path(tempfile.mkdtemp(prefix="postgres"))  # pytest's own folders are closed to other users
    user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    data, port = folder / "data", free_port()
    made = [BINARIES[-1] / "initdb", "-D", data, "-A", "trust", "-U", "tester", "--no-sync"]
    subprocess.run(made, user=user, cwd=folder, check=True, capture_output=True)
    options = [
        "-D",
        data,
        "-p",
        str(port),
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        f"unix_socket_directories={folder}",
    ]
    process = subprocess.Popen([BINARIES[-1] / "postgres", *options], user=user, cwd=folder, stderr=subprocess.DEVNULL)
    ready = [BINARIES[-1] / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-q"]
    try:
        wait_for(lambda: subprocess.run(ready, check=False).returncode == 0, 60)
        yield f"postgresql+psycopg://tester@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)  # at once; SIGTERM waits for whoever is connected
        process.wait(60)
        shutil.rmtree(folder)


def test_trials_are_kept_in_postgresql_and_go_on_there(server: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(EXPERIMENT)
    for trials in (2, 3):  # the second driver goes on from the first one's
        (tmp_path / "sweep.yaml").write_text(SWEEP.replace("trials: 4", f"trials: {trials}\n  storage: {server}"))
        cli("sweep", "sweep.yaml", "--gpus", "none", "--only", "base")
        (name,) = optuna.get_all_study_names(server)
        study = optuna.load_study(study_name=name, storage=server)
        assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * trials
    told = json.loads(next(tmp_path.glob("runs/tuning/*/choice.json")).read_text())
    assert study.best_value == told["score"]
    assert study.best_trial.user_attrs["run"] in {told["run"], *(trial.user_attrs["run"] for trial in study.trials)}
    assert not list(tmp_path.glob("runs/tuning/*.db"))


def test_a_server_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(EXPERIMENT)
    url = f"postgresql+psycopg://tester@127.0.0.1:{free_port()}/postgres"
    (tmp_path / "sweep.yaml").write_text(SWEEP.replace("trials: 4", f"trials: 4\n  storage: {url}"))
    said = cli("sweep", "sweep.yaml", "--gpus", "none", ok=2).stderr
    assert f"tune.storage {url}: cannot be used" in said
