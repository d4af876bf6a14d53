"""Names with signs that formats have a use for come out of every format as they were typed."""

import csv
import io

import pytest
from markdown_it import MarkdownIt

from pvt_exp import report
from pvt_exp.tables import Table
from tests.unit.test_comparison import folder, of_matrix  # noqa: F401 - a fixture
from tests.unit.test_report import Cells

SIGNS = {"small": "a & b_c", "deep": "50 % | <b>x</b>", "wide": "#1 $2 ^3 ~4 {5} \\6"}


@pytest.fixture
def made(folder) -> Table:  # noqa: F811
    """A comparison whose rows and headings are full of signs."""
    path, text = folder / "matrix.yaml", (folder / "matrix.yaml").read_text()
    for name, signs in {**SIGNS, "1x": "<i>|1_x&", "2x": "2 % # \\x", "schedule": "sche_dule & <x>"}.items():
        text = text.replace(f" {name}:", f" {signs!r}:".replace("\\\\", "\\"))
    path.write_text(text)
    return of_matrix(folder, ("params", "top1", "top5"), title="All | of_<them> & 100 % #1")


def test_odd_names_are_kept_in_csv(made):
    rows = list(csv.reader(io.StringIO(report.render(made, "csv"))))
    assert [row[1] for row in rows[1:]] == list(SIGNS.values())
    assert {"<i>|1_x&: top1", "2 % # \\x: top1_std"} <= set(rows[0])


def test_odd_names_are_kept_in_markdown(made):
    cells = Cells(MarkdownIt("commonmark").enable("table").render(report.render(made, "md")))
    assert [row[0] for row in cells.rows[1:]] == list(SIGNS.values())
    assert cells.rows[0][2] == "<i>|1_x& top-1 (%)"
    assert {len(row) for row in cells.rows} == {len(made.columns) + 1}
    assert not {"i", "b", "x"} & cells.tags


def test_odd_names_are_kept_in_html(made):
    cells = Cells(report.render(made, "html"))
    assert [row[0] for row in cells.rows[2:]] == list(SIGNS.values())
    assert cells.rows[0][2:] == ["<i>|1_x&", "2 % # \\x"]
    assert not {"i", "x"} & cells.tags  # there are <b>, of what is best


def test_odd_names_are_kept_in_latex(made):
    text = report.render(made, "tex").replace(r"\allowbreak{}", "")
    assert r"a \& b\_c" in text
    assert r"50 \% \textbar{} \textless{}b\textgreater{}x\textless{}/b\textgreater{}" in text
    assert r"\multicolumn{2}{c}{\textless{}i\textgreater{}\textbar{}1\_x\&}" in text
