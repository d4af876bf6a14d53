"""A table of the looking verbs: however narrow the terminal is, every number is there whole and no line is too long."""

import io
import random

import pytest
from rich.cells import cell_len
from rich.console import Console

from pvt_exp.cli.views.grid import Grid

NAMES = (
    "base",
    "depth deeper",
    "spatial reduction without any blank_in_it_at_all",
    "深い層",
    "v1/table2/DeiT-Tiny/16*",
)
NUMBERS = ("16", "1", "11.588", "1,000,000", "12/20", "not counted", "")
TITLES = ("parameters (M)", "MACs at 224 px (G)", "n", "step memory (MiB)", "peak memory (GiB)")


def printed(grid: Grid, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(grid)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("width", [24, 30, 40, 60, 80, 200])
def test_no_number_breaks(width: int) -> None:
    """The numbers of all lines together are those of all cells."""
    for seed in range(30):
        draw = random.Random(seed)
        grid = Grid()
        names, numbers = draw.randint(1, 2), draw.randint(1, 8)
        for _ in range(names):
            grid.add_column("name")
        for _ in range(numbers):
            grid.add_column(draw.choice(TITLES), justify="right")
        rows = [[*draw.choices(NAMES, k=names), *draw.choices(NUMBERS, k=numbers)] for _ in range(draw.randint(1, 6))]
        for row in rows:
            grid.add_row(*row)
        lines = printed(grid, width)
        assert max(map(cell_len, lines)) <= width
        words = [word for line in lines for word in line.split()]
        for text in NUMBERS[:5]:
            due = sum(row[names:].count(text) for row in rows)
            assert words.count(text) == due, (seed, text, lines)


def test_the_parts_of_a_table_begin_with_the_same_names() -> None:
    grid = Grid()
    grid.add_column("variant")
    for title in ("first", "second", "third"):
        grid.add_column(title, justify="right")
    grid.add_row("base", "11.588", "22.5", "16")
    lines = [line.split() for line in printed(grid, 22)]
    assert lines == [
        ["variant", "first"],
        ["base", "11.588"],
        [],
        ["variant", "second", "third"],
        ["base", "22.5", "16"],
    ]
    assert [line.split() for line in printed(grid, 40)] == [
        ["variant", "first", "second", "third"], ["base", "11.588", "22.5", "16"]
    ]  # fmt: skip
