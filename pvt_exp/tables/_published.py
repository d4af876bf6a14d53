"""Published figures beside the rows: what each source says, how far ours is from it, and where it is found."""

from collections.abc import Sequence
from typing import NamedTuple

from pvt_exp.config.metrics import Metric, as_printed
from pvt_exp.cost import units
from pvt_exp.plan.published import Figure
from pvt_exp.statistics.differences import Difference, difference
from pvt_exp.system.words import several
from pvt_exp.tables import Cell, Column, Remark
from pvt_exp.tables._costs import COUNTS
from pvt_exp.tables._digits import fixed, least_of, most_of, warranted
from pvt_exp.tables._metrics import Measured
from pvt_exp.tables._notes import remarked, some
from pvt_exp.tables._rows import Line

OUTSIDE = "‡"
UNSURE = "?"
BY = {"paper": "paper", "readme": "authors", "third party": "others"}
COUNTED_MORE = 0.01
"""Share of the MACs that the papers' counter adds for norms, biases and pooling, at most; ours counts products alone."""


def name_of(figure: Figure) -> str:
    """The source as references begin with it: ``v1``."""
    return figure.key.partition("/")[0]


def sources_of(lines: Sequence[Line], metric: str) -> list[str]:
    """Who has figures of a metric, in the order in which the sweep names them."""
    return list(dict.fromkeys(name_of(f) for line in lines for f in line.variant.published if metric in f.metrics))


def figures(lines: Sequence[Line], source: str, metric: str) -> list[Figure | None]:
    """Of each row, the first figure of the source that has the metric."""
    return [
        next((f for f in line.variant.published if name_of(f) == source and metric in f.metrics), None)
        for line in lines
    ]


def value_column(metric: Metric, found: Sequence[Figure | None]) -> Column:
    """The column of what one source says, under the source's name."""
    figure = next(figure for figure in found if figure is not None)
    return Column(f"{metric.name}_{name_of(figure)}", metric.head, "published", figure.source)


def value_cells(lines: Sequence[Line], found: Sequence[Figure | None], metric: str) -> list[Cell]:
    """What one source says of each row, as it is printed; why there is nothing, where the source says so."""
    cells = []
    source = next(name_of(figure) for figure in found if figure is not None)
    for line, figure in zip(lines, found, strict=True):
        if figure is not None:
            value = figure.metrics[metric]
            unsure = [Remark("transcribed with less than high confidence")] if figure.confidence != "high" else []
            cells.append(Cell(value, text=as_printed(value), remarks=tuple(unsure)))
            continue
        none = next((f.outcome for f in line.variant.published if f.outcome and name_of(f) == source), None)
        cells.append(Cell(missing="none", remarks=(Remark(f"published: {none}"),)) if none else Cell())
    return cells


def first_cells(lines: Sequence[Line], metric: str) -> list[Cell]:
    """Of each row the first figure that the sweep names which has the metric."""
    found = [next((f for f in line.variant.published if metric in f.metrics), None) for line in lines]
    return [Cell() if f is None else Cell(f.metrics[metric], text=as_printed(f.metrics[metric])) for f in found]


# ---------------------------------------------------------------- how far ours is from it


class Deviations(NamedTuple):
    """Of one metric, each row's from one source."""

    source: str
    """As people call it."""
    figures: list[Figure | None]
    found: list[Difference | None]
    """None where one of both has no figure."""
    tolerance: float
    digits: int
    """Decimals that they are shown with, which decide: no fewer than the tolerance has."""

    def within(self, each: Difference) -> bool:
        """Whether a mean is no farther off than the tolerance."""
        return round(abs(each.mean), self.digits) <= self.tolerance

    def is_sure(self, each: Difference) -> bool:
        """Whether the whole interval is on that side of the tolerance; there is none of one seed."""
        if each.half is None:
            return True
        nearest, farthest = max(0.0, abs(each.mean) - each.half), abs(each.mean) + each.half
        return round(farthest, self.digits) <= self.tolerance or round(nearest, self.digits) > self.tolerance

    def cells(self, lines: Sequence[Line]) -> list[Cell]:
        """The differences, marked where they are too large or where more seeds may decide otherwise."""
        cells = []
        for line, figure, each in zip(lines, self.figures, self.found, strict=True):
            if each is None:
                cells.append(Cell() if figure is None else Cell(missing=line.missing))
                continue
            marks = [*([] if self.within(each) else [OUTSIDE]), *([] if self.is_sure(each) else [UNSURE])]
            cells.append(
                Cell(
                    each.mean,
                    text=fixed(each.mean, self.digits, "+"),
                    marks=tuple(marks),
                    interval=each.interval,
                    within=self.within(each),
                    remarks=tuple(line.marks),
                )
            )
        return cells

    def about(self, lines: Sequence[Line]) -> str:
        """How many rows are within the tolerance, and which are not."""
        told = [(line.name, each) for line, f, each in zip(lines, self.figures, self.found, strict=True) if f]
        have = [(name, each) for name, each in told if each is not None]
        outside = [f"{name} by {fixed(each.mean, self.digits, '+')}" for name, each in have if not self.within(each)]
        unsure = [name for name, each in have if not self.is_sure(each)]
        missing = [name for name, each in told if each is None]
        rows = several(len(told), "row")
        words = f"Of {rows} with a figure of {self.source}, {len(have) - len(outside)} within {self.tolerance:g}"
        words += f"; {len(outside)} not: {some(outside)}" if outside else ""
        words += f"; {len(unsure)} undecided with these seeds: {some(unsure)}" if unsure else ""
        return words + (f"; {len(missing)} without a result: {some(missing)}" if missing else "") + "."


