"""A folder of images without a validation split: what is held out of training's is scored, from the plan to the table."""

import json
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.e2e.test_bad_input import photos


def test_a_folder_without_val_is_trained_scored_and_shown(cli: Cli, tmp_path: Path) -> None:
    root = photos(tmp_path, train={"a": 20, "b": 20})
    with (tmp_path / "base.yaml").open("a") as file:
        file.write("holdout: {fraction: 0.25, seed: 3}\n")
    (tmp_path / "sweep.yaml").write_text("base: base.yaml\nblocks:\n  - one_at_a_time: {epochs: {one: {epochs: 1}}}\n")
    data = ("--data", f"photos={root}")
    cli("plan", "sweep.yaml", *data)
    cli("sweep", "sweep.yaml", *data, "--gpus", "none")
    results = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("runs/*/result.json")}
    assert len(results) == 2
    for result in results.values():
        assert result["data"]["images"] == {"train": 30, "val": 10}
        assert result["provenance"]["samples_seen"] == 16 * result["epoch"]
        assert result["metrics"]["top1"] in [pytest.approx(10.0 * right) for right in range(11)], "of ten images"
    run, result = next(iter(results.items()))
    scored = json.loads(cli("evaluate", run, *data, "--json").stdout)
    assert scored["data"]["images"] == 10
    assert scored["metrics"] == result["metrics"]
    text = (tmp_path / "reports/out/sweep/table.md").read_text()
    assert "Scored on 25 % of the training images, held out (seed 3)" in text
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    for each in results.values():
        assert f"{each['metrics']['top1']:.2f}" in rows[{1: "one", 2: "base"}[each["epoch"]]]
