"""The reproduction table: ours beside each source's, how far it is, and what that can and cannot tell."""

import csv
import io
import json
from types import SimpleNamespace

import pytest

from pvt_exp import report
from pvt_exp.config import ConfigError
from pvt_exp.plan import published
from pvt_exp.tables import Source, Table, reproduction
from tests.unit.test_tables import BASE, TASK, built, cell, paired, result, row, sweep


def made(rows, seeds=(0, 1, 2), **more) -> Table:
    """The table of {name: (what its runs gave, references)}."""
    plan, outcomes = sweep([(({"": name},), given) for name, (given, _) in rows.items()], seeds)
    for variant, (_, references) in zip(plan.variants, rows.values(), strict=True):
        variant.published = tuple(map(published.find, references))
    return reproduction.Settings(sweep="s.yaml", **more).build([Source(plan, outcomes)])


def said(table: Table) -> str:
    return "\n".join(note.text for note in table.notes)


@pytest.fixture(scope="module")
def whole() -> Table:
    rows = {
        "B0": ([70.4, 70.5, 70.6], ["v2/table2/PVTv2-B0", "readme/imagenet/PVTv2-B0"]),
        "B3": ([82.6, 82.61, 82.59], ["v2/table2/PVTv2-B3", "readme/imagenet/PVTv2-B3"]),
        "noisy": ([81.0, 82.0, 83.2], ["v2/table2/PVTv2-B2", "readme/imagenet/PVTv2-B2"]),
        "ResNet18": ([68.6, 68.5, 68.4], ["v2/table2/ResNet18", "v1/table2/ResNet18"]),
        "not trained": ([None] * 3, ["v2/table2/PVTv2-B1"]),
        "ours alone": ([50.0, 51.0, 52.0], []),
    }
    return made(rows, tolerance=0.3)


def test_each_source_has_its_column_in_the_order_of_the_sweep(whole: Table) -> None:
    assert [column.key for column in whole.columns] == [
        "top1", "top1_v2", "top1_v2_difference", "top1_readme", "top1_readme_difference", "top1_v1",
        "top1_v1_difference", "n", "params", "params_published", "macs", "macs_published",
    ]  # fmt: skip
    assert [cell(whole, "B3", f"top1_{source}").value for source in ("v2", "readme", "v1")] == [83.2, 83.1, None]
    assert cell(whole, "ResNet18", "top1_v1").text == "68.5"


def test_a_dense_task_that_starts_at_random_says_so() -> None:
    plan, outcomes = sweep([(({"": "B0"},), [30.0] * 3)])
    (variant,) = plan.variants
    variant.published = (published.find("v2/table2/PVTv2-B0"),)
    for kind, told in (("detection", True), ("classification", False)):
        for run in variant.runs:
            run.task = SimpleNamespace(kind=kind, all_metrics=TASK.all_metrics, describe=TASK.describe)
        table = reproduction.Settings(sweep="s.yaml").build([Source(plan, outcomes)])
        assert ("Ours start from random weights." in said(table)) == told


def test_the_difference_has_the_interval_of_the_mean(whole: Table) -> None:
    shown = cell(whole, "noisy", "top1_v2_difference")
    given = [81.0, 82.0, 83.2]
    low, high = paired(given, [82.0] * 3)[0]
    assert shown.value == pytest.approx(sum(given) / 3 - 82.0)
    assert shown.interval == pytest.approx((low, high))


def test_what_is_within_outside_and_cannot_be_told(whole: Table) -> None:
    marks = {name: cell(whole, name, "top1_v2_difference") for name in ("B0", "B3", "noisy", "ResNet18")}
    assert {name: (each.within, each.marks) for name, each in marks.items()} == {
        "B0": (True, ()),
        "B3": (False, ("‡",)),
        "noisy": (True, ("?",)),
        "ResNet18": (False, ("‡",)),
    }
    assert (
        "Of 5 rows with a figure of PVT v2, 2 within 0.3; 2 not: B3 by −0.60; ResNet18 by −1.30; "
        "1 undecided with these seeds: noisy; 1 without a result: not trained." in said(whole)
    )


def test_what_is_shown_decides() -> None:
    rows = {"at the limit": ([80.103], ["v2/table2/PVT-Small"]), "beyond": ([80.106], ["v2/table2/PVT-Small"])}
    table = made(rows, seeds=(0,), tolerance=0.3)
    assert [cell(table, name, "top1_v2_difference").within for name in rows] == [True, False]
    assert "With one seed there is no interval, so the spread over seeds is unknown." in said(table)
    assert "tolerance 0.3" in table.caption


