"""What stands above columns: each has a title and a name in CSV and JSON that no other one has."""

from collections.abc import Sequence
from dataclasses import replace

from pvt_exp.config.metric_names import OF_ROWS
from pvt_exp.tables import Column

NAMED = ("metric", "interval", "difference", "p", "published", "deviation")
"""Kinds of columns whose keys have the name of a metric in them, which may be any."""


def keyed(columns: Sequence[Column]) -> list[Column]:
    """The columns, ``metrics.`` before the key of one whose columns in CSV have names that others have: ``top1_std``."""
    taken, made = set(OF_ROWS), list(columns)
    for i in sorted(range(len(made)), key=lambda i: (made[i].kind in NAMED, len(made[i].key))):
        while taken & {made[i].key, *made[i].heads}:
            made[i] = replace(made[i], key=f"metrics.{made[i].key}")
        taken |= {made[i].key, *made[i].heads}
    return made


def titled(columns: Sequence[Column]) -> list[Column]:
    """The columns with titles that differ: of settings so much of the path as that takes, of others the name behind it."""
    paths = [_ends(column) if column.kind == "setting" else [column.title] for column in columns]
    lengths = [1] * len(columns)
    while True:
        titles = [path[min(n, len(path)) - 1] for path, n in zip(paths, lengths, strict=True)]
        again = [titles.count(title) > 1 for title in titles]
        longer = [twice and n < len(path) for twice, n, path in zip(again, lengths, paths, strict=True)]
        if not any(longer):
            break
        lengths = [n + more for n, more in zip(lengths, longer, strict=True)]
    return [
        replace(column, title=f"{title} [{column.key}]" if twice else title)
        for column, title, twice in zip(columns, titles, again, strict=True)
    ]


def _ends(column: Column) -> list[str]:
    """The last words of a setting's path, more and more of them; a place in a list does not stand alone."""
    words = column.key.split(".")
    starts = [i for i in range(len(words) - 1, -1, -1) if not words[i].isdecimal()]
    return [".".join(words[i:]) for i in starts]
