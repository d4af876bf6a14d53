"""The trainings of `bench_peers.py` by Ray Tune, one at a time with all cores."""

import os
import sys
from pathlib import Path
from typing import Any

import ray
from ray import tune

FOLDER = Path(os.environ["BENCH_FOLDER"])
HERE = str(Path(__file__).parent)


def trainable(settings: dict[str, Any]) -> None:
    sys.path.insert(0, HERE)
    from training import train

    tune.report({"top1": train(FOLDER, settings["rate"], settings["seed"])})


def main() -> None:
    rates, seeds = (list(map(float, words.split(","))) for words in sys.argv[1:])
    cores = len(os.sched_getaffinity(0))
    ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False)
    space = {"rate": tune.grid_search(rates), "seed": tune.grid_search([int(seed) for seed in seeds])}
    found = tune.Tuner(
        tune.with_resources(trainable, {"cpu": cores}),
        param_space=space,
        run_config=tune.RunConfig(storage_path=str(FOLDER / "ray"), verbose=0),
    ).fit()
    assert not found.errors, found.errors


if __name__ == "__main__":
    main()
