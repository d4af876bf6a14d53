"""What is no file in the place of a record: no verb waits for it, or breaks on it, and the other runs are as they were."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pvt_exp import config, store
from pvt_exp.config.placement import Placement
from pvt_exp.store import attempts
from pvt_exp.store.outcome import outcome_of
from pvt_exp.store.results import publish_result
from pvt_exp.system import files
from tests.unit.test_result_fields import WHOLE, every_verb, filled

RECORDS = (
    *("result.json", "run.yaml", "packages.json", "lock", "sweeps", "sweeps/sweep", "starts", "attempts", "attempts/1"),
    *(
        f"attempts/1/{name}"
        for name in (
            *("placement.yaml", "log.txt", "metrics.csv", "progress.json", "alive.json", "queued", "stop", "end.json"),
            *("again.json", "checkpoints"),
        )
    ),
)
KINDS: dict[str, Callable[[Path], None]] = {
    "a named pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
}


def put(kind: str, path: Path) -> None:
    """Replace what is there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    KINDS[kind](path)


@pytest.mark.parametrize("is_done", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_verb_that_looks_goes_on(kind: str, is_done: bool, sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run for each record, and one that has all its own."""
    monkeypatch.chdir(sweep.parent)
    plan = filled(sweep, *[WHOLE] * (len(RECORDS) + 1))
    *runs, good = plan.variants[0].runs
    for run, record in zip(runs, RECORDS, strict=True):
        if not is_done:
            Path("runs", run.id, "result.json").unlink()
        put(kind, Path("runs", run.id, record))
    said = every_verb(plan, sweep.parent)
    for run, record in zip(runs, RECORDS, strict=True):
        assert (said["frame"][run.id] == "done") == (is_done and record != "result.json"), record
    result = runs[RECORDS.index("result.json")].id
    assert "its result.json does not count: cannot be read" in said[f"why {result}"]
    assert said["frame"][good.id] == "done"
    there = [run for run in plan.variants[0].runs if Path("runs", run.id, "run.yaml").exists()]
    assert len(there) >= len(runs)
    assert all(run.id in said["runs list"] for run in there)
    assert "70.0" in said[next(words for words in said if words.startswith("report"))]


@pytest.mark.parametrize("kind", KINDS)
def test_so_it_is_with_the_records_of_the_store(kind: str, sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sweep.parent)
    plan = filled(sweep, WHOLE)
    for record in ("store.json", "names/sweep", "names/other", "drivers/sweep.here.1.json", "calibrations/a.json"):
        put(kind, Path("runs", record))
    said = every_verb(plan, sweep.parent)
    assert "1 done" in said["status"]
    assert said["frame"] == {plan.variants[0].runs[0].id: "done", plan.variants[1].runs[0].id: "pending"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_in_the_place_of_a_result_makes_room_for_one(kind: str, sweep: Path) -> None:
    plan = filled(sweep, WHOLE)
    runs, run = sweep.parent / "runs", plan.runs[0]
    put(kind, runs / run.id / "result.json")
    assert outcome_of(runs, run.id).reason == "its result.json does not count: cannot be read"
    assert publish_result(store.attempt(runs, run, Placement(), "sweep"), {**WHOLE, "run": run.id})
    assert outcome_of(runs, run.id).state == "done"


@pytest.mark.parametrize("kind", ["a named pipe", "a device"])
def test_reading_what_is_no_file_is_an_error_with_its_name(kind: str, tmp_path: Path) -> None:
    put(kind, path := tmp_path / "a.yaml")
    with pytest.raises(OSError, match="a named pipe, socket or device, where a file is expected") as told:
        files.read_bytes(path)
    assert told.value.filename == str(path)
    assert (files.read_json(path), files.tail(path), files.keys_twice(path)) == (None, [], [])
    with pytest.raises(config.ConfigError, match=r"a.yaml: a named pipe, socket or device, where a file is expected"):
        config.read(path)
    with pytest.raises(IsADirectoryError):
        files.read_bytes(tmp_path)


@pytest.mark.parametrize("kind", ["a named pipe", "a folder", "a device"])
def test_a_run_is_not_begun_where_its_lock_is_no_file(kind: str, sweep: Path) -> None:
    plan = filled(sweep, WHOLE)
    runs, run = sweep.parent / "runs", plan.runs[0]
    put(kind, runs / run.id / "lock")
    with pytest.raises(config.ConfigError, match=f"{run.id}/lock: is"):
        store.attempt(runs, run, Placement(), "sweep")
    assert len(attempts.of(runs / run.id)) == 1
