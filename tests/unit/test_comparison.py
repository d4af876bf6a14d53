"""The comparison table: rows matched by name, columns in groups, and the same doubts told as in an ablation."""

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from pvt_exp import cli, config, report
from pvt_exp.config import ConfigError
from pvt_exp.plan import expand
from pvt_exp.report.page import Report
from pvt_exp.tables import Source, Table
from pvt_exp.tables.comparison import Part, Settings
from tests.unit.test_report import Cells
from tests.unit.test_tables import cell, paired, result, row

MATRIX = """\
base: base.yaml
seeds: [0, 1]
blocks:
  - product:
      model:
        small: {backbone.depths: [1, 1, 1, 1]}
        deep: {backbone.depths: [2, 1, 1, 1]}
        wide: {backbone.embed_dims: [16, 16, 16, 16]}
      schedule:
        1x: {epochs: 2}
        2x: {epochs: 4}
"""
OTHER = """\
base: base.yaml
seeds: [0, 1]
blocks:
  - variants:
      deep: {backbone.depths: [2, 1, 1, 1], batch_size: 8}
      huge: {backbone.depths: [2, 2, 2, 2], batch_size: 8}
"""


@pytest.fixture
def folder(experiment: Path) -> Path:
    experiment.with_name("matrix.yaml").write_text(MATRIX)
    experiment.with_name("other.yaml").write_text(OTHER)
    return experiment.parent


def source(path: Path, without: tuple[str, ...] = (), **more) -> Source:
    """The sweep with made up results; ``without`` those of some variants."""
    plan, outcomes = expand.load(path)[1], {}
    for i, variant in enumerate(plan.variants):
        for run in variant.runs:
            made = result(70.0 + i + run.seed / 10, **more)
            made["cost"]["params"] = 1_000_000 * (1 + sum(run.backbone.depths))
            done = variant.name not in without
            outcomes[run.id] = SimpleNamespace(
                state="done" if done else "diverged", reason=None, result=made if done else None
            )
    return Source(plan, outcomes)


def of_matrix(folder: Path, columns=("params", "top1"), without=(), **more) -> Table:
    return Settings(sweep="matrix.yaml", columns=columns, **more).build([source(folder / "matrix.yaml", without)])


def of_both(folder: Path, columns=("params", "top1"), own=()) -> Table:
    parts = ({"sweep": "matrix.yaml", "title": "First"}, {"sweep": "other.yaml", "title": "Second", "columns": own})
    made = Settings.model_validate({"parts": parts, "columns": columns})
    return made.build([source(folder / "matrix.yaml"), source(folder / "other.yaml")])


def test_rows_are_the_first_axis_and_the_others_give_groups_of_columns(folder):
    made = of_matrix(folder)
    assert [r.name for r in made.rows] == ["small", "deep", "wide"]
    assert made.head == "model"
    assert [(c.key, c.title, c.heading) for c in made.columns] == [
        ("params", "params (M)", ""),
        ("1x: top1", "top-1 (%)", "1x"),
        ("2x: top1", "top-1 (%)", "2x"),
    ]
    assert cell(made, "deep", "2x: top1").value == pytest.approx(73.05)
    turned = of_matrix(folder, rows="schedule")
    assert [r.name for r in turned.rows] == ["1x", "2x"]
    assert [c.heading for c in turned.columns] == ["small", "small", "deep", "deep", "wide", "wide"], "params differ"


def test_each_column_has_its_own_best_and_second(folder):
    made = of_matrix(folder)
    for key in ("1x: top1", "2x: top1"):
        cells = [cell(made, name, key) for name in ("small", "deep", "wide")]
        assert [(c.best, c.second) for c in cells] == [(False, False), (False, True), (True, False)]


def test_what_is_the_same_in_all_groups_stands_once_and_else_in_each(folder):
    assert [c.key for c in of_matrix(folder, ("top1", "params", "n", "epochs")).columns] == [
        "params", "n", "1x: top1", "1x: epochs", "2x: top1", "2x: epochs",
    ]  # fmt: skip
    partly = of_matrix(folder, ("n", "top1"), without=("model deep, schedule 2x",))
    assert [c.key for c in partly.columns] == ["1x: n", "1x: top1", "2x: n", "2x: top1"]


