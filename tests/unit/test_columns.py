"""The words of ``columns``: what each shows, in their order, and what is told of one that is none."""

import csv
import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from pvt_exp import cli, report
from pvt_exp.config import ConfigError
from pvt_exp.plan import expand
from pvt_exp.report import figures
from pvt_exp.report.formats import plain
from pvt_exp.tables import Column, Source, ablation, comparison, cost
from pvt_exp.tables._heads import titled
from tests.unit.test_tables import BASE, built, cell, paired, result, table
from tests.unit.test_tables import sweep as table_sweep

ROWS = [(BASE, [70.0, 71.0, 72.5]), (({"a": "clear"},), [72.0, 73.1, 74.4]), (({"a": "vague"},), [71.0, 70.5, 74.5])]
NAME = "base (8-4-2-1)"


def of_settings(path: Path, *columns: str):
    """A table of runs that have settings: of the sweep in a file."""
    plan = expand.load(path)[1]
    outcomes = {run.id: SimpleNamespace(state="done", reason=None, result=result(70.0 + run.seed)) for run in plan.runs}
    return built(plan, outcomes, columns=columns)


def test_columns_stand_in_the_order_of_their_words():
    words = ("params", "n", "loss", "p", "top1", "difference")
    made = table(ROWS, columns=words)
    assert tuple(column.key for column in made.columns) == words


def test_a_sweep_of_no_words_has_the_usual_columns():
    assert [c.key for c in table(ROWS).columns] == ["top1", "loss", "top5", "n", "difference", "params", "macs"]


def test_differences_are_of_the_first_metric_unless_they_say_of_which():
    made = table(ROWS, columns=("loss", "top1", "difference", "difference(top1)", "p(top1)"))
    assert [c.key for c in made.columns][2:] == ["difference", "difference_top1", "p_top1"]
    assert [c.title for c in made.columns][2:] == ["Δ loss", "Δ top-1", "p top-1"]
    assert cell(made, "clear", "difference").value == pytest.approx(0.0)
    assert cell(made, "clear", "difference_top1").value == pytest.approx(2.0)


def test_a_p_is_corrected_over_all_differences_of_the_table():
    rows = [(settings, [result(score, score / (40 + n)) for n, score in enumerate(got)]) for settings, got in ROWS]
    alone = cell(table(rows, columns=("top1", "p")), "clear", "p")
    both = cell(table(rows, columns=("top1", "p", "p(loss)")), "clear", "p")
    assert alone.value == cell(table(rows), "clear", "difference").p
    assert both.value > alone.value
    assert re.fullmatch(r"0\.\d{3}|< 0\.001", alone.text)
    base = cell(table(ROWS, columns=("top1", "p")), NAME, "p")
    assert (base.value, base.text, base.missing) == (None, "", None)


FIVE = [70.0, 71.0, 72.5, 70.2, 70.1]


def test_an_interval_is_of_the_mean_and_says_how_it_was_made():
    made = table(ROWS, columns=("top1", "interval"))
    shown = cell(made, "clear", "interval")
    assert shown.interval == pytest.approx((73.1667 - 2.9844, 73.1667 + 2.9844), abs=1e-3)
    assert shown.text == "[70.2, 76.2]"
    assert "Interval: 95 %, of the mean over seeds (Student's t)." in [note.text for note in made.notes]
    read = list(csv.DictReader(io.StringIO(report.render(made, "csv"))))
    assert float(read[1]["interval_low"]) == shown.interval[0]
    assert "interval" not in read[1]
    five = table([(BASE, FIVE)], seeds=range(5), columns=("interval(top1)",))
    assert five.rows[0].cells[0].interval == pytest.approx(paired(FIVE, [0.0] * 5)[0])
    assert "Interval: 95 %, of the mean over seeds (Student's t)." in [note.text for note in five.notes]
    one = table([(BASE, [70.0])], seeds=(0,), columns=("interval",))
    assert one.rows[0].cells[0].missing == "one seed"


