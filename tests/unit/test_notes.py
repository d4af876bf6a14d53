"""Notes of a table: they are numbered once, when the table is whole, in the order in which one reads."""

import pytest

from pvt_exp.tables import Cell, Group, Remark, Row
from pvt_exp.tables._notes import numbered


def row(name: str, *cells: Cell, remarks: tuple[Remark, ...] = ()) -> Row:
    return Row(name, cells, (), remarks=remarks)


def test_letters_follow_the_rows_and_the_cells_whatever_was_remarked_first() -> None:
    late, early, whole = Remark("late"), Remark("early"), Remark("of the row")
    first = row("first", Cell(1.0), Cell(2.0, marks=("*",), remarks=(early,)), remarks=(whole,))
    second = row("second", Cell(3.0, remarks=(late, early)), Cell(4.0))
    groups, notes = numbered([Group("one", (first,)), Group("two", (second,))], [], ["Said of all."])
    assert [(note.mark, note.text) for note in notes] == [
        ("a", "of the row"),
        ("b", "early"),
        ("c", "late"),
        ("", "Said of all."),
    ]
    (one,), (two,) = (group.rows for group in groups)
    assert (one.marks, one.cells[1].marks, two.cells[0].marks) == (("a",), ("*", "b"), ("c", "b"))
    assert [group.title for group in groups] == ["one", "two"]


def test_one_note_has_all_the_places_of_its_remarks_and_one_mark_in_a_cell() -> None:
    seeds = tuple(Remark("failed", f"deep, seed {seed}") for seed in (0, 1))
    groups, notes = numbered([Group("", (row("deep", Cell(1.0, remarks=seeds)), row("wide", Cell())))], seeds, [])
    assert [note.text for note in notes] == ["failed (deep, seed 0; deep, seed 1)"]
    assert [cells.marks for cells in groups[0].rows[0].cells] == [("a",)]
    assert groups[0].rows[1].cells[0].marks == ()


def test_a_reason_that_stands_at_no_cell_is_a_note_all_the_same() -> None:
    _, notes = numbered([Group("", (row("deep", Cell()),))], [Remark("pending", "deep, seed 0")], [])
    assert [note.text for note in notes] == ["pending (deep, seed 0)"]


def test_nothing_is_left_without_a_mark() -> None:
    groups, _ = numbered([Group("", (row("a", Cell(remarks=(Remark("x"),)), remarks=(Remark("y"),)),))], [], [])
    assert groups[0].rows[0].remarks == groups[0].rows[0].cells[0].remarks == ()


@pytest.mark.parametrize(("number", "mark"), [(0, "a"), (15, "p"), (16, "r"), (24, "z"), (25, "aa"), (50, "aaa")])
def test_more_notes_than_letters_have_several_letters(number: int, mark: str) -> None:
    rows = tuple(row(str(i), Cell(remarks=(Remark(str(i)),))) for i in range(51))
    groups, notes = numbered([Group("", rows)], [], [])
    assert groups[0].rows[number].cells[0].marks == (mark,)
    assert len({note.mark for note in notes}) == 51
