"""`pvt-exp clean`: what no file names any more."""

from pathlib import Path

import pytest

from pvt_exp import store
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.plan import expand, pretraining
from pvt_exp.store.results import publish_result
from pvt_exp.system import locks
from tests.conftest import Cli
from tests.unit.test_recovery import SWEEP


@pytest.fixture
def filled(experiment: Path, tmp_path: Path) -> list[Run]:
    """A store with the runs of a sweep, one of them of a seed that its file does not name, and of an experiment."""
    for folder in ("sweeps", "experiments"):
        (tmp_path / folder).mkdir()
    experiment.rename(tmp_path / "experiments/base.yaml")
    (tmp_path / "sweeps/mine.yaml").write_text(SWEEP.replace("base.yaml", "../experiments/base.yaml"))
    (tmp_path / "experiments/other.yaml").write_text(
        (tmp_path / "experiments/base.yaml").read_text().replace("epochs: 2", "epochs: 7")
    )
    runs = [
        *expand.load(tmp_path / "sweeps/mine.yaml", seeds=[0, 5])[1].runs,
        pretraining.experiment(tmp_path / "experiments/other.yaml"),
    ]
    store.create(tmp_path / "runs")
    for run in runs:
        attempt = store.attempt(tmp_path / "runs", run, Placement(), "mine")
        publish_result(
            attempt,
            {
                "metrics": {"top1": 1.0},
                "data": {"fingerprint": "a"},
                "cost": {},
                "provenance": {"attempt": 1, "seconds": 1.0},
            },
        )
    return runs


def test_clean_keeps_what_sweeps_name(filled: list[Run], cli: Cli) -> None:
    assert "0 folders, 0.0 MB: nothing is left over" in cli("clean").stdout


def test_what_is_not_named_is_shown_and_then_removed(filled: list[Run], cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "experiments/other.yaml").unlink()
    (tmp_path / "sweeps/mine.yaml").write_text("base: ../experiments/base.yaml\nblocks:\n  - variants: {a: {}}\n")
    deep = [run.id for run in filled if run.backbone.depths[0] == 2]
    others = [run.id for run in filled if run.id not in deep and run.epochs == 2]
    said = cli("clean").stdout
    assert all(f"runs/{run_id}" in said for run_id in (*deep, filled[-1].id))
    assert "done, of mine" in said
    assert "finished runs that no file names (changes typed on the command line are in no file)" in said
    assert "3 finished runs" in said
    assert len(list(tmp_path.glob("runs/*/result.json"))) == 5, "it only looks"
    assert "kept" in cli("clean", "--remove").stdout
    assert len(list(tmp_path.glob("runs/*/result.json"))) == 5, "results stay"
    assert "3 finished runs" in cli("clean", "--remove", "--finished").stdout
    assert sorted(path.parent.name for path in tmp_path.glob("runs/*/result.json")) == sorted(others)


def test_a_run_that_is_trained_stays(filled: list[Run], cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "experiments/other.yaml").unlink()
    with locks.lock(tmp_path / "runs" / filled[-1].id):
        assert "0 folders" in cli("clean", "--remove", "--finished").stdout


def test_nothing_is_removed_where_a_file_cannot_be_read(filled: list[Run], cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "sweeps/mine.yaml").write_text("base: nowhere.yaml\nblocks: []\n")
    assert "sweeps/mine.yaml" in cli("clean", "--remove", ok=2).stderr
    assert len(list(tmp_path.glob("runs/*/result.json"))) == 5


def test_clean_refuses_where_no_sweep_or_experiment_is(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    assert "no sweep or experiment in sweeps/, experiments/, reports/ here" in cli("clean", ok=2).stderr


@pytest.mark.parametrize("name", ["mine.yml", "mine.YAML", "mine.Yml", "mine.txt", "mine", "deep/er/mine.yml"])
def test_a_sweep_counts_whatever_its_file_is_called(name: str, filled: list[Run], cli: Cli, tmp_path: Path) -> None:
    """As `pvt-exp sweep` takes it."""
    path = tmp_path / "sweeps" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (tmp_path / "sweeps/mine.yaml").read_text()
    (tmp_path / "sweeps/mine.yaml").unlink()
    path.write_text(text.replace("../experiments", "../" * name.count("/") + "../experiments"))
    (tmp_path / "sweeps/README.md").write_text("# Sweeps: [of mine\n")
    assert "0 folders, 0.0 MB: nothing is left over" in cli("clean").stdout


def test_sweeps_behind_links_and_in_reports_count(filled: list[Run], cli: Cli, tmp_path: Path) -> None:
    for place in ("elsewhere", "reports", "others"):
        (tmp_path / place).mkdir()
    (tmp_path / "sweeps/mine.yaml").rename(tmp_path / "elsewhere/mine.yaml")
    (tmp_path / "sweeps/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/round").symlink_to(tmp_path / "elsewhere")
    assert "0 folders" in cli("clean").stdout
    (tmp_path / "sweeps/linked").unlink()
    assert "2 finished runs" in cli("clean").stdout, "those of the other choice; the base's are named by its experiment"
    (tmp_path / "reports/page.yml").write_text("tables:\n  - sweep: ../elsewhere/mine.yaml\n")
    assert "0 folders" in cli("clean").stdout


@pytest.mark.parametrize(
    "text", ["base: nowhere.yaml\nblocks: [{variants: {a: {}}}]\n", "blocks: [\n", "base: ../experiments/base.yaml\n"]
)
def test_nothing_is_removed_where_a_yml_file_cannot_be_read(
    text: str, filled: list[Run], cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "sweeps/mine.yaml").unlink()
    (tmp_path / "sweeps/lr.yml").write_text(text)
    assert "sweeps/lr.yml" in cli("clean", "--remove", ok=2).stderr
    assert len(list(tmp_path.glob("runs/*/result.json"))) == 5


def test_runs_of_another_project_on_the_same_store_stay(filled: list[Run], cli: Cli, tmp_path: Path) -> None:
    """Their sweeps are read where they lie; what cannot be looked at is told, and kept."""
    here, other = tmp_path / "project", tmp_path / "other"
    for folder in (here / "sweeps", other):
        folder.mkdir(parents=True)
    text = (tmp_path / "sweeps/mine.yaml").read_text()
    (other / "lr.yaml").write_text(text.replace("../experiments", str(tmp_path / "experiments")))
    (here / "sweeps/own.yaml").write_text(
        f"base: {tmp_path}/experiments/other.yaml\nblocks: [{{variants: {{a: {{}}}}}}]\n"
    )
    runs = tmp_path / "runs"
    words = ["clean", "--store", runs]
    assert "4 finished runs" in cli(*words, cwd=here).stdout
    for run in filled[:4]:
        store.use(runs, run.id, "lr", file=other / "lr.yaml")
    said = cli(*words, cwd=here).stdout
    assert f"kept: {other}/lr.yaml names it" in said
    assert "0 folders" in said
    (other / "lr.yaml").write_text("blocks: [\n")
    assert "cannot be read here" in (said := cli(*words, "--remove", cwd=here).stdout)
    assert "0 folders" in said
    (other / "lr.yaml").unlink()
    assert "4 finished runs" in cli(*words, cwd=here).stdout, "it is gone, and its folder can be looked at"
    store.use(runs, filled[0].id, "far", file=Path("/nowhere/project/far.yaml"))
    said = cli(*words, cwd=here).stdout
    assert "trained for /nowhere/project/far.yaml, which cannot be read here" in said
    assert "3 finished runs" in said
    assert len(list(runs.glob("*/result.json"))) == 5