def test_without_spread_there_is_no_interval_in_any_format():
    rows = [(BASE, [70.0, 70.0, 70.0]), (({"a": "moved"},), [71.0, 71.0, 71.0]), (({"a": "same"},), [70.0, 70.0, 70.0])]
    made = table(rows, columns=("top1", "interval", "difference", "p"))
    for name in ("moved", "same"):
        interval, difference, p = (cell(made, name, kind) for kind in ("interval", "difference", "p"))
        assert (interval.missing, interval.interval) == ("no spread", None)
        assert (difference.interval, difference.p, difference.verdict, difference.std_text) == (None, None, None, "")
        assert p.missing == "no spread"
    said = [note.text for note in made.notes]
    assert "No interval of a mean where all seeds gave the same score." in said
    assert not any(text.startswith("Interval: 95 %") for text in said)
    for line in csv.DictReader(io.StringIO(report.render(made, "csv"))):
        assert (line["interval_low"], line["interval_high"]) == ("", "")
        assert (line["difference_low"], line["difference_p"], line["difference_verdict"]) == ("", "", "")
    for row in [row for group in report.as_json(made)["groups"] for row in group["rows"]][1:]:
        assert [row["cells"][key]["interval"] for key in ("interval", "difference")] == [None, None]
    for text in (report.render(made, "md"), report.render(made, "tex"), report.render(made, "html")):
        assert "No interval of a mean where all seeds gave the same score." in text
        assert "all seeds differ by the same amount, so there is no interval" in text


def test_rows_that_lack_seeds_are_marked_where_no_column_says_n():
    rows = [*ROWS, (({"a": "short"},), [71.0, ("failed", "no room"), None])]
    made = table(rows, columns=("top1",))
    texts = {note.mark: note.text for note in made.notes}
    assert [len(row.marks) for row in made.rows] == [0, 0, 0, 3]
    assert [texts[mark].partition(" (")[0] for mark in made.rows[3].marks] == [
        "n is 1 of 3", "failed: no room", "pending",
    ]  # fmt: skip
    assert not table(rows).rows[3].marks


@pytest.mark.parametrize(
    ("spread", "shown"), [(0.001, "70.00 ± 0.001"), (0.1, "70.00 ± 0.10"), (0.5, "70.0 ± 0.5"), (9.0, "70.0 ± 9.0")]
)
def test_decimals_are_those_that_the_interval_warrants(spread, shown):
    made = table([(BASE, [70.0 - spread, 70.0, 70.0 + spread])], columns=("top1",))
    assert plain(made.rows[0].cells[0], made.columns[0]) == shown


def test_a_single_seed_has_two_decimals_and_a_wide_row_does_not_flatten_the_others():
    assert table([(BASE, [70.126])], seeds=(0,)).rows[0].cells[0].text == "70.13"
    rows = [(({"a": str(i)},), [70.0, 70.1, 70.2]) for i in range(4)] + [(({"a": "wild"},), [60.0, 70.0, 80.0])]
    assert {row.cells[0].text for row in table(rows).rows} == {"70.10", "70.00"}


def test_costs_by_the_words_of_a_result():
    made = result(71.0)
    made["cost"]["backbone_params"] = 3_000_000
    made["provenance"] |= {"seconds": 5400.0, "hardware": {"gpus": ["H100", "H100"], "peak_memory_bytes": 3 * 2**30}}
    longer = {**made, "provenance": {**made["provenance"], "seconds": 9000.0}}
    words = ("trainable_params", "backbone_params", "seconds", "peak_memory_bytes")
    shown = table([(BASE, [made, made, longer]), (({"a": "b"},), [71.0] * 3)], columns=words)
    assert [cell(shown, NAME, word).text for word in words] == ["3.67", "3.00", "110.0", "3.00"]
    assert [column.title for column in shown.columns][2:] == ["time (min)", "peak memory (GiB)"]
    assert cell(shown, NAME, "seconds").value == 6600.0
    assert cell(shown, "b", "seconds").missing == "not recorded"
    assert any("on 2 × H100" in note.text for note in shown.notes)


@pytest.mark.parametrize("key", ["params", "trainable_params", "backbone_params", "macs"])
def test_a_size_that_the_seeds_of_a_row_differ_in_is_told(key: str):
    given = [result(70.0 + i) for i in range(3)]
    for each, count in zip(given, (4_000_000, 4_000_000, 5_000_000), strict=True):
        each["cost"][key] = count
    made = table([(BASE, given), (({"a": "b"},), [given[0]] * 3)], columns=("top1", key))
    assert cell(made, NAME, key).value == 4_000_000
    (text,) = texts_of(made, NAME, key)
    assert text.endswith("differ among its seeds, the first is shown: 4,000,000 of seeds 0, 1; 5,000,000 of seed 2")
    assert not cell(made, "b", key).marks


def test_macs_of_images_of_two_sizes_in_one_row_have_both_notes():
    given = [result(70.0), result(70.0), result(70.0, px=96)]
    given[2]["cost"]["macs"] *= 2
    made = table([(BASE, given), (({"a": "b"},), [given[0]] * 3)], columns=("macs",))
    assert texts_of(made, NAME, "macs") == {
        "MACs differ among its seeds, the first is shown: 566,000,000 of seeds 0, 1; 1,132,000,000 of seed 2",
        "at 64 × 64 or 96 × 96 px",
    }


