"""What one more run costs before it trains: forked by `launchers/local.py`, beside a cold `python -m pvt_exp.train.worker`.

A no-op run does all that a run does but the training. Its process starts, takes the run's lock, reads run.yaml and
placement.yaml, imports what training imports, calls `train.fit`, and publishes result.json; only `fit` is replaced, by
one that imports the modules of the run's model, loader and tracking and gives an empty result. Both sides run the same.

Ours: the local launcher with one slot, so that the runs come one after the other; a run's cost is the time between two
ends. The first run waits for the server to import torch, is told by itself, and does not count. Beside it: the worker
as a fresh process each time. The two take turns: a batch of ours, then one of theirs; medians are told.
"""

import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pvt_exp.store.results import publish_result

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
ROUNDS, RUNS = 4, 8  # a cold start for each batch of so many


def no_training(run: Any, placement: Any, attempt: Path, *_: Any) -> bool:
    """In place of `train.fit`: what it imports and publishes, and nothing that it computes."""
    import timm  # noqa: F401
    import wandb  # noqa: F401

    from pvt_exp.nn.backbones import pvt  # noqa: F401

    return publish_result(attempt, {"run": run.id, "metrics": {}})


if __name__ != "__main__" or sys.argv[1:2] == ["--cold"]:  # in a forked run, and in the cold one
    from pvt_exp.train import fit

    fit.fit = no_training
    if sys.argv[1:2] == ["--cold"]:
        sys.argv = ["pvt_exp.train.worker", sys.argv[2]]
        runpy.run_module("pvt_exp.train.worker", run_name="__main__", alter_sys=True)


def attempts(folder: Path) -> Iterator[Path]:
    """Attempts of runs that differ in their seed, without end."""
    from pvt_exp import config, store
    from pvt_exp.config.placement import Placement
    from pvt_exp.config.run import Run

    run = config.load(Run, ROOT / "experiments/quickstart/pvt.yaml")
    store.create(folder)
    for seed in range(2**32):
        yield store.attempt(folder, run.with_seeds([seed])[0], Placement(), "bench")


def forked(waiting: Iterator[Path], count: int) -> list[float]:
    """Seconds from the end of each run to the end of the next; the first is from the launch."""
    from pvt_exp.launchers import Work
    from pvt_exp.launchers.local import Settings

    batch = [next(waiting) for _ in range(count)]
    todo = iter(batch)
    taken, since = [], time.perf_counter()
    work = Work(lambda slot: next(todo, None), tuple, lambda: ROOT)
    for ended in Settings(cpu_slots=1).launch(work):
        if ended is not None:
            assert ended.code == 0, (ended.attempt / "log.txt").read_text()
            taken.append(time.perf_counter() - since)
            since = time.perf_counter()
    assert all((attempt.parents[1] / "result.json").exists() for attempt in batch)
    return taken


def cold(attempt: Path) -> float:
    """Seconds of a fresh process for one run."""
    since = time.perf_counter()
    subprocess.run([sys.executable, __file__, "--cold", str(attempt)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - since


def main() -> None:
    from importlib.metadata import version

    print(f"cost of one more run; {os.cpu_count()} cores, torch {version('torch')}")
    with tempfile.TemporaryDirectory() as folder:
        waiting = attempts(Path(folder))
        cold(next(waiting))  # the disk's cache is warm for both
        first = forked(waiting, 1)[0]
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(ROUNDS):
            ours += forked(waiting, RUNS)
            theirs.append(cold(next(waiting)))
    one, other = statistics.median(ours), statistics.median(theirs)
    print(f"  first run, the server's start included: {first:.2f} s")
    print(f"  forked, each of {len(ours)}: median {one * 1e3:.0f} ms (least {min(ours) * 1e3:.0f} ms)")
    print(f"  cold, each of {len(theirs)}: median {other:.2f} s (least {min(theirs):.2f} s)")
    print(f"ratio cold / forked, above 1 is better: {other / one:.1f} (of the least: {min(theirs) / min(ours):.1f})")


if __name__ == "__main__" and sys.argv[1:2] != ["--cold"]:
    main()
