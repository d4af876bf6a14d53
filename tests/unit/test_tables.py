"""The ablation table says what is there, what is missing and why, and what does not compare."""

import csv
import math
import statistics
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import special

from pvt_exp import report
from pvt_exp.config import ConfigError
from pvt_exp.plan.matching import Matched
from pvt_exp.report.formats import to_csv
from pvt_exp.statistics.power import seeds_to_see
from pvt_exp.tables import Cell, Row, Source, Table, ablation
from pvt_exp.tasks.classification import Settings as Classification

TASK = Classification(num_classes=4)


def paired(ours, base):
    """Interval of 95 % and p of the paired t test; ours is held to scipy.stats, which loads slowly, in tests/nn."""
    each = [a - b for a, b in zip(ours, base, strict=True)]
    mean, error, freedom = statistics.mean(each), statistics.stdev(each) / math.sqrt(len(each)), len(each) - 1
    half = special.stdtrit(freedom, 0.975) * error
    return (mean - half, mean + half), 2 * special.stdtr(freedom, -abs(mean / error))


def result(top1, loss=0.9, *, sha="a" * 40, dirty=False, fingerprint="f" * 16, px=64, **more):
    return {
        "format": 1,
        "metrics": {"loss": loss, "top1": top1, "top5": 95.0},
        "epoch": 10,
        "best": {"epoch": 8, "metrics": {"loss": loss, "top1": top1 + 1, "top5": 96.0}},
        "cost": {"params": 3_666_760, "trainable_params": 3_666_760, "macs": 566_000_000, "input_px": [px, px]},
        "data": {"name": "shapes", "fingerprint": fingerprint, "images": {"train": 2000, "val": 500}, "skipped": 0},
        "provenance": {"git": {"sha": sha, "dirty": dirty, "diff_sha256": "d" * 64 if dirty else None}},
        **more,
    }


def built(plan, outcomes, **more) -> Table:
    return ablation.Settings(sweep="s.yaml", **more).build([Source(plan, outcomes)])


RANDOM = {"pretrain": None, "holdout": None, "backbone": SimpleNamespace(pretrained=None)}


def sweep(rows, seeds=(0, 1, 2), starts=None):
    """A plan and its outcomes from {labels of a row: a result, a (state, reason) or None a seed}."""
    variants, outcomes = [], {}
    for i, (labels, given) in enumerate(rows):
        runs = tuple(
            SimpleNamespace(id=f"{i:08x}{seed:04x}", task=TASK, **(starts[i] if starts else RANDOM)) for seed in seeds
        )
        variants.append(
            SimpleNamespace(labels=labels, runs=runs, is_base={} in labels, unlike=(), matched=None, unmatched=None)
        )
        for run, what in zip(runs, given, strict=True):
            if what is not None:
                res = result(what) if isinstance(what, float) else what if isinstance(what, dict) else None
                state, reason = ("done", None) if res else what
                outcomes[run.id] = SimpleNamespace(id=run.id, state=state, reason=reason, result=res)
    return SimpleNamespace(name="parts", seeds=seeds, variants=tuple(variants), tunings=()), outcomes


def table(rows, seeds=(0, 1, 2), **more) -> Table:
    plan, outcomes = sweep(rows, seeds)
    return built(plan, outcomes, **more)


def cell(made: Table, name: str, key: str) -> Cell:
    return row(made, name).cells[[column.key for column in made.columns].index(key)]


def row(made: Table, name: str) -> Row:
    return next(r for r in made.rows if r.name == name)


BASE = ({}, {"reduction": "8-4-2-1"})


def test_mean_and_sample_deviation_over_all_seeds():
    given = [71.2, 70.9, 71.8]
    shown = cell(table([(BASE, given)]), "base (8-4-2-1)", "top1")
    assert shown.n == 3
    assert shown.value == pytest.approx(statistics.fmean(given), abs=1e-12)
    assert shown.std == pytest.approx(statistics.stdev(given), abs=1e-12)
    assert (shown.text, shown.std_text) == ("71.3", "0.5")
    assert shown.values == tuple(given)


