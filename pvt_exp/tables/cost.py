"""The cost table: what each row takes before it is worth anything. Sizes are counted; speed is what calibration measured."""

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from pvt_exp.config import ConfigError
from pvt_exp.tables import Cell, Column, Note, Source, Table, TableOf
from pvt_exp.tables._columns import Columns, fill
from pvt_exp.tables._digits import fixed, of_costs
from pvt_exp.tables._marks import about, by_axis
from pvt_exp.tables._metrics import found_in, usual
from pvt_exp.tables._rows import Line, Notes, collect, some

if TYPE_CHECKING:
    from pvt_exp.calibration import Pace
    from pvt_exp.cost import Cost

GIB = 2**30
GROUP = "the images of a group"


class Word(NamedTuple):
    """A column of this kind."""

    title: str
    unit: float
    least: int
    """Decimals."""
    counted: "Callable[[Cost], float | None] | None" = None
    measured: "Callable[[Pace, Line], float] | None" = None


WORDS = {
    "params": Word("params (M)", 1e6, 2, lambda cost: cost.params),
    "trainable_params": Word("trainable params (M)", 1e6, 2, lambda cost: cost.trainable_params),
    "backbone_params": Word("backbone params (M)", 1e6, 2, lambda cost: cost.backbone_params),
    "macs": Word("MACs (G)", 1e9, 2, lambda cost: cost.macs),
    "memory": Word("step memory (GiB)", GIB, 2, lambda cost: cost.memory),
    "step_s": Word("step (s)", 1, 2, None, lambda pace, _: pace.step_s),
    "trained_per_s": Word(
        "training (images/s)", 1, 0, None, lambda pace, line: line.variant.first.batch_size / pace.step_s
    ),
    "images_per_s": Word("testing (images/s)", 1, 0, None, lambda pace, _: pace.images_per_s),
    "held": Word("peak memory (GiB)", GIB, 2, None, lambda pace, _: pace.peak_memory_bytes),
}
"""Any other column is as in the other kinds."""
USUAL = ("params", "macs", "memory", "step_s", "trained_per_s", "images_per_s", "held", "seconds")


class Settings(TableOf):
    """What every variant of a sweep costs, the base first."""

    wants_costs: ClassVar[bool] = True

    kind: Literal["cost"] = "cost"
    sweep: str
    """The sweep whose rows it shows, relative to this file."""
    device: str | None = None
    """A part of the name of the device that was calibrated on; needed where there are several."""

    @property
    def sweeps(self) -> tuple[str, ...]:
        return (self.sweep,)

    def build(self, sources: Sequence[Source]) -> Table:
        (source,) = sources
        plan, notes = source.plan, Notes()
        lines = sorted(collect(source, self.epoch, notes), key=lambda line: not line.variant.is_base)
        paces = self._paces(source, lines)
        words = self.columns or USUAL
        for i, word in enumerate(words):
            if word in words[:i]:
                raise ConfigError(f"columns.{i}: the column {word} stands here twice")
        others = _others(words, lines, notes)
        shown = {each.column.key: each for each in others.shown}
        columns, cells = [], []
        for word in words:
            if (own := WORDS.get(word)) is None:
                each = shown.pop(next(iter(shown)))
                columns.append(each.column)
                cells.append(each.cells)
                continue
            columns.append(Column(word, own.title, "cost"))
            cells.append(_cells(own, lines, source, paces))
        base = next((line for line in lines if line.variant.is_base), None)
        said = [*_about_counts(words, lines, source.costs, notes), *_about_paces(words, lines, paces, notes)]
        said += [*others.said, *about(plan, lines, notes)]
        return Table(
            name=plan.name,
            caption=f"{self.title or plan.name}: what each row costs.",
            columns=tuple(columns),
            groups=by_axis(lines, zip(*cells, strict=True), base),
            notes=(*notes.finish(), *(Note("", text) for text in said)),
            seeds=plan.seeds,
        )

    def _paces(self, source: Source, lines: Sequence[Line]) -> dict[str, "Pace"]:
        """The newest of each row on the device that is meant."""
        found = [pace for line in lines for pace in source.paces.get(line.variant.name, ())]
        devices = list(dict.fromkeys(pace.device for pace in found))
        meant = [each for each in devices if self.device is None or self.device in each]
        if self.device is not None and not meant:
            raise ConfigError(
                f"device: nothing was calibrated on '{self.device}'; there is {some(devices) or 'nothing'}"
            )
        if len(meant) > 1:
            raise ConfigError(f"device: calibrated on several, name one by a part of its name: {some(meant)}")
        newest = {
            line.variant.name: max(
                (pace for pace in source.paces.get(line.variant.name, ()) if pace.device in meant),
                key=lambda pace: pace.measured,
                default=None,
            )
            for line in lines
        }
        return {name: pace for name, pace in newest.items() if pace is not None}


