"""Published figures by their references: `published`."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from pvt_exp.cli.views.grid import Grid
from pvt_exp.config.metrics import as_printed
from pvt_exp.plan import published
from pvt_exp.plan.published import Figure


def published_figures(beginning: str) -> list[Figure]:
    """The figures whose references begin so.

    Raises:
        ConfigError: if none does, with the nearest.
    """
    found = [figure for figure in published.every() if figure.key.startswith(beginning)]
    return found or [published.find(beginning)]


def published_json(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """Fields of ``pvt-exp published --json``."""
    return [figure._asdict() for figure in figures]


def print_published(console: Console, figures: Sequence[Figure]) -> None:
    """One line per figure, under its table."""
    table = Grid()
    table.add_column("reference", overflow="fold")
    for title in ("params (M)", "MACs (G)"):
        table.add_column(title, justify="right")
    table.add_column("figures", overflow="fold")
    heading = ""
    for figure in figures:
        about = (f"{figure.source}, {figure.table}", figure.method, figure.data, figure.schedule)
        if (line := ": ".join(filter(None, (about[0], ", ".join(filter(None, about[1:])))))) != heading:
            table.add_row(Text(line, "italic dim"))
            heading = line
        scores = [f"{name} {as_printed(value)}" for name, value in figure.metrics.items()]
        words = [*scores, *filter(None, (figure.outcome, figure.claim))]
        costs = ["" if value is None else f"{value:g}" for value in (figure.params, figure.macs)]
        table.add_row(Text(figure.key), *costs, Text(", ".join(words) + (f" ({figure.note})" if figure.note else "")))
    console.print(table)
