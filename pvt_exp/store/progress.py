"""How far an attempt has come: ``progress.json``, which its process writes twice a second and whoever looks on reads."""

from pathlib import Path
from typing import Any

from pvt_exp.system import files

NAME = "progress.json"
NUMBERS = ("epoch", "epochs", "fraction", "scored")


def write(attempt: Path, told: dict[str, Any]) -> None:
    """Put it in place of what was told before; at once, but not safe from a power cut: it is for looking at."""
    temporary = attempt / ".progress.tmp"
    files.put(temporary, files.dump(told))
    temporary.replace(attempt / NAME)


def read(attempt: Path) -> dict[str, Any] | None:
    """What an attempt told last; None where it told nothing yet, or the file is damaged.

    ``epoch`` counts from 1, ``epochs`` is their number, ``fraction`` what part of the run is done, ``scored`` how many
    epochs were scored, and ``metrics`` what the last one scored.
    """
    told = files.read_json(attempt / NAME)
    if told is None or not all(files.is_number(told.get(name)) for name in NUMBERS):
        return None
    metrics = told.get("metrics")
    known = metrics.items() if isinstance(metrics, dict) else ()
    return {**told, "metrics": {name: value for name, value in known if files.is_number(value)}}
