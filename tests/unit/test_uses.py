"""What a run was asked for by, with the changes that were typed: in lists, and in what `clean` keeps."""

import json
from pathlib import Path

import pytest

from pvt_exp import store
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.plan import Plan, pretraining
from pvt_exp.store import uses
from pvt_exp.system import locks
from tests.unit.test_recovery import planned, train
from tests.unit.test_retrain import launcher, typed

__all__ = ["launcher", "planned"]


@pytest.fixture
def filled(planned: Plan) -> str:
    """The id of a finished run that was trained with typed changes, beside those of a sweep."""
    train(planned)
    Path("experiments").mkdir()
    Path("base.yaml").rename("experiments/base.yaml")
    Path("sweeps").mkdir()
    Path("sweeps/sweep.yaml").write_text(
        Path("sweep.yaml").read_text().replace("base.yaml", "../experiments/base.yaml")
    )
    done = typed("run", "experiments/base.yaml", "optim.lr=0.5", "epochs=3", "--json")
    return str(json.loads(done.stdout)["id"])


def other() -> Run:
    """A run that no file names."""
    (base,) = Path().glob("**/base.yaml")
    return pretraining.experiment(base, ["epochs=9"])


def test_each_file_stands_with_the_changes_that_were_typed(tmp_path: Path) -> None:
    file = tmp_path / "a b.yaml"
    for changes in ((), ("optim.lr=1", "task.name=x y"), ()):
        store.use(tmp_path, "0" * 12, "mine", file=file, changes=changes)
    folder = tmp_path / ("0" * 12)
    assert uses.of(folder) == [
        uses.Use("mine", file, ()),
        uses.Use("mine", file, ("optim.lr=1", "task.name=x y")),
    ]
    assert store.files_of(folder) == [file, file]
    assert uses.changes(folder) == [], "the file has it without changes"
    store.use(tmp_path, "1" * 12, "mine", file=file, changes=("a=1",))
    assert uses.changes(tmp_path / ("1" * 12)) == ["a=1"]
    store.use(tmp_path, "2" * 12, "mine", file=Path("a\tb.yaml"), changes=("a=1",))
    assert uses.of(tmp_path / ("2" * 12)) == [], "which would read as a change"


def test_lists_tell_runs_apart_by_their_changes(filled: str, planned: Plan) -> None:
    lines = typed("runs", "list").stdout.splitlines()
    (changed,) = [line for line in lines if "optim.lr=0.5 epochs=3" in line]
    assert changed.startswith(filled)
    assert len({line.index("top1") for line in lines}) == 1, "they are in columns"
    said = typed("status").stdout
    assert "  base optim.lr=0.5 epochs=3: 1 done" in said
    assert "  sweep: 4 done" in said
    for verb in (("runs", "list"), ("status",)):
        told = json.loads(typed(*verb, "--json").stdout)["runs"]
        assert {run["id"]: run["changes"] for run in told if run["changes"]} == {filled: ["optim.lr=0.5", "epochs=3"]}
    assert "in base  with optim.lr=0.5 epochs=3" in typed("runs", "show", filled).stdout


def test_a_finished_run_that_no_file_names_is_kept(filled: str, planned: Plan) -> None:
    """What was typed is in no file; a run without a result goes."""
    begun = other()
    store.attempt(Path("runs"), begun, Placement(), "gone")
    Path("runs/code").mkdir(exist_ok=True)
    Path("runs/code/old").mkdir()
    for words in (["clean"], ["clean", "--remove"]):
        lines = typed(*words).stdout.splitlines()
        at = lines.index("finished runs that no file names (changes typed on the command line are in no file):")
        assert f"runs/{begun.id}" in "\n".join(lines[:at])
        assert lines[at + 1].startswith(f"  runs/{filled}  ")
        assert lines[at + 1].endswith("done, of experiments/base.yaml optim.lr=0.5 epochs=3")
        assert lines[-1].startswith("1 finished run, ")
        assert "kept; pvt-exp runs remove ID removes one, pvt-exp clean --remove --finished" in lines[-1]
    assert not Path("runs", begun.id).exists()
    assert not Path("runs/code/old").exists()
    found = json.loads(typed("clean", "--json").stdout)
    assert (found["removed"], found["folders"]) == (False, [])
    (run,) = found["finished"]
    assert (run["path"], run["removed"]) == (f"runs/{filled}", False)
    file = str(Path("experiments/base.yaml").absolute())
    assert run["uses"] == [{"sweep": "base", "file": file, "changes": ["optim.lr=0.5", "epochs=3"]}]


def test_it_is_removed_where_that_is_asked_for(filled: str) -> None:
    assert "--finished: is for --remove" in str(typed("clean", "--finished", ok=2).exception)
    with locks.lock(Path("runs") / filled):
        assert "0 folders, 0.0 MB: nothing is left over" in typed("clean", "--remove", "--finished").stdout
    assert "1 finished run" in typed("clean", "--remove", "--finished").stdout
    assert not Path("runs", filled).exists()
    assert len(list(Path("runs").glob("*/result.json"))) == 4, "those of the sweep"


@pytest.mark.parametrize("name", ["result.set-aside-1.json", "result.json"])
def test_a_result_that_does_not_count_here_is_kept_too(name: str, planned: Plan, tmp_path: Path) -> None:
    run = other()
    store.attempt(Path("runs"), run, Placement(), "gone")
    Path("runs", run.id, name).write_text('{"format": 2}')
    typed("clean", "sweep.yaml", "--remove")
    assert Path("runs", run.id, name).exists()
