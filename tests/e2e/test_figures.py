"""Pictures of a sweep, drawn from what its runs wrote."""

import csv
import warnings
from pathlib import Path

import pytest
from PIL import Image

from pvt_exp import store
from pvt_exp.config.placement import Placement
from pvt_exp.plan import expand
from pvt_exp.report import figures
from pvt_exp.store.outcome import Outcome
from tests.conftest import Cli
from tests.unit.test_plan import make

pytest.importorskip("matplotlib")


def test_curves_and_costs_are_drawn_of_what_was_scored(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    said = cli("report", sweep, "--figures", ok=1).stderr
    assert "no curves: no run of sweep has a score by epoch" in said, "nothing is trained"
    assert "no scores over cost" in said
    cli("sweep", sweep, "--seeds", "0")
    shown = cli("report", sweep, "--seeds", "0", "--figures", "--out", "out").stdout
    for folder in tmp_path.glob("runs/*/attempts"):
        folder.rename(folder.with_name("away"))  # as where results alone were copied
    done = cli("report", sweep, "--seeds", "0", "--figures", "--out", "copied", ok=1)
    assert "no curves: no run of sweep" in done.stderr
    assert "no scores over cost" not in done.stderr
    assert [path.name for path in (tmp_path / "copied").glob("*/*.png")] == ["cost.seeds-0.png"]
    for folder in tmp_path.glob("runs/*/away"):
        folder.rename(folder.with_name("attempts"))
    for name in ("curves", "cost"):
        (path,) = (tmp_path / "out").glob(f"*/{name}.seeds-0.png")
        assert path.name in shown
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        drawn = Image.open(path).convert("RGB")
        assert drawn.width > drawn.height > 400
        assert len(drawn.getcolors(1 << 24) or ()) > 10, "not blank"
    plan = expand.load(sweep, seeds=[0])[1]
    row = figures.of_row(plan.variants[0], {}, tmp_path / "runs", "top1")
    run = tmp_path / "runs" / plan.variants[0].first.id
    with (run / "attempts/1/metrics.csv").open() as file:
        due = {int(line["epoch"]) + 1: float(line["top1"]) for line in csv.DictReader(file) if line["top1"]}
    assert row.epochs == list(range(1, plan.variants[0].first.epochs + 1))
    assert {epoch: row.mean[epoch - 1] for epoch in due} == pytest.approx(due)
    assert row.least == row.mean == row.most, "one seed"


def test_a_legend_says_how_many_seeds_are_drawn(tmp_path: Path, experiment: Path) -> None:
    """One seed was ended early: what it had is not averaged with what the others came to."""
    from matplotlib.figure import Figure

    plan = expand.load(make(experiment.parent, "  - variants: {x: {epochs: 3}}\n", "seeds: [0, 1, 2]\n"))[1]
    (row,) = plan.variants
    for run, scores in zip(row.runs, ([1.0, 2.0], [3.0, 4.0], [50.0]), strict=True):
        attempt = store.attempt(store.create(tmp_path / "runs"), run, Placement(), "sweep")
        lines = [f"{epoch},{score}" for epoch, score in enumerate(scores)]
        (attempt / "metrics.csv").write_text("\n".join(["epoch,top1", *lines]))
    curve = figures.of_row(row, {}, tmp_path / "runs", "top1")
    assert (curve.mean, curve.seeds, curve.due) == ([2.0, 3.0], 2, 3)
    axes = Figure().add_subplot()
    figures.draw_curves(axes, [curve], "top-1")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["x (2 of 3 seeds)"]  # type: ignore[union-attr]
    stale = {row.runs[0].id: Outcome(row.runs[0].id, "stale")}
    assert figures.of_row(row, stale, tmp_path / "runs", "top1").mean == [3.0, 4.0]


def test_names_are_shown_as_they_are_written(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    names = ["_hidden", "$x_{$", "a & b_c % <d> | $"]
    figure = Figure()
    axes = figure.add_subplot()
    figures.draw_curves(
        axes, [figures.Curve(name, 2, 2, [1, 2], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]) for name in names], "top-1"
    )
    legend = axes.get_legend()
    assert legend is not None
    assert [each.get_text().strip().replace(r"\$", "$") for each in legend.get_texts()] == names
    figure.savefig(tmp_path / "drawn.png")  # where mathematics that does not end would be an error


def test_a_huge_score_is_drawn_and_one_that_is_none_is_left_out(tmp_path: Path, experiment: Path) -> None:
    plan = expand.load(make(experiment.parent, "  - variants: {x: {epochs: 3}}\n", "seeds: [0, 1]\n"))[1]
    (row,) = plan.variants
    for run, scores in zip(row.runs, (["1.7e308", "inf", "4e43"], ["-1.7e308", "-inf", "2.0"]), strict=True):
        attempt = store.attempt(store.create(tmp_path / "runs"), run, Placement(), "sweep")
        lines = [f"{epoch},{score}" for epoch, score in enumerate(scores)]
        (attempt / "metrics.csv").write_text("\n".join(["epoch,top1", *lines]))
    curve = figures.of_row(row, {}, tmp_path / "runs", "top1")
    assert (curve.epochs, curve.mean) == ([1, 3], [0.0, 2e43])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures._save(tmp_path / "curves", lambda axes: figures.draw_curves(axes, [curve], "loss"))
        figures._save(tmp_path / "cost", lambda axes: figures.draw_costs(axes, [("x", 1.0, [1e300, -1e300])], "loss"))
