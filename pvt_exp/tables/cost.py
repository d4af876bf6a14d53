"""The cost table: what each row costs. Sizes are counted; speeds are measured by calibration."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from pvt_exp.config import ConfigError
from pvt_exp.cost import Cost, NoCost
from pvt_exp.cost.units import BYTES, COUNTS, Ladder, Unit, fitting
from pvt_exp.system import spelling
from pvt_exp.system.words import several
from pvt_exp.tables import Cell, Column, Remark, Source, Table, TableOf
from pvt_exp.tables._columns import Columns, make_columns
from pvt_exp.tables._digits import of_costs
from pvt_exp.tables._marks import about, by_axis
from pvt_exp.tables._metrics import found_in, usual
from pvt_exp.tables._notes import numbered, remarked, some
from pvt_exp.tables._rows import Line, collect, gaps
from pvt_exp.tables._words import wanted

if TYPE_CHECKING:
    from pvt_exp.cost.calibration import Throughput

GROUP = "the images of a group"


class Word(NamedTuple):
    """A column of this kind."""

    title: str
    ladder: Ladder | None
    """Units that it may have; none: that of the title."""
    least: int = 2
    """Decimals, where the unit is that of the title."""
    counted: str | None = None
    """The field of a `pvt_exp.cost.Cost`."""
    measured: "Callable[[Throughput, Line], float] | None" = None


def _train_images_per_s(throughput: "Throughput", line: Line) -> float:
    return line.variant.first.batch_size / throughput.step_s


WORDS = {
    "params": Word("params", COUNTS, counted="params"),
    "trainable_params": Word("trainable params", COUNTS, counted="trainable_params"),
    "backbone_params": Word("backbone params", COUNTS, counted="backbone_params"),
    "macs": Word("MACs", COUNTS, counted="macs"),
    "memory": Word("step memory", BYTES, counted="memory"),
    "step_s": Word("step (s)", None, measured=lambda throughput, _: throughput.step_s),
    "train_images_per_s": Word("training (images/s)", None, 0, measured=_train_images_per_s),
    "inference_images_per_s": Word(
        "inference (images/s)", None, 0, measured=lambda throughput, _: throughput.inference_images_per_s
    ),
    "peak_memory": Word("peak memory", BYTES, measured=lambda throughput, _: throughput.peak_memory_bytes),
}
"""Any other column is as in the other kinds."""
USED = {"macs": "G", "memory": "GiB", "peak_memory": "GiB"}
"""The units of a column without a number; of the others M."""
Throughputs = Mapping[str, Mapping[str, "Throughput"]]
"""By device, and by the name of the row: the newest."""
USUAL = ("params", "macs", "memory", "step_s", "train_images_per_s", "inference_images_per_s", "peak_memory", "seconds")


class Settings(TableOf):
    """What every variant of a sweep costs, the base first."""

    wants_costs: ClassVar[bool] = True

    kind: Literal["cost"] = "cost"
    sweep: str
    """The sweep whose rows it shows, relative to this file."""
    device: str | None = None
    """A part of the name of a device that was calibrated on; none: all of them, side by side."""

    @property
    def sweeps(self) -> tuple[str, ...]:
        return (self.sweep,)

    def build(self, sources: Sequence[Source]) -> Table:
        (source,) = sources
        plan = source.plan
        lines = sorted(collect(source, self.epoch), key=lambda line: not line.variant.is_base)
        throughputs = self._throughputs(source, lines)
        words = self.columns or USUAL
        for i, word in enumerate(words):
            if word in words[:i]:
                raise ConfigError(f"columns.{i}: the column {word} stands here twice")
        speeds = [word for word in words if word in WORDS and WORDS[word].measured]
        others = _others(words, lines)
        shown = {each.column.key: each for each in others.shown}
        columns, cells = [], []
        for word in words:
            if word not in WORDS:
                each = shown.pop(next(iter(shown)))
                columns.append(each.column)
                cells.append(each.cells)
            elif WORDS[word].counted:
                title, made = _counted(WORDS[word], lines, source.costs, USED.get(word, "M"))
                columns.append(Column(word, title, "cost"))
                cells.append(made)
            elif len(throughputs) < 2:
                device, measured = next(iter(throughputs.items()), ("", {}))
                title, made = _measured(WORDS[word], lines, measured, device, USED.get(word, "M"))
                columns.append(Column(word, title, "cost"))
                cells.append(made)
            elif word == speeds[0]:  # those of a device stand together, where the first of them is asked for
                for device, measured in throughputs.items():
                    for speed in speeds:
                        title, made = _measured(WORDS[speed], lines, measured, device, USED.get(speed, "M"))
                        columns.append(Column(f"{device}: {speed}", title, "cost", device))
                        cells.append(made)
        cells = [_with_reasons(made, column) for made, column in zip(cells, columns, strict=True)]
        base = next((line for line in lines if line.variant.is_base), None)
        costs = {name: each for name, each in source.costs.items() if isinstance(each, Cost)}
        said = _about_counts(words, lines, costs)
        for device, measured in throughputs.items():
            said += _about_throughput(words, lines, measured, device if len(throughputs) > 1 else "")
        said += [*others.said, *about(plan, lines)]
        groups, notes = numbered(by_axis(lines, zip(*cells, strict=True), base), gaps(lines), said)
        return Table(
            name=plan.name,
            caption=f"{self.title or plan.name}: what each row costs.",
            columns=tuple(columns),
            groups=groups,
            notes=notes,
            seeds=plan.seeds,
        )

    def _throughputs(self, source: Source, lines: Sequence[Line]) -> Throughputs:
        """The newest of each row, on each of the devices that are meant."""
        found: dict[str, dict[str, Throughput]] = {}
        for line in lines:
            for throughput in sorted(
                source.throughputs.get(line.variant.name, ()), key=lambda throughput: throughput.measured
            ):
                found.setdefault(throughput.device, {})[line.variant.name] = throughput
        meant = {
            device: throughputs for device, throughputs in found.items() if self.device is None or self.device in device
        }
        if self.device is not None and not meant:
            raise ConfigError(f"device: nothing was calibrated on '{self.device}'; there is {some(found) or 'nothing'}")
        return meant


def _others(words: Sequence[str], lines: Sequence[Line]) -> Columns:
    """The columns that other kinds have too. Raises ConfigError for a word that means nothing, with its place."""
    places = [i for i, word in enumerate(words) if word not in WORDS]
    try:
        (found,) = make_columns(wanted([words[i] for i in places], lines))
    except ConfigError as error:
        moved = (
            re.sub(r"^columns\.(\d+)", lambda number: f"columns.{places[int(number[1])]}", told)
            for told in error.problems
        )
        raise ConfigError(moved) from None
    for i, each in zip(places, found.shown, strict=True):  # a metric, which it may be as long as no result can say so
        if each.column.kind == "metric" and each.metric not in (*found_in(lines), *usual(lines)):
            hint = spelling.hint(words[i], WORDS, f"it can be {', '.join([*WORDS, 'seconds', 'n'])}")
            raise ConfigError(f"columns.{i}: unknown column '{words[i]}'{hint}")
    return found


def _counted(
    word: Word, lines: Sequence[Line], costs: "Mapping[str, Cost | NoCost]", usual: str
) -> tuple[str, list[Cell]]:
    """A column of what was counted, with why a cell is empty; and its title."""
    assert word.counted is not None
    assert word.ladder is not None
    values: list[float | None] = []
    cells: list[Cell] = []
    for line in lines:
        cost = costs.get(line.variant.name)
        value, why = None, "not counted"
        if isinstance(cost, NoCost):
            why = f"cannot be built: {cost.reason}"
        elif cost is not None:
            value = getattr(cost, word.counted)
            why = f"cannot be counted: {cost.uncounted[word.counted]}" if word.counted in cost.uncounted else why
        values.append(value)
        cells.append(Cell(value) if value is not None else Cell(missing="not counted", remarks=(Remark(why),)))
    unit = fitting(values, word.ladder, usual)
    return unit.head(word.title), _shown(cells, unit)


def _measured(
    word: Word, lines: Sequence[Line], throughputs: "Mapping[str, Throughput]", device: str, usual: str
) -> tuple[str, list[Cell]]:
    """A column of what was measured on a device, with why a cell is empty; and its title."""
    assert word.measured is not None
    cells = []
    for line in lines:
        if (throughput := throughputs.get(line.variant.name)) is not None:
            cells.append(Cell(word.measured(throughput, line)))
            continue
        where = f" on {device}" if device else ""
        why = f"not calibrated{where}: pvt-exp plan SWEEP --calibrate measures it"
        cells.append(Cell(missing="not calibrated", remarks=(Remark(why),)))
    values = [cell.value for cell in cells]
    if word.ladder is None:
        return word.title, _shown(cells, Unit("", 1.0, of_costs([value for value in values if value], word.least)))
    unit = fitting(values, word.ladder, usual)
    return unit.head(word.title), _shown(cells, unit)


def _shown(cells: Sequence[Cell], unit: Unit) -> list[Cell]:
    return [cell if cell.value is None else cell._replace(text=unit.text(cell.value)) for cell in cells]


def _with_reasons(cells: Sequence[Cell], column: Column) -> list[Cell]:
    """The cells, each empty one with a mark that says why; those of metrics say it themselves."""
    if column.kind == "metric":
        return list(cells)
    return [
        remarked(cell, Remark(cell.missing)) if cell.missing and not (cell.marks or cell.remarks) else cell
        for cell in cells
    ]


def _about_counts(words: Sequence[str], lines: Sequence[Line], costs: "Mapping[str, Cost]") -> list[str]:
    said, counted = [], [line for line in lines if line.variant.name in costs]
    if "macs" in words and counted:
        size = _one_of(counted, lambda line: " × ".join(map(str, costs[line.variant.name].input_px)), "at {} px")
        said.append(f"MACs of one image{f' of {size} px' if size else ', of the size that is noted'}, counted.")
    if "memory" in words and counted:
        images = _one_of(
            counted, lambda line: several(line.variant.first.ghost_batch_size, "image"), "a step of {} at once"
        )
        of = f"of {images}" if images else "of the images that are noted"
        said.append(f"Step memory: the most that a training step {of} holds, counted.")
    return said


def _about_throughput(
    words: Sequence[str], lines: Sequence[Line], throughputs: "Mapping[str, Throughput]", device: str = ""
) -> list[str]:
    """How the speeds were measured; ``device`` where there are several."""
    measured = {line: throughputs[line.variant.name] for line in lines if line.variant.name in throughputs}
    if not measured or not any(WORDS[word].measured for word in words if word in WORDS):
        return []
    every = list(measured.values())
    on_it = f" on {device}" if device else ""
    precision = _one_of(measured, lambda line: line.variant.first.precision, "precision {}")
    images = _one_of(measured, lambda line: _images(measured[line]), f"measured{on_it} with {{}} at once")
    _one_of(
        measured,
        lambda line: several(measured[line].workers, "loading process", "loading processes"),
        f"measured{on_it} with {{}}",
    )
    on = ", ".join(
        [
            some(dict.fromkeys(throughput.device for throughput in every)),
            _span(sorted(throughput.measured[:10] for throughput in every)),
            *([f"precision {precision}"] if precision else []),
            *([f"{images} at once"] if images not in (None, GROUP) else []),
        ]
    )
    batches = " or ".join(several(batch, "image") for batch in dict.fromkeys(throughput.batch for throughput in every))
    said = [
        f"Measured on {on}: a step with loading, the mean of {_span(sorted(throughput.steps for throughput in every))}; "
        f"inference without loading, {batches} at a time."
    ]
    if len({throughput.code for throughput in every}) > 1:
        said.append(f"They were not all measured{on_it} with the same code.")
    if busy := [line.name for line, throughput in measured.items() if not throughput.was_idle]:
        said.append(f"{device or 'The device'} was not idle when these were measured: {some(busy)}.")
    return said


def _span(values: Sequence[object]) -> str:
    return str(values[0]) if values[0] == values[-1] else f"{values[0]} to {values[-1]}"


def _images(throughput: "Throughput") -> str:
    return GROUP if throughput.micro_batch is None else several(throughput.micro_batch, "image")


def _one_of(lines: Collection[Line], of: Callable[[Line], str], note: str) -> str | None:
    """What all rows have in common; None where they differ, and then each is marked with what it has."""
    found = [of(line) for line in lines]
    if len(set(found)) == 1:
        return found[0]
    for line, each in zip(lines, found, strict=True):
        if (remark := Remark(note.format(each))) not in line.told:
            line.told.append(remark)
    return None
