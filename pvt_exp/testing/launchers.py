"""What a launcher promises to the driver: each end of a run is reported, and none outlives what started it."""

import os
import signal
import time
from pathlib import Path
from typing import Any, ClassVar

import pvt_exp
from pvt_exp import store
from pvt_exp.config.placement import Placement, Tracking
from pvt_exp.config.run import Run
from pvt_exp.launchers import Slot, Work
from pvt_exp.store import attempts
from pvt_exp.store.outcome import outcome_of
from pvt_exp.store.results import read_result
from pvt_exp.system import locks
from pvt_exp.testing.contract import Contract, small_run

CODE = Path(pvt_exp.__file__).parents[1]


def holders(lock: Path) -> list[int]:
    """Processes that hold a lock, from the kernel's list."""
    inode = str(lock.stat().st_ino)
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return [int(words[4]) for words in lines if words[5].endswith(f":{inode}")]


class LauncherContract(Contract):
    """``settings`` of a launcher with two slots on the CPU; it needs Linux, and some minutes."""

    group: ClassVar[str] = "launchers"
    patience_s: float = 600.0

    def _attempt(self, folder: Path, run: Run, **placement: Any) -> Path:
        where = Placement(data=str(folder / "data"), tracking=Tracking(mode="disabled"), **placement)
        return store.attempt(store.create(folder / "runs"), run, where, "test")

    def _launched(self, waiting: list[Path], to_end: list[Path], each_turn: Any = lambda: None) -> dict[str, int]:
        """The exit status of each run by its id."""
        ended, deadline = dict[str, int](), time.monotonic() + self.patience_s

        def next_attempt(slot: Slot) -> Path | None:
            return waiting.pop(0) if waiting else None

        for each in self.settings.launch(Work(next_attempt, lambda: to_end, lambda: CODE)):
            assert time.monotonic() < deadline, "it does not end"
            if each is None:
                each_turn()
            else:
                ended[attempts.run_folder(each.attempt).name] = each.code
        return ended

    def test_each_end_is_reported(self, tmp_path: Path) -> None:
        """Three runs: one ends well, one fails, one is killed."""
        runs, nowhere = tmp_path / "runs", {"kind": "image_folder", "name": "nowhere"}
        good, bad, killed = small_run(seed=1), small_run(seed=2, dataset=nowhere), small_run(seed=3, epochs=50_000)
        killing = list[int]()

        def kill() -> None:
            if not killing and any((runs / killed.id).glob("attempts/1/progress.json")):
                killing.extend(holders(runs / killed.id / "lock"))
                for process in killing:
                    os.kill(process, signal.SIGKILL)

        ended = self._launched([self._attempt(tmp_path, run) for run in (killed, bad, good)], [], kill)
        assert ended == {good.id: 0, bad.id: 1, killed.id: -signal.SIGKILL}
        assert [outcome_of(runs, run.id).state for run in (good, bad, killed)] == ["done", "failed", "killed"]
        assert outcome_of(runs, bad.id).reason

    def test_a_run_can_be_ended_from_without(self, tmp_path: Path) -> None:
        """With all its processes; as a hung one is."""
        run = small_run(epochs=50_000)
        attempt, to_end = self._attempt(tmp_path, run, workers=1), list[Path]()

        def end() -> None:
            if (attempt / "progress.json").exists():
                to_end[:] = [attempt]

        assert self._launched([attempt], to_end, end) == {run.id: -signal.SIGKILL}
        assert to_end
        assert not locks.is_locked(tmp_path / "runs" / run.id)

    def test_a_run_can_have_several_processes(self, tmp_path: Path) -> None:
        self.settings = self.settings.model_copy(update={"gpus_per_run": 2})
        assert {slot.ranks for slot in self.settings.slots()} == {2}
        run = small_run(ghost_batch_size=2)
        assert self._launched([self._attempt(tmp_path, run, ranks=2)], []) == {run.id: 0}
        assert (read_result(tmp_path / "runs" / run.id) or {})["provenance"]["ranks"] == 2