def test_one_seed_has_no_spread_and_says_so():
    made = table([(BASE, [71.2])], seeds=(0,))
    assert cell(made, "base (8-4-2-1)", "top1").std is None
    assert cell(made, "base (8-4-2-1)", "n").text == "1"
    assert "one seed" in made.caption


def test_rows_stand_under_their_axis_in_the_sweeps_order_with_the_base_first():
    made = table(
        [
            (({"reduction": "none"},), [1.0] * 3),
            (({"depth": "deep"},), [1.0] * 3),
            (({"reduction": "linear"}, {"": "v2"}), [1.0] * 3),
            ((*BASE, {"depth": "2-2-2-2"}), [1.0] * 3),
            (({"lr": "1e-3", "drop": "0.1"},), [1.0] * 3),
            (({"": "+ overlap"},), [1.0] * 3),
        ]
    )
    assert [(group.title, [r.name for r in group.rows]) for group in made.groups] == [
        ("", ["base (8-4-2-1, 2-2-2-2)"]),
        ("reduction", ["none", "linear (= v2)"]),
        ("depth", ["deep"]),
        ("lr, drop", ["1e-3, 0.1"]),
        ("", ["+ overlap"]),
    ]


def test_what_is_missing_is_named_with_its_reason_and_is_never_zero():
    made = table(
        [
            (BASE, [71.2, 70.9, 71.8]),
            (({"depth": "deep"},), [72.0, ("failed", "CUDA error:\n  too deep"), 72.5]),
            (({"depth": "huge"},), [("out_of_memory", "40 GiB of 24"), None, ("out_of_memory", "40 GiB of 24")]),
        ]
    )
    assert [r.name for r in made.rows] == ["base (8-4-2-1)", "deep", "huge"]
    part = cell(made, "deep", "n")
    assert part.text == "2/3"
    notes = {note.mark: note.text for note in made.notes}
    assert notes[part.marks[0]] == "failed: CUDA error: too deep (deep, seed 1: 000000010001)"
    assert cell(made, "deep", "top1").value == 72.25
    gone = cell(made, "huge", "top1")
    assert (gone.value, gone.text, gone.missing, gone.n) == (None, "", "OOM, pending", 0)
    assert cell(made, "huge", "n").text == "0/3"
    for key in ("top1", "difference", "params", "macs"):
        assert cell(made, "huge", key).missing
        assert cell(made, "huge", key).value is None
    assert "out of memory: 40 GiB of 24 (huge, seed 0: 000000020000; huge, seed 2: 000000020002)" in notes.values()


def test_a_stale_result_is_reported_and_not_used():
    plan, outcomes = sweep([(BASE, [70.0, 70.0, 99.0])])
    last = outcomes[plan.variants[0].runs[2].id]
    last.state, last.reason = "stale", "its data are not the data at hand"
    made = built(plan, outcomes)
    assert cell(made, "base (8-4-2-1)", "top1").value == 70.0
    assert any(note.text.startswith("stale: its data are not") for note in made.notes)


def test_a_value_that_is_not_finite_or_absent_counts_as_missing():
    made = table([(BASE, [70.0, math.nan, 72.0]), (({"a": "b"},), [math.inf, math.nan, math.nan])])
    assert (cell(made, "base (8-4-2-1)", "top1").value, cell(made, "base (8-4-2-1)", "top1").n) == (71.0, 2)
    assert cell(made, "b", "top1").missing == "not measured"
    assert cell(made, "b", "top5").n == 3
    assert any("top1 is absent or not finite" in note.text for note in made.notes)


