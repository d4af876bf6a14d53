"""The training that `bench_peers.py` has everybody do: `pvt_exp.train.fit.fit` of one run, in the process that calls it.

As a program, ``python training.py FOLDER RATE SEED``, it is what a shell's loop starts.
"""

import sys
from pathlib import Path


def train(folder: Path, rate: float, seed: int) -> float:
    """Train one run of the folder's base.yaml into its own store; the accuracy in percent."""
    from pvt_exp import config, store
    from pvt_exp.config.placement import Placement, Tracking
    from pvt_exp.config.run import Run
    from pvt_exp.system import files
    from pvt_exp.train.fit import fit

    run = config.load(Run, folder / "base.yaml", [f"optim.lr={rate}", f"seed={seed}"])
    threads = int((folder / "threads").read_text())
    where = Placement(data=str(folder / "data/shapes"), threads=threads, tracking=Tracking(mode="disabled"))
    fit(run, where, store.attempt(store.create(folder / "runs"), run, where, "peer"))
    return float((files.read_json(folder / "runs" / run.id / "result.json") or {})["metrics"]["top1"])


if __name__ == "__main__":
    train(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
