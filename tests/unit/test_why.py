"""`why` names the command to type, and says of a lost attempt what `status` says."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pvt_exp import cli, store
from pvt_exp.cli.views.why import why, why_json
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.plan import pretraining
from pvt_exp.store import attempts
from pvt_exp.store.outcome import WENT_AWAY, outcome_of
from pvt_exp.store.results import publish_result
from pvt_exp.system import heartbeat
from tests.unit.test_result_fields import WHOLE

RUNS = Path("runs")


@pytest.fixture
def run(experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    store.create(RUNS)
    Path("sweeps").mkdir()
    Path("sweeps/my clothes.yaml").write_text("base: ../base.yaml\n")
    Path("experiments").mkdir()
    Path("experiments/mine.yaml").write_text(experiment.read_text())
    return pretraining.experiment(experiment)


def begun(run: Run, file: str) -> Path:
    return store.attempt(RUNS, run, Placement(), Path(file).stem, Path(file).absolute())


def test_an_attempt_that_was_lost(run: Run) -> None:
    attempt = begun(run, "sweeps/my clothes.yaml")
    (attempt / "log.txt").write_text("epoch 1\n")
    for each, seconds in ((attempt / "log.txt", 1_790_000_000), (attempt / heartbeat.NAME, 1_790_000_009)):
        each.touch()
        os.utime(each, (seconds, seconds))
    (end,) = why_json(RUNS, run.id)["attempts"]
    assert (end["state"], end["reason"]) == ("killed", outcome_of(RUNS, run.id).reason)
    lines = why(why_json(RUNS, run.id))
    assert (
        f"attempt 1: killed: {WENT_AWAY} (last heard of at 2026-09-21T14:13:29Z); its log: {attempt}/log.txt" in lines
    )
    assert lines[-1] == "what to do: pvt-exp sweep 'sweeps/my clothes.yaml' continues it"


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("sweeps/my clothes.yaml", "pvt-exp sweep 'sweeps/my clothes.yaml'"),
        ("experiments/mine.yaml", "pvt-exp run experiments/mine.yaml"),
        ("gone.yaml", "pvt-exp sweep SWEEP.yaml"),
    ],
)
def test_the_command_of_a_run_that_failed(run: Run, file: str, command: str) -> None:
    attempts.end(begun(run, file), "failed", "RuntimeError: the disk was away")
    assert why_json(RUNS, run.id)["do"].endswith(f"then {command} --retry failed")
    elsewhere = Path("../") / Path.cwd().name / "runs"
    assert f"{command} --store {elsewhere} --retry failed" in str(why_json(elsewhere, run.id)["do"])


def test_why_names_the_command_of_a_run_that_nobody_drives(run: Run) -> None:
    (RUNS / run.id).mkdir()
    store.use(RUNS, run.id, "mine", file=Path("experiments/mine.yaml").absolute())
    assert why_json(RUNS, run.id)["do"] == (
        "it has not begun, and no process trains its sweep now; to train it: pvt-exp run experiments/mine.yaml"
    )


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ({"attempt": 1}, "its result is from attempt 1; pvt-exp runs show"),
        ({}, "its result does not say which attempt it is from; pvt-exp runs show"),
        ({"attempt": None}, "its result does not say which attempt it is from; pvt-exp runs show"),
    ],
)
def test_a_result_says_which_attempt_it_is_from_or_that_it_does_not(
    run: Run, number: dict[str, Any], said: str
) -> None:
    made = {**WHOLE, "run": run.id, "provenance": {**WHOLE["provenance"], "attempt": None, **number}}
    if not number:
        del made["provenance"]["attempt"]
    assert publish_result(begun(run, "experiments/mine.yaml"), made)
    lines = why(why_json(RUNS, run.id))
    assert [line for line in lines if line.startswith(said)]
    assert "None" not in "\n".join(lines)


def finished(run: Run) -> Path:
    """The folder of a run that is done."""
    attempt = begun(run, "sweeps/my clothes.yaml")
    publish_result(attempt, {**WHOLE, "run": run.id, "provenance": {**WHOLE["provenance"], "attempt": 1}})
    return RUNS / run.id


@pytest.mark.parametrize("verb", ["evaluate", "predict", "runs show", "why", "retrain"])
@pytest.mark.parametrize("changed", [("image_px: 32", "image_px: 64"), ("epochs: 2\n", "epochs: 3\n"), None])
def test_settings_that_were_edited_or_are_gone_are_told_by_each_reader(
    verb: str, changed: tuple[str, str] | None, run: Run
) -> None:
    written = finished(run) / "run.yaml"
    if changed is None:
        written.unlink()
    else:
        assert changed[0] in written.read_text()
        written.write_text(written.read_text().replace(*changed))
    words = [*verb.split(), run.id, *(["no.png"] if verb == "predict" else [])]
    told = CliRunner().invoke(cli.app, words)
    said = told.output + str(told.exception or "")
    due = "is missing, so nothing says" if changed is None else f"is not that of run {run.id}: it was edited"
    assert f"runs/{run.id}/run.yaml" in said
    assert due in " ".join(said.split())
    if verb == "why":
        assert f"{run.id} is done" in said


@pytest.mark.parametrize(
    ("field", "value", "why_not", "todo"),
    [
        (
            "metrics",
            {"top1": 250.0},
            "top1: 250 is outside 0 to 100",
            "{command} trains it again; this result.json is kept",
        ),
        (
            "epoch",
            1,
            "epoch: 1 is not the last",
            "{command} trains it again; this result.json is kept beside the new one",
        ),
        (
            "format",
            99,
            "format 99 is not of this version",
            "take the version of pvt_exp that wrote it, or move the file",
        ),
    ],
)
def test_why_says_of_a_result_that_does_not_count_what_comes_of_it(
    field: str, value: Any, why_not: str, todo: str, run: Run
) -> None:
    path = finished(run) / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    lines = why(why_json(RUNS, run.id))
    assert lines[0].startswith(f"{run.id} is killed")
    assert [
        line for line in lines if line.startswith("attempt 1: done") and line.endswith("; its result does not count")
    ]
    assert [line for line in lines if why_not in line]
    assert lines[-1].startswith("what to do: " + todo.format(command="pvt-exp sweep 'sweeps/my clothes.yaml'"))
    assert "continues" not in lines[-1]
