"""Rows against the base: differences with their intervals, and which of them stand after correction for their number."""

from collections.abc import Sequence
from dataclasses import dataclass

from pvt_exp.statistics.differences import Difference, difference
from pvt_exp.statistics.holm import holm
from pvt_exp.statistics.power import seeds_to_see
from pvt_exp.statistics.scores import Stat
from pvt_exp.system.words import several
from pvt_exp.tables import Cell, Remark, Verdict
from pvt_exp.tables._digits import fixed, least_of, most_of, spread, warranted
from pvt_exp.tables._metrics import NO_SPREAD, Measured
from pvt_exp.tables._notes import some
from pvt_exp.tables._rows import Line

MARKS: dict[Verdict, str] = {"clear": "*", "unclear": "§", "noise": "†"}
SIGNIFICANT = 0.05
UNPAIRED = "difference not paired by seed, as this row and the base share fewer than two: Welch's interval"
ALIKE = "all seeds differ by the same amount, so there is no interval"


@dataclass(frozen=True)
class Differences:
    """Of one metric, each row's to the base; see `differences`."""

    metric: Measured
    lines: Sequence[Line]
    base: Line | None
    base_stat: Stat | None
    found: Sequence[Difference | None]
    """None for the base, and where one of both has no score."""
    digits: int
    ps: Sequence[float | None]
    """Corrected for all differences of the table."""
    together: int
    """Differences that they were corrected for."""

    def verdict(self, i: int) -> Verdict | None:
        """What the difference at this place shows; None where it has no interval."""
        each, p = self.found[i], self.ps[i]
        if each is None or each.half is None or p is None:
            return None
        if each.is_noise:
            return "noise"
        return "clear" if p < SIGNIFICANT else "unclear"

    @property
    def verdicts(self) -> list[Verdict | None]:
        """One a row."""
        return [self.verdict(i) for i in range(len(self.lines))]

    def cells(self) -> list[Cell]:
        """The differences, each with the mark of what it shows; and a mark where it is of other data."""
        cells = []
        rows = zip(self.lines, self.metric.stats, self.found, self.ps, self.verdicts, strict=True)
        for line, stat, each, p, verdict in rows:
            if stat is None or self.base is None or self.base_stat is None or each is None:
                cells.append(self._none(line, stat))
                continue
            remarks = [*line.marks, *self.base.marks] if line.marks != self.base.marks else []
            if each.pairs and each.pairs < max(stat.n, self.base_stat.n):
                remarks.append(Remark("difference over the seeds that this row and the base share", line.name))
            if each.half is not None and not each.pairs and any(other and other.pairs for other in self.found):
                remarks.append(Remark(UNPAIRED, line.name))
            if each.std == 0:
                remarks.append(Remark(ALIKE, line.name))
            half = each.half
            cells.append(
                Cell(
                    each.mean,
                    text=fixed(each.mean, self.digits, "+"),
                    std_text="" if half is None else spread(half, self.digits),
                    marks=(MARKS[verdict],) if verdict else (),
                    interval=each.interval,
                    p=p,
                    verdict=verdict,
                    remarks=tuple(remarks),
                )
            )
        return cells

    def p_cells(self) -> list[Cell]:
        """The differences' p, corrected over the table."""
        cells = []
        rows = zip(self.lines, self.metric.stats, self.found, self.ps, self.verdicts, strict=True)
        for line, stat, each, p, verdict in rows:
            if each is None:
                cells.append(self._none(line, stat)._replace(value=None))
            elif p is None:
                cells.append(Cell(missing="one seed" if each.std is None else NO_SPREAD))
            else:
                marks = (MARKS[verdict],) if verdict else ()
                cells.append(Cell(p, text="< 0.001" if p < 0.001 else f"{p:.3f}", marks=marks))
        return cells

    def _none(self, line: Line, stat: Stat | None) -> Cell:
        """The cell of a row that has no difference."""
        if line is self.base and stat is not None:
            return Cell(0.0)  # shown as an empty cell
        return Cell(missing=line.missing if stat is None else "no base")


