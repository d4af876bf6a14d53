"""What a driver does about runs that do not end well, with a launcher that computes nothing and ends runs as it is told."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pvt_exp import config, store
from pvt_exp.cli import console as cli
from pvt_exp.cli import driving, views
from pvt_exp.cli.views.why import why_json
from pvt_exp.config.placement import Placement, Tracking
from pvt_exp.config.sweep import Policy
from pvt_exp.drive import registry, session
from pvt_exp.drive.live import View
from pvt_exp.drive.placing import DriverContext
from pvt_exp.launchers import Ended, Launcher, Slot, Work
from pvt_exp.plan import Plan, expand
from pvt_exp.store import attempts
from pvt_exp.store.outcome import outcome_of
from pvt_exp.store.results import publish_result
from pvt_exp.system import heartbeat, locks
from pvt_exp.system.ends import NoSmallerBatch, Pruned, Stopped
from pvt_exp.tracking import client
from pvt_exp.train import ends

SWEEP = """\
base: base.yaml
seeds: [0, 1]
blocks:
  - one_at_a_time: {depth: {deep: {backbone.depths: [2, 1, 1, 1]}}}
"""
OOM = ("out_of_memory", "CUDA out of memory")


class Scripted(Launcher):
    """Keeps runs in their places and ends the one that was begun first, again and again."""

    places: tuple[tuple[int, ...], ...] = ((), ())
    hangs: bool = False
    """Runs end only when they are made to."""

    def slots(self) -> list[Slot]:
        return [Slot(gpus, 1) for gpus in self.places]

    def launch(self, work: Work) -> Iterator[Ended | None]:
        running: dict[Path, Slot] = {}
        free = self.slots()
        while True:
            for slot in tuple(free):
                if (attempt := work.next_attempt(slot)) is not None:
                    PLACED[attempt] = config.load(Placement, attempt / "placement.yaml")
                    free.remove(slot)
                    running[attempt] = slot
                    SEEN.append((attempt, len(running)))
            if not running:
                return
            yield None
            first = next(iter(running))
            if not self.hangs or first in work.to_end():
                free.append(running.pop(first))
                yield Ended(first, -9 if self.hangs else end(first))


SEEN: list[tuple[Path, int]] = []
"""Each attempt, and how many ran when it began."""
PLACED: dict[Path, Placement] = {}
SCRIPT: dict[str, list[Any]] = {}
"""How the attempts at a run end, by its id: a signal's number, or state and reason; then it is done."""


def end(attempt: Path) -> int:
    folder = attempts.run_folder(attempt)
    told = SCRIPT.get(folder.name)
    how = told.pop(0) if told else None
    if isinstance(how, int):
        return how
    if isinstance(how, Callable):  # type: ignore[arg-type]
        return int(how(attempt))
    if how is not None:
        attempts.end(attempt, *how)
        return 1
    made = {"attempt": int(attempt.name), "seconds": 1.0, "pretrained": None}
    publish_result(attempt, {"metrics": {"top1": 1.0}, "cost": {}, "data": {"fingerprint": "aa"}, "provenance": made})
    return 0


