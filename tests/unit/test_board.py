"""How a sweep stands while it is driven."""

import io
from collections import Counter

import pytest
from rich.console import Console

from pvt_exp.drive import live
from pvt_exp.drive.state import SweepState
from pvt_exp.plan import Plan
from pvt_exp.store.outcome import Outcome


def test_its_counts_are_those_of_its_outcomes() -> None:
    known = {run: Outcome(run, "pending") for run in ("first", "second")}
    state = SweepState(Plan("sweep", (0,), ()), known)
    for seen in (
        Outcome("first", "running"),
        Outcome("first", "done"),
        Outcome("second", "failed"),
        Outcome("second", "failed"),
        Outcome("proposed", "pending"),
    ):
        state.put(seen)
        board = state.board()
        assert board.states == Counter(each.state for each in board.outcomes.values())
    assert state.count("done", "failed", "killed") == 2
    assert known["first"].state == "pending"


def test_what_takes_long_is_done_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    now, computed = 100.0, 5.0
    monkeypatch.setattr(live.time, "monotonic", lambda: now)
    monkeypatch.setattr(live.time, "thread_time", lambda: computed)
    turn = live.Turn(1.0)
    for took, work, due in ((0.001, 0.001, 1.0), (2.0, 2.0, 2.0 / live.LARGEST_PART), (500.0, 0.01, 500.0)):
        assert turn.is_due
        begun = now
        with turn:
            now, computed = now + took, computed + work
        if took < due:
            now = begun + due - 0.01
            assert not turn.is_due
        now = begun + due + 0.01


LINE = "sweep: 3 variants x 2 seeds = 6 runs, 0 known already, 6 to train; at once: 2 on the CPU"


def test_lines_are_broken_at_spaces_on_a_terminal_and_nowhere_else() -> None:
    shown = io.StringIO()
    live.View(Console(file=shown, force_terminal=True, width=30)).say(LINE)
    lines = shown.getvalue().splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= 30
    assert " ".join(line.strip() for line in lines) == LINE
    piped = io.StringIO()
    live.View(Console(file=piped, width=30)).say(LINE)
    assert piped.getvalue() == LINE + "\n"
