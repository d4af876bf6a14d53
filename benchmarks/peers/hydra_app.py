"""The trainings of `bench_peers.py` by Hydra, in its own process: ``hydra_app.py --multirun +rate=1,2 +seed=0,1``."""

import os
from pathlib import Path

import hydra
from omegaconf import DictConfig
from training import train


@hydra.main(version_base=None)
def main(settings: DictConfig) -> None:
    train(Path(os.environ["BENCH_FOLDER"]), settings.rate, settings.seed)


if __name__ == "__main__":
    main()
