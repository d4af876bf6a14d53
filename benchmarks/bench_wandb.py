"""What W&B, offline, adds to a run: to start it, to log each step, to finish it; as a share of a run of one minute.

A process as the launcher's is: W&B and what computes are imported already. It starts W&B as a run does, logs a line for
each step as Lightning would, and closes with pictures, a table of classes and a summary. Beside it the same lines go to
Lightning's CSV logger, which every run has anyway. Rounds take turns; medians are told, and the first round by itself.

A run of one minute is taken to log 600 lines: one in ten of 100 steps a second.
"""

import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
ROUNDS, LINES, MINUTE_S = 7, 600, 60.0
LINE = {"train/loss_step": 1.25, "epoch": 3.0}


def with_wandb(folder: Path, pictures: list[Path]) -> dict[str, float]:
    """Seconds of each part of one run."""
    from pvt_exp import config
    from pvt_exp.config.placement import Tracking
    from pvt_exp.config.run import Run
    from pvt_exp.tracking import logger as tracking

    run = config.load(Run, ROOT / "experiments/quickstart/pvt.yaml")
    told = Tracking(name="benchmark", group="benchmark", tags=("depth = deep",))
    begun = time.perf_counter()
    logger = tracking.wandb(run, told, folder)
    assert logger is not None
    started = time.perf_counter()
    for step in range(LINES):
        logger.log_metrics(LINE, step)
    logged = time.perf_counter()
    classes: list[dict[str, Any]] = [{"class": str(i), "images": 10, "top1": 0.5} for i in range(100)]
    logger.show(pictures, classes, LINES)
    logger.ended("done", summary={"best": {"top1": 0.5}, "last": {"top1": 0.5}})
    return {"start": started - begun, "lines": logged - started, "finish": time.perf_counter() - logged}


def with_csv(folder: Path) -> float:
    """Seconds of the same lines in Lightning's CSV logger."""
    from pytorch_lightning.loggers import CSVLogger

    logger = CSVLogger(folder, name="", version="")
    begun = time.perf_counter()
    for step in range(LINES):
        logger.log_metrics(LINE, step)
        if (step + 1) % logger._flush_logs_every_n_steps == 0:
            logger.save()
    return time.perf_counter() - begun


def one_round(folder: Path) -> dict[str, float]:
    """Both, in a process where nothing of W&B has started yet, as in each run."""
    import wandb  # noqa: F401
    from PIL import Image

    from pvt_exp.train import fit  # noqa: F401

    pictures = [folder / f"{i}.png" for i in range(8)]
    for path in pictures:
        Image.effect_noise((256, 256), 60).save(path)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return {**with_wandb(folder, pictures), "csv": with_csv(folder)}


def main() -> None:
    from importlib.metadata import version

    print(f"what W&B {version('wandb')} adds to a run, offline; {os.cpu_count()} cores")
    rounds: list[dict[str, float]] = []
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, __file__, folder], env=environment, capture_output=True, text=True, check=True
            )
        rounds.append(json.loads(done.stdout.splitlines()[-1]))
    median = {part: statistics.median(each[part] for each in rounds) for part in rounds[0]}
    for part, name in (("start", "start"), ("lines", f"{LINES} lines"), ("finish", "finish, with pictures and table")):
        print(f"  {name}: median {median[part] * 1e3:.0f} ms (least {min(each[part] for each in rounds) * 1e3:.0f} ms)")
    print(
        f"  a line: W&B {median['lines'] / LINES * 1e6:.0f} us, Lightning's CSV logger {median['csv'] / LINES * 1e6:.0f} us"
    )
    whole = median["start"] + median["lines"] + median["finish"]
    print(f"share of a run of one minute: {whole / MINUTE_S:.2%} ({whole:.2f} s)")


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(one_round(Path(sys.argv[1]))))
    else:
        main()
