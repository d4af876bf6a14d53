"""Runs of other machines, where no lock reaches: followed by their signs of life, and taken over when these end."""

import threading
import time
from pathlib import Path

import pytest

from pvt_exp import files, heartbeat, store
from pvt_exp.heartbeat import NAME, Beat
from pvt_exp.plan import Plan
from pvt_exp.schema import Placement
from tests.unit.test_recovery import planned, train  # noqa: F401 - a fixture


def begun_elsewhere(planned: Plan) -> Path:  # noqa: F811
    """An attempt at the first run on another machine, which has given one sign of life."""
    attempt = store.attempt(store.create(Path("runs")), planned.runs[0], Placement(), "sweep")
    beat(attempt, 0)
    return attempt


def beat(attempt: Path, count: int) -> None:
    files.write(attempt / NAME, files.dump(Beat("node7", "another boot", 4711, count)._asdict()))


def test_a_run_of_another_machine_runs(planned: Plan) -> None:  # noqa: F811
    begun_elsewhere(planned)
    seen = store.outcome(Path("runs"), planned.runs[0].id)
    assert (seen.state, seen.reason) == ("running", "on node7, process 4711")


def test_one_of_this_machine_is_told_by_its_lock(planned: Plan) -> None:  # noqa: F811
    attempt = begun_elsewhere(planned)
    files.write(attempt / NAME, files.dump(Beat("here", heartbeat.boot(), 4711, 3)._asdict()))
    assert store.outcome(Path("runs"), planned.runs[0].id).state == "killed"


@pytest.mark.parametrize("torn", ["", "{", '{"host": 3}', "[]"])
def test_a_torn_sign_is_none(planned: Plan, torn: str) -> None:  # noqa: F811
    attempt = begun_elsewhere(planned)
    (attempt / NAME).write_text(torn)
    assert heartbeat.of(attempt) is None
    assert store.outcome(Path("runs"), planned.runs[0].id).state == "killed"


def test_a_run_whose_machine_is_lost_is_taken_over(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """And what the lost one still has to say comes too late."""
    monkeypatch.setattr(heartbeat, "GRACE_S", 1.0)
    orphan = begun_elsewhere(planned)
    assert train(planned)[0] == 0
    made = store.result(Path("runs") / planned.runs[0].id) or {}
    assert made["provenance"]["attempt"] == 2
    assert not store.finish(orphan, {"metrics": {"top1": 99.0}, "provenance": {"attempt": 1}})
    assert store.result(Path("runs") / planned.runs[0].id) == made
    assert files.read_json(orphan / "end.json") is not None


def test_a_run_that_lives_elsewhere_is_waited_for(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(heartbeat, "GRACE_S", 1.5)
    attempt = begun_elsewhere(planned)

    def live() -> None:
        for count in range(1, 16):
            time.sleep(0.2)
            beat(attempt, count)
        made = {"attempt": 1, "seconds": 1.0, "pretrained": None}
        store.finish(attempt, {"metrics": {"top1": 2.0}, "data": {"fingerprint": "aa"}, "provenance": made})

    other = threading.Thread(target=live)
    other.start()
    status, _ = train(planned)
    other.join()
    assert status == 0
    made = store.result(Path("runs") / planned.runs[0].id) or {}
    assert made["metrics"] == {"top1": 2.0}
    assert len(store.attempts(Path("runs") / planned.runs[0].id)) == 1


def test_signs_go_up_while_a_run_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.01)
    with heartbeat.beating(tmp_path):
        deadline = time.monotonic() + 30
        while ((seen := heartbeat.of(tmp_path)) is None or seen.number < 3) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert seen is not None
    assert seen.here
    assert seen.number >= 3
