"""A table of the looking verbs: no cell of it is cut, it breaks into lines where the terminal is narrow."""

from typing import Any

from rich.table import Table


class Grid(Table):
    """A table without lines, whose cells break anywhere rather than end in an ellipsis."""

    def __init__(self) -> None:
        super().__init__(box=None, pad_edge=False, header_style="bold")

    def add_column(self, header: Any = "", **how: Any) -> None:  # type: ignore[override]
        """As `rich.table.Table.add_column` does; what is wider than the column goes on in the next line."""
        super().add_column(header, **{"overflow": "fold", **how})