def test_settings_are_shown_as_text(sweep: Path):
    words = ("optim.lr", "backbone.depths", "backbone.depths.2", "epochs", "ema_decay", "optim")
    made = of_settings(sweep, "top1", *words)
    shown = ["0.002", "2, 1, 1, 1", "1", "2", "none", "adamw"]
    assert [cell(made, "deeper", word).text for word in words] == shown
    assert [column.title for column in made.columns][1:4] == ["lr", "depths", "depths.2"]
    read = list(csv.DictReader(io.StringIO(report.render(made, "csv"))))
    assert [row["backbone.depths"] for row in read] == ["1, 1, 1, 1", "2, 1, 1, 1"]


def test_settings_with_one_last_word_have_as_much_of_their_path_as_tells_them_apart(sweep: Path):
    words = ("backbone.depths.0", "backbone.heads.0", "task.kind", "backbone.kind", "optim.lr")
    plan, heads = expand.load(sweep)[1], ["depths.0", "heads.0", "task.kind", "backbone.kind", "lr"]
    outcomes = {run.id: SimpleNamespace(state="done", reason=None, result=result(70.0)) for run in plan.runs}
    for kind in (ablation, comparison, cost):
        made = kind.Settings(sweep="s.yaml", columns=("top1", *words)).build([Source(plan, outcomes)])
        assert {column.key: column.title for column in made.columns if column.kind == "setting"} == dict(
            zip(words, heads, strict=True)
        )
        assert all(head in report.render(made, form) for head in heads for form in ("md", "html"))


def test_two_metrics_with_one_title_have_their_names_behind_it():
    columns = [Column("a", "AP", "metric"), Column("b", "AP", "metric"), Column("c", "loss", "metric")]
    assert [column.title for column in titled(columns)] == ["AP [a]", "AP [b]", "loss"]


def test_a_setting_that_the_seeds_of_a_row_differ_in_has_all_its_values(sweep: Path):
    made = of_settings(sweep, "seed", "top1")
    seeds = [run.seed for run in expand.load(sweep)[1].variants[0].runs]
    assert len(seeds) > 1
    assert cell(made, "deeper", "seed").text == ", ".join(map(str, seeds))


@pytest.mark.parametrize(
    ("word", "hint"),
    [("topp", "top5"), ("parms", "params"), ("optim.rl", "optim.lr"), ("diference", "difference"), ("Top1", "top1")],
)
def test_an_unknown_word_is_told_with_the_nearest(sweep: Path, word, hint):
    with pytest.raises(ConfigError, match=re.escape(f"columns.1: unknown column '{word}'; did you mean {hint}")):
        of_settings(sweep, "n", word)


def test_an_unknown_metric_of_a_difference_is_told_with_those_there_are():
    with pytest.raises(ConfigError, match=r"columns.0: p\(AP\): no result has AP; they have loss, top1, top5"):
        table(ROWS, columns=("p(AP)",))


@pytest.mark.parametrize("kind", ["difference", "interval", "p"])
def test_two_words_for_one_column_are_told(kind):
    said = re.escape(f"columns.2: the column {kind}(top1) is {kind}, which stands here; write one of them")
    with pytest.raises(ConfigError, match=said):
        table(ROWS, columns=("top1", kind, f"{kind}(top1)"))


def test_the_same_column_twice_is_told():
    with pytest.raises(ConfigError, match=r"columns.2: the column top1 stands here twice"):
        table(ROWS, columns=("top1", "n", "top1"))


def test_before_anything_is_trained_any_plain_word_may_be_a_metric():
    untrained = [(BASE, [None] * 3)]
    assert cell(table(untrained, columns=("AP",)), NAME, "AP").missing == "pending"
    with pytest.raises(ConfigError, match="did you mean params"):
        table(untrained, columns=("parmas",))


def test_metrics_and_columns_are_two_ways_to_say_it():
    with pytest.raises(ValueError, match="metrics has no effect beside columns"):
        table(ROWS, columns=("n",), metrics=("top1",))


