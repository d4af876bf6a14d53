"""How a run's scores went from epoch to epoch, from what its attempts wrote."""

import csv
import io
from pathlib import Path

from pvt_exp.store import attempts, progress
from pvt_exp.system import files


def curve(folder: Path, metric: str) -> dict[int, float]:
    """Epoch, from 1 on, to the metric after it; of a resumed run over all its attempts. ``folder`` is ``runs/<id>``."""
    found: dict[int, float] = {}
    for attempt in attempts.of(folder):
        try:
            with io.TextIOWrapper(files.opened(attempt / "metrics.csv"), "utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    if row.get(metric) and row.get("epoch"):
                        found[int(row["epoch"]) + 1] = float(row[metric])
        except (OSError, ValueError, csv.Error):
            pass  # not there yet, or torn: what could be read stays
        seen = progress.read(attempt)  # the file above is written every hundred steps only
        if seen is not None and metric in seen["metrics"]:
            found[int(seen["scored_epoch"])] = float(seen["metrics"][metric])
    return found
