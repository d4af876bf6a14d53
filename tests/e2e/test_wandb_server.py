"""W&B's server as it is, unreachable, silent, refusing and lost: a run is never failed by it, and never waits long."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.conftest import EXPERIMENT, PATIENCE_S, Cli, environment
from tests.e2e.test_sweep import Driver, driver, wait_for
from tests.e2e.test_wandb import history, records
from tests.wandb_server import KEY, Way, serving

__all__ = ["driver"]
HANG_S = 100
"""Within this a sweep of one run has ended, on a slow machine too; W&B by itself hung for 104 s, and for ever."""


def nobody() -> dict[str, str]:
    """The environment of a server that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    return {"WANDB_BASE_URL": f"http://127.0.0.1:{port}", "WANDB_API_KEY": KEY, "WANDB_MODE": "online"}


def done(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in folder.glob("runs/*/result.json")]


REPORT = "report-sweep.only-deeper.seeds-0"


def test_a_run_online_has_everything_and_ends_well(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    with serving() as server:
        cli("sweep", sweep, "--only", "deeper", "--seeds", "0", **server.env)
    (result,) = done(tmp_path)
    told = server.runs()[result["run"]]
    assert told["groupName"] == "sweep"
    assert told["jobType"] == "classification"
    assert told["displayName"] == "depth deeper, seed 0"
    assert told["tags"] == ["depth = deeper", "sweep"]
    assert f"pvt-exp runs show {result['run']}" in told["notes"]
    config = {name: entry.get("value") for name, entry in json.loads(told["config"]).items()}
    assert config["axes"] == {"depth": "deeper"}
    assert config["sweep"] == "sweep"
    assert config["backbone"]["depths"] == [2, 1, 1, 1]
    rows = server.history[result["run"]]
    assert [row["top1"] for row in rows if "top1" in row][-1] == result["metrics"]["top1"]
    assert any("lr" in row for row in rows)
    assert server.ends[result["run"]] == 0
    assert not list(tmp_path.rglob("wandb/unsent"))
    report = server.runs()[REPORT]
    assert report["jobType"] == "report"
    assert report["groupName"] == "sweep"
    assert server.history[REPORT][-1]["table"]["_type"] == "table-file"
    artifacts = [told["input"] for told in server.told("CreateArtifact")]
    assert (REPORT, "report") in [(each["artifactCollectionName"], each["artifactTypeName"]) for each in artifacts]


@pytest.mark.slow
def test_names_that_are_not_ascii_are_told_whole_and_apart(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    """Of two sweeps whose names have no ASCII letter: what shows is the name, what W&B restricts is another for each."""
    names = ("结果", "实验")
    for name in names:
        shutil.copy(sweep, tmp_path / f"{name}.yaml")
    sweep.write_text("")
    with serving() as server:
        for seed, name in enumerate(names):
            said = cli("sweep", f"{name}.yaml", "--only", "deeper", "--seeds", str(seed), **server.env)
            assert "was not told" not in said.stdout + said.stderr
    told = server.runs()
    trained = [each for each in told.values() if each["jobType"] == "classification"]
    assert [each["groupName"] for each in trained] == list(names)
    assert [each["tags"] for each in trained] == [["depth = deeper", name] for name in names]
    assert [each["displayName"] for each in trained] == ["depth deeper, seed 0", "depth deeper, seed 1"]
    reports = {run: each for run, each in told.items() if each["jobType"] == "report"}
    assert [each["groupName"] for each in reports.values()] == list(names)
    assert all(name in each["displayName"] for name, each in zip(names, reports.values(), strict=True))
    artifacts = [each["input"]["artifactCollectionName"] for each in server.told("CreateArtifact")]
    artifacts = [each for each in artifacts if each.startswith("report-")]
    assert len(set(artifacts)) == len(set(reports)) == len(names), (artifacts, reports)
    for each in (*artifacts, *told):
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,128}", each)
    for each in told.values():
        assert all(1 <= len(tag) <= 64 for tag in each["tags"])


@pytest.mark.slow
@pytest.mark.parametrize("way", ["refuses", "unreachable", "silent", "broken"])
def test_a_server_that_is_no_use(way: Way, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    words = ("sweep", sweep, "--only", "base", "--seeds", "0")
    begun = time.monotonic()
    if way == "unreachable":  # type: ignore[comparison-overlap]
        said = cli(*words, **nobody()).stdout
    else:
        with serving(way) as server:
            said = cli(*words, **server.env).stdout
    assert "W&B, of 1 run: " in said
    assert "`pvt-exp wandb sync` uploads" in said
    assert time.monotonic() - begun < HANG_S
    (result,) = done(tmp_path)
    attempt = tmp_path / "runs" / result["run"] / "attempts" / "1"
    assert "pvt-exp wandb sync" in (attempt / "log.txt").read_text()
    (offline,) = attempt.glob("wandb/offline-run-*")
    assert any("top1" in row for row in history(offline))


@pytest.mark.slow
def test_a_server_that_is_lost_on_the_way(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    with serving("lost") as server:
        begun = time.monotonic()
        cli("sweep", sweep, "--only", "base", "--seeds", "0", **server.env)
        assert time.monotonic() - begun < 2 * HANG_S
    assert len(done(tmp_path)) == 1
    with serving() as server:
        said = cli("wandb", "sync", **server.env).stdout
        assert "2 of 2 runs are uploaded" in said
        assert server.ends[done(tmp_path)[0]["run"]] == 0


TELLS = """
import sys, time
from pathlib import Path
from pvt_exp.tracking import client as wandb_client
begun = time.monotonic()
run = wandb_client.start(Path.cwd(), "online", project="p", id="abc")
print("start", time.monotonic() - begun, flush=True)
sys.stdin.readline()
begun = time.monotonic()
for step in range(100):
    run.log({"loss": step}, step=step)
print("lines", time.monotonic() - begun, flush=True)
wandb_client.finish(run, Path.cwd())
print("finish", time.monotonic() - begun, flush=True)
"""


@pytest.mark.slow
def test_a_server_that_falls_silent_in_the_midst_of_a_run(tmp_path: Path) -> None:
    with serving() as server:
        process = subprocess.Popen(
            [sys.executable, "-c", TELLS],
            cwd=tmp_path,
            env=environment(**server.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        next(line for line in process.stdout if line.startswith("start"))
        server.way = "silent"
        said, _ = process.communicate("\n", timeout=3 * HANG_S)
        seconds = dict(line.split() for line in said.splitlines() if line.startswith(("lines", "finish")))
        assert float(seconds["lines"]) < 10
        assert float(seconds["finish"]) < HANG_S
        assert process.returncode == 0
    assert "pvt-exp wandb sync" in said
    assert (tmp_path / "wandb" / "unsent").exists()


@pytest.mark.slow
def test_what_was_offline_is_uploaded_once(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    cli("sweep", sweep, "--wandb", "offline")
    assert "5 runs to upload" in cli("wandb", "sync", "--dry-run").stdout
    assert "no API key" in cli("wandb", "sync", ok=2, HOME=str(tmp_path), WANDB_CONFIG_DIR=str(tmp_path)).stderr
    assert "out of reach" in cli("wandb", "sync", ok=1, **nobody()).stdout
    with serving() as server:
        said = cli("wandb", "sync", "--at-once", "3", **server.env).stdout
        assert "5 of 5 runs are uploaded" in said
        for result in done(tmp_path):
            rows = server.history[result["run"]]
            assert [row["top1"] for row in rows if "top1" in row][-1] == result["metrics"]["top1"]
        asked = len(server.asked)
        assert "0 runs to upload" in cli("wandb", "sync", **server.env).stdout
        assert len(server.asked) == asked


@pytest.mark.slow
def test_a_run_that_fails_says_so_and_alerts(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("wandb: {alerts: true}\n")
    words = ("sweep", sweep, "--only", "base", "--seeds", "0", "optim.lr=1e30", "--wandb", "offline")
    cli(*words, ok=1)
    (offline,) = tmp_path.glob("runs/*/attempts/1/wandb/offline-run-*")
    found = records(offline)
    (alert,) = [record for record in found if record["type"] == "alert"]
    assert "base, seed 0: diverged" in json.dumps(alert)
    assert '"diverged"' in json.dumps([record for record in found if record["type"] == "summary"])
    (end,) = [record for record in found if record["type"] == "exit"]
    assert end["exit"]["exit_code"] == 1
    (report,) = tmp_path.glob("runs/reports/sweep.only-base.*/wandb/offline-run-*")  # a part of the sweep
    assert "0 of 1 run is done; 1 diverged" in json.dumps(records(report))


@pytest.mark.slow
def test_a_run_that_is_stopped_and_resumed_is_one_run_of_w_and_b(
    sweep: Path, cli: Cli, driver: Driver, tmp_path: Path
) -> None:
    sweep.with_name("base.yaml").write_text(EXPERIMENT.replace("epochs: 2", "epochs: 12"))
    words = ("sweep", "sweep.yaml", "--only", "base", "--seeds", "0")
    with serving() as server:
        process = driver(*words, **server.env)
        wait_for(lambda: any(tmp_path.glob("runs/*/attempts/1/checkpoints/epoch=[2-9]*.ckpt")))
        process.send_signal(signal.SIGINT)
        process.wait()
        run_id = next(tmp_path.glob("runs/*/run.yaml")).parent.name
        assert server.ends == {run_id: 1}  # killed
        before = len(server.history[run_id])
        assert before > 0
        cli(*words, **server.env)
        rows = server.history[run_id]
        assert server.ends[run_id] == 0
        assert len(rows) > before
        assert [row["epoch"] for row in rows if "top1" in row] == list(range(12))
        assert set(server.runs()) == {run_id, "report-sweep.only-base.seeds-0"}


@pytest.mark.slow
def test_agents_of_a_registered_sweep_train_the_planned_runs(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    with serving() as server:
        said = cli("wandb", "sweep", sweep.name, "--seeds", "0", "--gpus", "none", **server.env).stdout
        assert "wandb agent" in said
        written = yaml.safe_load((tmp_path / "reports/out/sweep/wandb_sweep.yaml").read_text())
        registered = yaml.safe_load(server.sweep)
        assert registered["command"] == written["command"]
        values = written["parameters"]["run"]["values"]
        assert len(values) == 2
        server.commands = [
            {"type": "run", "run_id": f"agent{i}", "program": written["program"], "args": {"run": {"value": value}}}
            for i, value in enumerate(values)
        ]
        path = f"{Path(sys.executable).parent}:{environment()['PATH']}"
        agent = [sys.executable, "-m", "wandb", "agent", "me/pvt-exp/sweep1"]
        env = {**environment(**server.env), "PATH": path}
        ended = subprocess.run(agent, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=PATIENCE_S)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        results = {result["run"]: result for result in done(tmp_path)}
        assert {f"runs/{run_id}" for run_id in results} == set(values)
        for i, value in enumerate(values):
            rows = server.history[f"agent{i}"]
            top1 = results[value.removeprefix("runs/")]["metrics"]["top1"]
            assert [row["top1"] for row in rows if "top1" in row][-1] == top1
            assert server.ends[f"agent{i}"] == 0
        assert "there is nothing to register" in cli("wandb", "sweep", sweep.name, "--seeds", "0", **server.env).stdout


def test_a_sweep_is_one_by_w_and_bs_own_schema(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    """W&B's client has no schema of a sweep; their package `sweeps` has one, and cannot be installed beside numpy 2."""
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        tmp_path / "theirs",
        "sweeps==0.3.0",
    ]
    if subprocess.run(install, capture_output=True, check=False).returncode != 0:
        pytest.skip("W&B's package sweeps cannot be had without a network")
    schema = json.loads((tmp_path / "theirs/sweeps/config/schema.json").read_text())
    content = yaml.safe_load(cli("wandb", "sweep", sweep, "--print").stdout)
    jsonschema.validate(content, schema)
    ids = [run["id"] for row in json.loads(cli("plan", sweep, "--json").stdout)["variants"] for run in row["runs"]]
    assert sorted(content["parameters"]["run"]["values"]) == sorted(f"runs/{run_id}" for run_id in ids)
    assert content["metric"] == {"name": "top1", "goal": "maximize"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**content, "command": "pvt-exp"}, schema)
