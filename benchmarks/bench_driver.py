"""What a run costs its driver, and how long a slot stands empty between two runs.

Driver: sweeps of runs that train nothing, through `pvt-exp sweep` as it is typed; CPU seconds of the driver's own process
(not of its runs), less those of the same command when all is done, by the run. ``--large`` adds 10,000 runs, which takes
some twenty minutes.

Gap: real runs of the quickstart, one after the other in one slot: from the moment when a run's result is published to the
one when the next has made its first step. Beside it `python -m pvt_exp.train.worker` for each run, as a loop in a shell.
"""

import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
SIZES = (100, 1000)
AXES = 10
TIMED = "import time; from pvt_exp import cli\ntry: cli.main()\nfinally: print('CPU', time.process_time())"
"""The command, and then the CPU seconds of its process."""
BASE = (ROOT / "experiments/quickstart/pvt.yaml").read_text()


def sweep(folder: Path, runs: int) -> None:
    """A sweep of so many runs, ten variants with a tenth as many seeds."""
    rates = ", ".join(f'"{n}": {{optim.lr: {n}e-4}}' for n in range(1, AXES + 1))
    (folder / "base.yaml").write_text(BASE.replace("lr: 2e-3", "lr: 1e-4"))
    (folder / "sweep.yaml").write_text(
        f"base: base.yaml\nseeds: {list(range(runs // AXES))}\nblocks:\n  - one_at_a_time: {{rate: {{{rates}}}}}\n"
    )


def cpu(folder: Path, library: Path) -> float:
    """CPU seconds of the process that drives the sweep."""
    words = ["sweep", "sweep.yaml", "--gpus", "none", "--wandb", "disabled", "--no-smoke"]
    env = {**os.environ, "PYTHONPATH": str(library)}
    told = subprocess.run(
        [sys.executable, "-c", TIMED, *words], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return float(told.stdout.split()[-1])


def driver(sizes: tuple[int, ...]) -> None:
    from tests import no_op

    with tempfile.TemporaryDirectory() as place:
        library = no_op.make(Path(place) / "lib")
        each = {}
        for runs in sizes:
            folder = Path(place) / str(runs)
            folder.mkdir()
            sweep(folder, runs)
            begun = time.monotonic()
            spent, wall = cpu(folder, library), time.monotonic() - begun
            assert len(list(folder.glob("runs/*/result.json"))) == runs
            each[runs] = (spent - cpu(folder, library)) / runs
            print(f"  {runs:6,} runs: {1e3 * each[runs]:.1f} ms of the driver's CPU a run; {wall:.0f} s in all")
    print(f"ratio, a run of {sizes[-1]:,} over one of {sizes[0]:,}: {each[sizes[-1]] / each[sizes[0]]:.2f}")


def steps(runs: Path, over: threading.Event, found: dict[str, float]) -> None:
    """Note when each run's first step was made: its progress is written then."""
    while not over.wait(0.005):
        for path in runs.glob("*/attempts/1/progress.json"):
            found.setdefault(path.parents[2].name, time.time())


def gaps(folder: Path, train: list[list[str]]) -> list[float]:
    """Seconds from each result to the first step of the next run."""
    found: dict[str, float] = {}
    over = threading.Event()
    watch = threading.Thread(target=steps, args=(folder / "runs", over, found))
    watch.start()
    for command in train:
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
    over.set()
    watch.join()
    ends = {path.parent.name: path.stat().st_mtime for path in folder.glob("runs/*/result.json")}
    order = sorted(ends, key=ends.__getitem__)
    return [found[after] - ends[before] for before, after in itertools.pairwise(order)]


def gap(runs: int) -> None:
    from pvt_exp import config, store
    from pvt_exp.config.placement import Placement, Tracking
    from pvt_exp.config.run import Run

    pvt_exp = str(Path(sys.executable).with_name("pvt-exp"))
    with tempfile.TemporaryDirectory() as place:
        ours, theirs = (Path(place) / name for name in ("ours", "theirs"))
        ours.mkdir()
        small = BASE.replace("epochs: 10", "epochs: 2").replace("train_images: 1200", "train_images: 160")
        (ours / "base.yaml").write_text(small)
        (ours / "sweep.yaml").write_text(
            f"base: base.yaml\nseeds: {list(range(runs))}\nblocks: [{{variants: {{a: {{}}}}}}]\n"
        )
        words = ["sweep", "sweep.yaml", "--gpus", "none", "--slots", "1", "--wandb", "disabled", "--no-smoke"]
        one = gaps(ours, [[pvt_exp, *words]])
        shutil.copytree(ours / "data", theirs / "data")
        run = config.load(Run, ours / "base.yaml")
        where = Placement(
            data=str(theirs / "data/shapes"),
            threads=len(os.sched_getaffinity(0)),
            tracking=Tracking(mode="disabled"),
        )
        attempts = [
            store.attempt(store.create(theirs / "runs"), run.with_seeds([seed])[0], where, "loop")
            for seed in range(runs)
        ]
        other = gaps(theirs, [[sys.executable, "-m", "pvt_exp.train.worker", str(attempt)] for attempt in attempts])
    print(f"  in a sweep: median {statistics.median(one):.2f} s (of {len(one)}; least {min(one):.2f} s)")
    print(f"  in a loop of processes: median {statistics.median(other):.2f} s (least {min(other):.2f} s)")
    print(f"ratio of the medians, above 1 is better: {statistics.median(other) / statistics.median(one):.1f}")


def main() -> None:
    print(f"what a run costs its driver; {os.cpu_count()} cores")
    driver((*SIZES, 10_000) if "--large" in sys.argv else SIZES)
    print("from a run's result to the next one's first step in the same slot")
    gap(8)


if __name__ == "__main__":
    main()
