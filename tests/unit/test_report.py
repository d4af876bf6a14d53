"""Every format says the same, whatever names people give, and what is written can be read back."""

import csv
import html.parser
import io
import json
import re

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from pvt_exp import report
from pvt_exp.report.escape import latex
from pvt_exp.report.formats import from_text
from pvt_exp.report.latex import breakable
from pvt_exp.report.terminal import show
from tests.unit.test_tables import BASE, table

HOSTILE = [
    "a&b%_#${}",
    "~^\\|<x>",
    "\\|",
    "\"q\" `b` ''",
    "né ï ß Δα ² ½ 中 😀 − ± ×",
    "[3pt] *x* _y_ __z__ ~~s~~",
    "[link](http://x) ![i](j) $x$",
    "--flag ---",
    "- x",
    "+ overlap",
    "1. one",
    "# head",
    "&amp; &lt;b&gt;",
    "<script>alert(1)</script>",
    "[bold]red[/bold]",
    "{{ 7*7 }} << x >> <% if %> {% if %} {# c #}",
    "\\input{x} ^^M \\end{table}",
    "=1+1",
    "a,b;c\"d\"",
    "line\nbreak\ttab\r\nend",
]  # fmt: skip


@pytest.fixture(scope="module")
def hostile():
    rows = [(BASE, [71.0, 71.5, 72.0])]
    rows += [(({f"axis {name}": name},), [70.0, 70.5, ("failed", f"why {name}")]) for name in HOSTILE]
    return table(rows, title=" ".join(HOSTILE))


@pytest.fixture
def small():
    rows = [
        (BASE, [71.0, 71.5, 72.0]),
        (({"depth": "deep"},), [73.0, 73.5, 74.0]),
        (({"depth": "huge"},), [("out_of_memory", "40 GiB")] * 3),
    ]
    return table(rows, title="Parts")


def flat(name: str) -> str:
    return " ".join(name.split())


