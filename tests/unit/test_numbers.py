"""The numbers of a table: what their marks say, how a spread and a huge value read, and that no cell of CSV is a formula."""

import csv
import io
import json
import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from pvt_exp import report
from pvt_exp.report import committed, terminal
from pvt_exp.report.formats import as_text, from_text, plain
from pvt_exp.tables import Row, Table
from pvt_exp.tables._digits import apart, fixed, spread
from tests.unit.test_tables import BASE, cell, result, sweep, table
from tests.unit.test_tables import built as of_plan

RENDER = report.render
ZERO = [70.0, 71.0, 72.5]
"""The base's scores; the others differ from it as their names say."""


def against(*differences: list[float], **more) -> Table:
    """A row for each list of differences from the base, a seed each."""
    rows = [
        (({"a": f"row {i}"},), [b + d for b, d in zip(ZERO, each, strict=True)]) for i, each in enumerate(differences)
    ]
    return table([(BASE, ZERO), *rows], **more)


CLEAR, BETWEEN, NOISE = [2.0, 2.01, 1.99], [1.0, 1.3, 0.8], [0.5, -0.6, 0.2]
MANY = [CLEAR, BETWEEN, BETWEEN[::-1], [0.9, 1.2, 0.8], *[NOISE] * 5]


@pytest.fixture(scope="module")
def nine() -> Table:
    """Nine differences, of which one stands after correction, three would stand alone, and five are noise."""
    return against(*MANY)


def test_every_difference_has_the_mark_of_what_it_shows(nine):
    shown = [cell(nine, f"row {i}", "difference") for i in range(9)]
    assert [each.verdict for each in shown] == ["clear", *["unclear"] * 3, *["noise"] * 5]
    assert [each.marks for each in shown] == [("*",), *[("§",)] * 3, *[("†",)] * 5]
    for each in shown:
        low, high = each.interval
        assert (each.verdict == "noise") == (low <= 0 <= high)
        assert (each.verdict == "clear") == (each.p < 0.05)
    legend = [note.text for note in nine.notes if note.text.startswith("*: ")]
    assert legend == [
        "*: p < 0.05 after Holm's correction for the 9 differences of the table. §: not clear: its own 95 % interval "
        "does not contain 0, but p is not below 0.05 after that correction. †: inside seed noise: its own 95 % interval "
        "contains 0."
    ]
    assert "Of 9 differences, 1 has p < 0.05 after Holm's correction: row 0." in [note.text for note in nine.notes]


def test_the_marks_are_the_same_in_all_formats(nine):
    due = ["*", *["§"] * 3, *["†"] * 5]
    for form, end in {"md": " *\\|", "html": "</td>"}.items():
        found = re.findall(rf"<sup>\\?([*§†])</sup>{end}", report.render(nine, form))
        assert found == due, form
    tex = report.render(nine, "tex")
    assert (tex.count(r"\dag{}"), tex.count(r"\S{}")) >= (6, 4), "once a row, and in the note"
    rows = list(csv.DictReader(io.StringIO(report.render(nine, "csv"))))[1:]
    assert [row["difference_verdict"] for row in rows] == ["clear", *["unclear"] * 3, *["noise"] * 5]
    read = report.as_json(nine)["groups"][1]["rows"]
    assert [row["cells"]["difference"]["verdict"] for row in read] == ["clear", *["unclear"] * 3, *["noise"] * 5]
    console = Console(width=200, record=True, file=io.StringIO())
    for line in terminal.show(nine, 200):
        console.print(line, soft_wrap=True)
    lines = [line for line in console.export_text().splitlines() if re.match(r" +row \d", line)]
    assert ["".join(sign for sign in line if sign in "*§†") for line in lines] == due


def test_p_has_the_marks_too_where_it_stands_alone():
    made = against(*MANY, columns=("top1", "p"))
    assert [cell(made, f"row {i}", "p").marks for i in (0, 1, 8)] == [("*",), ("§",), ("†",)]
    assert any(note.text.startswith("*: ") for note in made.notes)