def differences(metrics: Sequence[tuple[Measured, Sequence[Line], Line | None]]) -> list[Differences]:
    """All differences of a table: of each metric, in some rows, to a base. Holm's correction is over all of them."""
    every = [_to_base(metric, lines.index(base) if base is not None else None) for metric, lines, base in metrics]
    ps = [each and each.p for found in every for each in found]
    held = [p for p in ps if p is not None]
    corrected = iter(holm(held))
    rest = iter([None if p is None else next(corrected) for p in ps])
    made = []
    for (metric, lines, base), found in zip(metrics, every, strict=True):
        most = most_of(metric.metric, [stat.mean for stat in metric.stats if stat])
        digits = warranted(most, [each and each.half for each in found], least_of(metric.metric))
        stat = None if base is None else metric.stats[lines.index(base)]
        own = [next(rest) for _ in found]
        made.append(Differences(metric, lines, base, stat, found, digits, own, len(held)))
    return made


def _to_base(metric: Measured, base: int | None) -> list[Difference | None]:
    """Each row's difference to the row at ``base``."""
    if base is None:
        return [None] * len(metric.values)
    to = metric.values[base]
    return [None if i == base else difference(got, to) for i, got in enumerate(metric.values)]


def about_differences(of: Differences) -> list[str]:
    """What the column of differences means."""
    if of.base is None:
        return []
    if not of.base.results:
        return ["No differences: the base has no result."]
    metric = of.metric.metric
    unit = "percentage points" if metric.is_percent else metric.unit
    tested = [each for each in of.found if each is not None and each.half is not None]
    how = ""
    if tested:
        paired = any(each.pairs for each in tested)
        how = f", ± half its 95 % interval ({'paired by seed, Student' if paired else 'not paired, Welch'}'s t)"
    mean = "the base's mean" if of.base.variant.is_base else f"the mean of {of.base.name}"
    direction = "; smaller is better" if metric.smaller_is_better else ""
    text = f"Δ: difference from {mean}{f', in {unit}' if unit else ''}{how}{direction}."
    return [text, *_legend(of)]


def _legend(of: Differences) -> list[str]:
    """What each mark means: all of them, as soon as one is there."""
    if not any(of.verdicts):
        return []
    noise = f"{MARKS['noise']}: inside seed noise: its own 95 % interval contains 0."
    if of.together == 1:
        return [f"{MARKS['clear']}: p < 0.05. {noise}"]
    among = f"{of.together} differences of the table"
    return [
        f"{MARKS['clear']}: p < 0.05 after Holm's correction for the {among}. {MARKS['unclear']}: not clear: its own "
        f"95 % interval does not contain 0, but p is not below 0.05 after that correction. {noise}"
    ]


def about_noise(of: Differences) -> list[str]:
    """How many differences stand after correction, and how many seeds the others need."""
    ps = [(line.name, p) for line, p in zip(of.lines, of.ps, strict=True) if p is not None]
    if not ps:
        return []
    clear = [name for name, p in ps if p < SIGNIFICANT]
    said = []
    if of.together > 1:
        have = {0: "none has", 1: "1 has"}.get(len(clear), f"{len(clear)} have")
        which = f": {some(clear)}" if clear and len(clear) < len(ps) else ""
        over = f" over the table's {of.together}" if of.together > len(ps) else ""
        said.append(
            f"Of {len(ps)} difference{'s' * (len(ps) > 1)}, {have} p < 0.05 after Holm's correction{over}{which}."
        )
    noisy = [(line, each) for line, each in zip(of.lines, of.found, strict=True) if each is not None and each.is_noise]
    wanted = [(seeds_to_see(each.mean, each.std), line.name) for line, each in noisy if each.std]
    if wanted:
        known = sorted((n, name) for n, name in wanted if n is not None)
        words = [f"{n} ({name})" for n, name in dict.fromkeys((known[0], known[-1]))] if known else []
        if len(words) == 2 and known[0][0] == known[-1][0]:
            words = [f"{known[0][0]} for each"]
        text, beyond = " to ".join(words), len(wanted) - len(known)
        if beyond:
            text = f"{text}; more than 10,000 for {several(beyond, 'row')}" if text else "more than 10,000"
        shared = "" if all(each.pairs for _, each in noisy) else ", if both rows share their seeds"
        alone = ", each by itself, without Holm's correction" if of.together > 1 else ""
        said.append(
            f"Seeds needed to detect the differences marked {MARKS['noise']} (80 % power{shared}{alone}): {text}."
        )
    return said