def test_a_wrong_word_is_told_with_file_and_line(sweep: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(sweep.parent)
    Path("page.yaml").write_text("tables:\n- sweep: sweep.yaml\n- sweep: sweep.yaml\n  columns:\n  - n\n  - optim.rl\n")
    with pytest.raises(ConfigError) as told:
        CliRunner().invoke(cli.app, ["report", "page.yaml"], catch_exceptions=False)
    assert told.value.problems == ["page.yaml:6: tables.1.columns.1: unknown column 'optim.rl'; did you mean optim.lr"]


def test_differences_are_to_another_row_if_one_is_named():
    for called in ("vague", "a vague"):
        made = table(ROWS, base=called)
        assert [row.name for row in made.rows if row.is_base] == ["vague"]
        assert made.rows[0].name == "vague"
        assert cell(made, NAME, "difference").value == pytest.approx(71.1666666 - 72.0, abs=1e-6)
        assert any(
            note.text.startswith("Δ: difference from the mean of vague, in percentage points") for note in made.notes
        )


def test_a_base_that_is_not_among_the_rows_is_told():
    with pytest.raises(ConfigError, match="base: no row is called 'vage'; did you mean 'vague'"):
        table(ROWS, base="vage")
    baseless = ROWS[1:]
    assert "No differences: the base is not among the rows." in [note.text for note in table(baseless).notes]
    with pytest.raises(
        ConfigError, match=r"columns\.1: p: differences are to the base, which is not among the rows; name "
    ):
        table(baseless, columns=("top1", "p"))
    assert cell(table(baseless, columns=("top1", "difference"), base="vague"), "clear", "difference").value


def texts_of(made, row_name: str, key: str) -> set[str]:
    """The notes at a cell."""
    notes = {note.mark: note.text for note in made.notes}
    return {notes[mark].partition(" (")[0] for mark in cell(made, row_name, key).marks if mark in notes}


def test_a_difference_of_other_seeds_than_the_rest_is_told():
    rows = [
        (BASE, [70.0, 71.0, None, None]),
        (({"a": "paired"},), [72.0, 73.5, None, None]),
        (({"a": "other seeds"},), [None, None, 74.0, 75.5]),
    ]
    made = table(rows, seeds=range(4), columns=("top1", "difference"))
    told = "difference not paired by seed, as this row and the base share fewer than two: Welch's interval"
    assert told in texts_of(made, "other seeds", "difference")
    assert told not in texts_of(made, "paired", "difference")
    alone = table([rows[0], rows[2]], seeds=range(4), columns=("top1", "difference"))
    assert any("(not paired, Welch's t)" in note.text for note in alone.notes)
    assert not texts_of(alone, "other seeds", "difference") & {told}


def test_n_is_of_the_seeds_that_have_the_metric():
    made = table([(BASE, [70.0, result(float("nan")), 71.0])], columns=("top1", "n"))
    n = cell(made, NAME, "n")
    assert (n.value, n.text) == (2, "2/3") == (cell(made, NAME, "top1").n, "2/3")


def test_a_time_of_several_devices_is_told():
    def on(gpu: str, seconds: float) -> dict:
        made = result(70.0)
        made["provenance"] |= {"seconds": seconds, "hardware": {"gpus": [gpu]}}
        return made

    rows = [(BASE, [on("H100", 3600.0), on("T4", 36000.0)]), (({"a": "x"},), [on("H100", 3600.0)] * 2)]
    made = table(rows, seeds=(0, 1), columns=("top1", "seconds"))
    assert texts_of(made, NAME, "seconds") == {"its seeds were trained on different devices: 1 × H100; 1 × T4"}
    assert not cell(made, "x", "seconds").marks


def test_a_recipe_is_compared_with_the_sweeps_own_base(experiment: Path) -> None:
    path = experiment.with_name("sweep.yaml")
    deep = "deep: {backbone.depths: [2, 1, 1, 1], epochs: 4}"
    wide = "wide: {backbone.depths: [3, 1, 1, 1]}"
    path.write_text(f"base: base.yaml\nseeds: [0]\nblocks:\n  - variants: {{{deep}, {wide}}}\n")
    plan = expand.load(path)[1]
    outcomes = {run.id: SimpleNamespace(state="done", reason=None, result=result(70.0)) for run in plan.runs}
    made = built(plan, outcomes, base="wide")
    assert "its recipe differs from that of the sweep's own base: epochs 4 (2)" in [note.text for note in made.notes]


def test_a_figure_says_of_which_row_the_seeds_differ_in_cost():
    plan, outcomes = table_sweep([(BASE, [result(70.0), result(71.0)])], seeds=(0, 1))
    (variant,) = plan.variants
    variant.name = "base"
    assert figures._point(variant, outcomes, "top1") == ("base", 566_000_000, [70.0, 71.0])
    outcomes[variant.runs[0].id].result["cost"]["macs"] = None
    assert figures._point(variant, outcomes, "top1") == ("base", 566_000_000, [70.0, 71.0])
    outcomes[variant.runs[0].id].result["cost"]["macs"] = 1_000_000
    assert figures._point(variant, outcomes, "top1")[:2] == ("base (MACs differ among its seeds)", 1_000_000)