def test_sweeps_are_matched_by_name_and_what_one_has_not_is_said(folder):
    made = of_both(folder)
    assert [r.name for r in made.rows] == ["small", "deep", "wide", "huge"]
    assert [c.heading for c in made.columns] == ["", "First 1x", "First 2x", "Second"]
    gone = cell(made, "huge", "First 1x: top1")
    assert (gone.value, gone.missing) == (None, "no run")
    texts = {note.mark: note.text for note in made.notes}
    assert texts[gone.marks[0]] == "matrix has no such row (huge)"
    assert cell(made, "small", "Second: top1").missing == "no run"
    assert cell(made, "huge", "params").text == "9.00"
    general = [note.text for note in made.notes if not note.mark]
    assert general == ["Data: shapes with fingerprint ffffffffffffffff.", "Code: git aaaaaaaaaa."], "of both, so once"
    mixed = Settings.model_validate({"parts": ({"sweep": "matrix.yaml"}, {"sweep": "other.yaml", "title": "Second"})})
    told = mixed.build([source(folder / "matrix.yaml"), source(folder / "other.yaml", fingerprint="0" * 16)]).notes
    assert "Second: Data: shapes with fingerprint 0000000000000000." in [note.text for note in told]


def test_seeds_that_differ_between_the_sweeps_are_said_of_each(folder):
    (folder / "other.yaml").write_text(OTHER.replace("[0, 1]", "[3]"))
    made = of_both(folder)
    assert "deviation over seeds, at each" in made.caption
    assert {"First: seeds 0, 1.", "Second: seeds 3."} <= {note.text for note in made.notes}
    assert made.seeds == (0, 1, 3)


def test_a_diverged_run_is_missing_and_never_zero(folder):
    made = of_matrix(folder, without=("model deep, schedule 2x",))
    gone = cell(made, "deep", "2x: top1")
    assert (gone.value, gone.text, gone.missing) == (None, "", "diverged")
    assert cell(made, "deep", "1x: top1").value is not None


def test_marks_are_at_the_row_where_all_its_cells_have_them_and_else_at_the_cell(folder):
    alone = [{note.mark: note.text for note in made.notes} for made in (of_both(folder), of_matrix(folder))]
    made = of_both(folder)
    marked = cell(made, "deep", "Second: top1").marks
    assert "its recipe differs from the base's: batch_size 8 (16); ghost_batch_size 8 (16)" in [
        alone[0][m] for m in marked
    ]
    assert not row(made, "deep").marks
    assert row(made, "huge").marks == marked, "it has no other cells"
    assert not any("recipe" in text for text in alone[1].values()), "epochs are what the schedule studies"


def test_parts_can_have_columns_of_their_own(folder):
    made = of_both(folder, ("params", "top1"), own=("top5", "loss"))
    assert [c.key for c in made.columns][-2:] == ["Second: top5", "Second: loss"]
    assert [c.key for c in made.columns][:2] == ["First 1x: params", "First 1x: top1"], "not every part asks for it"


def test_headings_span_their_columns_in_every_format(folder):
    made = of_matrix(folder, ("params", "top1", "top5"))
    tex = report.render(made, "tex")
    assert " & ".join(["", "", r"\multicolumn{2}{c}{1x}", r"\multicolumn{2}{c}{2x} \\"]).strip() in tex
    assert r"\cmidrule(lr){3-4} \cmidrule(lr){5-6}" in tex
    page = report.render(made, "html")
    assert '<th scope="colgroup" colspan="2">1x</th>' in page
    assert page.count('rowspan="2"') == 2
    assert Cells(page).rows[:2] == [["model", "params (M)", "1x", "2x"], ["top-1 (%)", "top-5 (%)"] * 2]
    assert [head.strip() for head in report.render(made, "md").splitlines()[2].split("|")][3:5] == [
        "1x top-1 (%)", "1x top-5 (%)",
    ]  # fmt: skip
    read = list(csv.DictReader(io.StringIO(report.render(made, "csv"))))
    assert float(read[1]["2x: top5"]) == 95.0
    assert report.as_json(made)["columns"][1]["heading"] == "1x"
    assert list(json.loads(json.dumps(report.as_json(made)))["groups"][0]["rows"][0]["cells"]) == [
        c.key for c in made.columns
    ]