@pytest.fixture
def planned(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(experiment.parent)
    SEEN.clear()
    SCRIPT.clear()
    Path("sweep.yaml").write_text(SWEEP)
    return expand.load(Path("sweep.yaml"))[1]


def train(planned: Plan, launcher: Scripted | None = None, smoke: bool = False, **policy: Any) -> tuple[int, str]:
    """The exit status, and what is said."""
    console = Console(width=200, record=True, file=io.StringIO())
    placement = Placement(tracking=Tracking(mode="disabled"))
    context = DriverContext(Path("runs"), launcher or Scripted(), placement, policy=Policy.model_validate(policy))
    status = driving.train(console, planned, context, smoke)
    return status, console.export_text()


def placements(run_id: str) -> list[Placement]:
    tries = attempts.of(Path("runs") / run_id)
    return [config.load(Placement, each / "placement.yaml") for each in tries]


def test_a_run_that_is_killed_twice_is_tried_a_third_time(planned: Plan) -> None:
    SCRIPT[planned.runs[0].id] = [-9, -11]
    assert train(planned)[0] == 0
    assert len(placements(planned.runs[0].id)) == 3


class Interrupted(Scripted):
    """Is asked to stop at once; the first of its runs comes to its end all the same."""

    def launch(self, work: Work) -> Iterator[Ended | None]:
        going = [work.next_attempt(slot) for slot in self.slots()]
        try:
            yield None
            raise KeyboardInterrupt
        finally:
            end(next(filter(None, going)))


def test_what_is_done_is_counted_when_all_has_ended(planned: Plan) -> None:
    status, said = train(planned, Interrupted())
    assert status == driving.INTERRUPTED
    assert "stopped: 1 of 4 runs are done, 3 are left" in said


def test_a_driver_can_be_stopped_between_its_first_steps_and_the_sweep(
    planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    drives = session.drive

    def stopped_first(*words: Any) -> None:
        (driver,) = registry.of(Path("runs"), planned.name)
        driver.stop()
        drives(*words)

    monkeypatch.setattr(session, "drive", stopped_first)
    status, said = train(planned, smoke=True)
    assert status == 1
    assert "one step of each of 2 architectures first" in said
    assert "stopped: as pvt-exp stop asks for" in said
    assert not list(Path("runs").glob("*/attempts/*"))
    assert not registry.of(Path("runs"))


def test_a_run_that_is_killed_each_time_is_given_up_after_three_attempts(planned: Plan) -> None:
    SCRIPT[planned.runs[0].id] = [-9] * 9
    status, said = train(planned)
    assert status == 1
    assert "3 of 4 runs are done" in said
    assert "killed: ended by SIGKILL" in said
    assert len(placements(planned.runs[0].id)) == 3


def test_an_attempt_that_made_progress_does_not_count(planned: Plan) -> None:
    def made_progress(attempt: Path) -> int:
        (attempt / "checkpoints").mkdir()
        (attempt / "checkpoints/epoch=0-step=4.ckpt").touch()
        return -9

    SCRIPT[planned.runs[0].id] = [-9, made_progress, -9, -9, made_progress, -9, made_progress]
    assert train(planned)[0] == 0
    assert len(placements(planned.runs[0].id)) == 8


def test_results_that_cannot_be_read_are_not_made_for_ever(planned: Plan) -> None:
    def ends(attempt: Path) -> int:
        (attempt / "checkpoints").mkdir()
        (attempt / "checkpoints/epoch=0-step=4.ckpt").touch()
        publish_result(attempt, {"metrics": {"top1": "fine"}})
        return 0

    SCRIPT[planned.runs[0].id] = [ends] * 9
    status, said = train(planned)
    assert status == 1
    assert "its result.json does not count: cost: is missing" in said
    assert len(placements(planned.runs[0].id)) == 3


@pytest.mark.parametrize(
    "how",
    [("killed", "stopped by Ctrl-C", "stopped"), ("failed", "KeyError"), ("diverged", "loss is NaN")],
)
def test_a_run_that_would_fail_again_is_tried_once(planned: Plan, how: tuple[str, ...]) -> None:
    SCRIPT[planned.runs[0].id] = [how]
    assert train(planned)[0] == 1
    assert len(placements(planned.runs[0].id)) == 1


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_ways_to_run_out_of_memory(planned: Plan, error: Exception) -> None:
    attempt = store.attempt(store.create(Path("runs")), planned.runs[0], Placement(), "sweep")
    assert ends.end_of(error, attempt, "Ctrl-C").state == "out_of_memory"


ENDS: dict[Any, tuple[str, str | None]] = {
    Stopped("it goes on from epoch 2, step 8"): ("killed", "stopped"),
    Pruned("worse than others"): ("pruned", None),
    NoSmallerBatch("fewer would be another run"): ("out_of_memory", "no_smaller_batch"),
    RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer"): (
        "failed", "lost_rank"
    ),
    RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."): ("killed", None),
    RuntimeError("stopped by a bug"): ("failed", None),
    type("Stopped", (Exception,), {})("an error of another library with this name"): ("failed", None),
}  # fmt: skip


@pytest.mark.parametrize("error", ENDS, ids=str)
def test_how_an_attempt_ended_follows_from_its_exceptions_fields(planned: Plan, error: Exception) -> None:
    attempt = store.attempt(store.create(Path("runs")), planned.runs[0], Placement(), "sweep")
    ended = ends.end_of(error, attempt, "Ctrl-C")
    assert (ended.state, ended.cause) == ENDS[error]
    attempts.end(attempt, *ended[:3], **ended.numbers)
    seen = outcome_of(Path("runs"), planned.runs[0].id)
    assert (seen.state, seen.reason, seen.cause) == ended[:3]


@pytest.mark.parametrize("words", ["", "words that nobody has read before", "stopped by; fewer would be another run"])
@pytest.mark.parametrize(
    ("state", "cause", "tries"),
    [
        ("killed", None, 3), ("killed", "stopped", 1), ("out_of_memory", None, 5), ("out_of_memory", "no_smaller_batch", 1),
        ("failed", "lost_rank", 1), ("failed", None, 1),
    ],
)  # fmt: skip
def test_whether_a_run_is_tried_again_follows_from_state_and_cause_whatever_the_reason_says(
    planned: Plan, state: str, cause: str | None, tries: int, words: str
) -> None:
    SCRIPT[planned.runs[0].id] = [(state, words, cause)] * 9
    assert train(planned, Scripted(places=((0,), (1,))))[0] == 1
    assert len(placements(planned.runs[0].id)) == tries


def test_a_cause_that_is_not_known_counts_as_none(planned: Plan) -> None:
    attempt = store.attempt(store.create(Path("runs")), planned.runs[0], Placement(), "sweep")
    attempts.end(attempt, "killed", "by hand", "boredom")  # type: ignore[arg-type]
    assert outcome_of(Path("runs"), planned.runs[0].id).cause is None


def test_out_of_memory_it_is_tried_alone_and_then_with_less(planned: Plan) -> None:
    victim = planned.runs[0]
    SCRIPT[victim.id] = [OOM] * 3
    assert train(planned, Scripted(places=((0,), (0,))))[0] == 0
    tries = placements(victim.id)
    assert [each.micro_batch for each in tries] == [None, None, 8, 4]
    assert tries[1].recovering == "ran out of memory with 16 images at once beside others"
    assert tries[3].recovering == "ran out of memory with 8 images at once"
    beside = [count for attempt, count in SEEN if attempts.run_folder(attempt).name == victim.id]
    assert beside[1:] == [1, 1, 1]
    begun = [attempts.run_folder(attempt).name for attempt, _ in SEEN]
    alone = begun.index(victim.id, 1)
    assert begun[alone : alone + 3] == [victim.id] * 3, "nothing begins on its GPU before it has ended"


def test_the_next_driver_goes_on_with_what_an_out_of_memory_run_was_to_be_tried_with(planned: Plan) -> None:
    """Each driver is stopped as the run has ended; the next one knows what it was to be tried with."""
    victim = planned.runs[0]

    def ends(attempt: Path) -> int:
        attempts.end(attempt, *OOM)
        (driver,) = registry.of(Path("runs"))
        driver.stop()
        return 1

    SCRIPT[victim.id] = [ends] * 3
    for word in ("alone", "alone with 8 images at once", "alone with 4 images at once"):
        assert train(planned, Scripted(places=((0,), (0,))))[0] == 1
        seen = outcome_of(Path("runs"), victim.id)
        assert seen.state == "killed"
        assert f"it is to be tried {word}" in str(seen.reason)
    store.attempt(Path("runs"), victim, Placement(), "sweep")  # by a driver that was killed right then
    assert train(planned, Scripted(places=((0,), (0,))))[0] == 0
    assert [each.micro_batch for each in placements(victim.id)] == [None, None, 8, None, 4]
    assert placements(victim.id)[-1].recovering


def test_a_gpu_of_its_own_needs_no_other_try(planned: Plan) -> None:
    SCRIPT[planned.runs[0].id] = [OOM]
    assert train(planned, Scripted(places=((0,), (1,))))[0] == 0
    assert [each.micro_batch for each in placements(planned.runs[0].id)] == [None, 8]


def test_a_run_that_is_out_of_memory_with_one_image_is_given_up(planned: Plan) -> None:
    SCRIPT[planned.runs[0].id] = [OOM] * 20
    status, said = train(planned, Scripted(places=((0,), (1,))))
    assert status == 1
    assert [each.micro_batch for each in placements(planned.runs[0].id)] == [None, 8, 4, 2, 1]
    assert "out_of_memory: CUDA out of memory" in said
    assert "--retry out_of_memory" in said


def test_an_out_of_memory_run_that_cannot_take_fewer_images_is_given_up(planned: Plan) -> None:
    refused = ("out_of_memory", "ran out of memory with 16 images at once", "no_smaller_batch")
    SCRIPT[planned.runs[0].id] = [OOM, refused]
    assert train(planned, Scripted(places=((0,), (1,))))[0] == 1
    assert [each.micro_batch for each in placements(planned.runs[0].id)] == [None, 8]


def test_a_reason_with_signs_of_markup_is_printed_as_it_is(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "RuntimeError: [enforce fail at alloc_cpu.cpp:117] :smile: [/]"
    SCRIPT[planned.runs[0].id] = [("failed", reason)]
    terminal = cli.console()
    monkeypatch.setattr(terminal, "file", io.StringIO())
    monkeypatch.setattr(terminal, "record", True)
    placement = Placement(tracking=Tracking(mode="disabled"))
    assert driving.train(terminal, planned, DriverContext(Path("runs"), Scripted(), placement)) == 1
    assert reason in terminal.export_text()


def test_what_became_of_a_sweep_is_returned_as_data(planned: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    SCRIPT[planned.runs[0].id] = [("failed", "KeyError: 'x'")]
    policy = Policy(on_error="stop")
    context = DriverContext(Path("runs"), Scripted(places=((),)), Placement(), policy=policy)
    driven = session.train(planned, context, View(Console(file=io.StringIO())))
    assert (driven.end, driven.launched, driven.trained) == ("halted", True, 1)
    assert driven.why == f"on_error: stop, and {planned.runs[0].id} failed: KeyError: 'x'"
    assert {seen.id: seen.state for seen in driven.outcomes.values()} == {
        run.id: "failed" if run is planned.runs[0] else "pending" for run in planned.runs
    }
    assert capsys.readouterr() == ("", "")


def test_a_sweep_can_stop_at_the_first_error(planned: Plan) -> None:
    SCRIPT[planned.runs[0].id] = [("failed", "KeyError: 'x'")]
    status, said = train(planned, Scripted(places=((),)), on_error="stop")
    assert status == 1
    assert f"stopped: on_error: stop, and {planned.runs[0].id} failed: KeyError: 'x'" in said
    assert len(SEEN) == 1


def test_a_sweep_stops_when_its_first_runs_all_fail(planned: Plan) -> None:
    for run in planned.runs:
        SCRIPT[run.id] = [("diverged", "loss is NaN")]
    status, said = train(planned, Scripted(places=((),)), on_error={"stop_if_first": 2})
    assert status == 1
    assert "stopped: on_error: none of the first 2 runs has a result" in said
    assert len(SEEN) == 2


def test_a_sweep_goes_on_when_one_of_its_first_runs_does_well(planned: Plan) -> None:
    for run in planned.runs[1:]:
        SCRIPT[run.id] = [("diverged", "loss is NaN")]
    _, said = train(planned, Scripted(places=((),)), on_error={"stop_if_first": 2})
    assert "stopped" not in said
    assert len(SEEN) == 4


def test_a_run_that_makes_no_step_is_ended(planned: Plan) -> None:
    assert train(planned, Scripted(hangs=True), stall_minutes=1e-4)[0] == 1
    ends = [outcome_of(Path("runs"), run.id) for run in planned.runs]
    assert {seen.state for seen in ends} == {"timed_out"}
    assert {seen.reason for seen in ends} == {"no step for 0.0001 minutes since it was started"}
    assert all(seen.attempts == 1 for seen in ends)


class Queue(Scripted):
    """Lets no process begin before the driver has looked at the waiting runs a few times."""

    has_queue = True

    def launch(self, work: Work) -> Iterator[Ended | None]:
        for each in super().launch(work):
            for attempt, _ in SEEN:
                if attempt.exists() and not attempts.has_begun(attempt):
                    for _ in range(3):
                        time.sleep(0.01)  # longer than stall_minutes
                        WAITED.append(stands(attempt))
                        yield None
                    assert not (attempt / "end.json").exists()
                    (attempt / "log.txt").write_text("begun")
                    yield None
                    WAITED.append(stands(attempt))
            yield each


def stands(attempt: Path) -> tuple[str, ...]:
    """What the record, JSON, a driver on another machine and a person are told."""
    runs, run_id = attempts.run_folder(attempt).parent, attempts.run_folder(attempt).name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heartbeat, "boot", lambda: "another")
        patch.setattr(locks, "is_held", lambda path: False)
        elsewhere = outcome_of(runs, run_id).state
    (listed,) = [run["state"] for run in views.store_json(runs)["runs"] if run["id"] == run_id]
    found = why_json(runs, run_id)
    return outcome_of(runs, run_id).state, listed, elsewhere, found["state"], found["running"]


WAITED: list[tuple[str, ...]] = []


def test_a_run_in_a_queue_is_submitted_and_does_not_hang(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    WAITED.clear()
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.0)
    signs: list[int] = []
    monkeypatch.setattr(heartbeat, "give_sign", lambda path, number=-1: (signs.append(number), give(path, number)))
    assert train(planned, Queue(places=((),)), stall_minutes=1e-4)[0] == 0
    waits = ("submitted",) * 4 + ("it waits in its launcher's queue",)
    assert WAITED[:3] == [waits] * 3
    assert WAITED[3][:4] == ("running",) * 4
    assert "submitted" not in WAITED[3][4]
    assert signs[:4] == [-1, -2, -3, -4], "a driver elsewhere must not take it for one that went away"
    assert len(SEEN) == 4


give = heartbeat.give_sign


def test_a_run_that_has_left_the_queue_and_makes_no_step_is_ended(planned: Plan) -> None:
    WAITED.clear()
    assert train(planned, Queue(hangs=True), stall_minutes=1e-4)[0] == 1
    assert {outcome_of(Path("runs"), run.id).state for run in planned.runs} == {"timed_out"}
    assert WAITED[0][:4] == ("submitted",) * 4


def test_smoke_steps_that_wait_in_a_queue_do_not_hang(planned: Plan) -> None:
    WAITED.clear()
    said = train(planned, Queue(places=((),)), smoke=True, stall_minutes=1e-4)[1]
    assert "timed_out" not in said
    assert "all 4 runs are done" in said


LOG = """\
epoch 1
Traceback (most recent call last):
  File "queues.py", line 244, in _feed
RuntimeError: unable to allocate shared memory(shm): No space left on device (28)
and so on
"""


def test_the_reason_of_a_run_that_hangs_has_the_last_error_of_its_log(planned: Plan) -> None:
    class Logging(Scripted):
        def launch(self, work: Work) -> Iterator[Ended | None]:
            for each in super().launch(work):
                for attempt, _ in SEEN:
                    (attempt / "log.txt").write_text(LOG)
                yield each

    train(planned, Logging(hangs=True), stall_minutes=1e-4)
    told = {outcome_of(Path("runs"), run.id).reason for run in planned.runs}
    said = "RuntimeError: unable to allocate shared memory(shm): No space left on device (28)"
    assert told == {f"no step for 0.0001 minutes since it was started; the last error in its log: {said}"}


def test_what_w_and_b_was_not_told_is_said_at_the_end(planned: Plan) -> None:
    def untold(*whys: str) -> Callable[[Path], int]:
        def end_with(attempt: Path) -> int:
            for why in whys:
                client.untold(attempt, why)
            return end(attempt)

        return end_with

    lost = "the server does not answer\nat all"
    for run, whys in zip(planned.runs, [(lost,), (lost,), ("a", "b", "c"), ()], strict=True):
        SCRIPT[run.id] = [untold(*whys)]
    said = train(planned, Scripted())[1]
    assert "W&B, of 2 runs: the server does not answer at all\n" in said
    assert said.count("W&B, of 1 run: ") == 2
    assert "W&B: and 1 other problems" in said
    assert "W&B" not in train(planned, Scripted())[1]


class Gone(Scripted):
    """As the local launcher does where its server was killed: a run ends, and for a moment still holds its lock."""

    def launch(self, work: Work) -> Iterator[Ended | None]:
        begun = 0
        for each in super().launch(work):
            if each is None:
                yield None
                continue
            begun += 1
            if begun > 2:
                yield each
                continue
            for name in ("result.json", f"attempts/{each.attempt.name}/end.json"):
                (attempts.run_folder(each.attempt) / name).unlink()
            held = locks.lock(attempts.run_folder(each.attempt))
            held.__enter__()
            threading.Timer(0.1, held.__exit__, (None, None, None)).start()
            yield Ended(each.attempt, 255, "its server was killed")


def test_a_run_that_dies_slowly_is_tried_again(planned: Plan) -> None:
    status, said = train(planned, Gone(places=((),)))
    assert status == 0, said
    assert "all 4 runs are done" in said
    assert len(SEEN) == 6
    assert (attempts.ended(SEEN[0][0]) or {})["reason"] == "its server was killed"


def test_what_stood_still_with_its_driver_does_not_hang(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    late, clock = 0.0, time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + late)

    class Sleeps(Scripted):
        def launch(self, work: Work) -> Iterator[Ended | None]:
            nonlocal late
            for ended in super().launch(work):
                late += 3600
                yield ended

    def told_nothing(attempt: Path) -> int:
        assert not (attempt / "end.json").exists()
        return end(attempt)

    SCRIPT.update({run.id: [told_nothing] for run in planned.runs})
    assert train(planned, Sleeps())[0] == 0
    assert not any(SCRIPT.values())


# ------------------------------------------------------------ one step first


def test_a_sweep_begins_with_one_step_of_each_architecture(planned: Plan) -> None:
    status, said = train(planned, smoke=True)
    assert status == 0
    assert "one step of each of 2 architectures first" in said
    assert [each.smoke for each in placed_in_order()] == [True] * 2 + [False] * 4
    assert not Path("runs/smoke").exists()
    assert "one step" not in train(planned, smoke=True)[1]


def test_a_smoke_step_that_fails_is_told_before_the_sweep_starts(planned: Plan) -> None:
    deep = planned.runs[1]
    SCRIPT[deep.id] = [("failed", "KeyError: 'x'"), ("failed", "KeyError: 'x'")]
    status, said = train(planned, smoke=True)
    assert status == 1
    assert said.index("failed  depth deep: KeyError: 'x'") < said.index("trained 4 runs")
    assert len(SEEN) == 6


def test_a_smoke_step_that_fails_ends_the_sweep_where_on_error_is_stop(planned: Plan) -> None:
    SCRIPT[planned.runs[1].id] = [("failed", "KeyError: 'x'")]
    status, said = train(planned, smoke=True, on_error="stop")
    assert status == 1
    assert "stopped: on_error: stop; nothing was trained" in said
    assert len(SEEN) == 2
    assert not list(Path("runs").glob("*/attempts"))


@pytest.mark.parametrize("how", [-9, OOM])
def test_a_smoke_step_whose_failure_is_tried_again_does_not_end_the_sweep(planned: Plan, how: Any) -> None:
    SCRIPT[planned.runs[1].id] = [how]
    status, said = train(planned, smoke=True, on_error="stop")
    assert status == 0
    assert "depth deep: " in said


def test_a_smoke_step_that_hangs_is_ended(planned: Plan) -> None:
    said = train(planned, Scripted(hangs=True), smoke=True, stall_minutes=1e-4)[1]
    assert "timed_out  depth deep: no step in 0.0001 minutes" in said


def test_a_sweep_can_be_stopped_in_its_smoke_steps(planned: Plan) -> None:
    def ask(attempt: Path) -> int:
        assert registry.stop(registry.of(Path("runs"), planned.name), 0)
        return -9

    SCRIPT[planned.runs[0].id] = [ask]
    status, said = train(planned, smoke=True)
    assert status == 1
    assert "stopped: as pvt-exp stop asks for; nothing was trained" in said
    assert not list(Path("runs").glob("*/attempts"))
    assert not Path("runs/smoke").exists()


def test_one_architecture_needs_no_step_before_its_first_run(planned: Plan) -> None:
    assert "one step" not in train(planned.only(["base"]), smoke=True)[1]


def placed_in_order() -> list[Placement]:
    return [PLACED[attempt] for attempt, _ in SEEN]
