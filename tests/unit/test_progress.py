"""How far an attempt has come, as others read it."""

import json
from pathlib import Path
from typing import Any

import pytest

from pvt_exp.store import progress

TOLD = {"epoch": 2, "epochs": 5, "fraction": 0.3, "scored_epoch": 1, "metrics": {"top1": 20.5}, "best": {"top1": 20.5}}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert progress.read(tmp_path) is None
    progress.write(tmp_path, TOLD)
    assert progress.read(tmp_path) == TOLD
    assert [path.name for path in tmp_path.iterdir()] == [progress.NAME]


@pytest.mark.parametrize("name", progress.NUMBERS)
@pytest.mark.parametrize("value", ["x", None, [], True])
def test_what_is_damaged_is_nothing(name: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / progress.NAME).write_text(json.dumps({**TOLD, name: value}))
    assert progress.read(tmp_path) is None


@pytest.mark.parametrize("metrics", ["none", None, {"top1": "high", "top5": [1]}])
def test_metrics_that_are_no_numbers_are_left_out(metrics: Any, tmp_path: Path) -> None:
    (tmp_path / progress.NAME).write_text(json.dumps({**TOLD, "metrics": metrics}))
    assert progress.read(tmp_path) == {**TOLD, "metrics": {}}