class Cells(html.parser.HTMLParser):
    """The texts of a page's rows, and the tags that were seen."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.inside = True
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


def test_csv_reads_back_with_full_precision(hostile):
    rows = list(csv.DictReader(io.StringIO(report.render(hostile, "csv"), newline="")))
    assert [from_text(row["variant"]) for row in rows] == ["base (8-4-2-1)", *HOSTILE]
    assert rows[1]["group"] == f"axis {HOSTILE[0]}"
    for read, row in zip(rows, hostile.rows, strict=True):
        assert float(read["top1"]) == row.cells[0].value
        assert float(read["top1_std"]) == row.cells[0].std
        assert read["runs"].split() == list(row.runs)
    assert rows[1]["missing"].endswith(":failed")


def test_csv_leaves_what_is_missing_empty(small):
    row = list(csv.DictReader(io.StringIO(report.render(small, "csv"))))[-1]
    assert (row["top1"], row["difference"], row["params"], row["top1_n"]) == ("", "", "", "0")
    assert row["missing"].count(":out_of_memory") == 3


def test_markdown_reads_back(hostile):
    text = report.render(hostile, "md")
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
    cells = Cells(page)
    assert not {"script", "a", "img", "h1", "s", "x"} & cells.tags
    names = [row[0] for row in cells.rows[3::2]]
    assert names == [flat(name) for name in HOSTILE]
    assert {len(row) for row in cells.rows} == {len(hostile.columns) + 1}
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1


def test_html_reads_back_and_holds_no_markup_of_names(hostile):
    text = report.render(hostile, "html", command="pvt-exp report '<i>'")
    cells = Cells(text)
    names = [row[0] for row in cells.rows[1:] if len(row) > 1]
    assert names == ["base (8-4-2-1)", *HOSTILE]
    assert not {"script", "x", "i", "link", "img"} & cells.tags
    assert "seed 1: 71.5  run 000000000001" in text


@pytest.mark.parametrize("latex", ["plain", "fit"])
def test_latex_is_ascii_and_keeps_its_braces(hostile, latex):
    text = report.render(hostile, "tex", command="pvt-exp report\n\\bad", latex=latex)
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    assert re.sub(r"\\PvtExpOther{[^}]*}", "", "\n".join(lines)).isascii()
    assert text.startswith("% pvt-exp report \\bad\n")
    bare = re.sub(r"\\[\\{}%]", "", "\n".join(line for line in text.splitlines() if not line.startswith("%")))
    assert bare.count("{") == bare.count("}")
    if latex == "fit":
        body = [line for line in bare.splitlines() if line.count(" & ") == len(hostile.columns)]
        assert len(body) == len(HOSTILE) + 1 + 2 * len(
            re.findall(r"csname PvtExp:\d+\\endcsname{", text)
        )  # a head has two lines


def test_latex_is_lines_that_an_author_edits(small):
    text = report.render(small, "tex")
    assert "PvtExp" not in text
    lines = text.splitlines()
    (row,) = [line for line in lines if line.startswith(r"\enspace deep ")]
    assert [cell.strip() for cell in row.removesuffix(r"\\").split(" & ")][:2] == [
        r"\enspace deep",
        r"\textbf{73.5}$\pm$0.5",
    ]
    assert [line for line in lines if line.startswith(r"\caption{Parts: mean")]
    assert r"\label{tab:parts}" in lines
    rows = [line for line in lines if line.count(" & ") == len(small.columns)]
    assert len(rows) == 2 + len(small.rows)
    assert len({tuple(at for at, c in enumerate(line) if c == "&") for line in rows}) == 1, "one below the other"
    assert lines.index(r"\bottomrule") - lines.index(r"\toprule") < 15
    alone = report.render(small, "tabular").splitlines()
    assert [line for line in alone if " & " in line] == rows
    assert not [line for line in alone if re.search(r"caption|label|table}|minipage}", line) and line[0] != "%"]


def test_a_changed_figure_changes_one_line_of_latex(small):
    rows = [(BASE, [71.0, 71.5, 72.0]), (({"depth": "deep"},), [73.5, 74.0, 74.5])]
    other = table([*rows, (({"depth": "huge"},), [("out_of_memory", "40 GiB")] * 3)], title="Parts")
    before, after = (report.render(made, "tex").splitlines() for made in (small, other))
    assert len(before) == len(after)
    changed = [now for was, now in zip(before, after, strict=True) if was != now]
    assert [line.split()[:2] for line in changed] == [[r"\enspace", "deep"]]


def test_latex_letters():
    assert latex("a_b & 5%") == r"a\_b \& 5\%"
    assert latex("71 ± 2, −3, 8×8") == r"71 $\pm$ 2, $-$3, 8$\times$8"
    assert latex("Ångström naïve Šķ ß") == r"\r{A}ngstr\"{o}m na\"{\i}ve \v{S}\c{k} \ss{}"
    assert latex("β x² ½ ﬁ 中") == r"$\beta$ x$^{\mathrm{2}}$ 1/2 fi \PvtExpOther{中}"
    assert latex("结果 2: 深 い") == r"\PvtExpOther{结果} 2: \PvtExpOther{深 い}"
    assert latex("Việt x\u0302 가") == r"Vi\d{\^{e}}t \^{x} \PvtExpOther{가}" or latex("Việt") == r"Vi\^{\d{e}}t"
    assert latex("--x ''") == "-{}-x '{}'"
    assert latex("a\n\tb\x00\u200b") == "a b"


def test_accents_stay_on_their_letters_where_long_words_break():
    assert r"wielko\'{s}\'{c}-\allowbreak{}\.{z}\'{o}\l{}ta" in breakable("wielkość-żółta-partia")
    assert r"-\allowbreak{}bl\={u}r" in breakable("gaussian-blūr-strong")


def test_a_long_table_is_split_for_latex():
    rows = [(({"a": f"choice {i}"},), [1.0 * i] * 3) for i in range(100)]
    for latex_, title in (("plain", "\\textit{a}"), ("fit", "\\PvtExpTitle{a}")):
        text = report.render(table(rows), "tex", latex=latex_)
        of = int(re.findall(r"~of~(\d)", text)[0])
        assert 2 < of < 6
        assert re.findall(rf" \((\d)~of~{of}\)}}", text) == [str(n + 1) for n in range(of)]
        assert text.count(r"\addtocounter{table}{-1}") == of - 1
        assert text.count(r"\label{tab:parts}") == text.count(r"\begin{minipage}") == 1
        assert text.count(title) == of
    assert len(re.findall(r"^\\enspace choice", report.render(table(rows), "tabular"), re.M)) == 100


def test_missing_is_shown_with_its_reason_everywhere(small):
    for form in ("md", "tex", "html"):
        assert "(OOM)" in report.render(small, form)
        assert "out of memory: 40 GiB" in report.render(small, form)
    assert "— (OOM)" in terminal(small)


def test_the_second_is_underlined_everywhere():
    rows = [(({"a": name},), [value] * 3) for name, value in (("x", 70.0), ("y", 71.0), ("z", 72.0))]
    made = table(rows, columns=("top1",))
    for form, text in {"tex": r"\underline{71.00}", "md": "<u>71.00</u>", "html": "<u>71.00</u>"}.items():
        assert report.render(made, form).count(text) == 1
    out = io.StringIO()
    for line in show(made, 100):
        Console(file=out, width=100, force_terminal=True, color_system="standard").print(line)
    assert "\x1b[4m71.00" in out.getvalue()
    seconds = [row["cells"]["top1"]["second"] for row in report.as_json(made)["groups"][0]["rows"]]
    assert seconds == [False, True, False]


def terminal(made, width=100) -> str:
    out = io.StringIO()
    for line in show(made, width):
        Console(file=out, width=width or 80, color_system=None).print(line, soft_wrap=True)
    return out.getvalue()


@pytest.mark.parametrize("width", [100, 80])
def test_the_terminal_shows_whole_numbers(small, hostile, width):
    for made in (small, hostile):
        text = terminal(made, width)
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= width
        assert "71.5±0.5" in text
        assert "0.900±0.000" in text
    assert "[bold]red" in terminal(hostile)


def test_json_has_stable_names(small):
    read = json.loads(json.dumps(report.as_json(small), allow_nan=False))
    assert list(read) == ["format", "name", "caption", "seeds", "columns", "groups", "notes"]
    row = read["groups"][1]["rows"][0]
    assert list(row) == ["name", "base", "runs", "marks", "data", "code", "cells"]
    assert row["runs"][0] == {"seed": 0, "run": "000000010000", "state": "done"}
    assert list(row["cells"]) == ["top1", "loss", "top5", "n", "difference", "params", "macs"]
    cell = row["cells"]["top1"]
    assert cell == {
        "value": 73.5, "std": 0.5, "n": 3, "text": "73.5 ± 0.5", "best": True, "second": False, "missing": None, "marks": [],
        "values": [73.0, 73.5, 74.0],
    }  # fmt: skip


def test_files_are_written_whole_and_the_same_every_time(small, tmp_path):
    paths = report.write(small, tmp_path / "a", command="pvt-exp report x")
    assert [path.name for path in paths] == ["table.tex", "table.md", "table.csv", "table.html", "tabular.tex"]
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in report.write(small, tmp_path / "a", command="pvt-exp report x")] == before
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(path.name for path in paths)


def test_a_page_has_all_tables_and_a_folder_for_each(small, hostile, tmp_path):
    paths = report.write_page("A <page>", [small, hostile], tmp_path)
    names = {path.relative_to(tmp_path).as_posix() for path in paths}
    assert {"index.html", "index.md", "parts/table.tex", "parts.2/table.csv"} <= names
    assert len(names) == 12
    text = (tmp_path / "index.html").read_text()
    assert "<h1>A &lt;page&gt;</h1>" in text
    assert text.count("<table>") == 2
    report.write_page("Empty", [], tmp_path / "none")


def test_tables_of_one_sweep_have_labels_of_their_own(small, tmp_path):
    paths = report.write_page("Two", [small, small], tmp_path / "paper")
    labels = [set(re.findall(r"\\label{(.*?)}", path.read_text())) for path in paths if path.name == "table.tex"]
    assert labels == [{"tab:paper-parts"}, {"tab:paper-parts.2"}]


def test_an_empty_table_is_written_too(tmp_path):
    assert all(path.stat().st_size for path in report.write(table([]), tmp_path))
    assert all(path.stat().st_size for path in report.write(table([(BASE, [None] * 3)]), tmp_path))