def _others(words: Sequence[str], lines: Sequence[Line], notes: Notes) -> Columns:
    """The columns that other kinds have too. Raises ConfigError for a word that means nothing, with its place."""
    places = [i for i, word in enumerate(words) if word not in WORDS]
    try:
        found = Columns([words[i] for i in places], lines, notes)
        fill(found)
    except ConfigError as error:
        moved = (
            re.sub(r"^columns\.(\d+)", lambda number: f"columns.{places[int(number[1])]}", told)
            for told in error.problems
        )
        raise ConfigError(moved) from None
    for i, each in zip(places, found.shown, strict=True):  # a metric, which it may be as long as no result can say so
        if each.column.kind == "metric" and words[i] not in (*found_in(lines), *usual(lines)):
            near = difflib.get_close_matches(words[i], WORDS, 1)
            hint = f"did you mean {near[0]}" if near else f"it can be {', '.join([*WORDS, 'seconds', 'n'])}"
            raise ConfigError(f"columns.{i}: unknown column '{words[i]}'; {hint}")
    return found


def _cells(word: Word, lines: Sequence[Line], source: Source, paces: "dict[str, Pace]") -> list[Cell]:
    values: list[float | None] = []
    for line in lines:
        cost, pace = source.costs.get(line.variant.name), paces.get(line.variant.name)
        if word.counted is not None:
            values.append(None if cost is None else word.counted(cost))
        else:
            assert word.measured is not None
            values.append(None if pace is None else word.measured(pace, line))
    digits = of_costs([value / word.unit for value in values if value], word.least)
    absent = "not counted" if word.counted else "not calibrated"
    return [
        Cell(missing=absent) if value is None else Cell(value, text=fixed(value / word.unit, digits))
        for value in values
    ]


def _about_counts(words: Sequence[str], lines: Sequence[Line], costs: "Mapping[str, Cost]", notes: Notes) -> list[str]:
    said, counted = [], [line for line in lines if line.variant.name in costs]
    if "macs" in words and counted:
        size = _one_of(counted, lambda line: " × ".join(map(str, costs[line.variant.name].input_px)), "at {} px", notes)
        said.append(f"MACs of one image{f' of {size} px' if size else ', of the size that is noted'}, counted.")
    if "memory" in words and counted:
        images = _one_of(counted, lambda line: str(line.variant.first.group_size), "a step of {} images at once", notes)
        of = f"of {images} images" if images else "of the images that are noted"
        said.append(f"Step memory: the most that a training step {of} holds, counted.")
    return said


def _about_paces(words: Sequence[str], lines: Sequence[Line], paces: "dict[str, Pace]", notes: Notes) -> list[str]:
    measured = {line: paces[line.variant.name] for line in lines if line.variant.name in paces}
    if not measured or not any(WORDS[word].measured for word in words if word in WORDS):
        return []
    every = list(measured.values())
    precision = _one_of(measured, lambda line: line.variant.first.precision, "precision {}", notes)
    images = _one_of(measured, lambda line: _images(measured[line]), "measured with {} at once", notes)
    _one_of(measured, lambda line: str(measured[line].workers), "measured with {} loading processes", notes)
    on = ", ".join(
        [
            some(dict.fromkeys(pace.device for pace in every)),
            _span(sorted(pace.measured[:10] for pace in every)),
            *([f"precision {precision}"] if precision else []),
            *([f"{images} at once"] if images not in (None, GROUP) else []),
        ]
    )
    said = [
        f"Measured on {on}: a step with loading, the mean of {_span(sorted(pace.steps for pace in every))}; "
        f"testing without loading, {' or '.join(map(str, dict.fromkeys(pace.batch for pace in every)))} images at a time."
    ]
    if len({pace.code for pace in every}) > 1:
        said.append("They were not all measured with the same code.")
    if busy := [line.name for line, pace in measured.items() if not pace.was_idle]:
        said.append(f"The device was not idle when these were measured: {some(busy)}.")
    return said


def _span(values: Sequence[object]) -> str:
    return str(values[0]) if values[0] == values[-1] else f"{values[0]} to {values[-1]}"


def _images(pace: "Pace") -> str:
    return GROUP if pace.micro_batch is None else f"{pace.micro_batch} images"


def _one_of(lines: Collection[Line], of: Callable[[Line], str], note: str, notes: Notes) -> str | None:
    """What all rows have in common; None where they differ, and then each is marked with what it has."""
    found = [of(line) for line in lines]
    if len(set(found)) == 1:
        return found[0]
    for line, each in zip(lines, found, strict=True):
        line.told.append(notes.mark(note.format(each)))
    return None
