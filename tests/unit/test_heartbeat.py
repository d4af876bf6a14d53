"""Runs of other machines, where no lock reaches: followed by their signs of life, and taken over when these end."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pvt_exp import store
from pvt_exp.config.placement import Placement
from pvt_exp.plan import Plan
from pvt_exp.store import attempts, leftovers
from pvt_exp.store.outcome import outcome_of
from pvt_exp.store.results import publish_result, read_result
from pvt_exp.system import files, heartbeat
from pvt_exp.system.heartbeat import NAME, Beat
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
    seen = outcome_of(Path("runs"), planned.runs[0].id)
    assert (seen.state, seen.reason) == ("running", "on node7, process 4711")


def test_whether_a_run_of_this_machine_lives_is_told_by_its_lock(planned: Plan) -> None:  # noqa: F811
    attempt = begun_elsewhere(planned)
    files.write(attempt / NAME, files.dump(Beat("here", heartbeat.boot(), 4711, 3)._asdict()))
    assert outcome_of(Path("runs"), planned.runs[0].id).state == "killed"


def sleeping(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[int], None]) -> None:
    """A driver's sleep takes no time: ``LONGEST_LOOK_S`` are over, and something has happened for the nth time."""
    clock, slept = time.monotonic, itertools.count(1)
    late = 0.0

    def sleep(seconds: float) -> None:
        nonlocal late
        late += heartbeat.LONGEST_LOOK_S
        meanwhile(next(slept))

    monkeypatch.setattr(time, "monotonic", lambda: clock() + late)
    monkeypatch.setattr(time, "sleep", sleep)


@pytest.mark.parametrize("torn", ["", "{", '{"host": 3}', "[]"])
def test_a_torn_heartbeat_counts_as_none(planned: Plan, torn: str) -> None:  # noqa: F811
    attempt = begun_elsewhere(planned)
    (attempt / NAME).write_text(torn)
    assert heartbeat.of(attempt) is None
    assert outcome_of(Path("runs"), planned.runs[0].id).state == "killed"


def test_a_run_whose_machine_is_lost_is_taken_over(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """And what the lost one still has to say comes too late."""
    sleeping(monkeypatch, lambda count: None)
    orphan = begun_elsewhere(planned)
    assert train(planned)[0] == 0
    made = read_result(Path("runs") / planned.runs[0].id) or {}
    assert made["provenance"]["attempt"] == 2
    assert not publish_result(orphan, {"metrics": {"top1": 99.0}, "provenance": {"attempt": 1}})
    assert read_result(Path("runs") / planned.runs[0].id) == made
    assert files.read_json(orphan / "end.json") is not None


def test_a_run_that_lives_elsewhere_is_waited_for(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    attempt = begun_elsewhere(planned)

    def live(count: int) -> None:
        beat(attempt, count)
        if count * heartbeat.LONGEST_LOOK_S > 2 * heartbeat.GRACE_S:
            made = {"attempt": 1, "seconds": 1.0, "pretrained": None}
            publish_result(
                attempt, {"metrics": {"top1": 2.0}, "cost": {}, "data": {"fingerprint": "aa"}, "provenance": made}
            )

    sleeping(monkeypatch, live)
    assert train(planned)[0] == 0
    made = read_result(Path("runs") / planned.runs[0].id) or {}
    assert made["metrics"] == {"top1": 2.0}
    assert len(attempts.of(Path("runs") / planned.runs[0].id)) == 1


def test_of_two_that_begin_a_run_at_once_one_does(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """The other one, on another machine, was quicker by a moment, and its process is not there yet."""
    run = planned.runs[0]
    rival = Path("runs") / run.id / "attempts/1"

    def quicker(attempt: Path, number: int = -1) -> None:
        rival.mkdir()
        beat(rival, -1)

    runs = store.create(Path("runs"))
    with monkeypatch.context() as patched:
        patched.setattr(heartbeat, "give_sign", quicker)
        with pytest.raises(store.Taken):
            store.attempt(runs, run, Placement(), "sweep")
    assert attempts.of(runs / run.id) == [rival]
    assert not list(rival.parent.glob(".*"))
    assert outcome_of(runs, run.id).state == "running"


def test_a_run_that_ends_while_another_driver_begins_it_is_not_begun_again(
    planned: Plan,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The driver whose run it was removes what is half written in its folder, as the run is done."""
    run, runs = planned.runs[0], store.create(Path("runs"))
    first = store.attempt(runs, run, Placement(), "sweep")

    def ends(attempt: Path, number: int = -1) -> None:
        made = {"code": {"sha": "c"}, "attempt": 1, "seconds": 1.0}
        publish_result(first, {"metrics": {"top1": 2.0}, "cost": {}, "data": {}, "provenance": made})
        leftovers.tidy(runs / run.id)
        assert not attempt.exists()

    with monkeypatch.context() as patched:
        patched.setattr(heartbeat, "give_sign", ends)
        with pytest.raises(store.Taken):
            store.attempt(runs, run, Placement(), "sweep")
    assert attempts.of(runs / run.id) == [first]


def test_a_run_that_is_begun_anew_elsewhere_runs(planned: Plan) -> None:  # noqa: F811
    """Though its process has not said a word yet; one that a driver of this machine left so does not count."""
    runs, run = store.create(Path("runs")), planned.runs[0]
    attempts.end(store.attempt(runs, run, Placement(), "sweep"), "failed", "no room")
    store.attempt(runs, run, Placement(), "sweep")
    assert outcome_of(runs, run.id).state == "failed"
    beat(store.attempt(runs, run, Placement(), "sweep"), -1)
    assert outcome_of(runs, run.id).state == "running"


def test_a_first_sign_comes_with_the_attempt(planned: Plan) -> None:  # noqa: F811
    attempt = store.attempt(store.create(Path("runs")), planned.runs[0], Placement(), "sweep")
    sign = heartbeat.of(attempt)
    assert sign is not None
    assert (sign.here, sign.number) == (True, -1)


def test_a_watch_is_patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not judge by time in which it did not look itself, nor by a file that cannot be read for a moment."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    watch = heartbeat.Watch()

    def gone_after(seconds: float) -> bool:
        now[0] += seconds
        return watch.is_gone(tmp_path)

    beat(tmp_path, 1)
    assert not gone_after(0)
    assert not gone_after(10_000), "it was stopped itself"
    beat(tmp_path, 2)
    assert not gone_after(1)
    (tmp_path / NAME).write_text("{")
    assert not any(gone_after(1) for _ in range(100))
    beat(tmp_path, 3)
    assert not any(gone_after(1) for _ in range(int(heartbeat.GRACE_S)))
    assert any(gone_after(1) for _ in range(10))


def test_signs_go_up_while_a_run_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.01)
    with heartbeat.beating(tmp_path):
        deadline = time.monotonic() + 30
        while ((seen := heartbeat.of(tmp_path)) is None or seen.number < 3) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert seen is not None
    assert seen.here
    assert seen.number >= 3
