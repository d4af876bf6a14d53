"""Where the command writes may lack characters, be closed or full, or unread: one line at most, never a traceback."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from PIL import Image

from pvt_exp.system import children
from tests.conftest import PATIENCE_S, SWEEP, Cli, environment
from tests.e2e.test_check import finish

PVT_EXP = str(Path(sys.executable).with_name("pvt-exp"))


@pytest.fixture
def finished(experiment: Path) -> Path:
    """A sweep whose names are of many scripts, with results for all of its runs."""
    path = experiment.with_name("结果.yaml")
    path.write_text(SWEEP.replace("deeper:", "größer 深い ± ½ 😀:"))
    finish(path, experiment.parent / "runs")
    return path


def shell(line: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    words = ["bash", "-c", line]
    return subprocess.run(
        words, cwd=folder, env=environment(**env), capture_output=True, text=True, timeout=PATIENCE_S, errors="replace",
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_a_terminal_that_lacks_characters_gets_others(finished: Path, encoding: str) -> None:
    done = subprocess.run(
        [PVT_EXP, "report", finished.name], cwd=finished.parent, env=environment(PYTHONIOENCODING=encoding),
        capture_output=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    text, said = done.stdout.decode(encoding), done.stderr.decode(encoding)
    assert done.returncode == 0, said
    assert said == ""
    assert "70.3+-0.5" in text.replace("±", "+-")
    assert "reports/out/" in text
    written = finished.parent / "reports/out/结果/table.md"
    assert "größer 深い ± ½ 😀" in written.read_text(encoding="utf-8"), "files have them all"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
@pytest.mark.parametrize("verb", ["plan", "status", "report"])
def test_json_keeps_names_that_the_encoding_lacks(finished: Path, cli: Cli, verb: str, encoding: str) -> None:
    told = json.loads(cli(verb, finished.name, "--json", cwd=finished.parent, PYTHONIOENCODING=encoding).stdout)
    assert told.get("sweep", "结果") == "结果"
    assert "größer 深い ± ½ 😀" in json.dumps(told, ensure_ascii=False)


@pytest.mark.slow
def test_names_that_are_not_utf8_are_trained_with_and_told(experiment: Path, cli: Cli) -> None:
    """Of the folder, the sweep's file, the data, the store, and an image."""
    name = os.fsdecode(b"p\xe9ts")
    folder = experiment.parent / name
    (folder / name).mkdir(parents=True)
    shutil.move(experiment, folder)
    (folder / f"{name}.yaml").write_text("base: base.yaml\nseeds: [0]\nblocks: [{variants: {short: {epochs: 1}}}]\n")
    placed = ("--data", f"shapes={name}", "--store", f"{name}/runs")
    cli("sweep", f"{name}.yaml", *placed, "--gpus", "none", "--no-smoke", cwd=folder)
    for verb in ("plan", "status", "report"):
        told = json.loads(cli(verb, f"{name}.yaml", "--json", *placed[2:], cwd=folder).stdout)
        assert told.get("sweep", name) == name
    (result,) = (folder / name / "runs").glob("*/result.json")
    Image.new("RGB", (32, 32)).save(folder / f"{name}.png")
    words = ("predict", result.parent.name, f"{name}.png", "--out", "found", "--gpus", "none", "--json")
    found = json.loads(cli(*words, *placed[2:], cwd=folder).stdout)
    assert [image["file_name"] for image in found["images"]] == [f"{name}.png"]
    cli("run", "base.yaml", "epochs=1", *placed, "--gpus", "none", cwd=folder)


@pytest.mark.parametrize("verb", ["report", "plan", "status", "report --json", "plan --json"])
def test_a_reader_that_goes_leaves_no_noise(finished: Path, verb: str) -> None:
    name, *options = verb.split()
    done = shell(
        f"{PVT_EXP} {name} {finished.name} {' '.join(options)} | true; echo ${{PIPESTATUS[0]}}", finished.parent
    )
    assert done.stderr == ""
    assert done.stdout.split() in (["141"], ["0"]), "0 where all was written before the reader went"


def test_closed_and_full_streams(finished: Path) -> None:
    for line, status, said in (
        (f"{PVT_EXP} plan {finished.name} >&-", 0, ""),
        (f"{PVT_EXP} report {finished.name} >&- 2>&- <&-", 0, ""),
        (f"{PVT_EXP} report nosuch.yaml 2>&-", 2, ""),
        (
            f"{PVT_EXP} report {finished.name} > /dev/full",
            1,
            "error: No space left on device; free some space and type it again\n",
        ),
    ):
        done = shell(line, finished.parent)
        assert (done.returncode, done.stderr) == (status, said), line
    for path in (finished.parent / "reports/out/结果").iterdir():
        assert "error" not in path.read_text(), "nothing that was printed went into a file"


PRINTS = (
    *("--version", "--help", "models", "published v1/table2", "schema --out schemas", "init project --name {}"),
    *("plan {}", "plan {} --json", "report {}", "status", "status {} --json", "runs list"),
)
"""What is typed before a pipe: `{}` is the sweep, or a name of its own."""


@pytest.mark.parametrize("words", PRINTS)
def test_every_verb_tells_a_full_disk_in_one_line_and_a_reader_that_has_gone_in_none(
    words: str, finished: Path
) -> None:
    """Also where Python keeps what is printed until the end."""
    typed = [words.format(each if words.startswith("init") else finished.name) for each in ("full", "closed")]
    full = shell(f"{PVT_EXP} {typed[0]} > /dev/full", finished.parent)
    assert full.returncode == 1
    assert full.stderr.splitlines()[-1:] == ["error: No space left on device; free some space and type it again"]
    assert "Exception" not in full.stderr
    closed = shell(f"({PVT_EXP} {typed[1]}; echo $? > status) | true; sleep 0.2", finished.parent)
    assert closed.stderr == ""
    assert (finished.parent / "status").read_text() in ("141\n", "0\n"), "0: all was written before the reader went"


def test_a_disk_that_is_full_while_a_report_is_written(finished: Path, cli: Cli) -> None:
    """A limit on the size of files stands for it: the same way out of the same call."""
    cli("report", finished.name)
    path = finished.parent / "reports/out/结果/table.html"
    before = path.read_bytes()
    done = shell(f"ulimit -f 1; trap '' XFSZ; {PVT_EXP} report {finished.name} --seeds 0,1 epochs=2", finished.parent)
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: reports/out/结果/table.")
    assert "File too large" in lines[0]
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.glob(".*")] == [".of.json"], "nothing half is left"


def test_sockets_find_room_where_tmpdir_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 110)
    long.mkdir()
    code = (
        "import multiprocessing, multiprocessing.util, os, sys; from pvt_exp.system import children; children.make_room();"
        "context = multiprocessing.get_context('forkserver'); process = context.Process(target=os.getpid);"
        "process.start(); process.join(); print(process.exitcode, multiprocessing.util.get_temp_dir())"
    )
    env = environment(TMPDIR=str(long))
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    code_, folder = done.stdout.split()
    assert (code_, done.stderr) == ("0", "")
    assert not Path(folder).exists(), "it went with the process"
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    # other tests of this process may have chosen a folder already
    monkeypatch.setattr(multiprocessing.current_process(), "_config", {})
    monkeypatch.setattr(children, "SHORT", (str(tmp_path / "none"),))
    with pytest.raises(OSError, match="set TMPDIR to a folder with a short path"):
        children.make_room()
    monkeypatch.setattr(tempfile, "tempdir", os.sep + "tmp")
    children.make_room()