def test_of_a_single_difference_nothing_is_between():
    made = against(BETWEEN)
    assert cell(made, "row 0", "difference").marks == ("*",)
    assert "*: p < 0.05. †: inside seed noise: its own 95 % interval contains 0." in [n.text for n in made.notes]


def test_a_difference_without_an_interval_has_no_mark_and_there_is_no_legend():
    one = table([(BASE, [70.0]), (({"a": "b"},), [72.0])], seeds=(0,))
    assert (cell(one, "b", "difference").marks, cell(one, "b", "difference").verdict) == ((), None)
    assert not any("seed noise" in note.text for note in one.notes)
    same = against([1.0, 1.0, 1.0])
    assert cell(same, "row 0", "difference").verdict is None


def test_a_legend_stands_once_for_several_metrics():
    made = table(
        [(BASE, ZERO), (({"a": "b"},), [72.0, 73.1, 74.4])], columns=("top1", "difference", "difference(top5)")
    )
    assert sum(note.text.startswith("*: ") for note in made.notes) == 1


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        ([78.65, 79.0, 79.35], "79.0 ± 0.3"),  # beside a row that makes the column coarse
        ([79.0, 79.001, 79.002], "79.0 ± 0.001"),
        ([79.0, 79.0, 79.0], "79.0 ± 0.0"),
    ],
)
def test_a_spread_is_zero_only_where_there_is_none(scores, text):
    wild = [(({"a": str(i)},), [40.0, 60.0, 80.0]) for i in range(3)]
    made = table([(BASE, scores), *wild])
    assert plain(made.rows[0].cells[0], made.columns[0]).replace("0.4", "0.3") == text


def test_spreads_and_ends_of_intervals():
    assert [spread(value, 1) for value in (0.0, 0.26, 0.04, 0.00012, 3e-17, 2e44)] == [
        "0.0", "0.3", "0.04", "0.0001", "3e-17", "2.000e+44",
    ]  # fmt: skip
    assert apart((79.0, 79.0), 1) == 1
    low, high = 79.001, 79.002
    digits = apart((low, high), 1)
    assert fixed(low, digits) != fixed(high, digits)
    made = table([(BASE, [79.0, 79.0001, 79.0002]), (({"a": "b"},), [40.0, 60.0, 80.0])], columns=("interval(top1)",))
    low, high = made.rows[0].cells[0].text.strip("[]").split(", ")
    assert float(low) < float(high)


def test_scores_in_percent_have_a_decimal_however_wide_they_are():
    made = table(
        [(BASE, [10.0, 90.0, 50.0]), (({"a": "b"},), [20.0, 85.0, 3.0])], columns=("top1", "interval", "difference")
    )
    for row in made.rows:
        for shown in filter(None, (row.cells[0].text, row.cells[0].std_text, row.cells[2].text)):
            assert re.fullmatch(r"[+−]?\d+\.\d", shown)


@pytest.mark.parametrize("size", [4.2e43, 3.4e38, 1e160, 1.7e308])
def test_a_huge_loss_is_short_and_has_no_overflow(size):
    losses = ([size, size / 2, size / 3], [0.9, 0.8, -size], [1.0, 1.1, 1.3], [-size, size, size])
    rows = [
        ((BASE if i == 0 else ({"a": f"row {i}"},)), [result(70.0 + seed, loss) for seed, loss in enumerate(each)])
        for i, each in enumerate(losses)
    ]
    made = table(rows, columns=("loss", "interval", "difference", "p", "n"))
    assert all(len(each) <= 12 for row in made.rows for c in row.cells[:1] for each in (c.text, c.std_text))
    assert all(
        len(plain(c, column)) <= 40 for row in made.rows for c, column in zip(row.cells, made.columns, strict=True)
    )
    assert fixed(max(losses[0]) / 3 + max(losses[0]) / 6 + max(losses[0]) / 9, 3) == made.rows[0].cells[0].text
    for form in get_args(report.Format):
        text = report.render(made, form)
        assert not re.search(r"\binf\b|\bnan\b", text)
    told = json.loads(json.dumps(report.as_json(made), allow_nan=False))
    values = [row["cells"]["loss"]["std"] for group in told["groups"] for row in group["rows"]]
    assert all(math.isfinite(value) and value > 0 for value in values)


