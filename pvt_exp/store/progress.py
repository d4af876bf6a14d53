"""How far an attempt has come: ``progress.json``, written twice a second by its process, read by the driver and `status`."""

from pathlib import Path
from typing import Any

from pvt_exp.config.metric_names import wrong_with
from pvt_exp.system import files

NAME = "progress.json"
NUMBERS = ("epoch", "epochs", "fraction", "scored_epoch")


def write(attempt: Path, progress: dict[str, Any]) -> None:
    """Replace the file. Without fsync, so a power cut may damage it: it is only for display."""
    temporary = attempt / ".progress.tmp"
    files.put(temporary, files.dump(progress))
    temporary.replace(attempt / NAME)


def read(attempt: Path) -> dict[str, Any] | None:
    """What an attempt wrote last; None where it wrote nothing yet, or the file is damaged.

    ``epoch`` counts from 1, ``epochs`` is their number, ``fraction`` what part of the run is done, ``scored_epoch``
    the last epoch that was scored, 0 before the first, and ``metrics`` its scores.
    """
    progress = files.read_json(attempt / NAME)
    if progress is None or not all(files.is_number(progress.get(name)) for name in NUMBERS):
        return None
    metrics = progress.get("metrics")
    known = metrics.items() if isinstance(metrics, dict) else ()
    return {
        **progress,
        "metrics": {name: value for name, value in known if files.is_number(value) and not wrong_with(name)},
    }
