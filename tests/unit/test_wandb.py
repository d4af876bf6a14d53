"""What W&B is told of a run's place, a run of a W&B sweep, what is to be uploaded, and the server's address."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from pvt_exp import store
from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Placement, Tracking
from pvt_exp.plan import Plan, expand
from pvt_exp.system import files, locks
from pvt_exp.tracking import file, labels, server, sync
from pvt_exp.tracking import report as wandb_report
from pvt_exp.tracking import sweep as wandb_sweep


@pytest.fixture(autouse=True)
def _no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_CONFIG_DIR", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def planned(sweep: Path) -> Plan:
    return expand.load(sweep)[1]


def test_a_run_is_told_with_its_axes(planned: Plan) -> None:
    base, deeper = (
        labels.tracking(Tracking(), planned, variant.runs[1], ["sweep", "other"]) for variant in planned.variants
    )
    assert (base.group, base.name, base.job) == ("sweep", "base, seed 1", None)
    assert base.axes == {"depth": "same as the base"}
    assert deeper.tags == ("depth = deeper", "other", "sweep")
    assert deeper.axes == {"depth": "deeper"}
    part = planned.only(["deeper"])
    assert labels.tracking(Tracking(), part, part.runs[0], []).axes == {"depth": "deeper"}
    assert planned.variants[1].runs[1].id in (deeper.notes or "")


def test_a_tag_has_64_characters_at_most(sweep: Path) -> None:
    sweep.write_text(sweep.read_text().replace("deeper", "d" * 80))
    planned = expand.load(sweep)[1]
    tags = labels.tracking(Tracking(), planned, planned.variants[1].runs[0], ["s" * 70]).tags
    assert [len(tag) for tag in tags] == [64, 64]


def test_one_run_of_a_plan(planned: Plan) -> None:
    run = planned.variants[1].runs[1]
    alone = wandb_sweep.alone(planned, f"runs/{run.id}")
    assert alone.runs == (run,)
    assert alone.names[run.id] == "depth deeper"
    with pytest.raises(ConfigError, match="no run of sweep as it is planned now"):
        wandb_sweep.alone(planned, "0123")


def part(attempt: Path, name: str) -> Path:
    folder = attempt / "wandb" / name
    folder.mkdir(parents=True)
    (folder / "run-x.wandb").write_bytes(b"head and records")
    return folder


def test_what_is_to_be_uploaded(planned: Plan, tmp_path: Path) -> None:
    runs = store.create(tmp_path / "runs")
    one, other = planned.runs[:2]
    first, second = (store.attempt(runs, one, Placement(), "sweep") for _ in range(2))
    parts = [part(first, "offline-run-20260101_000000-x"), part(second, "offline-run-20260102_000000-x")]
    # of an online run only the newest attempt's end can be missing, and only where it says so
    for attempt in (store.attempt(runs, other, Placement(), "sweep") for _ in range(2)):
        newest = part(attempt, "run-20260101_000000-x")
        (newest.parent / "unsent").touch()
    report = part(runs / "reports" / "sweep", "offline-run-20260101_000000-report")
    killed = part(store.attempt(runs, planned.runs[2], Placement(), "sweep"), "offline-run-20260101_000000-x")
    (killed / "run-x.wandb").write_bytes(b"head...")
    found, busy = sync.waiting(runs)
    assert busy == 0
    assert {each.name: list(each.parts) for each in found} == {
        one.id: parts,
        other.id: [newest],
        "report of sweep": [report],
    }
    (parts[0] / "run-x.wandb.synced").touch()
    (newest.parent / "unsent").unlink()
    with locks.lock(runs / one.id):
        found, busy = sync.waiting(runs)
    assert ([each.name for each in found], busy) == (["report of sweep"], 1)
    shutil.rmtree(report)
    assert [each.parts for each in sync.waiting(runs)[0]] == [(parts[1],)]


def chunk(kind: int, size: int) -> bytes:
    return file.CHUNK_HEAD.pack(1, size, kind) + b"x" * size


def test_a_torn_file_is_mended(tmp_path: Path) -> None:
    head, block = b":W&B...", file.BLOCK_BYTES
    first = chunk(1, 100)
    gap = block - len(head + first) - 7 - 3  # the long record's first chunk leaves 3 bytes, which are filled with zeros
    long = chunk(2, gap) + bytes(3) + chunk(4, 50)
    whole = head + first + long
    assert len(head + first + chunk(2, gap)) == block - 3
    for torn in (b"", chunk(1, 60)[:-1], chunk(1, 60)[:5], bytes(40), chunk(2, 60)):
        assert file.whole_bytes(whole + torn) == len(whole)
    assert file.whole_bytes(whole[:-1]) == len(head + first)
    path = tmp_path / "run-x.wandb"
    path.write_bytes(whole + chunk(1, 60)[:-1])
    file.mend(path)
    assert path.read_bytes() == whole
    path.write_bytes(head)
    assert not file.holds_records(path)


def test_a_table_for_w_and_b() -> None:
    table = {
        "columns": [
            {"key": "top1", "title": "top-1", "heading": "short"},
            {"key": "params", "title": "params", "heading": ""},
        ],
        "groups": [
            {
                "rows": [
                    {
                        "name": "base",
                        "runs": [{"state": "done"}, {"state": "failed"}],
                        "cells": {"top1": {"value": 0.5, "std": 0.1}, "params": {"value": 7, "std": None}},
                    }
                ]
            }
        ],
    }
    assert wandb_report.flat(table) == (
        ["variant", "short top-1", "short top-1 std", "params", "runs"],
        [["base", 0.5, 0.1, 7, 2]],
    )
    assert wandb_report.states(table) == {"done": 1, "failed": 1}


def test_the_report_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(wandb_report, "_process", lambda folder, limit_s: asked.append(folder))
    table: dict[str, Any] = {"name": "sweep", "groups": []}
    wandb_report.tell(table, [], Tracking(mode="disabled"), tmp_path)
    assert not asked
    wandb_report.tell(table, [], Tracking(), tmp_path)
    (asked[0] / "next.json").replace(asked[0] / "told.json")
    wandb_report.tell(table, [], Tracking(), tmp_path)
    assert len(asked) == 1
    wandb_report.tell({**table, "groups": [1]}, [], Tracking(), tmp_path)
    assert len(asked) == 2
    assert files.read_json(asked[1] / "next.json") is not None


def test_the_servers_address_and_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server.base_url() == "https://api.wandb.ai"
    assert "no API key" in (server.problem() or "")
    (tmp_path / ".config/wandb").mkdir(parents=True)
    (tmp_path / ".config/wandb/settings").write_text("[default]\nbase_url = http://wandb.example:8080/\n")
    (tmp_path / ".netrc").write_text("machine wandb.example:8080\n login user\n password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert server.base_url() == "http://wandb.example:8080"
    assert server.api_key() == "secret"
    monkeypatch.setenv("WANDB_BASE_URL", "http://other.example")
    assert server.api_key() is None
    (tmp_path / ".config/wandb/settings").write_text("no settings")
    monkeypatch.delenv("WANDB_BASE_URL")
    assert server.base_url() == "https://api.wandb.ai"
