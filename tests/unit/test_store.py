"""The record: whole files, states that follow from them, and what is torn, locked, newer or edited."""

import copy
import errno
import fcntl
import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from pvt_exp import config, store
from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.store import attempts, result_fields
from pvt_exp.store.outcome import outcome_of, outcomes_of
from pvt_exp.store.results import publish_result
from pvt_exp.store.states import ENDED, State
from pvt_exp.system import files, locks

RESULT = {
    "metrics": {"top1": 50.0},
    "data": {"fingerprint": "aa"},
    "cost": {},
    "provenance": {"attempt": 1, "seconds": 1.0},
}


@pytest.fixture
def run(experiment: Path) -> Run:
    return config.load(Run, experiment)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return store.create(tmp_path / "runs")


def attempt(runs: Path, run: Run) -> Path:
    return store.attempt(runs, run, Placement(), "mine")


def test_a_run_from_pending_to_done(runs: Path, run: Run) -> None:
    assert outcome_of(runs, run.id).state == "pending"
    first = attempt(runs, run)
    assert first == runs / run.id / "attempts" / "1"
    assert store.load(runs / run.id) == run
    assert store.load(runs / run.id).id == run.id
    assert config.load(Placement, first / "placement.yaml") == Placement()
    assert publish_result(first, RESULT)
    seen = outcome_of(runs, run.id)
    assert (seen.state, seen.result) == ("done", result_fields.complete({"format": 1, **copy.deepcopy(RESULT)}))
    assert store.sweeps(runs / run.id) == ["mine"]
    assert not list(runs.rglob("*.tmp"))


def test_the_first_result_wins(runs: Path, run: Run) -> None:
    first, second = attempt(runs, run), attempt(runs, run)
    assert second.name == "2"
    assert publish_result(second, RESULT)
    assert not publish_result(first, {**RESULT, "metrics": {"top1": 99.0}})
    assert outcome_of(runs, run.id).result["metrics"] == {"top1": 50.0}  # type: ignore[index]
    assert (files.read_json(first / "end.json") or {})["state"] == "killed"


@pytest.mark.parametrize("state", ENDED)
def test_end_states_keep_reason_and_log(runs: Path, run: Run, state: State) -> None:
    path = attempt(runs, run)
    (path / "log.txt").write_text("".join(f"line {i}\n" for i in range(100)))
    attempts.end(path, state, "because", step=7)
    attempts.end(path, "failed", "said twice: the first word counts")
    seen = outcome_of(runs, run.id)
    assert (seen.state, seen.reason) == (state, "because")
    record = files.read_json(path / "end.json")
    assert record is not None
    assert record["step"] == 7
    assert record["log"][-1] == "line 99"


def test_gone_without_a_word_is_killed(runs: Path, run: Run) -> None:
    with locks.launched(attempt(runs, run)):
        assert outcome_of(runs, run.id).state == "running", "its process is starting"
    assert outcome_of(runs, run.id).state == "killed"


@pytest.mark.parametrize("torn", [b"", b'{"format": 1, "metr', b"\xff\xfe", b"[]", b"null"])
def test_a_torn_result_is_not_finished_and_can_be_replaced(runs: Path, run: Run, torn: bytes) -> None:
    first = attempt(runs, run)
    publish_result(first, RESULT)
    (runs / run.id / "result.json").write_bytes(torn)
    assert outcome_of(runs, run.id).state == "killed"
    assert publish_result(attempt(runs, run), RESULT)
    assert outcome_of(runs, run.id).state == "done"


@pytest.mark.parametrize(
    "made",
    [
        {"format": 1, "metrics": {"top1": 5.0}},
        {"format": 1, **RESULT, "provenance": None},
        {"format": 1, **RESULT, "provenance": {"seconds": "long"}},
        {"format": 1, **RESULT, "cost": []},
    ],
)
def test_a_result_that_lacks_what_is_read_of_all_is_none(runs: Path, run: Run, made: dict[str, Any]) -> None:
    store.attempt(runs, run, Placement(), "sweep")
    (runs / run.id / "result.json").write_text(json.dumps(made))
    assert outcome_of(runs, run.id).state == "killed"


def test_what_an_end_says_is_text(runs: Path, run: Run) -> None:
    attempt = store.attempt(runs, run, Placement(), "sweep")
    (attempt / "end.json").write_text(json.dumps({"state": "failed", "reason": 5, "log": 7}))
    assert outcome_of(runs, run.id).reason == "5"
    assert (attempts.ended(attempt) or {})["log"] == []


def test_nothing_is_written_through_links_that_lead_nowhere(runs: Path, run: Run, tmp_path: Path) -> None:
    attempt = store.attempt(runs, run, Placement(), "sweep")
    (runs / run.id / "sweeps/other").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigError, match="is a link"):
        store.use(runs, run.id, "other")
    (runs / run.id / "result.json").symlink_to(tmp_path / "outside")
    assert publish_result(store.attempt(runs, run, Placement(), "sweep"), RESULT)
    assert attempt.is_dir()
    assert not (tmp_path / "outside").exists()