def test_best_is_by_direction_among_whole_rows_and_ties_are_all_bold():
    made = table(
        [
            (BASE, [result(71.0, 0.9)] * 3),
            (({"a": "tie"},), [result(71.001, 0.8)] * 3),
            (({"a": "lucky"},), [result(99.0, 0.1), None, None]),
        ]
    )
    assert [cell(made, r.name, "top1").best for r in made.rows] == [True, True, False]
    assert [cell(made, r.name, "loss").best for r in made.rows] == [False, True, False]


def test_the_second_is_by_direction_too_and_never_the_worst_of_two():
    rows = [
        (BASE, [result(71.0, 0.9)] * 3),
        (({"a": "b"},), [result(73.0, 0.8)] * 3),
        (({"a": "c"},), [result(72.0, 0.7)] * 3),
        (({"a": "lucky"},), [result(72.5, 0.75), None, None]),
    ]
    made = table(rows)
    assert [cell(made, r.name, "top1").second for r in made.rows] == [False, False, True, False]
    assert [cell(made, r.name, "loss").second for r in made.rows] == [False, True, False, False]
    assert "best in bold, second underlined." in made.caption
    two = table(rows[:2])
    assert not any(c.second for r in two.rows for c in r.cells)
    assert "underlined" not in two.caption
    tied = table([(BASE, [71.0] * 3), (({"a": "b"},), [71.001] * 3), (({"a": "c"},), [70.0] * 3)])
    assert [(c.best, c.second) for r in tied.rows for c in r.cells[:1]] == [(True, False)] * 2 + [(False, True)]


def test_differences_are_signed_points_to_the_base_and_marked_inside_noise():
    made = table(
        [
            (BASE, [71.0, 71.1, 71.2]),
            (({"a": "worse"},), [61.0, 61.2, 61.1]),
            (({"a": "same"},), [71.0, 71.1, 71.3]),
            (({"a": "gone"},), [None] * 3),
        ]
    )
    assert cell(made, "base (8-4-2-1)", "difference") == Cell(0.0)
    worse, same = cell(made, "worse", "difference"), cell(made, "same", "difference")
    assert (worse.text, worse.marks) == ("−10.00", ("*",))
    assert worse.value == pytest.approx(-10)
    assert (same.text, same.marks) == ("+0.03", ("†",))
    assert cell(made, "gone", "difference").missing == "pending"


def test_a_row_with_another_recipe_says_so():
    plan, outcomes = sweep([(BASE, [70.0] * 3), (({"a": "b"},), [71.0] * 3)])
    plan.variants[1].unlike = ("epochs 3 (2)", "optim.lr 0.1 (0.2)")
    made = built(plan, outcomes)
    (mark,) = row(made, "b").marks
    assert [note.text for note in made.notes if note.mark == mark] == [
        "its recipe differs from the base's: epochs 3 (2); optim.lr 0.1 (0.2)"
    ]
    assert cell(made, "b", "top1").best, "told, and not shut out"


def test_differences_have_paired_intervals_and_corrected_ps():
    made = table(
        [
            (BASE, [70.0, 71.0, 72.5]),
            (({"a": "clear"},), [72.0, 73.1, 74.4]),
            (({"a": "vague"},), [71.0, 70.5, 74.5]),
            (({"a": "short"},), [71.0, 72.2, ("failed", "no room")]),
        ]
    )
    clear, vague, short = (cell(made, name, "difference") for name in ("clear", "vague", "short"))
    interval, p = paired([72.0, 73.1, 74.4], [70.0, 71.0, 72.5])
    assert clear.interval == pytest.approx(interval)
    assert (clear.text, clear.std_text, clear.marks) == ("+2.0", "0.2", ("*",))
    assert clear.p == pytest.approx(3 * p), "the smallest of three, corrected by Holm"
    assert vague.marks == ("†",)
    assert vague.p > clear.p
    assert short.value == pytest.approx(1.1), "over the seeds that both have, not the difference of the means"
    assert any("over the seeds that this row and the base share (short)" in note.text for note in made.notes)
    texts = [note.text for note in made.notes]
    assert "Of 3 differences, 1 has p < 0.05 after Holm's correction: clear." in texts
    needed = "Seeds needed to detect the differences marked † (80 % power, each by itself"
    assert any(text.startswith(needed) for text in texts)
    head, *lines = list(csv.reader(to_csv(made).splitlines()))
    row = dict(zip(head, next(line for line in lines if line[1] == "clear"), strict=True))
    assert float(row["difference_low"]) == pytest.approx(interval[0])
    assert float(row["difference_p"]) == pytest.approx(3 * p)


