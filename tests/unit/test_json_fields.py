"""docs/json.md names the fields that `--json` of the verbs about runs and stores has, all of them and no others."""

from pathlib import Path

import pytest

from pvt_exp import attempts, cleaning, drivers, stages, store
from pvt_exp.schema import Placement
from pvt_exp.views.why import why_json
from tests import docs


def fields(value: object) -> set[str]:
    if isinstance(value, list):
        return set[str]().union(*map(fields, value))
    return set(value).union(*map(fields, value.values())) if isinstance(value, dict) else set()


def test_why(experiment: Path, tmp_path: Path) -> None:
    run = stages.experiment(experiment)
    attempt = store.attempt(store.create(tmp_path / "runs"), run, Placement(), "mine")
    attempts.end(attempt, "failed", "RuntimeError: the disk was away")
    with drivers.driving(tmp_path / "runs", "mine", ("pvt-exp", "sweep")):
        found = why_json(tmp_path / "runs", run.id)
    assert found["attempts"][0]["reason"] == "RuntimeError: the disk was away"
    assert fields(found) == docs.json_fields()["why",]


def test_stop(tmp_path: Path) -> None:
    runs = store.create(tmp_path / "runs")
    with drivers.driving(runs, "mine", ("pvt-exp", "sweep")):
        (one,) = asked = drivers.of(runs, "mine")
    found = drivers.stopped_json("mine", asked, [])
    assert found["drivers"] == [{"process": one.process, "host": one.host, "here": True, "stopped": True}]
    assert drivers.stopped_json("mine", asked, asked)["stopped"] is False
    assert fields(found) == docs.json_fields()["stop",]


@pytest.mark.parametrize("removed", [False, True])
def test_clean(removed: bool) -> None:
    left = [cleaning.Left(Path("runs/a"), 5, ("mine",), "done"), cleaning.Left(Path("runs/code/b"), 7, (), None)]
    found = cleaning.as_json(left, removed)
    assert (found["bytes"], found["removed"]) == (12, removed)
    assert fields(found) == docs.json_fields()["clean",]
