"""A pvt_exp whose runs train nothing and import no torch: all else is as it is. What the driver does is tried with it."""

import json
import shutil
from pathlib import Path

from benchmarks.bench_scale import result
from pvt_exp.store import provenance

TRAIN = """
import json
import time
from pathlib import Path

from pvt_exp.store.results import publish_result

MADE = json.loads(Path(__file__).with_name("no_op.json").read_text())


def fit(run, placement, attempt, at_end=None, stopping=None):
    root = Path(placement.data)
    run.dataset.make(root)
    time.sleep(0.05)
    data = {**MADE["data"], "fingerprint": run.dataset.inspect(root).fingerprint}
    metrics = {"top1": (1e4 * run.optim.lr + run.seed) % 100, "loss": 1.0}
    made = {**MADE, "run": run.id, "epoch": run.epochs, "data": data, "metrics": metrics}
    return publish_result(attempt, {**made, "provenance": {**MADE["provenance"], "attempt": int(attempt.name)}})


def try_out(run, placement):
    pass
"""


def make(folder: Path) -> Path:
    """A copy of the package in a folder, for ``PYTHONPATH``."""
    package = folder / "pvt_exp"
    shutil.copytree(provenance.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "train/fit.py").write_text(TRAIN)
    (package / "train/preload.py").write_text("from pvt_exp.train import fit, worker\n")
    made = result("", {})
    made["best"] = {"epoch": 1, "metrics": {"top1": 1.0, "loss": 1.0}}
    (package / "train/no_op.json").write_text(json.dumps(made))
    return folder