def test_locks_as_nfs_has_them(runs: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exclusive lock is for those who may write."""
    flock = fcntl.flock

    def strict(handle: int, how: int) -> None:
        may_write = fcntl.fcntl(handle, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR)
        if how & fcntl.LOCK_EX and not may_write:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", strict)
    attempt = store.attempt(runs, run, Placement(), "sweep")
    with locks.launched(attempt), locks.lock(runs / run.id) as mine:
        assert mine
        assert locks.is_held(attempt / "placement.yaml")
        assert locks.is_locked(runs / run.id)


def test_a_torn_end_is_killed(runs: Path, run: Run) -> None:
    (attempt(runs, run) / "end.json").write_text('{"state": "fai')
    assert outcome_of(runs, run.id).state == "killed"


def test_stale_results_are_told(runs: Path, run: Run) -> None:
    publish_result(attempt(runs, run), RESULT)
    assert outcomes_of(runs, [run], {run.dataset: "aa"})[run.id].state == "done"
    assert outcomes_of(runs, [run], {})[run.id].state == "done"
    seen = outcomes_of(runs, [run], {run.dataset: "bb"})[run.id]
    assert seen.state == "stale"
    assert "aa" in (seen.reason or "")
    assert "bb" in (seen.reason or "")


def _hold(folder: Path, ready: "multiprocessing.synchronize.Event") -> None:  # type: ignore[name-defined]
    with locks.lock(folder) as mine:
        assert mine
        ready.set()
        signal.pause()


def test_one_process_holds_a_run_and_death_lets_go(runs: Path, run: Run) -> None:
    attempt(runs, run)
    folder = runs / run.id
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(folder, ready))
    holder.start()
    assert ready.wait(20)
    assert locks.is_locked(folder)
    assert outcome_of(runs, run.id).state == "running"
    with locks.lock(folder, patience_s=0.1) as mine:
        assert not mine
    os.kill(holder.pid or 0, signal.SIGKILL)
    holder.join()
    assert not locks.is_locked(folder)
    assert outcome_of(runs, run.id).state == "killed"
    with locks.lock(folder) as mine:
        assert mine


def test_what_a_run_forks_holds_it_no_longer_than_the_run(runs: Path, run: Run) -> None:
    """A process that loads images outlives a run that is killed by some seconds."""
    attempt(runs, run)
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    helper = context.Process(target=lambda: (ready.set(), signal.pause()))
    with locks.lock(runs / run.id) as mine:
        assert mine
        helper.start()
        assert ready.wait(20)
        assert locks.is_locked(runs / run.id), "it is still the run's"
    try:
        assert not locks.is_locked(runs / run.id)
    finally:
        helper.kill()
        helper.join()


def test_a_store_of_a_newer_version_is_left_alone(runs: Path, run: Run) -> None:
    publish_result(attempt(runs, run), RESULT)
    (runs / run.id / "result.json").write_text(json.dumps({"format": 2, **RESULT}))
    seen = outcome_of(runs, run.id)
    assert (seen.state, seen.cause) == ("killed", "result_not_valid")
    assert seen.reason == "its result.json does not count: format 2 is not of this version (1)"
    with pytest.raises(ConfigError, match=r"result.json: format 2 is not of this version \(1\); take the version"):
        attempt(runs, run)
    assert json.loads((runs / run.id / "result.json").read_text())["format"] == 2, "it is not set aside"
    (runs / "store.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(ConfigError, match="made by a newer version"):
        store.create(runs)


def test_an_edited_run_is_refused(runs: Path, run: Run) -> None:
    attempt(runs, run)
    written = runs / run.id / "run.yaml"
    written.write_text(written.read_text().replace("epochs: 2", "epochs: 3"))
    said = rf"run.yaml: is not that of run {run.id}: it was edited"
    with pytest.raises(ConfigError, match=said):
        attempt(runs, run)
    with pytest.raises(ConfigError, match=said):
        store.load(runs / run.id)
    assert said[8:] in str(store.settings(runs / run.id)[1])


def test_a_run_whose_settings_are_gone_is_said_to_lack_them(runs: Path, run: Run) -> None:
    attempt(runs, run)
    (runs / run.id / "run.yaml").unlink()
    for read in (lambda: store.find(runs, run.id[:6]), lambda: store.load(runs / run.id)):
        with pytest.raises(ConfigError, match=rf"{run.id}/run.yaml is missing, so nothing says what run {run.id} was"):
            read()


def test_find_by_prefix(runs: Path, run: Run) -> None:
    attempt(runs, run)
    attempt(runs, run.with_seeds([5])[0])
    assert store.find(runs, run.id[:8]) == run.id
    for prefix, said in [("", "is no id"), ("../x", "is no id"), ("0" * 12, "matches no run")]:
        with pytest.raises(ConfigError, match=said):
            store.find(runs, prefix)


def test_writes_are_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    files.write(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for writer in (files.write, files.publish):
        with pytest.raises(OSError, match="No space left"):
            writer(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]
