"""A table of the looking verbs: no cell of it is cut, and no number breaks, however narrow the terminal is."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table

NAME_CHARS = 12
"""Of a column of text that is narrowed, at least; its words break where they are longer."""
GAP = 2
"""Places between two columns."""


class Grid(Table):
    """A table without lines. Text breaks rather than end in an ellipsis; numbers, which are aligned to the right, do not.

    Where the columns do not stand beside one another, the table comes in parts below one another, each with the text that
    its lines begin with: a number that broke would be read as another one.
    """

    def __init__(self) -> None:
        super().__init__(box=None, pad_edge=False, header_style="bold")

    def add_column(self, header: Any = "", **how: Any) -> None:  # type: ignore[override]
        """As `rich.table.Table.add_column` does; what is wider than the column goes on in the next line."""
        super().add_column(header, **{"overflow": "fold", **how})

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table, or its parts."""
        if sum(max(map(cell_len, _texts(column))) + GAP for column in self.columns) - GAP <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        for number, columns in enumerate(self._parts(options.max_width)):
            part = copy.copy(self)
            part.columns = [
                replace(column, _index=index, width=_needed(column) if _is_number(column) else None)
                for index, column in enumerate(columns)
            ]
            if number:
                yield ""
            yield from Table.__rich_console__(part, console, options)

    def _parts(self, width: int) -> Iterator[list[Column]]:
        names = list(takewhile(lambda column: not _is_number(column), self.columns))
        room = width - min(sum(_needed(column) + GAP for column in names), width // 2)
        part: list[Column] = []
        for column in self.columns[len(names) :]:
            if part and sum(_needed(each) + GAP for each in (*part, column)) - GAP > room:
                yield [*names, *part]
                part = []
            part.append(column)
        yield [*names, *part]


def _is_number(column: Column) -> bool:
    return column.justify == "right"


def _texts(column: Column) -> list[str]:
    return [str(each) for each in (column.header, *column.cells)]


def _needed(column: Column) -> int:
    """Places that a column takes at least: its longest word, or a part of that where it is text."""
    longest = max((cell_len(word) for text in _texts(column) for word in text.split()), default=0)
    return longest if _is_number(column) else min(longest, NAME_CHARS)