def test_the_note_of_matched_rows_says_what_was_matched():
    plan, outcomes = sweep([(BASE, [70.0] * 3), (({"a": "wide"},), [71.0] * 3), (({"a": "own"},), [72.0] * 3)])
    plan.variants[1].matched = Matched("backbone.embed_dims", (8, 16), (16, 32), "macs", 0.004)
    texts = [note.text for note in built(plan, outcomes).notes]
    assert "Matched: scaled to the base's MACs." in texts
    assert "matched: backbone.embed_dims 16-32, not 8-16 (macs +0.4 %)" in texts


def test_seeds_needed_are_one_number_where_all_rows_need_as_many():
    def said(*rows: list[float]) -> list[str]:
        made = table([(BASE, [70.0, 71.0, 72.5]), *((({"a": f"r{n}"},), row) for n, row in enumerate(rows))])
        return [note.text.partition("): ")[2] for note in made.notes if note.text.startswith("Seeds needed")]

    vague = [71.0, 70.5, 74.5]
    assert said(vague) == ["20 (r0)."]
    assert said(vague, vague) == ["20 for each."]
    assert said(vague, vague, [72.0, 70.0, 73.0]) == ["20 (r0) to 73 (r2)."]
    assert said(vague, [71.0, 70.0, 72.501]) == ["20 (r0); more than 10,000 for 1 row."]
    assert said([71.0, 70.0, 72.501]) == ["more than 10,000."]


def test_seeds_needed_of_rows_that_share_none_are_shared_ones():
    rows = [(BASE, [70.0, 71.0, 72.5, *[None] * 3]), (({"a": "own"},), [*[None] * 3, 71.0, 70.5, 74.5])]
    made = built(*sweep(rows, seeds=range(6)))
    (said,) = [note.text for note in made.notes if note.text.startswith("Seeds needed")]
    std = np.hypot(np.std([70, 71, 72.5], ddof=1), np.std([71, 70.5, 74.5], ddof=1))
    due = seeds_to_see(72.0 - 213.5 / 3, float(std))
    assert (
        said
        == f"Seeds needed to detect the differences marked † (80 % power, if both rows share their seeds): {due} (own)."
    )


def test_no_column_of_differences_without_a_base_and_none_made_up_where_it_failed():
    assert "difference" not in [c.key for c in table([(({"a": "b"},), [1.0] * 3)]).columns]
    made = table([(BASE, [None] * 3), (({"a": "b"},), [1.0] * 3)])
    assert cell(made, "b", "difference").missing == "no base"
    assert "No differences: the base has no result." in [note.text for note in made.notes]


def test_other_data_are_marked_named_and_never_best():
    other = [result(99.0, fingerprint="0" * 16)] * 3
    made = table([(BASE, [71.0] * 3), (({"a": "b"},), [72.0] * 3), (({"a": "other"},), other)])
    assert row(made, "b").marks == ()
    (mark,) = row(made, "other").marks
    assert {n.mark: n.text for n in made.notes}[mark] == (
        "trained on other data than the rest: shapes with fingerprint 0000000000000000, not ffffffffffffffff"
    )
    assert not cell(made, "other", "top1").best
    assert cell(made, "b", "top1").best
    assert mark in cell(made, "other", "difference").marks


def test_where_no_data_are_the_usual_every_row_is_marked():
    made = table([(BASE, [71.0] * 3), (({"a": "other"},), [result(99.0, fingerprint="0" * 16)] * 3)])
    assert len({row(made, r.name).marks for r in made.rows}) == 2
    assert all(r.marks for r in made.rows)
    assert not any(c.best for r in made.rows for c in r.cells)


