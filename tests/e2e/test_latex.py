"""What the report writes compiles, fits and can be read, in the layouts that papers have, whatever the names are."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pvt_exp import config, report
from pvt_exp.plan import expand
from pvt_exp.report.page import Report
from pvt_exp.tables import Source, Table
from tests.conftest import ROOT
from tests.unit.test_comparison import folder, of_both, of_matrix  # noqa: F401 - a fixture
from tests.unit.test_report import HOSTILE
from tests.unit.test_report_files import made_up
from tests.unit.test_tables import BASE, result, table

ARTICLE = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
%s
\end{document}
"""
TWO_COLUMNS = r"""\documentclass[twocolumn]{article}
\usepackage{booktabs}
\begin{document}
Some words before.
%s
And some after.
\end{document}
"""
"""Columns of 200 pt, 410 pt across."""
CONFERENCE = r"""\documentclass[10pt,twocolumn,letterpaper]{article}
\usepackage{booktabs,array}
\setlength{\textwidth}{6.875in}\setlength{\textheight}{8.875in}\setlength{\columnsep}{0.3125in}
\setlength{\oddsidemargin}{-0.304in}\setlength{\topmargin}{0in}\setlength{\headheight}{0in}\setlength{\headsep}{0in}
\begin{document}
Some words before.
%s
And some after.
\end{document}
"""
"""CVPR's measures, IEEE's are nearly these: columns of 237.1 pt, 496.9 pt across."""
LAYOUTS = {"article": ARTICLE, "two columns": TWO_COLUMNS, "conference": CONFERENCE}
IEEE = r"""\documentclass[conference]{IEEEtran}
\usepackage{booktabs}
\begin{document}
Some words before.
%s
And some after.
\end{document}
"""
FRAME = r"\begin{frame}\input{%s/table.tex}\end{frame}"
BEAMER = r"""\documentclass{beamer}
\usepackage{booktabs}
\begin{document}
%s
\end{document}
"""
LIKE_BEAMER = r"""\documentclass{article}
\usepackage{booktabs}
\makeatletter
\expandafter\let\csname table*\endcsname\@undefined
\expandafter\let\csname endtable*\endcsname\@undefined
\renewenvironment{table}[1][]{\def\@captype{table}\par\nobreak\begin{center}}{\end{center}}
\let\frame\@undefined\newenvironment{frame}{\clearpage}{}
\makeatother
\begin{document}
%s
\end{document}
"""
"""Where beamer is not installed: its tables do not float, and there is none across two columns."""

pytestmark = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


def run(text: str, place: Path, engine: str = "pdflatex") -> str:
    """Compile a document; what TeX said."""
    (place / "page.tex").write_text(text)
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, errors="replace", timeout=300)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (place / "page.pdf").is_file()
    return done.stdout


def installed(name: str) -> bool:
    return subprocess.run(["kpsewhich", name], capture_output=True, check=False).returncode == 0


def need(*names: str) -> None:
    """Skip the test where TeX lacks one of these files."""
    if lacking := [name for name in names if not installed(name)]:
        pytest.skip(f"TeX has no {', '.join(lacking)} here")


LUALATEX = ("luaotfload.sty", "lmroman10-regular.otf")
"""Without them the command is there and sets no page."""


def inputs(tables: dict[str, Table], place: Path, latex: report.Latex = "plain") -> str:
    """Write the tables; what reads them into a document."""
    for name, made in tables.items():
        report.write(made, place / name, latex=latex)
    return "\n".join(f"\\typeout{{FILE {name}}}\\input{{{name}/table.tex}}\\clearpage" for name in tables)


def misfits(log: str) -> list[str]:
    """What TeX says of boxes that are too wide and floats that are too high, behind the table that it is of."""
    found, of = [], ""
    for line in log.splitlines():
        of = line.removeprefix("FILE ") if line.startswith("FILE ") else of
        if "Overfull" in line or "too large" in line or "multiply" in line:
            found.append(f"{of}: {line}")
    return found


def undefined(log: str) -> list[str]:
    """What TeX says is undefined; not of fonts, as it takes a sign that beamer's has not from another."""
    return [line for line in log.splitlines() if "undefined" in line and "Font" not in line]


def text_of(place: Path) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    command = ["pdftotext", "-layout", "page.pdf", "-"]
    text = subprocess.run(command, cwd=place, capture_output=True, text=True, check=True).stdout
    return re.sub(r"\s+", " ", text).translate({0x2212: "-", 0x223C: "~", 0x2C6: "^", 0x2DC: "~"})


