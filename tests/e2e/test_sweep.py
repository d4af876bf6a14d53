"""A sweep as a user drives it: real processes, real files, real kill -9."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pvt_exp.testing.launchers import holders
from tests.conftest import EXPERIMENT, PATIENCE_S, Cli, environment, hear_signals


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def processes_with(word: str) -> list[int]:
    """Ids of the processes whose environment or command line has the word."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            except OSError:
                continue
            if word.encode() in text:
                found.append(int(folder.name))
    return found


Driver = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    """Start ``pvt-exp`` without waiting for it; all that it starts can be found by its mark."""
    started = []

    def start(*words: str, **env: str) -> "subprocess.Popen[str]":
        command = [str(Path(sys.executable).with_name("pvt-exp")), *words]
        marked = environment(MARK=str(tmp_path), **env)
        started.append(
            subprocess.Popen(
                command,
                cwd=tmp_path,
                env=marked,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                preexec_fn=hear_signals,  # noqa: PLW1509 - the tests have no threads
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
    wait_for(lambda: not processes_with(f"MARK={tmp_path}"))


def results(folder: Path) -> dict[str, dict[str, object]]:
    return {p.parent.name: json.loads(p.read_text()) for p in folder.glob("runs/*/result.json")}


def longer(sweep: Path, epochs: int = 8) -> Path:
    """The same sweep with runs that take some seconds."""
    base = sweep.with_name("base.yaml")
    base.write_text(EXPERIMENT.replace("epochs: 2", f"epochs: {epochs}"))
    return sweep


def test_to_the_end_and_again_and_further(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    first = cli("sweep", sweep)
    assert "2 variants x 2 seeds = 4 runs, 0 known already, 4 to train" in first.stdout
    assert "all 4 runs are done" in first.stdout
    made = results(tmp_path)
    assert len(made) == 4
    for name in ("table.tex", "tabular.tex", "table.md", "table.csv", "table.html"):
        assert (tmp_path / "reports/out/sweep" / name).stat().st_size > 100
        assert name in first.stdout
    papers = {path.name: path.read_bytes() for path in (tmp_path / "reports/out/sweep").iterdir()}
    one = next(iter(made.values()))
    made_with = one["provenance"]
    assert isinstance(made_with, dict)
    assert made_with["samples_seen"] == 2 * 96
    assert made_with["versions"]["torch"]
    assert made_with["command"][:2] == ["pvt-exp", "sweep"]
    assert one["data"]["fingerprint"]  # type: ignore[index]

    again = cli("sweep", sweep)
    assert "all 4 runs are done" in again.stdout
    assert "to train" not in again.stdout
    assert results(tmp_path) == made

    further = cli("sweep", sweep, "--seeds", "0-2", "--keep", "none")
    assert "6 runs, 4 known already, 2 to train" in further.stdout
    assert "table.seeds-0-2.tex" in further.stdout
    assert {name: (tmp_path / "reports/out/sweep" / name).read_bytes() for name in papers} == papers, (
        "of the sweep's seeds"
    )
    assert {p.parents[2].name for p in tmp_path.glob("runs/*/attempts/1/checkpoints")} == set(made)
    assert {k: v for k, v in results(tmp_path).items() if k in made} == made
    assert not list(tmp_path.rglob("*.tmp"))

    status = json.loads(cli("status", sweep, "--json").stdout)
    assert status["states"] == {"done": 4}
    assert all(run["metrics"]["top1"] >= 0 for variant in status["variants"] for run in variant["runs"])
    some = next(iter(made))
    assert json.loads(cli("runs", "show", some[:6], "--json").stdout)["result"] == made[some]
    assert len(cli("runs", "list").stdout.splitlines()) == 6
    report = json.loads(cli("report", sweep, "--json").stdout)
    assert json.dumps(report).count("top1") >= 1


def test_kill_9_of_a_run(sweep: Path, driver: Driver, tmp_path: Path) -> None:
    longer(sweep)
    process = driver("sweep", "sweep.yaml", "--slots", "1")
    wait_for(lambda: any(tmp_path.glob("runs/*/attempts/1/checkpoints/*.ckpt")))
    victim = next(tmp_path.glob("runs/*/attempts/1/checkpoints/*.ckpt")).parents[3]
    holder = next(int(p) for p in holders(victim / "lock"))
    os.kill(holder, signal.SIGKILL)
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert "ended by SIGKILL; again, from its checkpoint" in said
    assert "all 4 runs are done" in said
    after = results(tmp_path)
    assert after[victim.name]["provenance"]["resumed"] == 1  # type: ignore[index]


def test_kill_9_of_the_server_that_runs_are_forked_from(sweep: Path, driver: Driver, tmp_path: Path) -> None:
    """Its runs end with it and are tried again; also a second time, and where Python's tracker of resources is gone too."""
    longer(sweep)
    process = driver("sweep", "sweep.yaml", "--slots", "2", "--workers", "1")

    def children(word: str) -> list[int]:
        """The driver's own: what the server has forked has its command line too."""
        own = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return [int(pid) for pid in own if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]

    wait_for(lambda: len(list(tmp_path.glob("runs/*/attempts/1/progress.json"))) == 2)
    for pid in (*children("resource_tracker"), *children("forkserver")):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: any(tmp_path.glob("runs/*/attempts/2/placement.yaml")))  # before it has made a step
    wait_for(lambda: bool(children("forkserver")))
    for pid in children("forkserver"):
        os.kill(pid, signal.SIGKILL)
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert "all 4 runs are done" in said
    assert "Traceback" not in said
    assert "the process that runs are forked from was killed; again, from its checkpoint" in said
    ends = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/attempts/1/end.json")]
    assert sum(end["reason"] == "the process that runs are forked from was killed" for end in ends) >= 2


@pytest.mark.slow
def test_kill_9_of_a_process_that_loads_images(sweep: Path, driver: Driver, tmp_path: Path) -> None:
    longer(sweep, 40)
    process = driver("sweep", "sweep.yaml", "--slots", "1", "--workers", "1", "--only", "base", "--seeds", "0")
    wait_for(lambda: any(tmp_path.glob("runs/*/attempts/1/checkpoints/*.ckpt")))
    (lock,) = tmp_path.glob("runs/*/lock")
    (run,) = holders(lock)
    children = Path(f"/proc/{run}/task/{run}/children")
    wait_for(lambda: bool(children.read_text().split()))
    for child in children.read_text().split():
        os.kill(int(child), signal.SIGKILL)
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    first = json.loads((lock.parent / "attempts/1/end.json").read_text())
    assert first["state"] == "killed"
    assert first["reason"].startswith("DataLoader worker")
    assert "; again, from its checkpoint" in said


def test_kill_9_of_the_driver(sweep: Path, cli: Cli, driver: Driver, tmp_path: Path) -> None:
    longer(sweep)
    process = driver("sweep", "sweep.yaml", "--slots", "1")
    wait_for(lambda: bool(results(tmp_path)) and bool(list(tmp_path.glob("runs/*/attempts/1/checkpoints/*.ckpt"))))
    wait_for(lambda: len(list(tmp_path.glob("runs/*/attempts/1/progress.json"))) >= 2)
    process.kill()
    process.wait()
    wait_for(lambda: not processes_with(f"MARK={tmp_path}"))
    before = results(tmp_path)
    assert 1 <= len(before) < 4
    assert "all 4 runs are done" in cli("sweep", sweep).stdout
    after = results(tmp_path)
    assert {k: after[k] for k in before} == before


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        signal.SIGUSR1,
        *(pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGHUP)),
    ],
)
def test_ctrl_c_and_a_clusters_signals(
    number: signal.Signals, sweep: Path, driver: Driver, cli: Cli, tmp_path: Path
) -> None:
    longer(sweep, 50)
    process = driver("sweep", "sweep.yaml", "--slots", "2", "--workers", "1")
    wait_for(lambda: len(list(tmp_path.glob("runs/*/attempts/1/progress.json"))) == 2)
    everyone = processes_with(f"MARK={tmp_path}")
    assert len(everyone) > 5, "driver, server, tracker, two runs and what loads their images"
    for pid in [process.pid] if number == signal.SIGINT else everyone:  # a cluster's come to all processes of a job
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, said
    assert "stopping: 0 of 4 done" in said
    assert "goes on from its last checkpoint with the same command" in said
    assert "Traceback" not in said
    wait_for(lambda: not processes_with(f"MARK={tmp_path}"))
    for end in tmp_path.glob("runs/*/attempts/1/end.json"):
        told = json.loads(end.read_text())
        assert told["state"] == "killed"
        by = {signal.SIGINT: "Ctrl-C", signal.SIGHUP: "SIGHUP (its terminal was closed)"}
        asked = by.get(number, f"{number.name} (from a person or the machine)")
        assert told["reason"].startswith(f"stopped by {asked}; it goes on from epoch")
        said = cli("why", end.parents[2].name).stdout
        assert f"stopped by {asked}; it goes on" in said
        assert len(list(end.parent.glob("checkpoints/*.ckpt"))) >= 1