def test_a_row_without_a_result_says_why_and_keeps_its_figures(whole: Table) -> None:
    assert cell(whole, "not trained", "top1").missing == "pending"
    assert cell(whole, "not trained", "top1_v2").value == 78.7
    assert cell(whole, "not trained", "top1_v2_difference").missing == "pending"
    assert cell(whole, "ours alone", "top1_v2") == cell(whole, "ours alone", "top1_v2_difference")
    assert cell(whole, "ours alone", "top1_v2").text == ""


def test_a_source_that_repeats_another_has_no_differences_of_its_own() -> None:
    rows = {"tiny": ([75.0], ["v1/table2/PVT-Tiny", "readme/imagenet/PVT-Tiny"])}
    table = made(rows, seeds=(0,))
    assert "top1_readme" in [column.key for column in table.columns]
    assert "top1_readme_difference" not in [column.key for column in table.columns]
    assert "README has the figures of PVT." in said(table)


def test_sources_and_remarks_are_told(whole: Table) -> None:
    text = said(whole)
    assert "PVT v2 (paper): arXiv 2106.13797, Table 2 (" in text
    assert "README (authors): github.com/whai362/PVT 57e2dfa" in text
    assert "PVT prints error rates: the score is 100 minus the error." in text
    assert "PVT v2, Table 2: it is 3.667 M with the head, 3.410 M without" in text
    assert row(whole, "B0").marks


def test_parameters_are_compared_but_for_rounding() -> None:
    rows = {"B0": ([70.5], ["v2/table2/PVTv2-B0"]), "README": ([70.5], ["readme/imagenet/PVTv2-B0"])}
    table = made(rows, seeds=(0,))  # both of 3.667 M
    assert [cell(table, name, "params_published").marks for name in rows] == [("‡",), ()]
    assert cell(table, "B0", "macs_published").marks == ()  # 0.566 is 0.6
    assert "ours differ by more than rounding" in said(table)


def test_a_count_of_what_is_trained_is_told_as_such() -> None:
    frozen = {"params": 37_970_000, "trainable_params": 37_740_000, "macs": 239_000_000_000, "input_px": [800, 1280]}
    table = made({"R50": ([result(36.0, cost=frozen)], ["v1/table3/1x/ResNet50"])}, seeds=(0,), columns=("params",))
    assert "this counts trained parameters, of which ours has 37.74 M" in said(table)


def test_what_a_source_could_not_train_is_told() -> None:
    rows = {"ViT": ([50.0], ["v1/table8/ViT-Small/4"])}
    rows |= {"tiny": ([75.0], ["v1/table2/PVT-Tiny"]), "B0": ([70.0], ["v2/table2/PVTv2-B0"])}
    table = made(rows, seeds=(0,))
    assert [cell(table, "ViT", f"top1_{source}").missing for source in ("v1", "v2")] == ["none", None]
    assert "published: out of memory on a 32 GB GPU" in said(table)


def test_other_columns_are_those_of_every_table() -> None:
    rows = {"tiny": ([75.0], ["v1/table2/PVT-Tiny"])}
    table = made(rows, seeds=(0,), columns=("n", "top1", "loss"))
    assert [column.key for column in table.columns] == ["n", "top1", "top1_v1", "top1_v1_difference", "loss"]


def test_formats_have_the_verdict(whole: Table) -> None:
    rows = {line["variant"]: line for line in csv.DictReader(io.StringIO(report.render(whole, "csv")))}
    assert [rows[name]["top1_v2_difference_within"] for name in ("B0", "B3", "not trained")] == ["1", "0", ""]
    assert float(rows["B0"]["params_published"]) == 3.4e6
    read = json.loads(json.dumps(report.as_json(whole), allow_nan=False))
    assert read["groups"][0]["rows"][0]["cells"]["top1_v2_difference"]["within"] is True
    assert r"\ddag{}" in report.render(whole, "tex")


def test_a_sweep_without_published_rows_is_told() -> None:
    plan, outcomes = sweep([(BASE, [70.0] * 3)])
    plan.variants[0].published = ()
    with pytest.raises(ConfigError, match="sweep: no row of it has published figures"):
        reproduction.Settings(sweep="s.yaml").build([Source(plan, outcomes)])


def test_any_table_can_have_a_column_of_published_figures() -> None:
    plan, outcomes = sweep([(({"": "tiny"},), [75.0]), (({"": "ours"},), [70.0])], seeds=(0,))
    for variant, references in zip(
        plan.variants, (["v1/table2/PVT-Tiny", "readme/imagenet/PVT-Tiny"], []), strict=True
    ):
        variant.published = tuple(map(published.find, references))
    table = built(plan, outcomes, columns=("top1", "published"))
    assert [cell(table, name, "published").text for name in ("tiny", "ours")] == ["75.1", ""]
    assert "PVT (paper): arXiv 2102.12122v2, Table 2" in said(table)
