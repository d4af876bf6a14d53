"""Names of metrics beside the words of tables: a metric that is called as such a word is written ``metrics.NAME`` there."""

import re
from collections.abc import Sequence

OF_A_METRIC = re.compile(r"(interval|difference|p)(?:\((.+)\))?")
"""Words that are of a metric, of the first one or of another that they name: ``difference(loss)``."""
CSV_PARTS = {
    "metric": ("", "_std", "_n"),
    "interval": ("_low", "_high"),
    "difference": ("", "_low", "_high", "_p", "_verdict"),
    "deviation": ("", "_low", "_high", "_within"),
}
"""The columns of table.csv of one column, by its kind: what stands behind its key. Of other kinds the key alone."""
OF_ROWS = ("group", "variant", "base", "runs", "missing", "data", "code")
"""The columns of table.csv that say what a row is."""
WORDS = (
    "n", "interval", "difference", "p", "published", "params", "trainable_params", "backbone_params", "macs", "seconds",
    "peak_memory_bytes", "memory", "step_s", "train_images_per_s", "inference_images_per_s", "peak_memory",
)  # fmt: skip
"""What a column of a table can be besides a metric and a setting."""
OF_RUNS = (
    "task", "dataset", "backbone", "optim", "schedule", "epochs", "batch_size", "ghost_batch_size", "ema_decay",
    "precision", "seed", "pretrain", "holdout", "run", "state", "reason", "best_epoch", "samples_seen", "lr",
)  # fmt: skip
"""Fields of a run, which are columns too, and what `pvt_exp.results` has beside them."""
TAKEN = frozenset(
    [
        "metrics",
        *WORDS,
        *OF_ROWS,
        *OF_RUNS,
        *(part.strip("_") for parts in CSV_PARTS.values() for part in parts if part not in ("", "_std")),
        *(f"{word}{part}" for word in ("interval", "difference") for part in CSV_PARTS[word]),
    ]
)
"""Words that a metric is not to be called by."""


def is_taken(name: str) -> bool:
    """Whether tables mean something else by the name of a metric, or by how it begins (``optim.lr``)."""
    return name.partition(".")[0] in TAKEN or OF_A_METRIC.fullmatch(name) is not None


def word_of(name: str) -> str:
    """What a metric is called where other words stand too: ``metrics.seconds``, as in ``result.json``, or its name."""
    return f"metrics.{name}" if is_taken(name) else name


def wrong_with(name: str) -> str | None:
    """Why a text cannot be the name of a metric, which stands in lines and heads of tables; None where it can."""
    if name and name.isprintable() and name == name.strip():
        return None
    return f"a metric is called {name!r}; a name is text of one line, without spaces at its ends"


def wrong_among(names: Sequence[str]) -> str | None:
    """What is wrong with the names that a task gives its metrics, in words; None where nothing is."""
    for name in names:
        if (why := wrong_with(name)) is not None:
            return why
        if is_taken(name):
            return f"metric {name}: tables mean something else by {name}; give it another name"
        for other in names:
            if name in _heads(other):
                return f"metric {name}: a table of {other} has a column of this name; give it another name"
    return None


def _heads(name: str) -> set[str]:
    """The columns of table.csv that are made of a metric, but for the one with its name."""
    of = {f"{word}_{name}{part}" for word in ("interval", "difference", "p") for part in CSV_PARTS.get(word, ("",))}
    return {*of, *(f"{name}{part}" for part in CSV_PARTS["metric"] if part)}
