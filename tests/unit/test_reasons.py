"""Why a run is not done is told whole, in one line where one is due, and a terminal obeys nothing in it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pvt_exp import cli, config, store
from pvt_exp.config.placement import Placement
from pvt_exp.plan import expand
from pvt_exp.store import attempts
from pvt_exp.system import files

REASON = "OSError: cannot read\n  the photograph\x1b[31m 'one\x1b]0;title\x07.jpg'"
ONE_LINE = r"OSError: cannot read the photograph\x1b[31m 'one\x1b]0;title\x07.jpg'"
CODES = ("\x1b", "\x07", "\x9b")


def said(*words: str) -> str:
    done = CliRunner().invoke(cli.app, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.stdout


@pytest.fixture
def failed(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run of a sweep that failed for a reason of two lines with a terminal's codes, in its log too."""
    monkeypatch.chdir(sweep.parent)
    plan, runs = expand.load(sweep)[1], store.create(sweep.parent / "runs")
    attempt = store.attempt(runs, plan.runs[0], Placement(), plan.name)
    (attempt / "log.txt").write_text("a \x9b31mred line\n")
    attempts.end(attempt, "failed", REASON)
    return plan.runs[0].id


def test_a_reason_is_told_in_one_line(failed: str) -> None:
    for words in (["status", "sweep.yaml"], ["why", failed], ["report", "sweep.yaml"]):
        shown = said(*words)
        assert ONE_LINE in " ".join(shown.split()), words
        assert not any(code in shown for code in CODES), words
    assert any(ONE_LINE in line for line in said("why", failed).splitlines())


def test_a_run_is_shown_with_all_lines_of_its_reason(failed: str) -> None:
    shown = said("runs", "show", failed)
    assert "OSError: cannot read\n" in shown
    assert r"| a \x9b31mred line" in shown
    assert not any(code in shown for code in CODES)
    assert json.loads(said("runs", "show", failed, "--json"))["reason"].splitlines()[0] == "OSError: cannot read"


def test_a_result_that_was_edited_brings_no_codes(failed: str) -> None:
    result = {"metrics": {"top\n1\x1b[31m": "x"}, "cost": {}, "data": {}, "provenance": {"seconds": 1.0}}
    Path("runs", failed, "result.json").write_text(json.dumps(result))
    for words in (["status"], ["status", "sweep.yaml"], ["why", failed], ["runs", "show", failed]):
        assert "\x1b" not in said(*words), words


def test_a_run_of_odd_words_is_shown(failed: str) -> None:
    path = Path("runs", failed, "run.yaml")
    path.write_text("{a: NaN, yes: [1_000, {no: 1:30}], b: 2, c: text}\n")
    shown = said("runs", "show", failed)
    assert "it cannot be used here" in shown
    written = config.parse(shown[: shown.index(failed)], "shown").value
    assert written == {"a": "NaN", "yes": ["1_000", {"no": "1:30"}], "b": 2, "c": "text"}


def test_a_file_that_a_folder_is_in_the_way_of_is_named(tmp_path: Path) -> None:
    (tmp_path / "table.tex").mkdir()
    with pytest.raises(IsADirectoryError) as told:
        files.write(tmp_path / "table.tex", "x")
    assert told.value.filename == str(tmp_path / "table.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["table.tex"]
