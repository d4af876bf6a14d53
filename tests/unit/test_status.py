"""What a run with a pretraining waits for, driven to its end by a launcher that computes nothing."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pvt_exp import store
from pvt_exp.cli import driving
from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Placement, Tracking
from pvt_exp.config.sweep import Policy
from pvt_exp.drive.placing import DriverContext
from pvt_exp.launchers import Ended, Launcher, Slot, Work
from pvt_exp.plan import Plan, expand, site
from pvt_exp.plan.data_sets import DataSets
from pvt_exp.store import attempts, status
from pvt_exp.store.results import publish_result
from pvt_exp.store.states import State
from tests.conftest import EXPERIMENT

FIRST = EXPERIMENT.replace("kind: shapes,", "kind: shapes, name: early, seed: 7,")


class Pretends(Launcher):
    """Ends each run at once; keeps what it is given to do, and does as the test says."""

    def slots(self) -> list[Slot]:
        return [Slot((), 1)] * 2

    def launch(self, work: Work) -> Iterator[Ended | None]:
        while True:
            given = [attempt for slot in self.slots() if (attempt := work.next_attempt(slot)) is not None]
            if not given:
                return
            for attempt in given:
                yield Ended(attempt, compute(attempt))
            yield None


LAUNCHED: list[str] = []
ENDS: dict[str, State] = {}
"""How runs end that do not end well, by id."""


def compute(attempt: Path) -> int:
    folder = attempts.run_folder(attempt)
    run = store.load(folder)
    LAUNCHED.append(run.id)
    if run.id in ENDS:
        if ENDS[run.id] != "killed":
            attempts.end(attempt, ENDS[run.id], "because")
        return 1
    weights = attempt / "checkpoints/epoch=0-step=4.ckpt"
    weights.parent.mkdir()
    weights.touch()
    start = {"run": run.pretraining.id, "data": "aa"} if run.pretraining else None
    made = {"attempt": int(attempt.name), "seconds": 1.0, "pretrained": start}
    publish_result(attempt, {"metrics": {"top1": 1.0}, "cost": {}, "data": {"fingerprint": "aa"}, "provenance": made})
    return 0


@pytest.fixture
def two(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Base and deep, two seeds each, each with a pretraining run of the same seed."""
    monkeypatch.chdir(experiment.parent)
    LAUNCHED.clear()
    ENDS.clear()
    (experiment.parent / "first.yaml").write_text(FIRST)
    experiment.write_text(EXPERIMENT + "pretrain: first.yaml\n")
    return load("  - one_at_a_time: {depth: {deep: {backbone.depths: [2, 1, 1, 1]}}}\n")


def load(block: str, seeds: str = "[0, 1]") -> Plan:
    Path("sweep.yaml").write_text(f"base: base.yaml\nseeds: {seeds}\nblocks:\n{block}")
    return expand.load(Path("sweep.yaml"))[1]


def train(planned: Plan, *retry: str, data: tuple[str, ...] = ()) -> tuple[int, str]:
    """The exit status, and what is said."""
    console = Console(width=200, record=True, file=io.StringIO())
    placement = Placement(tracking=Tracking(mode="disabled"))
    at_hand = DataSets(site.places(data))
    context = DriverContext(Path("runs"), Pretends(), placement, at_hand, retry, Policy(retries=0))
    status = driving.train(console, planned, context)
    return status, console.export_text()


def states(planned: Plan, fingerprints: dict[Any, str] | None = None) -> list[tuple[str, str | None]]:
    found = status.outcomes(Path("runs"), planned, fingerprints or {})
    return [(found[run.id].state, found[run.id].reason) for run in planned.order if run.id in found]


def test_the_pretraining_run_comes_first(two: Plan) -> None:
    assert train(two)[0] == 0
    assert len(LAUNCHED) == len(set(LAUNCHED)) == 8
    at = {run_id: number for number, run_id in enumerate(LAUNCHED)}
    assert all(at[run.pretraining.id] < at[run.id] for run in two.runs if run.pretraining)
    assert {run.seed for run in two.order if at[run.id] < 4} == {0}
    weights = [(Path("runs") / run.id / "attempts/1/placement.yaml").read_text() for run in two.runs]
    assert all(
        f"runs/{run.pretraining.id}/attempts/1/check" in text
        for run, text in zip(two.runs, weights, strict=True)
        if run.pretraining
    )
    assert (Path("runs") / two.pretraining_runs[0].id / "starts/sweep").exists()


