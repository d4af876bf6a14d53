"""The ablation table: a row a variant, the base first, each metric over all seeds, and what is not comparable named.

How numbers are shown: scores are percentages with 2 decimals; losses have 3, or as many as give the largest three
digits. A metric's rows and its differences share their decimals. Parameters and MACs have 2 decimals, or as many as
give the smallest row two digits. What is best is decided by what is shown: rows that look the same are the same.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pvt_exp.config import ConfigError
from pvt_exp.statistics import Difference, Stat, difference, holm, over_seeds, seeds_to_see
from pvt_exp.tables import Cell, Column, Group, Note, Row, Table
from pvt_exp.tables._rows import Line, Notes, about_code, about_holdout, code_of, collect, compare_data, data_of, some
from pvt_exp.tables._starts import about_starts
from pvt_exp.tables._tuned import about_tuning

if TYPE_CHECKING:
    from pvt_exp.plan import Plan
    from pvt_exp.schema import TableOf
    from pvt_exp.store import Outcome

TITLES = {
    "top1": "top-1",
    "top5": "top-5",
    "pixel_accuracy": "pixel accuracy",
    **{f"{kind}_AP{of}": f"{kind} AP{of}" for kind in ("box", "mask") for of in ("", "50", "75", "s", "m", "l")},
}
NOISE = "†"


def build(plan: "Plan", outcomes: Mapping[str, "Outcome"], options: "TableOf") -> Table:
    """The table of a sweep's variants; see `pvt_exp.tables`."""
    notes = Notes()
    lines = sorted(collect(plan, outcomes, options.epoch, notes), key=lambda line: not line.variant.is_base)
    same_data = compare_data(lines, notes)
    held_out = about_holdout(lines, notes)
    search, tuned = about_tuning(plan, lines, notes)
    base = next((line for line in lines if line.variant.is_base), None)
    names, smaller = choose_metrics(options.metrics, lines)
    columns, cells = [], []
    deltas: list[Cell] = []
    found: list[Difference | None] = [None] * len(lines)
    for name in names:
        measured = measure(name, lines, name in smaller)
        columns.append(Column(name, title(name), "metric"))
        cells.append(metric_cells(measured, lines, notes, len(plan.seeds)))
        if name == names[0] and base is not None:
            found = [None if line is base else difference(got, measured.values[lines.index(base)])
                     for line, got in zip(lines, measured.values, strict=True)]  # fmt: skip
            deltas = differences(measured, lines, base, found, notes)
    columns.append(Column("n", "n", "count"))
    cells.append([count_cell(line) for line in lines])
    if base is not None:
        columns.append(Column("difference", f"Δ {TITLES.get(names[0], names[0])}", "difference"))
        cells.append(deltas)
    columns += [Column("params", "params (M)", "cost"), Column("macs", "MACs (G)", "cost")]
    cells += [cost_cells(lines, "params", 1e6), cost_cells(lines, "macs", 1e9)]
    sizes = input_sizes(lines, cells[-1], notes)
    same_start, starts = about_starts(lines, notes)
    recipes = [
        (notes.mark(f"its recipe differs from the base's: {'; '.join(line.variant.unlike)}"),)
        if line.variant.unlike
        else ()
        for line in lines
    ]

    groups: dict[tuple[str, ...], list[Row]] = {}
    for line, row_cells, start, values, recipe in zip(
        lines, zip(*cells, strict=True), starts, tuned, recipes, strict=True
    ):
        row = Row(
            line.name,
            row_cells,
            tuple(line.replicates),
            line.variant.is_base,
            (*line.marks, *start, *values, *recipe),
            tuple(sorted({data_of(result) for result in line.results})),
            tuple(sorted({code_of(result) for result in line.results})),
        )
        groups.setdefault(("base",) if line.variant.is_base else ("", *line.group), []).append(row)
    general = [
        *about_differences(found, base, names[0], names[0] in smaller),
        *about_noise(found, deltas, lines),
        *([f"MACs at {sizes}."] if sizes else []),
        *([same_data] if same_data else []),
        *held_out,
        *search,
        *same_start,
        *about_code(lines),
    ]
    return Table(
        name=plan.name,
        caption=caption(plan, options, any(cell.best for column in cells for cell in column)),
        columns=tuple(columns),
        groups=tuple(
            Group("" if key[0] == "base" else ", ".join(filter(None, key)), tuple(rows)) for key, rows in groups.items()
        ),
        notes=(*notes.finish(), *(Note("", text) for text in general)),
        seeds=plan.seeds,
    )


# ---------------------------------------------------------------- numbers


