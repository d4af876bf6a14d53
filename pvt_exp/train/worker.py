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

from pvt_exp import config, launchers, store
from pvt_exp.config.placement import Placement
from pvt_exp.store import attempts
from pvt_exp.store.results import read_result
from pvt_exp.store.states import OnEnd, State
from pvt_exp.system import files, heartbeat, inherited, locks
from pvt_exp.system.ends import RunEnded
from pvt_exp.system.signals import CTRL_C, Stopping
from pvt_exp.train import ends

PARTED_S = 10.0
"""How long a rank waits before it reports that it lost the others, so that the rank with the cause reports first."""
TELLING_S = 5.0
"""How long a stopped run may take to finish its W&B run; less than the launcher waits."""


def main(attempt: Path, rank: int = 0, to_log: bool = True) -> int:
    """Train the run of an attempt's folder; 0: done, 1: ended otherwise (``end.json`` says how), 75: `launchers.BUSY`."""
    inherited.clear()
    folder = attempts.run_folder(attempt)
    with contextlib.nullcontext(True) if rank else locks.lock(folder) as mine:
        if not mine or (rank == 0 and read_result(folder) is not None):
            shutil.rmtree(attempt, ignore_errors=True)
            return 0 if mine else launchers.BUSY
        at_end: list[OnEnd] = []
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
            on_request = isinstance(error, RunEnded) and error.on_request
            if not isinstance(error, RunEnded):
                traceback.print_exc()
                sys.stderr.flush()
            ended = ends.end_of(error, attempt, stopping.by)
            if isinstance(error, RunEnded) and not rank:
                print(f"{ended.state}: {ended.reason}", file=sys.stderr, flush=True)
            if ended.cause == "lost_rank":
                time.sleep(PARTED_S)  # that one says why it went away, or the launcher does, which ends this one
            with contextlib.suppress(OSError):  # a full disk has no room for the reason either; the log may have it
                attempts.end(attempt, *ended[:3], **ended.numbers)
            done = read_result(folder) is not None  # what failed came after the result
            _tell(at_end, "done" if done else ended.state, "" if done else ended.reason)
            if rank and on_request:
                return 0  # the first rank says how the run ended, and may still tell W&B
            if rank:
                time.sleep(PARTED_S)  # likewise, if it ends by itself
    return 1


def _train(attempt: Path, rank: int, at_end: list[OnEnd], stopping: Stopping) -> int:
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


def _redirect(log: Path) -> None:
    """Everything that this process and its children print goes to the log."""
    sys.stdout.flush()
    sys.stderr.flush()
    files.any_name(sys.stdout)
    files.any_name(sys.stderr)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _give_up(attempt: Path, at_end: list[OnEnd], by: str) -> None:
    reason = ends.stopped_by(attempt, by)
    attempts.end(attempt, "killed", reason, "stopped")
    # In a thread, because the signal may have come in the midst of a call whose lock it would wait for.
    telling = threading.Thread(target=_tell, args=(at_end, "killed", reason), daemon=True)
    telling.start()
    telling.join(TELLING_S)
    os._exit(128 + signal.SIGTERM)


def _tell(at_end: list[OnEnd], state: State, reason: str) -> None:
    for tell in at_end:
        tell(state, reason)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or not (Path(sys.argv[1]) / "placement.yaml").exists():
        raise SystemExit("usage: python -m pvt_exp.train.worker runs/<id>/attempts/<n> [rank]")
    raise SystemExit(main(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 0, to_log=False))
