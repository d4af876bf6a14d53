"""`pvt-exp dashboard` as a person uses it: the page, while runs are added, and in a real browser."""

import json
import re
import shutil
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import optuna
import pytest

from tests.conftest import Cli
from tests.e2e.test_sweep import Driver, driver, wait_for

__all__ = ["driver"]


def address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://127.0.0.1:\d+", line)
    assert found, line
    return found[0]


def asked(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.loads(answer.read())


@pytest.mark.slow
def test_the_page_follows_the_sweep(sweep: Path, cli: Cli, driver: Driver) -> None:
    cli("sweep", sweep, "--seeds", "0")
    process = driver("dashboard", "sweep.yaml", "--port", "0")
    page = address(process)
    assert [study["study_name"] for study in asked(f"{page}/api/studies")["study_summaries"]] == ["sweep"]
    trials = asked(f"{page}/api/studies/0?after=0")["trials"]
    assert {trial["state"] for trial in trials} == {"Complete"}
    assert len(trials) == 2
    assert all(trial["intermediate_values"] for trial in trials)
    cli("sweep", sweep)
    wait_for(lambda: len(asked(f"{page}/api/studies/0?after=0")["trials"]) == 4)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


@pytest.mark.slow
def test_studies_for_a_dashboard_that_is_there(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    cli("sweep", sweep)
    url = f"sqlite:///{tmp_path}/studies.db"
    for _ in range(2):
        assert "4 trials in the study sweep" in cli("dashboard", sweep, "--storage", url).stdout
    study = optuna.load_study(study_name="sweep", storage=url)
    assert {trial.params["depth"] for trial in study.trials} == {"same as the base", "deeper"}


def test_what_cannot_be_shown(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = cli("dashboard", sweep, "--port", str(taken.getsockname()[1]), ok=2).stderr
    assert "Address already in use; name another" in said
    assert "the storage oracle://x cannot be used" in cli("dashboard", sweep, "--storage", "oracle://x", ok=2).stderr
    assert "no such file" in cli("dashboard", tmp_path / "nowhere.yaml", ok=2).stderr.lower()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_page_in_a_browser(sweep: Path, cli: Cli, driver: Driver, tmp_path: Path) -> None:
    cli("sweep", sweep)
    page = address(driver("dashboard", "sweep.yaml", "--port", "0"))
    browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/browser"]
    browser += ["--virtual-time-budget=20000", "--window-size=1500,1900", "--dump-dom"]
    shown = subprocess.run(
        [*browser, f"{page}/dashboard/studies/0"], capture_output=True, text=True, timeout=180, check=True
    ).stdout
    for words in ("Hyperparameter Importance", "Timeline", "Intermediate values", "depth", "seed", "trial #3"):
        assert words in shown