def choose_metrics(asked: Sequence[str], lines: Sequence[Line]) -> tuple[list[str], set[str]]:
    """The metrics to show, those of the task unless others are asked for, and those of them where smaller is better."""
    found = dict.fromkeys(name for line in lines for metrics in line.metrics for name in metrics or ())
    task = lines[0].variant.runs[0].task if lines else None
    first = getattr(task, "metric", None)
    if unknown := [name for name in asked if found and name not in found]:
        raise ConfigError(f"metrics: no result has {', '.join(unknown)}; they have {', '.join(found)}")
    usual = [name for name in getattr(task, "shown", ()) if name in found]
    names = list(asked) or usual or sorted(found, key=lambda name: name != first) or [first or "score"]
    smaller = {name for name in names if is_loss(name)}
    if first in names:
        smaller = smaller - {first} if getattr(task, "larger_is_better", True) else smaller | {first}
    return names, smaller


def is_loss(name: str) -> bool:
    """Whether a metric is a loss rather than a score in percent: by its name, as everywhere in this project."""
    return "loss" in name


def title(name: str) -> str:
    """A metric as the head of a column."""
    return TITLES.get(name, name) + ("" if is_loss(name) else " (%)")


class Measured(NamedTuple):
    """One metric of all rows."""

    name: str
    smaller: bool
    """Whether smaller is better."""
    values: list[tuple[float | None, ...]]
    """What each replicate of each row gave; none where it gave nothing finite."""
    stats: list[Stat | None]
    digits: int
    """Decimals that it is shown with; see the module."""


def measure(name: str, lines: Sequence[Line], smaller: bool) -> Measured:
    """Take a metric over the seeds of each row."""
    given = [[(metrics or {}).get(name) for metrics in line.metrics] for line in lines]
    finite = [tuple(v if v is not None and math.isfinite(v) else None for v in row) for row in given]
    stats = [over_seeds(row) for row in finite]
    largest = max((abs(stat.mean) for stat in stats if stat), default=0.0)
    digits = 2 if not is_loss(name) else min(max(3, 2 - math.floor(math.log10(largest or 1))), 9)
    return Measured(name, smaller, finite, stats, digits)


def metric_cells(metric: Measured, lines: Sequence[Line], notes: Notes, seeds: int) -> list[Cell]:
    """A metric's column; the best among the rows that have every seed and saw the same data is marked so."""
    name, digits = metric.name, metric.digits
    texts = [f"{stat.mean:.{digits}f}" if stat else "" for stat in metric.stats]
    whole = [bool(stat and stat.n == seeds and not line.marks) for line, stat in zip(lines, metric.stats, strict=True)]
    ranked = [float(text) for text, counts in zip(texts, whole, strict=True) if counts]
    best = (min if metric.smaller else max)(ranked) if len(ranked) > 1 else None
    cells = []
    for line, got, stat, text, counts in zip(lines, metric.values, metric.stats, texts, whole, strict=True):
        gaps = zip(line.replicates, got, strict=True) if None in got else ()
        lacking = [r for r, v in gaps if v is None and r.state == "done"]
        marks = [notes.mark(f"{name} is absent or not finite", f"{line.name}, seed {r.seed}: {r.run}") for r in lacking]
        own = tuple(dict.fromkeys(marks))
        if stat is None:
            cells.append(Cell(missing="not measured" if lacking else line.missing, marks=own, values=got))
            continue
        std = "" if stat.std is None else fixed(stat.std, digits)
        is_best = counts and float(text) == best
        shown = fixed(stat.mean, digits) if text.startswith("-") else text
        cells.append(Cell(stat.mean, stat.std, stat.n, shown, std, is_best, marks=own, values=got))
    return cells


def count_cell(line: Line) -> Cell:
    """How many seeds a row has; of how many, and why, where some are missing."""
    n, due = len(line.results), len(line.replicates)
    return Cell(n, text=str(n) if n == due else f"{n}/{due}", marks=tuple(dict.fromkeys(line.gaps)))


def differences(
    metric: Measured, lines: Sequence[Line], base: Line, found: Sequence[Difference | None], notes: Notes
) -> list[Cell]:
    """Each row's difference to the base with its interval; a mark where seeds alone could have made it, or other data."""
    base_stat = metric.stats[lines.index(base)]
    corrected = iter(holm([each.p for each in found if each is not None and each.p is not None]))
    cells = []
    for line, stat, each in zip(lines, metric.stats, found, strict=True):
        if line is base and stat is not None:
            cells.append(Cell(0.0))  # true, and not worth ink
            continue
        if stat is None or base_stat is None or each is None:
            cells.append(Cell(missing=line.missing if stat is None else "no base"))
            continue
        marks = [NOISE] if each.is_noise else []
        marks += dict.fromkeys((*line.marks, *base.marks)) if line.marks != base.marks else ()
        if each.pairs and each.pairs < max(stat.n, base_stat.n):
            marks.append(notes.mark("difference over the seeds that it and the base have both", line.name))
        half = each.half
        cells.append(
            Cell(
                each.mean,
                text=fixed(each.mean, metric.digits, "+"),
                std_text="" if half is None else fixed(half, metric.digits),
                marks=tuple(marks),
                interval=None if half is None else (each.mean - half, each.mean + half),
                p=None if each.p is None else next(corrected),
            )
        )
    return cells