def test_a_tiny_loss_is_no_row_of_zeros():
    made = table([(BASE, [result(70.0, loss) for loss in (1.2e-11, 1.3e-11, 1.4e-11)])], columns=("loss", "interval"))
    shown = made.rows[0].cells[0]
    assert (shown.text, shown.std_text) == ("1.300e-11", "1.000e-12")
    assert table([(BASE, [result(70.0, 0.0)] * 3)], columns=("loss",)).rows[0].cells[0].text == "0.000"


FORMULAS = ["=1+1", "+ overlap", "-x", "@SUM(A1)", "\t=1", "＝1+1", "'=1", "''+x", "--flag", " =2", "+1+2"]
PLAIN = ["'tis", "-1", "+0.5", "1e-3", "a=b", "8-4-2-1", "", "'", "-1e-3"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_of_csv_is_no_formula(text):
    assert as_text(text)[0] == "'"
    assert from_text(as_text(text)) == text


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_stay_as_they_are(text):
    assert as_text(text) == from_text(text) == text


def named(names: list[str]) -> Table:
    plan, outcomes = sweep([(BASE, ZERO), *[(({"a": name},), [71.0, 71.5, 72.5]) for name in names]])
    return of_plan(plan, outcomes)


@pytest.mark.parametrize("latex", get_args(report.Latex))
def test_a_check_renders_each_text_once_and_takes_any_command(
    latex: report.Latex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, rendered = named(["one"]), Counter[str]()
    report.write(made, tmp_path, "pvt-exp report 'a`b' --only \"c<d&e%f\"", latex=latex)

    def render(table: Table, form: report.Format, *rest: Any) -> str:
        rendered[form] += 1
        return RENDER(table, form, *rest)

    monkeypatch.setattr(report, "render", render)
    assert committed.check(made, tmp_path).differences == ()
    assert rendered == dict.fromkeys(get_args(report.Format), 1)
    for form in ("md", "html"):
        path = tmp_path / report.file_name(form)
        path.write_text(path.read_text().replace("Made by", "Not made by"))
    assert [each.where for each in committed.check(made, tmp_path).differences] == ["table.md", "table.html"]


def test_names_that_look_like_formulas_are_read_back(tmp_path):
    made = named(FORMULAS)
    text = report.render(made, "csv")
    for line in csv.reader(io.StringIO(text, newline="")):
        assert not any(re.match(r"\s*[=+@＝]|-(?!\d)", each) for each in line)
    report.write(made, tmp_path)
    assert not committed.check(made, tmp_path, made.name).differences
    unescaped = io.StringIO(newline="")  # as tables were written before
    csv.writer(unescaped, lineterminator="\n").writerows(
        [from_text(each) for each in line] for line in csv.reader(io.StringIO(text, newline=""))
    )
    (tmp_path / "table.csv").write_text(unescaped.getvalue())
    assert {each.row for each in committed.check(made, tmp_path, made.name).differences} <= {"'=1", "''+x", "=1", "'+x"}
    other = named([*FORMULAS[:-1], "+1+3"])
    assert {each.row for each in committed.check(other, tmp_path, made.name).differences} >= {"+1+2", "+1+3"}


RAISED = {"tex": r"\\textsuperscript\{((?:[^{}]|\{[^{}]*\})*)\}", "md": "<sup>(.*?)</sup>", "html": "<sup>(.*?)</sup>"}
"""How marks stand in a format; ``tabular`` and ``fit`` are LaTeX."""
ROWS = {"tex": r"^(?!%).*\brow \d.* & .*$", "md": r"^\| .*$", "html": "<tr.*?</tr>"}


def marks_of_rows(text: str, form: str) -> dict[str, list[list[str]]]:
    """The marks of significance in each row as written, by the row's name; a list, as LaTeX may have a row twice."""
    found: dict[str, list[list[str]]] = {}
    for line in re.findall(ROWS[form], text, re.MULTILINE | (re.DOTALL if form == "html" else 0)):
        if name := re.search(r"\brow \d", line):
            signs = "".join(re.findall(RAISED[form], line)).replace(r"\dag{}", "†").replace(r"\S{}", "§")
            found.setdefault(name[0], []).append([sign for sign in signs if sign in "*§†"])
    return found


@pytest.mark.parametrize("more", [(), ("x",)], ids=["alone", "beside the mark of a note"])
@pytest.mark.parametrize("columns", [(), ("top1", "p")], ids=["differences", "p"])
@pytest.mark.parametrize("form", ["md", "html", "tex", "fit", "tabular"])
def test_every_row_has_its_mark_once_in_every_format(
    form: str, columns: tuple[str, ...], more: tuple[str, ...]
) -> None:
    made = against(*MANY, columns=columns) if columns else against(*MANY)
    due = {f"row {i}": [mark] for i, mark in enumerate(["*", *["§"] * 3, *["†"] * 5])}

    def marked(each: Row) -> Row:
        return replace(each, cells=tuple(c._replace(marks=(*c.marks, *more)) if c.marks else c for c in each.cells))

    made = replace(made, groups=tuple(replace(g, rows=tuple(map(marked, g.rows))) for g in made.groups))
    text = report.render(made, "tex", latex="fit") if form == "fit" else report.render(made, form)
    seen = marks_of_rows(text, form if form in RAISED else "tex")
    assert seen.keys() == due.keys()
    for name, marks in due.items():
        whole, *parts = seen[name]  # where a table may be too wide, its columns stand a second time, in parts
        assert whole == marks, name
        assert not parts or [mark for part in parts for mark in part] == marks, name


@pytest.mark.parametrize(
    ("counts", "unit", "shown"),
    [
        ((9_500, 2_700_000), "k", ["9.50", "2700.00"]),
        ((2_700_000, 25_000_000), "M", ["2.70", "25.00"]),
        ((40_000_000, 7_000_000_000), "M", ["40.00", "7000.00"]),
        ((600_000_000, 4_100_000_000), "G", ["0.60", "4.10"]),
    ],
)
@pytest.mark.parametrize(("key", "title"), [("params", "params"), ("macs", "MACs")])
def test_sizes_have_one_unit_in_which_each_row_has_digits(
    key: str, title: str, counts: tuple[int, int], unit: str, shown: list[str]
) -> None:
    given = []
    for size in counts:
        given.append([result(70.0 + seed) for seed in range(3)])
        for each in given[-1]:
            each["cost"] = {**each["cost"], key: size}
    made = table([(BASE, given[0]), (({"a": "b"},), given[1])], columns=("top1", key))
    rows = [(cell(made, name, key), size) for name, size in zip(("base (8-4-2-1)", "b"), counts, strict=True)]
    assert [each.text for each, _ in rows] == shown
    for form in ("md", "html", "tex", "tabular"):
        text = report.render(made, form)
        lines = [re.sub(r"<[^>]*>|[&|\\]", " ", line) for line in text.splitlines() if not line.startswith("%")]
        body = " ".join(lines).split()
        assert title in body, form
        assert f"({unit})" in body, form
        assert all(number in body for number in shown), form
    read = list(csv.DictReader(io.StringIO(report.render(made, "csv"))))
    assert [float(row[key]) for row in read] == list(counts)
