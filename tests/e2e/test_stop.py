"""`pvt-exp stop` and `pvt-exp why`, as they are typed."""

import json
from pathlib import Path

from tests.conftest import PATIENCE_S, Cli
from tests.e2e.test_sweep import Driver, driver, longer, results, wait_for

__all__ = ["driver"]


def test_a_sweep_is_stopped_from_elsewhere_and_goes_on(sweep: Path, cli: Cli, driver: Driver, tmp_path: Path) -> None:
    longer(sweep, 20)
    planned = json.loads(cli("plan", sweep, "--json").stdout)
    last = planned["variants"][-1]["runs"][-1]
    last = last["id"] if isinstance(last, dict) else last
    process = driver("sweep", "sweep.yaml", "--slots", "1")
    wait_for(lambda: any(tmp_path.glob("runs/*/attempts/1/progress.json")))
    first = next(tmp_path.glob("runs/*/attempts/1/progress.json")).parents[2].name
    assert "is running (of sweep)" in cli("why", first).stdout
    assert "it waits for its turn: sweep is driven by process" in cli("why", last).stdout
    said = cli("stop", "sweep.yaml").stdout
    assert f"asked process {process.pid} on" in said
    assert "sweep is stopped; the same command continues it" in said
    told, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1, told
    assert "stopped: as pvt-exp stop asks for" in told
    assert "Traceback" not in told
    ends = {path.parents[2].name: json.loads(path.read_text()) for path in tmp_path.glob("runs/*/attempts/1/end.json")}
    (stopped,) = (name for name, end in ends.items() if end["state"] == "killed")
    assert "killed: stopped by its driver, as pvt-exp stop asks for" in cli("why", stopped).stdout
    log = (tmp_path / "runs" / stopped / "attempts/1/log.txt").read_text()
    assert "killed: stopped by its driver, as pvt-exp stop asks for; it goes on from epoch" in log
    assert "Traceback" not in log
    assert "Traceback" not in cli("runs", "show", stopped).stdout
    assert len(results(tmp_path)) < 4
    assert "no process trains its sweep now; to train it: pvt-exp sweep sweep.yaml" in cli("why", last).stdout
    assert not list((tmp_path / "runs/drivers").iterdir())
    assert "all 4 runs are done" in cli("sweep", sweep).stdout
    assert "its result is from attempt" in cli("why", first).stdout


def test_what_cannot_be_stopped_or_told(sweep: Path, cli: Cli) -> None:
    assert "error: sweep: no process trains it on the store runs" in cli("stop", sweep, ok=2).stderr
    assert "matches no run in runs" in cli("why", "0123ab", ok=2).stderr
