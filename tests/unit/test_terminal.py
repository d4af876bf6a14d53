"""A table on the terminal: no text is ever cut, however narrow it is."""

import io
import random
import re
import sys
from collections import Counter

import pytest
from rich.cells import cell_len
from rich.console import Console

from pvt_exp.report.formats import about_runs, plain
from pvt_exp.report.terminal import SUPERSCRIPT, show
from pvt_exp.system import streams
from pvt_exp.tables import Cell, Column, Group, Note, Replicate, Row, Table
from tests.unit.test_tables import BASE, table

WORDS = (
    "top-1 (%)",
    "mask AP50 (%)",
    "n",
    "Δ top-1",
    "params (M)",
    "95 % interval",
    "learning_rate_of_the_head",
    "宽度",
)
NAMES = ("base", "8-4-2-1", "spatial reduction without any blank_in_it_at_all", "深い", "größer", "a b c d e f g h")
TEXTS = ("16", "71.3", "1,000,000", "[70.12, 71.98]", "−0.5", "cosine, 5 epochs", "out of memory", "深い層", "")


def made_up(draw: random.Random) -> Table:
    """A table of any columns and rows."""
    columns = tuple(
        Column(
            f"c{i}", draw.choice(WORDS), draw.choice(("metric", "setting")), draw.choice(("", "", "1x", "Mask R-CNN"))
        )
        for i in range(draw.randint(0, 14))
    )

    def cell() -> Cell:
        marks = tuple(draw.sample("abcde†", draw.choice((0, 0, 0, 1, 2))))
        if draw.random() < 0.1:
            return Cell(missing=draw.choice(("pending", "OOM", "failed, pending")), marks=marks)
        return Cell(1.0, text=draw.choice(TEXTS), std_text=draw.choice(("", "", "0.53")), marks=marks)

    def row() -> Row:
        return Row(draw.choice(NAMES), tuple(cell() for _ in columns), (Replicate(0, "0" * 12, "done"),))

    groups = tuple(
        Group(
            draw.choice(("", "depth", "a group of rows with a long title")),
            tuple(row() for _ in range(draw.randint(1, 4))),
        )
        for _ in range(draw.randint(0, 3))
    )
    return Table("t", "A caption of some words: best in bold.", columns, groups, (Note("a", "a reason " * 9),), (0,))


def printed(table: Table, width: int | None) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width or 80, color_system=None)
    for line in show(table, width):
        console.print(line, soft_wrap=True)
    return out.getvalue()


def squeezed(text: str) -> str:
    """Without blanks, as lines may break anywhere."""
    return re.sub(r"\s+", "", text)


def due(table: Table, parts: int) -> str:
    """All that a table says, in some order, where it is shown in so many parts: each has the rows' names."""
    raised = [",".join(cell.marks).translate(SUPERSCRIPT) for row in table.rows for cell in row.cells]
    texts = [plain(c, column) for row in table.rows for c, column in zip(row.cells, table.columns, strict=True)]
    heads = [column.heading + column.title for column in table.columns]
    names = [table.head, *(group.title for group in table.groups), *(row.name for row in table.rows)]
    notes = [note.mark.translate(SUPERSCRIPT) + note.text for note in table.notes]
    return squeezed("".join([table.caption, *heads, *texts, *raised, *names * parts, *notes, about_runs(table)]))


@pytest.mark.parametrize("width", [20, 33, 50, 80, 120, None])
def test_every_text_is_there_whole_and_no_line_is_too_long(width: int | None) -> None:
    draw = random.Random(width or 0)
    for _ in range(20):
        table = made_up(draw)
        text = printed(table, width)
        lines = text.splitlines()
        assert "…" not in text
        assert width is None or max(map(cell_len, lines)) <= width
        rules = [line for line in lines if line.startswith("──")]
        assert Counter(squeezed(text)) == Counter(due(table, len(rules)) + "".join(rules)), "nothing is cut off"
        for row in table.rows:
            for cell, column in zip(row.cells, table.columns, strict=True):
                shown = plain(cell, column).replace(" ± ", "±")
                if width is None or cell_len(shown) + 22 <= width:  # else it breaks, behind a name, in a column alone
                    assert shown in text, (shown, width)
        assert all(word in text for note in table.notes for word in note.text.split())
        assert squeezed(table.caption) in squeezed(text)


def test_the_rows_of_each_part_hold_their_own_numbers() -> None:
    """A part beside another: each row has its own figure of every column, told by a number that is nowhere else."""
    draw = random.Random(7)
    for _ in range(60):
        width, count, rows = draw.randint(30, 100), draw.randint(1, 15), draw.randint(1, 6)
        columns = tuple(Column(f"c{i}", f"column{i}", "metric") for i in range(count))
        cells = [tuple(Cell(1.0, text=f"{1000 * r + i}") for i in range(count)) for r in range(rows)]
        made = tuple(Row(f"row{r}", cells[r], ()) for r in range(rows))
        text = printed(Table("t", "", columns, (Group("", made),), (), (0,)), width)
        found: dict[str, list[str]] = {}
        for line in text.splitlines():
            if line.startswith("row"):
                name, *numbers = line.split()
                found.setdefault(name, []).extend(numbers)
        assert found == {f"row{r}": [f"{1000 * r + i}" for i in range(count)] for r in range(rows)}


def test_without_a_terminal_a_row_is_one_line() -> None:
    columns = tuple(Column(f"c{i}", "top-1 (%)", "metric") for i in range(30))
    row = Row("a name of many words " * 5, tuple(Cell(1.0, text=f"71.{i:02}") for i in range(30)), ())
    lines = printed(Table("t", "", columns, (Group("", (row,)),), (), (0,)), None).splitlines()
    assert [line for line in lines if all(f"71.{i:02}" in line for i in range(30))] != []


@pytest.mark.parametrize("width", range(16, 60, 5))
def test_a_single_column_that_is_wider_than_the_terminal_breaks(width: int) -> None:
    text = "cosine with a warm-up of five epochs and then nothing at all"
    row = Row("base", (Cell(text=text),), ())
    made = Table("t", "", (Column("c", "schedule", "setting"),), (Group("", (row,)),), (), ())
    lines = printed(made, width).splitlines()
    assert max(map(len, lines)) <= width
    rule = next(i for i, line in enumerate(lines) if line.startswith("──"))
    body = lines[rule + 1 : lines.index("", rule)]
    assert squeezed("".join(line[len("variant ") :] for line in body)) == squeezed(text)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_columns_stay_in_line_where_the_terminal_lacks_letters(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        (BASE, [70.0, 71.0, 72.5]),
        (({"a": "größer 深い"},), [71.0, 70.5, 74.5]),
        (({"a": "b"},), [72.0, 73.1, 74.4]),
    ]
    made = table(rows, columns=("top1", "difference", "params"))
    with io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=streams.ERRORS) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        lines = [str(line).encode(encoding, streams.ERRORS).decode(encoding) for line in show(made, None)]
        monkeypatch.undo()
    ends = {line.rstrip().rfind("3.67") for line in lines if "3.67" in line}
    assert len([line for line in lines if "3.67" in line]) == 3
    assert len(ends) == 1
    assert any("~" in line or "!" in line for line in lines)
