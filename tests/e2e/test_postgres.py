"""Studies in PostgreSQL: a server of the test's own, on loopback."""

import json
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from tests.conftest import EXPERIMENT, Cli
from tests.e2e.test_tune import SWEEP
from tests.postgres import BINARIES, free_port, postgres

pytestmark = pytest.mark.skipif(not BINARIES, reason="PostgreSQL is not installed")


@pytest.fixture
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.mark.slow
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
    assert f"tune: the storage {url} cannot be used" in said
