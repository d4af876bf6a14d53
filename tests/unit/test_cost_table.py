"""The cost table, and the hours of a plan: what follows from throughputs, which are made up here; e2e measures some."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
from rich.console import Console

from pvt_exp import cost, report
from pvt_exp.cli.views.estimate import estimate_json, print_estimate
from pvt_exp.config import ConfigError
from pvt_exp.config.component import kinds
from pvt_exp.config.placement import Placement
from pvt_exp.cost import Cost, NoCost, calibration, estimate
from pvt_exp.cost.calibration import Throughput
from pvt_exp.datasets import Facts
from pvt_exp.plan import expand
from pvt_exp.plan.data_sets import DataSets
from pvt_exp.plan.matching import Matched
from pvt_exp.report.formats import plain
from pvt_exp.tables import Source, Table
from pvt_exp.tables.cost import Settings
from tests.unit.test_plan import make

BLOCKS = "  - one_at_a_time:\n      depth:\n        deep: {backbone.depths: [2, 2, 2, 2]}\n"
COST = Cost(2_000_000, 2_000_000, 1_500_000, 3_000_000_000, (224, 224), 3_000_000_000, (224, 224), 5 * 2**30)
THROUGHPUT = Throughput(0.5, 20, 0.1, 40.0, 200.0, 6 * 2**30, 64, "H100", 8, 0.0, "2026-11-01T00:00:00Z", "abc")


def source(experiment: Path, **throughputs: list[Throughput]) -> Source:
    plan = expand.load(make(experiment.parent, BLOCKS, "seeds: [0, 1]\n"))[1]
    names = [variant.name for variant in plan.variants]
    outcomes = {run.id: SimpleNamespace(state="pending", reason=None, result=None) for run in plan.runs}
    found = dict(zip(names, throughputs.values(), strict=False))
    return Source(plan, outcomes, dict.fromkeys(names, COST), found)


def texts(table: Table) -> dict[str, list[str]]:
    columns = zip(*(row.cells for row in table.rows), strict=True)
    return {
        column.key: [plain(cell, column) for cell in cells]
        for column, cells in zip(table.columns, columns, strict=True)
    }


def test_sizes_are_counted_and_speed_is_what_was_measured(experiment: Path) -> None:
    slow = THROUGHPUT._replace(step_s=1.25, busy=0.6)
    made = source(experiment, base=[THROUGHPUT], deep=[slow])
    batch = made.plan.variants[0].first.batch_size
    table = Settings(sweep="x.yaml").build([made])
    shown = texts(table)
    assert shown["params"] == ["2.00", "2.00"]
    assert shown["macs"] == ["3.00", "3.00"]
    assert shown["memory"] == ["5.00", "5.00"]
    assert shown["step_s"] == ["0.50", "1.25"]
    assert [row.cells[4].value for row in table.rows] == [batch / 0.5, batch / 1.25]
    assert shown["peak_memory"] == ["6.00", "6.00"]
    assert shown["seconds"] == ["—", "—"], "nothing is trained"
    said = " ".join(note.text for note in table.notes)
    assert "Measured on H100, 2026-11-01" in said
    assert "not idle when these were measured: deep." in said


def test_a_matched_row_and_another_recipe_are_said(experiment: Path) -> None:
    made = source(experiment)
    base, deep = made.plan.variants
    told = Matched("backbone.embed_dims", (8, 16), (6, 12), "macs", -0.013)
    plan = replace(made.plan, variants=(base, replace(deep, matched=told, unlike=("epochs 3 (2)",))))
    table = Settings(sweep="x.yaml").build([made._replace(plan=plan)])
    texts_ = {note.mark: note.text for note in table.notes}
    marks = [texts_[mark] for mark in table.rows[1].marks]
    assert "matched: backbone.embed_dims 6-12, not 8-16 (macs -1.3 %)" in marks
    assert "its recipe differs from the base's: epochs 3 (2)" in marks
    assert [row.is_base for row in table.rows] == [True, False]


def test_what_was_not_calibrated_says_so(experiment: Path) -> None:
    shown = texts(
        Settings(sweep="x.yaml", columns=("params", "step_s", "n")).build([source(experiment, base=[THROUGHPUT])])
    )
    assert shown["step_s"] == ["0.50", "—"]
    assert list(shown) == ["params", "step_s", "n"]


def test_several_devices_stand_side_by_side_unless_one_is_named(experiment: Path) -> None:
    other = THROUGHPUT._replace(device="A100", step_s=2.0)
    newer = THROUGHPUT._replace(measured="2026-11-02T00:00:00Z", step_s=0.25)
    made = source(experiment, base=[THROUGHPUT, other, newer])
    table = Settings(sweep="x.yaml", columns=("params", "step_s", "n", "inference_images_per_s")).build([made])
    assert [(column.heading, column.key) for column in table.columns] == [
        ("", "params"),
        ("H100", "H100: step_s"),
        ("H100", "H100: inference_images_per_s"),
        ("A100", "A100: step_s"),
        ("A100", "A100: inference_images_per_s"),
        ("", "n"),
    ]
    shown = texts(table)
    assert shown["H100: step_s"] == ["0.25", "—"], "the newest"
    assert shown["A100: step_s"] == ["2.00", "—"]
    reasons = {note.mark: note.text for note in table.notes if note.mark}
    empty = [cell for cell in table.rows[1].cells if cell.missing == "not calibrated"]
    assert [reasons[cell.marks[0]].partition(":")[0] for cell in empty] == [
        *["not calibrated on H100"] * 2,
        *["not calibrated on A100"] * 2,
    ]
    assert any(note.text.startswith("Measured on A100") for note in table.notes)
    assert all(report.render(table, form) for form in get_args(report.Format))
    assert texts(Settings(sweep="x.yaml", device="A1").build([made]))["step_s"][0] == "2.00"
    assert texts(Settings(sweep="x.yaml", device="H1").build([made]))["step_s"][0] == "0.25", "the newest"
    with pytest.raises(ConfigError, match="device: nothing was calibrated on 'V100'; there is H100; A100"):
        Settings(sweep="x.yaml", device="V100").build([made])


def test_what_rows_do_not_share_is_marked_at_each(experiment: Path) -> None:
    made = source(experiment, base=[THROUGHPUT], deep=[THROUGHPUT._replace(micro_batch=2, workers=3, code="another")])
    base, deep = made.plan.variants
    costs = {**made.costs, deep.name: COST._replace(input_px=(448, 448))}
    other = replace(deep, runs=tuple(run.model_copy(update={"ghost_batch_size": 8}) for run in deep.runs))
    plan = replace(made.plan, variants=(base, other))
    table = Settings(sweep="x.yaml").build([made._replace(costs=costs, plan=plan)])
    texts_ = {note.mark: note.text for note in table.notes}
    first, second = ({texts_[mark] for mark in row.marks} for row in table.rows)
    assert {"at 224 × 224 px", "a step of 16 images at once", "measured with the images of a group at once"} <= first
    assert {"at 448 × 448 px", "a step of 8 images at once", "measured with 2 images at once"} <= second
    assert "measured with 3 loading processes" in second
    assert "They were not all measured with the same code." in [note.text for note in table.notes]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("params", "macs", "top9("), r"columns\.2: unknown column 'top9\('"),
        (("params", "params"), r"columns\.1: the column params stands here twice"),
        (
            ("train_images_per_sec",),
            r"columns\.0: unknown column 'train_images_per_sec'; did you mean train_images_per_s",
        ),
    ],
)
def test_columns_that_are_none_are_told_with_their_place(experiment: Path, columns: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Settings(sweep="x.yaml", columns=columns).build([source(experiment)])


def test_an_empty_cell_says_why(experiment: Path) -> None:
    made = source(experiment)
    base, deep = made.plan.variants
    part = COST._replace(macs=None, uncounted={"macs": "NotImplementedError: aten::unique"})
    made = made._replace(costs={base.name: part, deep.name: NoCost("heads must divide")})
    table = Settings(sweep="x.yaml", columns=("params", "macs", "memory", "seconds")).build([made])
    reasons = {note.mark: note.text for note in table.notes if note.mark}
    why = [[reasons[mark].partition(" (")[0] for mark in cell.marks] for row in table.rows for cell in row.cells]
    gone = ["cannot be built: heads must divide"]
    assert why == [
        [],
        ["cannot be counted: NotImplementedError: aten::unique"],
        [],
        ["pending"],
        *[gone] * 3,
        ["pending"],
    ]
    assert texts(table)["params"] == ["2.00", "—"]


# ------------------------------------------------------------ hours


def test_hours_are_of_what_is_left_and_fill_the_slots(experiment: Path) -> None:
    plan = source(experiment).plan
    (base, deep) = plan.variants
    facts = Facts("f", ("a", "b"), {"train": 10 * base.first.batch_size, "val": 80}, {})
    throughputs = {base.name: THROUGHPUT, deep.name: THROUGHPUT._replace(step_s=1.0)}
    base_s = base.first.epochs * (10 * 0.5 + 80 / 40)
    deep_s = base.first.epochs * (10 * 1.0 + 80 / 40)

    def hours(outcomes: dict[str, SimpleNamespace], slots: int, progress: dict[str, float]) -> calibration.Hours:
        of = {base.first.dataset: facts}
        return calibration.hours(plan, outcomes, {}, throughputs, of, progress, slots)  # type: ignore[arg-type]

    todo = {run.id: SimpleNamespace(state="pending") for run in plan.runs}
    whole = hours(todo, 1, {})
    assert whole.left == 4
    assert whole.device_h == whole.wall_h == pytest.approx(2 * (base_s + deep_s) / 3600)
    both = hours(todo, 2, {})
    assert both.device_h == whole.device_h
    assert both.wall_h == pytest.approx(2 * deep_s / 3600), "the base's second seed begins while deep still runs"
    begun = {**todo, base.runs[0].id: SimpleNamespace(state="done")}
    rest = hours(begun, 1, {base.runs[1].id: 0.5})
    assert rest.left == 3
    assert rest.device_h == pytest.approx((0.5 * base_s + 2 * deep_s) / 3600)


def test_held_out_images_are_scored_in_the_place_of_the_validation_split(experiment: Path) -> None:
    run = source(experiment).plan.variants[0].first
    facts = Facts("f", ("a", "b"), {"train": 100, "val": 5000}, {})
    held = run.model_copy(update={"holdout": SimpleNamespace(held=lambda images: images // 10), "batch_size": 10})
    assert THROUGHPUT.run_s(held, facts) == pytest.approx(run.epochs * (9 * 0.5 + 10 / 40))


# ------------------------------------------------------------ what will not fit


def test_what_will_not_fit_is_said_as_far_as_it_is_known(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {variant.name: variant.first for variant in source(experiment).plan.variants}
    launcher = kinds("launchers")["local"](cpu_slots=2)
    monkeypatch.setattr(calibration, "device_memory", lambda slot, sharing: 8 * 2**30 // sharing)
    monkeypatch.setattr(cost, "known", lambda runs: [COST, None])
    (said,) = estimate.will_not_fit(rows, launcher, Placement())
    assert said.startswith("will not fit: a step of base takes 5.0 GiB, and a run has 4.0 GiB here; --micro-batch")
    asked = []
    monkeypatch.setattr(cost, "known", lambda runs: asked.extend(runs) or [None, None])
    assert estimate.will_not_fit(rows, launcher, Placement(micro_batch=2)) == [], "on a CPU nothing is counted for it"
    assert {run.ghost_batch_size for run in asked} == {2}


# ------------------------------------------------------------ plan --cost


def test_a_row_that_fails_is_named_with_its_place_and_the_others_are_shown(
    experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = source(experiment).plan
    part = COST._replace(memory=None, uncounted={"memory": "NotImplementedError: aten::unique"})
    monkeypatch.setattr(cost, "each", lambda runs: [part, NoCost("heads must divide")])
    launcher = kinds("launchers")["local"](cpu_slots=1)
    outcomes = {run.id: SimpleNamespace(state="pending", attempts=0) for run in plan.runs}
    told = estimate.of(plan, outcomes, (), experiment.parent, launcher, Placement(), DataSets(), False)  # type: ignore[arg-type]
    line = next(
        i for i, text in enumerate((experiment.parent / "sweep.yaml").read_text().splitlines(), 1) if "deep:" in text
    )
    assert told.failed == (
        f"{experiment.parent / 'sweep.yaml'}:{line}: depth deep: cannot be built: heads must divide",
    )
    console = Console(record=True, width=160, file=io.StringIO())
    print_estimate(console, plan, told, None)
    said = console.export_text()
    base, deep = (row for row in said.splitlines() if row.startswith(("base", "depth deep")))
    assert base.split() == ["base", "2.00", "1.50", "0.50", "3.00", "not", "counted", "x", "1.00,", "x", "1.00"]
    assert deep.split() == ["depth", "deep", "cannot", "be", "built"]
    assert "not counted: step memory of base: NotImplementedError: aten::unique" in said
    first, second = estimate_json(plan, told)["costs"]
    assert (first["macs"], first["memory"], first["reason"]) == (COST.macs, None, None)
    assert (second["macs"], second["head_params"], second["reason"]) == (None, None, "heads must divide")


def test_times_and_memory_have_the_units_that_fit(experiment: Path) -> None:
    made = source(experiment)
    names = [row.name for row in made.plan.rows]
    hours = calibration.Hours(device_h=0.0007, wall_h=0.00035, left=1)
    throughputs, run_h = (
        {name: THROUGHPUT._replace(peak_memory_bytes=2**29) for name in names},
        {names[0]: 0.000354, names[1]: 0.01},
    )
    told = estimate.Estimate((COST, COST), throughputs, run_h, 2**33, 2, "the CPU", hours)
    console = Console(record=True, width=200, file=io.StringIO())
    print_estimate(console, made.plan, told, None)
    said = console.export_text()
    assert all(head in said for head in ("step memory (GiB)", "peak memory (GiB)", "run (s)"))
    base, deep = (row.split() for row in said.splitlines() if row.startswith(("base", "depth deep")))
    assert base[-2:] == ["0.50", "1.27"]
    assert deep[-2:] == ["0.50", "36.00"]
    assert (
        "left to train: 1 run, 2.52 s one after another on the CPU; about 1.26 s with 2 at once; without the start"
        in said
    )


@pytest.mark.parametrize(
    ("sizes", "unit", "shown"),
    [
        ((5_000, 4_870), "k", ["5.00", "4.87", "0.13"]),
        ((20_000_000, 19_999_870), "M", ["20.00000", "19.99987", "0.00013"]),
        ((25_000_000, 24_000_000), "M", ["25.00", "24.00", "1.00"]),
    ],
)
def test_the_parameters_of_a_small_head_are_not_shown_as_none(
    experiment: Path, sizes: tuple[int, int], unit: str, shown: list[str]
) -> None:
    made = source(experiment)
    costs = tuple(COST._replace(params=sizes[0], trainable_params=sizes[0], backbone_params=sizes[1]) for _ in "ab")
    console = Console(record=True, width=160, file=io.StringIO())
    print_estimate(console, made.plan, estimate.Estimate(costs, {}, {}, 2**33, 1, "the CPU"), None)
    said = console.export_text()
    assert f"parameters ({unit})" in said
    base = next(row.split() for row in said.splitlines() if row.startswith("base"))
    assert base[1:4] == shown


@pytest.mark.parametrize("test_px", [(224, 224), (448, 448)])
def test_the_size_of_testing_is_shown_where_it_is_another(experiment: Path, test_px: tuple[int, int]) -> None:
    made = source(experiment)
    costs = tuple(COST._replace(test_px=test_px, test_macs=12_000_000_000) for _ in made.plan.rows)
    console = Console(record=True, width=160, file=io.StringIO())
    print_estimate(console, made.plan, estimate.Estimate(costs, {}, {}, 2**33, 1, "the CPU"), None)
    said = console.export_text()
    assert "MACs of one image of 224 x 224 px" in said
    assert ("12.00 " in said) == ("in testing of at most 448 x 448 px" in said) == (test_px == (448, 448))


def test_sizes_far_apart_have_one_unit_in_the_cost_table_and_in_plan(experiment: Path) -> None:
    made = source(experiment)
    sizes = (9_500, 2_700_000)
    costs = tuple(COST._replace(params=size, trainable_params=size, backbone_params=size - 500) for size in sizes)
    names = [row.name for row in made.plan.rows]
    shown = Settings(sweep="s.yaml").build([made._replace(costs=dict(zip(names, costs, strict=True)))])
    (column,) = [column for column in shown.columns if column.key == "params"]
    assert (column.title, texts(shown)["params"]) == ("params (k)", ["9.50", "2700.00"])
    assert next(iter(report.render(shown, "csv").splitlines())).split(",").count("params") == 1
    console = Console(record=True, width=160, file=io.StringIO())
    print_estimate(console, made.plan, estimate.Estimate(costs, {}, {}, 2**33, 1, "the CPU"), None)
    said = console.export_text()
    assert "parameters (k)" in said
    rows = [row.split() for row in said.splitlines() if row.startswith(("base", "depth deep"))]
    assert [next(word for word in row if "." in word) for row in rows] == ["9.50", "2700.00"]
