"""`pvt_exp.results` in a notebook: every run of a sweep, tidy, and equal to what is in the store."""

import json
from pathlib import Path

import pytest

import pvt_exp
from pvt_exp.config import ConfigError
from tests.conftest import Cli


def test_all_columns_are_there_before_anything_is_done(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sweep.parent)
    frame = pvt_exp.results(sweep)
    assert set(frame["state"]) == {"pending"}
    for name in ("top1", "best_epoch", "params", "macs", "seconds", "lr", "data", "code"):
        assert frame[name].isna().all()


def test_a_row_a_run(sweep: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("sweep", sweep, "--seeds", "0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PVT_EXP_DATA", raising=False)
    frame = pvt_exp.results(sweep)
    assert list(frame["variant"]) == ["base", "base", "depth deeper", "depth deeper"]
    assert list(frame["depth"]) == ["same as the base", "same as the base", "deeper", "deeper"]
    assert list(frame["state"]) == ["done", "pending", "done", "pending"]
    for row in frame[frame["state"] == "done"].to_dict("records"):
        due = json.loads((tmp_path / "runs" / row["run"] / "result.json").read_text())
        assert row["top1"] == due["metrics"]["top1"]
        assert (row["params"], row["seconds"]) == (due["cost"]["params"], due["provenance"]["seconds"])
        assert row["data"] == due["data"]["fingerprint"]
    assert frame.loc[frame["state"] == "pending", "top1"].isna().all()
    assert len(pvt_exp.results(sweep, seeds=[0])) == 2
    assert set(pvt_exp.results(sweep, "epochs=3")["state"]) == {"pending"}
    with pytest.raises(ConfigError, match="unknown key"):
        pvt_exp.results(sweep, "epoch=3")