def test_code_is_named_and_differing_code_with_its_rows():
    clean = table([(BASE, [71.0] * 3)])
    assert "Code: git aaaaaaaaaa." in [note.text for note in clean.notes]
    mixed = table([(BASE, [71.0] * 3), (({"a": "b"},), [71.0, 71.0, result(71.0, dirty=True)])])
    assert (
        "Code differs among the runs: git aaaaaaaaaa: base (8-4-2-1); b; "
        "git aaaaaaaaaa with uncommitted changes dddddddd: b." in [note.text for note in mixed.notes]
    )
    unknown = table([(BASE, [result(71.0, sha=None)] * 3)])
    assert "Code: files unknown." in [note.text for note in unknown.notes]


def test_the_best_epoch_is_said_to_flatter():
    made = table([(BASE, [71.0] * 3)], epoch="best")
    assert cell(made, "base (8-4-2-1)", "top1").value == 72.0
    assert "best epoch, which is optimistic" in made.caption
    assert "last epoch" in table([(BASE, [71.0] * 3)]).caption


def test_metrics_are_the_tasks_own_or_as_asked():
    assert [c.key for c in table([(BASE, [71.0] * 3)]).columns][:3] == ["top1", "loss", "top5"]
    assert [c.key for c in table([(BASE, [71.0] * 3)], metrics=("loss",)).columns][:2] == ["loss", "n"]
    with pytest.raises(ConfigError, match=r"metrics\.0: unknown column 'topp'; did you mean top5"):
        table([(BASE, [71.0] * 3)], metrics=("topp",))


def test_costs_are_in_millions_and_billions_at_a_stated_size():
    made = table([(BASE, [71.0] * 3)])
    assert [cell(made, "base (8-4-2-1)", key).text for key in ("params", "macs")] == ["3.67", "0.57"]
    assert cell(made, "base (8-4-2-1)", "params").value == 3_666_760
    assert "MACs at 64 × 64 px." in [note.text for note in made.notes]
    mixed = table([(BASE, [71.0] * 3), (({"size": "96"},), [result(72.0, px=96)] * 3)])
    assert cell(mixed, "base (8-4-2-1)", "macs").marks != cell(mixed, "96", "macs").marks
    assert {"at 64 × 64 px", "at 96 × 96 px"} <= {note.text for note in mixed.notes}


def test_an_untrained_sweep_and_an_empty_one_are_tables_too():
    made = table([(BASE, [None] * 3)])
    assert cell(made, "base (8-4-2-1)", "top1").missing == "pending"
    assert table([]).rows == ()


def test_many_reasons_become_a_note_a_state():
    rows = [(({"a": str(i)},), [("failed", f"reason {i} {seed}") for seed in range(3)]) for i in range(30)]
    (note, *_) = table(rows).notes
    assert note.text.startswith("failed (0, seed 0: ")
    assert note.text.endswith("; and 85 more)")


# ---------------------------------------------------------------- what is scored


def test_what_is_scored_is_said_where_it_is_not_the_validation_split():
    held = {**RANDOM, "holdout": SimpleNamespace(fraction=0.2, seed=1)}
    rows = [(BASE, [70.0, 71.0]), (({"depth": "deep"},), [72.0, 73.0])]
    text = "cored on 20 % of the training images, held out (seed 1), not on the validation split"
    assert f"S{text}." in [note.text for note in of_starts(rows, [held, held]).notes]
    made = of_starts(rows, [RANDOM, held])
    texts = {note.mark: note.text for note in made.notes}
    assert [[texts[mark] for mark in row.marks] for row in made.rows] == [[], [f"s{text}"]]


# ---------------------------------------------------------------- starts


