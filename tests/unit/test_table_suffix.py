"""A part of a sweep, or another choice of it, never takes the place of the whole sweep's table."""

import re
from pathlib import Path
from typing import get_args

import pytest

from pvt_exp import report
from pvt_exp.plan import table_suffix
from pvt_exp.report.latex import in_label
from pvt_exp.tracking import report as wandb_report
from tests.unit.test_tables import BASE, table

ASKED = [
    {"only": ["depth"]},
    {"only": ["deep", "base"]},
    {"seeds": "0-4"},
    {"seeds": "0,2"},
    {"best": True},
    {"best": True, "seeds": "1"},
    {"overrides": ["epochs=3"]},
    {"overrides": ["epochs=30"]},
    {"overrides": ["dataset={kind: image_folder, name: photos}", "epochs=3"]},
    {"overrides": ["dataset={kind: image_folder, name: other_photos}", "epochs=3"]},
    {"only": ["深い"]},
    {"only": ["结果"]},
    {"only": ["a/b"]},
    {"only": ["a-b"]},
    {"only": ["x" * 200]},
    {"only": ["x" * 201]},
]


def test_names_say_what_they_hold_and_differ() -> None:
    assert table_suffix.name() == ""
    assert table_suffix.name(["depth"]) == "only-depth"
    assert table_suffix.name(best=True) == "best"
    assert table_suffix.name(["b", "a"], "0-4", ["epochs=3"], True) == "only-a-b.with-epochs-3.seeds-0-4.best"
    names = [table_suffix.name(**asked) for asked in ASKED]  # type: ignore[arg-type]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9][\w.+-]*", name, re.ASCII)
        assert len(name) <= table_suffix.MOST_CHARS


def test_files_of_a_part_lie_beside_those_of_the_whole(tmp_path: Path) -> None:
    made = table([(BASE, [71.0, 71.5, 72.0])])
    whole = {path: path.read_bytes() for path in report.write(made, tmp_path)}
    for asked in ASKED:
        paths = report.write(made, tmp_path, part=table_suffix.name(**asked))  # type: ignore[arg-type]
        assert len(paths) == len(get_args(report.Format))
        assert not set(paths) & set(whole)
    assert {path: path.read_bytes() for path in whole} == whole
    assert len(list(tmp_path.iterdir())) == len(whole) * (1 + len(ASKED))
    labels = [re.findall(r"\\label{(.*?)}", path.read_text()) for path in tmp_path.glob("table*.tex")]
    assert len({label for (label,) in labels}) == len(labels), "each has a label of its own"
    assert {"tab:parts", "tab:parts-only-depth"} <= {label for (label,) in labels}


@pytest.mark.parametrize("of", [in_label, wandb_report.artifact_name])
def test_names_that_are_not_ascii_get_names_of_their_own(of: "type[str]") -> None:
    names = [
        "结果",
        "实验",
        "größer",
        "grosser",
        "größer ",
        "深い",
        "-",
        "😀",
        "a b",
        "sweep",
        "sr_ratio",
        "sr/ratio",
        "é" * 150,
    ]
    made = [of(name) for name in names]
    assert len(set(made)) == len(made)
    for each in made:
        assert re.fullmatch(r"[A-Za-z0-9._-]+", each)
        assert len(each) <= 200
    assert of("sweep") == "sweep"
    assert of("v2_table3.only-deep") == "v2_table3.only-deep"
