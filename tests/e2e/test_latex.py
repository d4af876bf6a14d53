"""What the report writes compiles with the plain class and booktabs, whatever the names are."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pvt_exp import report
from tests.unit.test_report import HOSTILE
from tests.unit.test_tables import BASE, result, table

DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
\input{table.tex}
\end{document}
"""

pytestmark = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


def compile_table(made, folder: Path) -> str:
    report.write(made, folder)
    (folder / "page.tex").write_text(DOCUMENT)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=300)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "page.pdf").is_file()
    return done.stdout


def test_a_papers_table_fits_the_page(tmp_path):
    rows = [(BASE, [result(71.2 + i / 10, macs_px) for i, macs_px in enumerate((0.91, 0.92, 0.95))])]
    rows += [(({"spatial reduction": name},), [70.0, 70.5, 71.9]) for name in ("none", "4-2-2-1", "linear")]
    rows += [
        (({"depth": "deep"},), [("out_of_memory", "31 GiB of 24")] * 3),
        (({"": "+ overlap"},), [72.0, None, None]),
    ]
    log = compile_table(table(rows, title="What each part buys"), tmp_path)
    assert "Overfull" not in log
    assert "too large" not in log


def test_a_table_of_four_metrics_fits_the_page(tmp_path):
    names = ("mask_AP", "mask_AP50", "box_AP", "box_AP50")

    def measured(value: float):
        made = result(value)
        made["metrics"] = {name: value + i for i, name in enumerate(names)}
        return made

    rows = [(BASE, [measured(56.2 + i / 3) for i in range(3)])]
    rows += [(({"spatial reduction": name},), [measured(51 + i) for i in range(3)]) for name in ("none", "linear")]
    log = compile_table(table(rows, metrics=names), tmp_path)
    assert "Overfull" not in log


@pytest.mark.parametrize("as_title", [False, True])
def test_hostile_names_compile(tmp_path, as_title):
    rows = [(BASE, [71.0] * 3)]
    rows += [(({f"axis {name}": name},), [70.0, 70.5, ("failed", name)]) for name in HOSTILE]
    compile_table(table(rows, title=" ".join(HOSTILE) if as_title else None), tmp_path)


def test_a_table_longer_than_a_page_compiles_in_parts(tmp_path):
    rows = [(({"axis": f"choice_{i}"},), [70.0, 70.5, 70.1 + i / 100]) for i in range(90)]
    log = compile_table(table(rows), tmp_path)
    assert "too large" not in log
    assert "Overfull" not in log
