"""One run in one process: ``python -m pvt_exp.train.worker runs/<id>/attempts/<n>``, which a person can type too.

Where several processes train a run, each is told its rank (``... <n> 1``), and the first holds the lock and writes. Light
until it has set GPUs and threads and holds the run's lock; only then does it import what computes.
"""

import contextlib
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from pvt_exp import config, launchers, store
from pvt_exp.config.placement import Placement
from pvt_exp.store import attempts
from pvt_exp.store.results import read_result
from pvt_exp.store.states import State, Tell
from pvt_exp.system import files, heartbeat, inherited, locks, machine
from pvt_exp.system.signals import CTRL_C, Stopping

NO_MEMORY = (
    "can't allocate memory", "Cannot allocate memory", "std::bad_alloc", "CUDA error: out of memory", "_STATUS_ALLOC_FAILED",
)  # fmt: skip
"""What torch, the system and CUDA's libraries say where memory ran out, besides errors of a kind of their own."""
PARTED_S = 10.0
"""How long a process of several waits before it says that it lost the others: whoever knows why says so first."""
ASKED_FOR = ("Stopped", "Pruned")
"""What a run raises that ends as it was asked to; all its ranks do at once."""
TELLING_S = 5.0
"""How long a run that is stopped may take to tell W&B; less than the launcher's patience."""


def main(attempt: Path, rank: int = 0, to_log: bool = True) -> int:
    """Train the run of an attempt's folder; 0: done, 1: ended otherwise (``end.json`` says how), 75: `launchers.BUSY`."""
    inherited.clear()
    folder = attempts.run_folder(attempt)
    with contextlib.nullcontext(True) if rank else locks.lock(folder) as mine:
        if not mine or (rank == 0 and read_result(folder) is not None):
            shutil.rmtree(attempt, ignore_errors=True)
            return 0 if mine else launchers.BUSY
        at_end: list[Tell] = []
        stopping = Stopping(lambda: _give_up(attempt, at_end, stopping.by))
        stopping.listen()
        try:
            if to_log:
                _redirect(attempt / "log.txt")
            with contextlib.nullcontext() if rank else heartbeat.beating(attempt):
                return _train(attempt, rank, at_end, stopping)
        except KeyboardInterrupt:
            _give_up(attempt, at_end, CTRL_C)
        except BaseException as error:
            if rank and not attempt.exists():
                return launchers.BUSY  # another process trains the run, as the first rank has seen
            asked_for = type(error).__name__ in ASKED_FOR
            foreseen = asked_for or type(error).__name__ == "Diverged"
            if not foreseen:
                traceback.print_exc()
                sys.stderr.flush()
            if "DistBackendError" in type(error).__name__ or "gloo" in str(error):
                time.sleep(PARTED_S)  # another rank went away: it says why, or the launcher does, which ends this one
            state, reason, numbers = _told(error, attempt, stopping.by)
            if foreseen and not rank:
                print(f"{state}: {reason}", file=sys.stderr, flush=True)
            with contextlib.suppress(OSError):  # a full disk has no room for the reason either; the log may have it
                attempts.end(attempt, state, reason, **numbers)
            done = read_result(folder) is not None  # what failed came after the result
            _tell(at_end, "done" if done else state, "" if done else reason)
            if rank and asked_for:
                return 0  # the first rank says how the run ended, and may still tell W&B
            if rank:
                time.sleep(PARTED_S)  # likewise, if it ends by itself
        return 1


def _train(attempt: Path, rank: int, at_end: list[Tell], stopping: Stopping) -> int:
    placement = config.load(Placement, attempt / "placement.yaml")
    run = store.load(attempts.run_folder(attempt))
    os.environ["CUDA_VISIBLE_DEVICES"] = launchers.visible(placement.gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))
    os.environ["OMP_NUM_THREADS"] = str(placement.threads)
    if placement.memory_gb and not placement.gpus:  # CUDA maps far more than it uses
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = int(placement.memory_gb * 1e9 / placement.ranks)
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    if placement.ranks > 1:
        from pvt_exp.nn import ranks

        ranks.join(attempt, rank, placement.ranks, bool(placement.gpus))
    from pvt_exp.train import fit

    if placement.smoke:
        fit.try_out(run, placement)
        if rank == 0:
            attempts.end(attempt, "done", None)
        return 0
    if not fit.fit(run, placement, attempt, at_end, stopping):
        print("another attempt published its result first; this one is dropped")
    return 0


def _told(error: BaseException, attempt: Path, by: str) -> tuple[State, str, dict[str, Any]]:
    """State, reason and numbers of an attempt that ended by an exception."""
    reason = f"{type(error).__name__}: {error}".strip().removesuffix(":")
    name = type(error).__name__
    folder = attempts.run_folder(attempt)
    if isinstance(error, ValueError):
        reason = str(error)
    if name == "Stopped":
        return "killed", f"{_stopped(attempt, by)}; {error}", {}
    if name == "Pruned":
        return "pruned", str(error), {}
    if name == "Diverged":
        kept = attempts.all_checkpoints(folder)
        return "diverged", str(error), {**getattr(error, "numbers", {}), "checkpoint": str(kept[0]) if kept else None}
    if isinstance(error, MemoryError) or name == "OutOfMemoryError" or any(word in reason for word in NO_MEMORY):
        return "out_of_memory", reason.removeprefix("MemoryError: "), _memory(attempt)
    if isinstance(error, RuntimeError) and reason.startswith("RuntimeError: DataLoader worker"):
        first = reason.removeprefix("RuntimeError: ").splitlines()[0]
        if "Bus error" in first:  # trying again would mend nothing
            return "failed", machine.shared_too_small(first), {}
        return "killed", first, {}
    if isinstance(error, OSError) and error.strerror:
        reason = f"{error.strerror}: {files.shown(error.filename)}" if error.filename else error.strerror
    return "failed", reason, {}


def _memory(attempt: Path) -> dict[str, Any]:
    """What an attempt held when memory ran out; to say so takes some, too."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    placement, run = config.load(Placement, attempt / "placement.yaml"), store.load(attempts.run_folder(attempt))
    held: dict[str, Any] = {
        "micro_batch": placement.micro_batch or run.ghost_batch_size,
        "memory_gb": placement.memory_gb,
    }
    held["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if placement.gpus and (torch := sys.modules.get("torch")) is not None:
        held |= {"gpu_peak_bytes": torch.cuda.max_memory_allocated(), "gpu_bytes": torch.cuda.mem_get_info()[1]}
    return held


def _redirect(log: Path) -> None:
    """Everything that this process and its children print goes to the log."""
    sys.stdout.flush()
    sys.stderr.flush()
    files.any_name(sys.stdout)
    files.any_name(sys.stderr)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _stopped(attempt: Path, by: str) -> str:
    return f"{attempts.STOPPED} {attempts.stopped(attempt) or by}"


def _give_up(attempt: Path, at_end: list[Tell], by: str) -> None:
    reason = _stopped(attempt, by)
    attempts.end(attempt, "killed", reason)
    # In a thread, because the signal may have come in the midst of a call whose lock it would wait for.
    telling = threading.Thread(target=_tell, args=(at_end, "killed", reason), daemon=True)
    telling.start()
    telling.join(TELLING_S)
    os._exit(128 + signal.SIGTERM)


def _tell(at_end: list[Tell], state: State, reason: str) -> None:
    for tell in at_end:
        tell(state, reason)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or not (Path(sys.argv[1]) / "placement.yaml").exists():
        raise SystemExit("usage: python -m pvt_exp.train.worker runs/<id>/attempts/<n> [rank]")
    raise SystemExit(main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 0, to_log=False))