def test_a_seeds_figure_is_told_with_its_own_run(folder):
    page = report.render(of_matrix(folder), "html")
    made = source(folder / "matrix.yaml").plan.variants[3].runs[1]
    assert f"seed 1: 73.1  run {made.id}" in page


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ("page.yaml:2: tables.0: a comparison has either sweep or parts", "- kind: comparison\n"),
        (
            "page.yaml:4: tables.0.rows: no sweep has the axis 'modle'; they have model, schedule",
            "- kind: comparison\n  sweep: matrix.yaml\n  rows: modle\n",
        ),
        (
            "page.yaml:4: tables.0.columns.0: unknown column 'parms'; did you mean params (of matrix)",
            "- kind: comparison\n  sweep: matrix.yaml\n  columns: [parms]\n",
        ),
        (
            "page.yaml:5: tables.0: othr.yaml: no such file; did you mean other.yaml",
            "- kind: comparison\n  parts:\n  - sweep: matrix.yaml\n  - sweep: othr.yaml\n",
        ),
        (
            "page.yaml:5: tables.0.parts.0.columns.0: unknown column 'epohcs'; did you mean epochs (of matrix)",
            "- kind: comparison\n  parts:\n  - sweep: matrix.yaml\n    columns: [epohcs]\n",
        ),
        ("page.yaml:2: tables.0: unknown kind 'comparisn'; did you mean comparison", "- kind: comparisn\n"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(folder, monkeypatch, told, text):
    monkeypatch.chdir(folder)
    Path("page.yaml").write_text("tables:\n" + text)
    with pytest.raises(ConfigError) as error:
        CliRunner().invoke(cli.app, ["report", "page.yaml"], catch_exceptions=False)
    assert error.value.problems == [told]


def test_a_table_that_names_no_kind_is_an_ablation(folder):
    (folder / "page.yaml").write_text("tables: [{sweep: a.yaml}, {kind: comparison, sweep: a.yaml}]\n")
    assert [table.kind for table in config.load(Report, folder / "page.yaml").tables] == ["ablation", "comparison"]


def test_differences_are_to_the_bases_row_in_each_group(folder: Path) -> None:
    made = Settings(sweep="matrix.yaml", columns=("top1", "difference")).build([source(folder / "matrix.yaml")])
    for schedule in ("1x", "2x"):
        assert cell(made, "small", f"{schedule}: difference").text == ""
        due = cell(made, "deep", f"{schedule}: top1").value - cell(made, "small", f"{schedule}: top1").value
        assert cell(made, "deep", f"{schedule}: difference").value == pytest.approx(due)


def test_p_is_corrected_over_all_groups_of_the_table(folder: Path) -> None:
    given = source(folder / "matrix.yaml")
    for i, made in enumerate(given.outcomes.values()):
        made.result["metrics"]["top1"] += (i * i % 7) / 100
    made = Settings(sweep="matrix.yaml", columns=("top1", "difference", "p")).build([given])
    corrected, raw = [], []
    for schedule in ("1x", "2x"):
        base = cell(made, "small", f"{schedule}: top1").values
        for name in ("deep", "wide"):
            raw.append(paired(cell(made, name, f"{schedule}: top1").values, base)[1])
            corrected.append(cell(made, name, f"{schedule}: p").value)
    assert min(corrected) == pytest.approx(len(raw) * min(raw))
    assert [note.text for note in made.notes if "Holm's correction over the table's 4" in note.text]


def test_no_row_and_no_column_takes_the_place_of_another(folder: Path) -> None:
    twice = Settings(parts=(Part(sweep="other.yaml", title="x"), Part(sweep="matrix.yaml", title="x")))
    with pytest.raises(ConfigError, match="two groups of columns are called 'x'"):
        twice.build([source(folder / "other.yaml"), source(folder / "other.yaml")])
    path = folder / "named.yaml"
    other = "{base: {backbone.depths: [2, 1, 1, 1]}, deep: {backbone.depths: [2, 2, 1, 1]}}"
    path.write_text(f"base: base.yaml\nblocks: [{{one_at_a_time: {{model: {other}}}}}]\n")
    with pytest.raises(ConfigError, match="the rows 'base' and 'model base' have the same choice"):
        Settings(sweep="named.yaml").build([source(path)])


def test_a_column_that_stands_once_keeps_the_marks_of_each_group(folder: Path) -> None:
    found = source(folder / "matrix.yaml")
    small = next(v for v in found.plan.variants if v.runs[0].epochs == 4 and v.runs[0].backbone.depths == (1, 1, 1, 1))
    found.outcomes[small.runs[1].id].result["cost"]["params"] += 1
    made = Settings(sweep="matrix.yaml", columns=("params", "top1")).build([found])
    texts = {note.mark: note.text for note in made.notes}
    assert made.columns[0].key == "params"
    (mark,) = cell(made, "small", "params").marks
    assert texts[mark].startswith(
        "params differ among its seeds, the first is shown: 5,000,000 of seed 0; 5,000,001 of"
    )