def test_three_stages(two: Plan) -> None:
    Path("zero.yaml").write_text(FIRST.replace("epochs: 2", "epochs: 7"))
    Path("first.yaml").write_text(FIRST + "pretrain: zero.yaml\n")
    planned = load("  - variants: {same: {}}\n", "[0]")
    assert train(planned)[0] == 0
    assert [run.id for run in planned.order] == LAUNCHED
    assert len(LAUNCHED) == 3


@pytest.mark.parametrize(("end", "words"), [("failed", "failed: because"), ("killed", "was killed: ended by exit")])
def test_a_follower_waits_for_what_did_not_end_well(two: Plan, end: State, words: str) -> None:
    need = two.pretraining_runs[0]
    ENDS[need.id] = end
    status, said = train(two)
    assert status == 1
    assert len(LAUNCHED) == 7
    assert f"pending: waits for {need.id}, which {words}" in said
    assert "3 of 4 runs are done" in said
    status, said = train(two)
    if end == "failed":
        assert "try them again: the same command with --retry failed" in said
        assert len(LAUNCHED) == 7
    ENDS.clear()
    assert train(two, "failed")[0] == 0
    assert LAUNCHED[-2:] == [
        need.id,
        next(run.id for run in two.runs if run.pretraining and run.pretraining.id == need.id),
    ]


def test_a_deeper_failure_is_told_at_the_end_of_the_chain(two: Plan) -> None:
    Path("zero.yaml").write_text(FIRST.replace("epochs: 2", "epochs: 7"))
    Path("first.yaml").write_text(FIRST + "pretrain: zero.yaml\n")
    planned = load("  - variants: {same: {}}\n", "[0]")
    zero, first, last = planned.order
    ENDS[zero.id] = "failed"
    assert train(planned)[0] == 1
    assert states(planned)[2] == (
        "pending",
        f"waits for {first.id}, which is pending: waits for {zero.id}, which failed: because",
    )
    assert [zero.id] == LAUNCHED
    assert last.pretraining == first


def test_a_pretraining_run_without_its_weights(two: Plan) -> None:
    train(two)
    for path in Path("runs").glob("*/attempts/*/checkpoints/*.ckpt"):
        path.unlink()
    assert {state for state, _ in states(two)} == {"done"}  # no run needs them any more
    more = load("  - one_at_a_time: {depth: {deep: {backbone.depths: [2, 1, 1, 1]}}, rate: {low: {optim.lr: 1e-4}}}\n")
    status, said = train(more)
    assert status == 1
    assert "its weights, which runs start from, were not kept; --retry stale trains it again" in said
    assert len(LAUNCHED) == 8
    assert train(more, "stale")[0] == 0
    assert len(LAUNCHED) == 8 + 4  # the pretraining runs of the base with both seeds, and the new row


def test_a_pretraining_run_that_nothing_waits_for_is_left_out(two: Plan) -> None:
    train(two)
    gone = Path("runs") / two.pretraining_runs[0].id
    gone.rename("elsewhere")
    assert [state for state, _ in states(two)] == ["done"] * 7
    assert train(two) == (0, "sweep: all 4 runs are done\n")


def test_other_data_of_the_pretraining_run(two: Plan) -> None:
    train(two)
    found = states(two, {two.pretraining_runs[0].dataset: "bb"})
    assert {state for state, _ in found} == {"stale"}
    assert {why for _, why in found} == {
        "trained on data aa; at hand are bb",
        "its pretraining was on data aa; at hand are bb",
    }


def test_data_of_a_pretraining_run_that_is_done_need_not_be_here(two: Plan) -> None:
    train(two)
    damaged = two.pretraining_runs[0].dataset.folder(Path("data/early"))
    damaged.mkdir(parents=True)
    more = load("  - one_at_a_time: {rate: {low: {optim.lr: 1e-4}}}\n")
    assert train(more)[0] == 0
    with pytest.raises(ConfigError, match=r"data set early: .* files are missing"):
        train(load("  - one_at_a_time: {rate: {low: {optim.lr: 1e-4}}}\n", "[2]"))
    with pytest.raises(ConfigError, match=r"--data other: sweep uses no such data set; it uses early, shapes"):
        train(more, data=("other=.",))
