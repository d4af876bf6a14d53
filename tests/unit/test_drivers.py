"""Who drives a store, and what is put in order after one that was killed."""

import os
import time
from pathlib import Path

import pytest

from pvt_exp import config, store
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.drive import registry
from pvt_exp.store import attempts
from pvt_exp.store.results import publish_result
from pvt_exp.system import files, heartbeat, locks

RESULT = {
    "metrics": {"top1": 50.0},
    "data": {"fingerprint": "aa"},
    "cost": {},
    "provenance": {"attempt": 1, "seconds": 1.0},
}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return store.create(tmp_path / "runs")


def finished(runs: Path, experiment: Path) -> Path:
    """The folder of a run that was killed when its result was out, as was its driver."""
    attempt = store.attempt(runs, config.load(Run, experiment), Placement(), "mine")
    publish_result(attempt, RESULT)
    folder = attempts.run_folder(attempt)
    (folder / ".result.json.abc.tmp").touch()
    (attempt / ".alive.json.tmp").touch()
    dead = {"sweep": "mine", "host": "here", "boot": heartbeat.boot(), "process": 1, "started": "then"}
    (runs / "drivers").mkdir()
    files.write(runs / "drivers/mine.here.1.json", files.dump(dead))
    return folder


def test_a_driver_is_seen_while_it_lives(runs: Path) -> None:
    with registry.driving(runs, "mine", ("pvt-exp",)) as asked:
        (seen,) = registry.of(runs, "mine")
        assert (seen.process, seen.lives, bool(asked)) == (os.getpid(), True, False)
        assert not registry.of(runs, "another")
        assert registry.stop(registry.of(runs, "mine"), 0) == [seen]
        assert asked
    assert not list((runs / "drivers").iterdir())


def test_names_may_be_anything(runs: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"p\xe9ts")
    with registry.driving(runs, name, ("pvt-exp", "--data", f"pets={name}"), tmp_path / f"{name}.yaml"):
        (seen,) = registry.of(runs, name)
        assert (seen.sweep, seen.of) == (name, str(tmp_path / f"{name}.yaml"))
        assert files.read_json(seen.file)["command"][-1] == f"pets={name}"  # type: ignore[index]


def test_after_a_driver_was_killed_the_store_is_put_in_order(runs: Path, experiment: Path) -> None:
    finished(runs, experiment)
    with registry.driving(runs, "another", ()):
        assert not list(runs.rglob(".*.tmp"))
        assert [each.sweep for each in registry.of(runs)] == ["another"]


def test_a_driver_that_was_not_heard_for_long_is_gone_with_its_machine(runs: Path) -> None:
    """As after a power cut: what it was before its machine started anew says nothing of its processes now."""
    (runs / "drivers").mkdir()
    scratch = store.scratch(runs, "here", 1)
    scratch.mkdir(parents=True)
    file = runs / "drivers/mine.here.1.json"
    told = {"sweep": "mine", "host": "here", "boot": "another", "process": 1, "started": "then"}
    files.write(file, files.dump(told))
    assert [each.sweep for each in registry.of(runs)] == ["mine"], "it was heard just now"
    os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 2 * heartbeat.GRACE_S))
    assert not registry.of(runs)
    with registry.driving(runs, "another", ()):
        assert [each.sweep for each in registry.of(runs)] == ["another"]
    assert not scratch.exists()
    assert not list((runs / "drivers").iterdir())


def test_a_driver_that_goes_on_is_heard(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.01)
    with registry.driving(runs, "mine", ()):
        (file,) = (runs / "drivers").iterdir()
        os.utime(file, (0, 0))
        deadline = time.monotonic() + 20
        while file.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert file.stat().st_mtime > 0


def test_what_a_run_that_goes_writes_is_left(runs: Path, experiment: Path) -> None:
    folder = finished(runs, experiment)
    with locks.lock(folder), registry.driving(runs, "another", ()):
        assert len(list(runs.rglob(".*.tmp"))) == 2
