"""What the report writes compiles, fits and can be read, in an article and in two columns, whatever the names are."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pvt_exp import config, expand, report
from pvt_exp.page import Report
from pvt_exp.tables import Source
from tests.conftest import ROOT
from tests.unit.test_comparison import folder, of_both, of_matrix  # noqa: F401 - a fixture
from tests.unit.test_report import HOSTILE
from tests.unit.test_report_files import made_up
from tests.unit.test_tables import BASE, result, table

ARTICLE = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
\input{table.tex}
\end{document}
"""
TWO_COLUMNS = r"""\documentclass[10pt,twocolumn,letterpaper]{article}
\usepackage{booktabs,array}
\setlength{\textwidth}{6.875in}\setlength{\textheight}{8.875in}\setlength{\columnsep}{0.3125in}
\setlength{\oddsidemargin}{-0.304in}\setlength{\topmargin}{0in}\setlength{\headheight}{0in}\setlength{\headsep}{0in}
\begin{document}
Some words before.
\input{table.tex}
And some after.
\end{document}
"""
"""CVPR's measures: columns of 237.1 pt, 496.9 pt across."""
LAYOUTS = pytest.mark.parametrize("layout", [ARTICLE, TWO_COLUMNS], ids=["article", "two columns"])

pytestmark = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


def compile_table(made, folder: Path, layout: str = ARTICLE) -> str:  # noqa: F811
    report.write(made, folder)
    (folder / "page.tex").write_text(layout)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=300)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "page.pdf").is_file()
    return done.stdout


def fits(log: str) -> bool:
    return "Overfull" not in log and "too large" not in log


def four_metrics():
    names = ("mask_AP", "mask_AP50", "box_AP", "box_AP50")

    def measured(value: float):
        made = result(value)
        made["metrics"] = {name: value + i for i, name in enumerate(names)}
        return made

    rows = [(BASE, [measured(56.2 + i / 3) for i in range(3)])]
    rows += [(({"spatial reduction": name},), [measured(51 + i) for i in range(3)]) for name in ("none", "linear")]
    return table(rows, metrics=names)


@LAYOUTS
def test_a_papers_table_fits_the_page(tmp_path, layout):
    rows = [(BASE, [result(71.2 + i / 10, macs_px) for i, macs_px in enumerate((0.91, 0.92, 0.95))])]
    rows += [(({"spatial reduction": name},), [70.0, 70.5, 71.9]) for name in ("none", "4-2-2-1", "linear")]
    rows += [
        (({"depth": "deep"},), [("out_of_memory", "31 GiB of 24")] * 3),
        (({"": "+ overlap"},), [72.0, None, None]),
    ]
    assert fits(compile_table(table(rows, title="What each part buys"), tmp_path, layout))


@LAYOUTS
def test_a_table_of_four_metrics_fits_the_page(tmp_path, layout):
    assert fits(compile_table(four_metrics(), tmp_path, layout))


@LAYOUTS
def test_a_comparison_with_headings_fits_the_page(tmp_path, folder, layout):  # noqa: F811
    assert fits(compile_table(of_both(folder, ("params", "macs", "top1")), tmp_path, layout))


@LAYOUTS
def test_the_papers_tables_fit_the_page(tmp_path, layout):
    path = ROOT / "reports/papers_v2.yaml"
    settings = config.load(Report, path).tables[1]
    sources = [made_up(Source(expand.load(path.parent / sweep)[1], {})) for sweep in settings.sweeps]
    assert fits(compile_table(settings.build(sources), tmp_path, layout))


@LAYOUTS
def test_a_table_too_wide_for_any_page_is_cut_between_its_columns(tmp_path, folder, layout):  # noqa: F811
    made = of_both(folder, ("top1", "top5", "loss", "interval", "interval(top5)", "interval(loss)", "n", "epochs"))
    assert fits(compile_table(made, tmp_path, layout))
    assert " (1~of~" in (tmp_path / "table.tex").read_text()


@LAYOUTS
@pytest.mark.parametrize("number", [1, 2])
def test_the_tables_of_reproduction_fit_the_page(tmp_path, layout, number):
    """RetinaNet beside three sources, and both metrics of Mask R-CNN."""
    path = ROOT / "reports/reproduction.yaml"
    settings = config.load(Report, path).tables[number]
    sources = [Source(expand.load(path.parent / sweep)[1], {}) for sweep in settings.sweeps]
    assert fits(compile_table(settings.build([made_up(source) for source in sources]), tmp_path, layout))


def test_a_narrow_table_stays_in_its_column_and_a_wide_one_goes_across(tmp_path, folder):  # noqa: F811
    for made, across in ((of_matrix(folder, ("params", "top1")), False), (four_metrics(), True)):
        report.write(made, tmp_path)
        (tmp_path / "page.tex").write_text(TWO_COLUMNS.replace("table.tex}", "table.tex}\\typeout{went \\Went}"))
        text = (tmp_path / "table.tex").read_text().replace("\\endgroup", "\\global\\let\\Went\\PvtExpFloat\\endgroup")
        (tmp_path / "table.tex").write_text(text)
        command = ["pdflatex", "-interaction=nonstopmode", "page.tex"]
        log = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True).stdout
        assert ("went table*" in log) == across
        assert fits(log)


@LAYOUTS
def test_long_names_break(tmp_path, layout):
    names = ["spatial-reduction attention with ratios 8-4-2-1 in all of the four stages of the pyramid", "b_" * 40]
    rows = [(({"a long axis " * 12: name},), [70.0, 70.5, 71.9]) for name in names]
    assert fits(compile_table(table(rows), tmp_path, layout))


def test_hostile_titles_compile(tmp_path):
    rows = [(BASE, [71.0] * 3)]
    rows += [(({f"axis {name}": name},), [70.0, 70.5, ("failed", name)]) for name in HOSTILE]
    compile_table(table(rows, title=" ".join(HOSTILE)), tmp_path)


@LAYOUTS
def test_names_come_out_as_they_are(tmp_path, layout):
    names = ["a&b", "50%", "x_y", "p|q", "a<b", "c>d", "no#1", "$5", "x^2", "a~b", "c\\d", "{e}", "--x", "[f]"]
    rows = [(({f"axis {name}": f"name {name}"},), [70.0, 70.5, 71.9]) for name in names]
    assert fits(compile_table(table(rows, title="All of & % _ | < > # $ ^ ~ { }"), tmp_path, layout))
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    command = ["pdftotext", "-layout", "page.pdf", "-"]
    text = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    flat = re.sub(r"\s+", " ", text).translate({0x2212: "-", 0x223C: "~", 0x2C6: "^", 0x2DC: "~"})
    for name in (name.replace("_", " ") for name in names):  # which TeX's old fonts draw as a rule
        assert f"name {name}" in flat, flat
        assert f"axis {name}" in flat, flat
    assert "All of & % | < > # $ ^ ~ { }" in flat


@LAYOUTS
def test_a_table_longer_than_a_page_compiles_in_parts(tmp_path, layout):
    rows = [(({"axis": f"choice_{i}"},), [70.0, 70.5, 70.1 + i / 100]) for i in range(90)]
    assert fits(compile_table(table(rows), tmp_path, layout))