def pretrained_before(seed="same", weights="last", experiment="sweeps/../experiments/imagenet/pvt.yaml"):
    pretrain = SimpleNamespace(experiment=experiment, seed=seed, weights=weights)
    return {"pretrain": pretrain, "holdout": None, "backbone": SimpleNamespace(pretrained=None)}


def started(top1, matched=176, missing=0, resized=0):
    made = result(top1)
    names = {"missing": ["x"] * missing, "resized": ["y"] * resized}
    made["provenance"]["pretrained"] = {"matched": matched, **names}
    return made


def of_starts(rows, starts):
    plan, outcomes = sweep(rows, (0, 1), starts)
    return built(plan, outcomes)


def test_one_note_where_all_rows_start_alike():
    rows = [(BASE, [started(70.0), started(71.0)]), (({"depth": "deep"},), [started(72.0, 200), ("pending", None)])]
    made = of_starts(rows, [pretrained_before(), pretrained_before()])
    assert [note.text for note in made.notes if "start" in note.text] == [
        "All rows start from imagenet/pvt.yaml, pretrained with the row's architecture and its seed (last weights); "
        "all tensors of the backbone were loaded."
    ]
    assert not any(row.marks for row in made.rows)


def test_a_mark_where_only_the_match_differs():
    rows = [(BASE, [started(70.0), started(71.0)]), (({"depth": "deep"},), [started(72.0, 172, resized=4)] * 2)]
    made = of_starts(rows, [pretrained_before(), pretrained_before()])
    texts = {note.mark: note.text for note in made.notes}
    assert sum(note.text.startswith("All rows start from imagenet/pvt.yaml") for note in made.notes) == 1
    assert [texts[row.marks[0]] for row in made.rows] == [
        "all tensors of the backbone were loaded",
        "all tensors of the backbone were loaded, 4 of them interpolated",
    ]


def test_rows_that_start_otherwise_have_a_mark():
    names = ("averaged", "partly", "from timm")
    rows = [
        (BASE, [70.0, 71.0]),
        *((({"start": name},), [started(72.0, 150, 26 * (name == "partly"), 4)] * 2) for name in names),
    ]
    timm = {
        "pretrain": None,
        "holdout": None,
        "backbone": SimpleNamespace(pretrained=SimpleNamespace(timm="pvt_v2_b0.in1k")),
    }
    made = of_starts(rows, [RANDOM, pretrained_before(3, "ema"), pretrained_before(3), timm])
    texts = {note.mark: note.text for note in made.notes if note.mark}
    assert [texts[row.marks[0]] for row in made.rows] == [
        "starts from random weights",
        "starts from imagenet/pvt.yaml, pretrained with the row's architecture and seed 3 (moving average of the "
        "weights); all tensors of the backbone were loaded, 4 of them interpolated",
        "starts from imagenet/pvt.yaml, pretrained with the row's architecture and seed 3 (last weights); 154 of its "
        "180 tensors were loaded, 4 of them interpolated",
        "starts from timm's weights pvt_v2_b0.in1k; all tensors of the backbone were loaded, 4 of them interpolated",
    ]
    assert any(cell.best for row in made.rows for cell in row.cells)  # a start is a choice, and rows still compare


def test_what_was_left_out_of_the_data_is_a_note_of_the_table(tmp_path):
    plan, outcomes = sweep([(BASE, [71.2, 70.9, 71.8])], (0, 1, 2))
    for n, outcome in enumerate(outcomes.values()):
        lines = [{"what": "crowds", "number": 4 + n, "effect": "not scored", "examples": []}]
        outcome.result["data"]["left_out"] = {"val": lines}
    name = next(iter(outcomes.values())).result["data"]["name"]
    due = f"Left out or changed in {name}: val: crowds: up to 6 not scored."
    made = built(plan, outcomes)
    assert due in [note.text for note in made.notes]
    for path in report.write(made, tmp_path):
        assert path.suffix == ".csv" or path.name == "tabular.tex" or due in path.read_text().replace("\n", " "), path