def four_metrics() -> Table:
    names = ("mask_AP", "mask_AP50", "box_AP", "box_AP50")

    def measured(value: float):
        made = result(value)
        made["metrics"] = {name: value + i for i, name in enumerate(names)}
        return made

    rows = [(BASE, [measured(56.2 + i / 3) for i in range(3)])]
    rows += [(({"spatial reduction": name},), [measured(51 + i) for i in range(3)]) for name in ("none", "linear")]
    return table(rows, metrics=names)


def of_page(name: str, number: int) -> Table:
    path = ROOT / f"reports/{name}.yaml"
    settings = config.load(Report, path).tables[number]
    return settings.build([made_up(Source(expand.load(path.parent / sweep)[1], {})) for sweep in settings.sweeps])


CHARACTERS = ["a&b", "50%", "x_y", "p|q", "a<b", "c>d", "no#1", "$5", "x^2", "a~b", "c\\d", "{e}", "--x", "[f]"]


def paper() -> Table:
    rows = [(BASE, [result(71.2 + i / 10, macs_px) for i, macs_px in enumerate((0.91, 0.92, 0.95))])]
    rows += [(({"spatial reduction": name},), [70.0, 70.5, 71.9]) for name in ("none", "4-2-2-1", "linear")]
    rows += [
        (({"depth": "deep"},), [("out_of_memory", "31 GiB of 24")] * 3),
        (({"": "+ overlap"},), [72.0, None, None]),
    ]
    return table(rows, title="What each part buys")


def noted(count: int) -> Table:
    """Rows that each have a reason of their own."""
    rows = [(BASE, [71.0] * 3)]
    why = "the loss was no number at step {}, and the learning rate was {} then, which is too much"
    rows += [(({"lr": f"rate {i}"},), [70.0, 70.5, ("failed", why.format(i, i / 7))]) for i in range(count)]
    made = table(rows)
    if not any("step 3" in note.text for note in made.notes):  # so many reasons are told by state alone
        from dataclasses import replace

        from pvt_exp.tables import Note

        marks = [f"{i // 25 + 1}{'abcdefghijklmnoprstuvwxyz'[i % 25]}" for i in range(count)]
        groups = [
            replace(group, rows=tuple(replace(row, marks=(marks[int(row.name.split()[-1])],)) for row in group.rows))
            if group.title
            else group
            for group in made.groups
        ]
        notes = [Note(mark, why.format(i, i / 7)) for i, mark in enumerate(marks)]
        made = replace(made, groups=tuple(groups), notes=(*notes, *made.notes))
    return made


@pytest.fixture
def tables(folder: Path) -> dict[str, Table]:  # noqa: F811
    long = ["spatial-reduction attention with ratios 8-4-2-1 in all of the four stages of the pyramid", "b_" * 40]
    return {
        "small": table([(BASE, [71.0] * 3), (({"depth": "deep"},), [72.0, 72.5, 73.0])], columns=("top1", "params")),
        "paper": paper(),
        "metrics": four_metrics(),
        "headings": of_both(folder, ("params", "macs", "top1")),
        "wide": of_both(
            folder, ("top1", "top5", "loss", "interval", "interval(top5)", "interval(loss)", "n", "epochs")
        ),
        "papers": of_page("papers_v2", 1),
        "retinanet": of_page("reproduction", 1),
        "mask": of_page("reproduction", 2),
        "names": table([(({"a long axis " * 12: name},), [70.0, 70.5, 71.9]) for name in long]),
        "characters": table(
            [(({f"axis {name}": f"name {name}"},), [70.0, 70.5, 71.9]) for name in CHARACTERS],
            title="All of & % _ | < > # $ ^ ~ { }",
        ),
        "hostile": table(
            [(BASE, [71.0] * 3), *[(({f"axis {n}": n},), [70.0, 70.5, ("failed", n)]) for n in HOSTILE]],
            title=" ".join(HOSTILE),
        ),
        "long": table([(({"axis": f"choice_{i}"},), [70.0, 70.5, 70.1 + i / 100]) for i in range(90)]),
        "noted": noted(60),
        "empty": table([]),
        "pending": table([(BASE, [None] * 3)]),
    }


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_table_compiles_without_a_word(tmp_path: Path, tables: dict[str, Table], layout: str) -> None:
    log = run(layout % inputs(tables, tmp_path), tmp_path)
    assert misfits(log) == []
    assert "PvtExp" not in (tmp_path / "paper/table.tex").read_text()
    assert " (1~of~" in (tmp_path / "wide/table.tex").read_text()
    said = text_of(tmp_path)
    for name in (name.replace("_", " ") for name in CHARACTERS):  # which TeX's old fonts draw as a rule
        assert f"name {name}" in said
        assert f"axis {name}" in said
    assert "All of & % | < > # $ ^ ~ { }" in said
    for i in range(60):
        assert f"at step {i}," in said, "no note runs off its page"
    for i in range(90):
        assert "choice i" in said.replace(f"choice {i} ", "choice i ")


