"""``runs list``: what tells runs apart, in columns."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from pvt_exp.cli.views.runs import print_runs
from pvt_exp.store import attempts


def said(runs: Path, placements: dict[str, str | None]) -> list[str]:
    listed = []
    for number, (run_id, placement) in enumerate(placements.items()):
        (runs / run_id / "attempts/1").mkdir(parents=True)
        if placement is not None:
            (runs / run_id / "attempts/1/placement.yaml").write_text(placement)
        metrics = {"top1": 10.0**number}
        listed.append(
            {"id": run_id, "state": "done", "metrics": metrics, "metric_info": {}, "sweeps": ["mine"], "changes": []}
        )
    console = Console(file=io.StringIO(), width=1000)
    print_runs(console, {"store": str(runs), "runs": listed, "other_folders": []})
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_each_run_has_its_name_and_columns_are_aligned(tmp_path: Path) -> None:
    lines = said(
        tmp_path,
        {
            "0" * 12: "tracking: {name: 'base, seed 0'}",
            "1" * 12: "tracking: {name: 'depth \u6df1\u3044, seed 1'}",
            "2" * 12: None,
        },
    )
    assert [line[:12] for line in lines] == ["0" * 12, "1" * 12, "2" * 12]
    assert "base, seed 0 " in lines[0]
    assert "depth \u6df1\u3044, seed 1  top1" in lines[1]
    wide = lines[1].index("top1") + 2, lines[1].index("mine") + 2  # two letters there are two columns wide
    assert wide == (lines[0].index("top1"), lines[0].index("mine")) == (lines[2].index("top1"), lines[2].index("mine"))


@pytest.mark.parametrize("text", ["", "a: [", "7", "tracking: 7", "tracking: {name: 7}", "tracking: {}", "\0"])
def test_what_cannot_be_read_has_no_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "placement.yaml").write_text(text)
    assert attempts.called(tmp_path) is None
