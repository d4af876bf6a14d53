"""Rows of a plan have names that a reader can tell apart; what is merged or removed is named."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from pvt_exp.cli.views.plan import plan_json, print_plan
from pvt_exp.plan import alike
from pvt_exp.store.outcome import Outcome
from tests.unit.test_plan import expanded, problems

OTHER = "{backbone.depths: [2, 1, 1, 1]}"
RATE = "{optim.lr: 1}"
TUNE = "tune: {space: {epochs: {low: 2, high: 3}}, trials: 2}\n"
A = f"{{a: {{x: {{}}}}, b: {{y: {OTHER}}}}}"


@pytest.mark.parametrize(
    ("blocks", "name", "first"),
    [
        (f"  - one_at_a_time: {{sr: {{none: {RATE}}}}}\n  - variants: {{base: {OTHER}}}\n", "base", ""),
        (f"  - one_at_a_time: {{sr: {{none: {RATE}}}}}\n  - variants: {{Base: {OTHER}}}\n", "Base", "base"),
        (f"  - variants: {{sr none: {OTHER}}}\n  - one_at_a_time: {{sr: {{none: {RATE}}}}}\n", "sr none", ""),
        (f"  - variants: {{sr none: {OTHER}}}\n  - cumulative: {{SR none: {RATE}}}\n", "SR none", "sr none"),
        (f"  - variants: {{a: {RATE}}}\n  - variants: {{a: {OTHER}}}\n", "a", ""),
        (f"  - variants: {{a: {RATE}}}\n  - cumulative: {{a: {OTHER}}}\n", "a", ""),
        (f"  - variants: {{a b: {RATE}}}\n  - variants: {{'a  b ': {OTHER}}}\n", "a  b", "a b"),
        (f"  - variants: {{\u00e9: {RATE}}}\n  - variants: {{e\u0301: {OTHER}}}\n", "e\u0301", "\u00e9"),
        (f"  - variants: {{stra\u00dfe: {RATE}}}\n  - variants: {{STRASSE: {OTHER}}}\n", "STRASSE", "stra\u00dfe"),
        (f"  - product: {A}\n  - variants: {{'a x, b y': {RATE}}}\n", "a x, b y", ""),
        (f"  - zip: {A}\n  - variants: {{'a x, b y': {RATE}}}\n", "a x, b y", ""),
    ],
)
@pytest.mark.parametrize("head", ["", TUNE])
def test_two_rows_with_one_name_are_refused(experiment: Path, blocks: str, name: str, first: str, head: str) -> None:
    (told,) = problems(experiment, blocks, head)
    line = 4 if head else 3
    looks = f", which looks like '{first}'" if first else ""
    assert told == (
        f"sweep.yaml:{line + 1}: two different rows are called '{name}'{looks} (see sweep.yaml:{line}); rename one"
    )


def test_a_name_that_a_merged_row_has_too(experiment: Path) -> None:
    blocks = f"  - variants: {{a: {OTHER}, b: {OTHER}}}\n  - variants: {{b: {RATE}}}\n"
    (told,) = problems(experiment, blocks)
    assert told == "sweep.yaml:4: two different rows are called 'b' (see sweep.yaml:3); rename one"
    found = expanded(experiment, f"  - variants: {{a: {OTHER}, b: {OTHER}}}\n  - cumulative: {{a: {OTHER}}}\n")
    assert [row.name for row in found.rows] == ["a"], "equal rows may be spelled twice"


def test_a_choice_called_base_that_is_not_the_base(experiment: Path) -> None:
    (told,) = problems(experiment, f"  - one_at_a_time: {{sr: {{base: {OTHER}, none: {RATE}}}}}\n")
    assert told == "sweep.yaml:2: the rows 'base' and 'sr base' have the same choice on every axis; rename a choice"
    found = expanded(experiment, f"  - one_at_a_time: {{size: {{small: {{}}, base: {OTHER}}}}}\n")
    assert [found.coordinates(row) for row in found.rows] == [{"size": "small"}, {"size": "base"}]


def test_what_is_merged_and_removed_is_named_in_the_plan(experiment: Path) -> None:
    found = expanded(
        experiment,
        f"  - variants: {{one: {{}}, two: {OTHER}, three: {OTHER}}}\n  - one_at_a_time: {{depth: {{deep: {OTHER}}}}}\n",
        "where: backbone.depths[0] < 2\n",
    )
    outcomes = {run.id: Outcome(run.id, "pending") for run in found.runs}
    told = plan_json(found, outcomes, [])
    assert told["merged_rows"] == [
        {"name": "three", "into": "two"}, {"name": "base", "into": "one"}, {"name": "depth deep", "into": "two"},
    ]  # fmt: skip
    assert (told["merged"], told["removed"], told["removed_rows"]) == (3, 1, ["two"])
    console = Console(width=60, record=True, file=io.StringIO())
    for most, rest in ((None, "; base = one; depth deep = two\n"), (1, "; and 2 more (--all names them)\n")):
        print_plan(console, found, outcomes, [], most)
        assert f"merged: three = two{rest}" in (said := console.export_text())
        assert "removed by where: two\n" in said


@pytest.mark.parametrize(
    "hidden", list("\u00ad\u034f\u115f\u1160\u17b4\u180b\u200b\u2063\u3164\ufe0f\ufeff\uffa0\U000e0100")
)
def test_characters_that_are_not_shown_make_no_other_name(hidden: str) -> None:
    assert alike(f"dee{hidden}per") == alike("deeper") == "deeper"


def test_marks_that_are_shown_make_another_name() -> None:
    assert len({alike(name) for name in ("e", "e\u0301", "\u0e01\u0e31", "\u0e01", "\u1100", "\u1100\u1161")}) == 6