@pytest.mark.parametrize("layout", [ARTICLE, CONFERENCE], ids=["article", "conference"])
def test_tables_that_measure_themselves_fit(tmp_path: Path, tables: dict[str, Table], layout: str) -> None:
    log = run(layout % inputs(tables, tmp_path, "fit"), tmp_path)
    assert misfits(log) == []
    assert "It measures itself (--latex fit)" in (tmp_path / "paper/table.tex").read_text()
    said = text_of(tmp_path)
    assert all(f"at step {i}," in said for i in range(60)), "no note runs off its page"


@pytest.mark.parametrize("latex", ["plain", "fit"])
@pytest.mark.parametrize(
    ("engine", "layout"),
    [("pdflatex", IEEE), ("lualatex", ARTICLE), ("lualatex", IEEE)],
    ids=["IEEEtran", "lualatex", "IEEEtran by lualatex"],
)
def test_tables_fit_in_ieeetran_and_by_lualatex(
    engine: str, layout: str, latex: report.Latex, tmp_path: Path, tables: dict[str, Table]
) -> None:
    need(*["IEEEtran.cls"] * (layout == IEEE), *LUALATEX * (engine == "lualatex"))
    assert misfits(run(layout % inputs(tables, tmp_path, latex), tmp_path, engine)) == []


def test_a_table_that_measures_itself_goes_across_only_where_it_must(tmp_path: Path, folder: Path) -> None:  # noqa: F811
    made = {"narrow": of_matrix(folder, ("params", "top1")), "wide": four_metrics()}
    text = inputs(made, tmp_path, "fit")
    for name in made:
        path = tmp_path / name / "table.tex"
        path.write_text(path.read_text().replace("\\endgroup", "\\typeout{WENT \\PvtExpFloat}\\endgroup"))
    log = run(CONFERENCE % text, tmp_path)
    assert re.findall("WENT (.*)", log) == ["table", "table*"]
    assert misfits(log) == []


@pytest.mark.parametrize("latex", ["plain", "fit"])
def test_beamer_has_no_table_across_two_columns(tmp_path: Path, tables: dict[str, Table], latex: report.Latex) -> None:
    chosen = {name: tables[name] for name in ("small", "paper", "wide")}
    inputs(chosen, tmp_path, latex)
    frames = "\n".join(FRAME % name for name in chosen)
    assert undefined(run(LIKE_BEAMER % frames, tmp_path)) == []
    if installed("beamer.cls") and installed("pgfmath.sty"):
        assert undefined(run(BEAMER % frames, tmp_path)) == []


@pytest.mark.parametrize("engine", ["pdflatex", "lualatex"])
def test_a_frame_that_shrinks_holds_a_table_that_measures_itself(
    engine: str, tmp_path: Path, tables: dict[str, Table]
) -> None:
    need("beamer.cls", "pgfmath.sty", *LUALATEX * (engine == "lualatex"))
    chosen = {name: tables[name] for name in ("small", "paper", "metrics", "headings", "wide", "names", "characters")}
    inputs(chosen, tmp_path, "fit")
    shrinks = FRAME.replace("{frame}", "{frame}[shrink]", 1)
    frames = "\n".join(f"\\typeout{{FILE {name}}}{shrinks % name}" for name in chosen)
    log = run(BEAMER % frames, tmp_path, engine)
    assert misfits(log) == []
    assert undefined(log) == []


def test_the_tabular_alone_goes_into_a_float_of_ones_own(tmp_path: Path, tables: dict[str, Table]) -> None:
    inputs(tables, tmp_path)
    body = "".join(
        "\\begin{table}\\caption{Mine}\\label{mine}\\centering"
        f"\\resizebox{{\\linewidth}}{{!}}{{\\input{{{name}/tabular.tex}}}}\\end{{table}}\n"
        for name in ("paper", "wide", "headings", "characters")
    )
    body += "\\begin{minipage}{7cm}\\input{small/tabular.tex}\\end{minipage}"
    log = run(ARTICLE.replace("{booktabs}", "{booktabs,graphicx}") % body, tmp_path)
    assert [line for line in misfits(log) if "multiply" not in line] == []
    for name, made in tables.items():
        text = (tmp_path / name / "tabular.tex").read_text()
        assert "\\caption" not in text
        assert text.count("\\begin{tabular}") == 1
        assert sum(line.count("&") >= len(made.columns) for line in text.splitlines()) >= len(made.rows), "none is cut"