def deviations(metric: Measured, found: list[Figure | None], tolerance: float) -> Deviations:
    """Ours minus the published figures, each over the row's seeds."""
    source = next(figure.source for figure in found if figure is not None)
    pairs = zip(metric.values, found, strict=True)
    each = [None if f is None else difference(got, [f.metrics[metric.name]] * len(got)) for got, f in pairs]
    halves = [one.half for one in each if one is not None]
    means = [stat.mean for stat in metric.stats if stat is not None]
    warrants = warranted(most_of(metric.metric, means), halves, least_of(metric.metric))
    digits = max(warrants, len(f"{tolerance:g}".partition(".")[2]))
    return Deviations(source, found, each, tolerance, digits)


def about_deviations(metric: Measured, shown: Sequence[Deviations]) -> str:
    """What the columns of differences mean."""
    every = [each for one in shown for each in one.found if each is not None]
    unit = "percentage points" if metric.metric.is_percent else metric.metric.unit
    text = f"Δ: ours minus the published figure{f', in {unit}' if unit else ''}."
    if any(not one.within(each) for one in shown for each in one.found if each is not None):
        text += f" {OUTSIDE}: farther from it than the tolerance."
    if any(not one.is_sure(each) for one in shown for each in one.found if each is not None):
        text += f" {UNSURE}: its 95 % interval (Student's t; in table.csv) lies partly within the tolerance, partly outside."
    if any(each.std is None for each in every):
        text += " With one seed there is no interval, so the spread over seeds is unknown."
    return text


# ---------------------------------------------------------------- what it costs


def cost_cells(lines: Sequence[Line], key: str) -> list[Cell]:
    """Published parameters or MACs, marked where ours differ by more than rounding."""
    cells = []
    for line in lines:
        value = next((v for f in line.variant.published if (v := getattr(f, key)) is not None), None)
        if value is None:
            cells.append(Cell())
            continue
        unit = dict(units.COUNTS)[COUNTS[key].usual]
        ours = [result["cost"] for result in line.results if result["cost"].get(key) is not None][:1]
        cell = Cell(value * unit, text=as_printed(value))
        if ours and not _agree(ours[0][key] / unit, value, key):
            trained = ours[0].get("trainable_params", 0) / unit
            of_trained = key == "params" and _agree(trained, value, key)
            text = f"this counts trained parameters, of which ours has {trained:.2f} M"
            cell = remarked(cell, Remark(text)) if of_trained else cell._replace(marks=(OUTSIDE,))
        cells.append(cell)
    return cells


def _agree(ours: float, published: float, key: str) -> bool:
    """But for the last printed digit, which may be rounded twice, and for what the papers' counter adds to MACs."""
    rounding: float = 0.55 / 10 ** len(str(published).partition(".")[2])
    return abs(ours - published) <= rounding + (COUNTED_MORE * published if key == "macs" else 0)


def about_costs(cells: Sequence[Cell]) -> list[str]:
    """What the mark means at published parameters and MACs."""
    if not any(OUTSIDE in cell.marks for cell in cells):
        return []
    return [
        f"{OUTSIDE} at parameters and MACs: ours differ by more than rounding (and 1 % of MACs, for norms and biases)."
    ]


# ---------------------------------------------------------------- where it is found


def about_sources(lines: Sequence[Line]) -> list[str]:
    """Where the figures are found, one sentence per source; a note about a single figure is marked at its row."""
    cited: dict[str, dict[str, dict[str, None]]] = {}
    printed: dict[str, None] = {}
    for line in lines:
        for figure in line.variant.published:
            tables = cited.setdefault(f"{figure.source} ({BY[figure.kind]}): {figure.cite}", {})
            tables.setdefault(figure.table, {}).update({figure.table_note: None} if figure.table_note else {})
            printed.update({figure.source: None} if figure.printed else {})
            if figure.note:
                line.told.append(Remark(f"{figure.source}, {figure.table}: {figure.note}"))
    said = []
    for source, tables in cited.items():
        words = [f"{table}{f' ({some(about)})' if about else ''}" for table, about in tables.items()]
        said.append(f"{source}, {some(words, 8)}.")
    return said + ([f"{some(printed)} prints error rates: the score is 100 minus the error."] if printed else [])