def cost_cells(lines: Sequence[Line], key: str, unit: float) -> list[Cell]:
    """Parameters or MACs, as the runs themselves counted them."""
    counts = [next((r["cost"][key] for r in line.results if r["cost"].get(key) is not None), None) for line in lines]
    smallest = min((count / unit for count in counts if count), default=1.0)
    digits = min(max(2, 1 - math.floor(math.log10(smallest))), 6)
    return [
        Cell(missing="not counted" if line.results else line.missing)
        if count is None
        else Cell(count, text=fixed(count / unit, digits))
        for line, count in zip(lines, counts, strict=True)
    ]


def input_sizes(lines: Sequence[Line], macs: list[Cell], notes: Notes) -> str:
    """The image size that MACs were counted at; where there are several, each row's is marked."""
    sizes = [" or ".join(sorted({" × ".join(map(str, r["cost"]["input_px"])) for r in line.results})) for line in lines]
    if len(set(filter(None, sizes))) <= 1:
        return next((f"{size} px" for size in sizes if size), "")
    for i, size in enumerate(sizes):
        if size:
            cell = macs[i]
            macs[i] = Cell(cell.value, text=cell.text, missing=cell.missing, marks=(notes.mark(f"at {size} px"),))
    return ""


# ---------------------------------------------------------------- words


def caption(plan: "Plan", options: "TableOf", bold: bool) -> str:
    """What the table is, and how its numbers were made."""
    seeds = ", ".join(map(str, plan.seeds)) if len(plan.seeds) <= 10 else str(len(plan.seeds))
    over = f"mean ± standard deviation over seeds {seeds}" if len(plan.seeds) > 1 else f"one seed ({seeds}), no spread"
    which = "at each run's last epoch" if options.epoch == "last" else "at each run's best epoch, which flatters"
    return f"{options.title or plan.name}: {over}, {which}{', best in bold' if bold else ''}."


def about_differences(found: Sequence[Difference | None], base: Line | None, name: str, smaller: bool) -> list[str]:
    """What the column of differences means."""
    if base is None:
        return []
    if not base.results:
        return ["No differences: the base has no result."]
    points = "" if is_loss(name) else ", in percentage points"
    tested = [each for each in found if each is not None and each.half is not None]
    how = ""
    if tested:
        paired = "of the same seeds, " if all(each.pairs for each in tested) else ""
        how = f", ± half its 95 % interval ({paired}Student's t)"
    text = f"Δ: mean less the base's{points}{how}{'; smaller is better' if smaller else ''}."
    if any(each.is_noise for each in tested):
        text += f" {NOISE}: inside seed noise, that is the interval contains 0."
    return [text]


def about_noise(found: Sequence[Difference | None], deltas: Sequence[Cell], lines: Sequence[Line]) -> list[str]:
    """What is left of the differences when it counts that they are several, and how many seeds would show the others."""
    ps = [(line.name, cell.p) for line, cell in zip(lines, deltas, strict=False) if cell.p is not None]
    if not ps:
        return []
    clear = [name for name, p in ps if p < 0.05]
    said = []
    if len(ps) > 1:
        have = {0: "none has", 1: "1 has"}.get(len(clear), f"{len(clear)} have")
        of = f"Of {len(ps)} differences, {have}"
        which = f": {some(clear)}" if clear and len(clear) < len(ps) else ""
        said.append(f"{of} p < 0.05 after Holm's correction{which}.")
    noisy = [(line, each) for line, each in zip(lines, found, strict=True) if each is not None and each.is_noise]
    wanted = [(seeds_to_see(each.mean, each.std), line.name) for line, each in noisy if each.std]
    if wanted:
        known = sorted((n, name) for n, name in wanted if n is not None)
        words = [f"{n} ({name})" for n, name in dict.fromkeys((known[0], known[-1]))] if known else []
        words += ["more than 10,000"] if len(known) < len(wanted) else []
        said.append(f"Seeds that it would take to see a difference like those marked {NOISE}: {' to '.join(words)}.")
    return said


def fixed(value: float, digits: int, sign: str = "-") -> str:
    """A number with this many decimals and a real minus; nothing is ever minus zero."""
    text = f"{value:{sign}.{digits}f}"
    if text[0] not in "+-":
        return text
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")