def test_two_drivers_train_nothing_twice(sweep: Path, driver: Driver, tmp_path: Path) -> None:
    longer(sweep)
    both = [driver("sweep", "sweep.yaml", "--slots", "2") for _ in range(2)]
    said = [process.communicate(timeout=PATIENCE_S)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len(results(tmp_path)) == 4
    ends = [json.loads(p.read_text())["state"] for p in tmp_path.glob("runs/*/attempts/*/end.json")]
    assert ends == ["done"] * 4


def test_a_run_that_fails_touches_no_other(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    text = sweep.read_text().replace("deeper: {backbone.depths: [2, 1, 1, 1]}", "wild: {optim: {kind: sgd, lr: 1e30}}")
    sweep.write_text(text)
    first = cli("sweep", sweep, ok=1)
    assert "2 of 4 runs are done" in first.stdout
    assert "diverged: loss is NaN or Inf at step" in first.stdout
    assert "--retry diverged" in first.stdout
    assert "Traceback" not in first.stdout
    logs = [path.read_text() for path in tmp_path.glob("runs/*/attempts/1/log.txt")]
    (said,) = {log.splitlines()[-1].partition(" at step")[0] for log in logs if "diverged" in log}
    assert said == "diverged: loss is NaN or Inf", "the reason is what a log ends with, and not a traceback"
    assert not any("Traceback" in log for log in logs)
    assert "diverged" in (tmp_path / "reports/out/sweep/table.md").read_text()
    assert "to train" not in cli("sweep", sweep, ok=1).stdout
    assert "2 to train" in cli("sweep", sweep, "--retry", "diverged", ok=1).stdout
    end = json.loads(next(p for p in tmp_path.glob("runs/*/attempts/2/end.json")).read_text())
    assert end["step"] >= 1
    assert "gradient_norm" in end


@pytest.mark.slow
def test_a_full_disk_loses_nothing(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    """A file may not grow over some kB: the checkpoint cannot be written, and the run says why."""
    limited = [
        "bash",
        "-c",
        'ulimit -f 64; trap "" XFSZ; exec "$@"',
        "-",
        str(Path(sys.executable).with_name("pvt-exp")),
    ]
    cli("sweep", sweep, "--only", "base", "--seeds", "0")
    before = results(tmp_path)
    done = subprocess.run(
        [*limited, "sweep", str(sweep)], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "File too large" in done.stdout
    assert results(tmp_path) == before
    assert "all 4 runs are done" in cli("sweep", sweep, "--retry", "failed").stdout


@pytest.mark.slow
def test_a_worker_can_be_typed_by_a_person(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    cli("sweep", sweep, "--only", "base", "--seeds", "0")
    attempt = next(tmp_path.glob("runs/*/attempts/1"))
    (attempt.parents[1] / "result.json").unlink()
    (attempt / "end.json").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "pvt_exp.train.worker", str(attempt)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(results(tmp_path)) == 1


def test_out_of_memory_on_the_cpu_ends_a_run_and_it_goes_on_with_less(
    experiment: Path, cli: Cli, tmp_path: Path
) -> None:
    big = EXPERIMENT.replace("image_px: 32", "image_px: 128").replace("[8, 16, 16, 16]", "[64, 16, 16, 16]")
    big = big.replace("mlp_ratios: [2,", "mlp_ratios: [8,").replace("batch_size: 16", "batch_size: 64")
    experiment.write_text(big.replace("epochs: 2", "epochs: 1"))
    said = cli("run", experiment, "--gpus", "none", "--memory-gb", "1.8").stdout
    assert "can't allocate memory" in said
    assert "; again, alone with" in said
    first = json.loads(next(tmp_path.glob("runs/*/attempts/1/end.json")).read_text())
    assert (first["state"], first["micro_batch"], first["memory_gb"]) == ("out_of_memory", 64, 1.8)
    (result,) = results(tmp_path).values()
    made = result["provenance"]
    assert isinstance(made, dict)
    assert made["batch_size"] == made["samples_seen"] == 64
    assert made["micro_batch"] in (32, 16, 8, 4)
    assert made["recovered"] == f"ran out of memory with {2 * made['micro_batch']} images at once"


@pytest.mark.slow
def test_a_resumed_run_ends_bit_equal(sweep: Path, cli: Cli, driver: Driver, tmp_path: Path) -> None:
    longer(sweep)
    process = driver("sweep", "sweep.yaml", "--only", "base", "--seeds", "0")
    wait_for(lambda: any(tmp_path.glob("runs/*/attempts/1/checkpoints/epoch=[2-9]*.ckpt")))
    process.kill()
    process.wait()
    wait_for(lambda: not processes_with(f"MARK={tmp_path}"))
    cli("sweep", sweep, "--only", "base", "--seeds", "0")
    (resumed,) = results(tmp_path).values()
    assert resumed["provenance"]["resumed"] == 1  # type: ignore[index]
    cli(
        "sweep",
        sweep,
        "--only",
        "base",
        "--seeds",
        "0",
        "--store",
        "undisturbed",
        "--data",
        f"shapes={tmp_path}/data/shapes",
    )
    (whole,) = [json.loads(p.read_text()) for p in tmp_path.glob("undisturbed/*/result.json")]
    assert whole["metrics"] == resumed["metrics"]
    assert whole["provenance"]["samples_seen"] == resumed["provenance"]["samples_seen"]  # type: ignore[index]


@pytest.mark.slow
def test_weights_to_start_from(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    """A checkpoint under timm's names is taken up; it counts by its content, and the result says how it matched."""
    make = (
        "import timm, torch; torch.manual_seed(1); "
        "model = timm.create_model('pvt_v2_b0', embed_dims=(8, 16, 16, 16), num_heads=(1, 2, 2, 2), depths=(1, 1, 1, 1), "
        "mlp_ratios=(2, 2, 2, 2)); torch.save({'state_dict': model.state_dict()}, 'start.pth')"
    )
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, env=environment(), check=True)
    base = sweep.with_name("base.yaml")
    base.write_text(EXPERIMENT.replace("preset: pvt_v2_b0", "preset: pvt_v2_b0\n  pretrained: start.pth"))
    cli("sweep", sweep, "--only", "base", "--seeds", "0")
    (made,) = results(tmp_path).values()
    match = made["provenance"]["pretrained"]  # type: ignore[index]
    assert match["matched"] > 50
    assert match["missing"] == []
    assert all(name.startswith("head") for name in match["unexpected"])
    (tmp_path / "start.pth").rename(tmp_path / "elsewhere.pth")
    base.write_text(base.read_text().replace("start.pth", "elsewhere.pth"))
    assert "the run is done" in cli("sweep", sweep, "--only", "base", "--seeds", "0").stdout


@pytest.mark.slow
def test_data_that_changed_are_told_and_never_mixed(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    """A result of other data is stale: told, not used, and trained from the start, not from the old data's checkpoint."""
    words = ("--only", "base", "--seeds", "0")
    cli("sweep", sweep, *words)
    ((run_id, old),) = results(tmp_path).items()
    meta = next(tmp_path.glob("data/shapes/*/meta.json"))
    meta.write_text(meta.read_text().replace(old["data"]["fingerprint"], "0123456789abcdef"))  # type: ignore[index]
    said = cli("sweep", sweep, *words, ok=1).stdout
    assert f"({run_id}) stale: trained on data" in said
    assert "--retry stale" in said
    reasons = cli("why", run_id).stdout
    assert f"{run_id} is stale" in reasons
    assert "at hand are 0123456789abcdef" in reasons
    assert "--retry stale" in reasons
    assert '"stale": 1' in cli("plan", sweep, *words, "--json").stdout
    (table,) = (tmp_path / "reports/out/sweep").glob("table.only-base.seeds-0*.md")
    assert "No table is written, reports/out/sweep stays as it is" in said
    assert "stale" not in table.read_text()
    said = cli("report", sweep, *words, ok=1).stderr
    assert "are stale: trained on data" in said
    assert "no table is written; the one in reports/out/sweep stays as it is" in said
    assert "stale" not in table.read_text()
    cli("sweep", sweep, *words, "--retry", "stale")
    new = results(tmp_path)[run_id]
    assert new["data"]["fingerprint"] == "0123456789abcdef"  # type: ignore[index]
    assert new["provenance"]["resumed"] == 0  # type: ignore[index]
    assert new["provenance"]["samples_seen"] == old["provenance"]["samples_seen"]  # type: ignore[index]
    assert len(list(tmp_path.glob("runs/*/result.set-aside-*.json"))) == 1
