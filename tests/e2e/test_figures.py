"""Pictures of a sweep, drawn from what its runs wrote."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from pvt_exp import expand, figures
from tests.conftest import Cli

pytest.importorskip("matplotlib")


def test_curves_and_costs_are_drawn_of_what_was_scored(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    assert "no run of" in cli("report", sweep, "--figures", ok=2).stderr, "nothing is trained"
    cli("sweep", sweep, "--seeds", "0")
    shown = cli("report", sweep, "--seeds", "0", "--figures", "--out", "out").stdout
    for name in ("curves", "cost"):
        (path,) = (tmp_path / "out").glob(f"*/{name}.png")
        assert path.name in shown
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        drawn = Image.open(path).convert("RGB")
        assert drawn.width > drawn.height > 400
        assert len(drawn.getcolors(1 << 24) or ()) > 10, "not blank"
    plan = expand.load(sweep, seeds=[0])[1]
    row = figures.of_row(plan.variants[0], tmp_path / "runs", "top1")
    run = tmp_path / "runs" / plan.variants[0].first.id
    with (run / "attempts/1/metrics.csv").open() as file:
        due = {int(line["epoch"]) + 1: float(line["top1"]) for line in csv.DictReader(file) if line["top1"]}
    assert row.epochs == list(range(1, plan.variants[0].first.epochs + 1))
    assert {epoch: row.mean[epoch - 1] for epoch in due} == pytest.approx(due)
    assert row.least == row.mean == row.most, "one seed"


def test_names_are_shown_as_they_are_written(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    names = ["_hidden", "$x_{$", "a & b_c % <d> | $"]
    figure = Figure()
    axes = figure.add_subplot()
    figures.draw_curves(
        axes, [figures.Curve(name, [1, 2], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]) for name in names], "top-1"
    )
    legend = axes.get_legend()
    assert legend is not None
    assert [each.get_text().strip().replace(r"\$", "$") for each in legend.get_texts()] == names
    figure.savefig(tmp_path / "drawn.png")  # where mathematics that does not end would be an error
