"""The cost table: what each row takes before it is worth anything. Sizes are counted; speed is what calibration measured."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from pvt_exp.config import ConfigError
from pvt_exp.tables import Cell, Column, Note, Source, Table, TableOf
from pvt_exp.tables._columns import Columns
from pvt_exp.tables._digits import fixed, of_costs
from pvt_exp.tables._marks import about, by_axis
from pvt_exp.tables._rows import Line, Notes, collect, some

if TYPE_CHECKING:
    from pvt_exp.calibration import Pace
    from pvt_exp.cost import Cost

GIB = 2**30


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
        others = Columns([word for word in words if word not in WORDS], lines, notes)
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
        said = [*_said(words, lines, source, paces, notes), *others.said, *about(plan, lines, notes)]
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


def _said(
    words: Sequence[str], lines: Sequence[Line], source: Source, paces: "dict[str, Pace]", notes: Notes
) -> list[str]:
    said = []
    costs = [source.costs[line.variant.name] for line in lines if line.variant.name in source.costs]
    sizes = list(dict.fromkeys(" × ".join(map(str, cost.input_px)) for cost in costs))
    if "macs" in words and sizes:
        said.append(f"MACs of one image of {' or '.join(sizes)} px, counted.")
    if "memory" in words and costs:
        batches = list(dict.fromkeys(line.variant.first.group_size for line in lines))
        said.append(f"Step memory: the most that a training step of {_or(batches)} images holds, counted.")
    if not paces or not any(WORDS[word].measured for word in words if word in WORDS):
        return said
    devices = dict.fromkeys(pace.device for pace in paces.values())
    dates = sorted(pace.measured[:10] for pace in paces.values())
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    steps = sorted(pace.steps for pace in paces.values())
    precisions = dict.fromkeys(line.variant.first.precision for line in lines)
    over = str(steps[0]) if steps[0] == steps[-1] else f"{steps[0]} to {steps[-1]}"
    said.append(
        f"Measured on {some(devices)}, {when}, precision {_or(list(precisions))}: a step with loading, the mean of {over}; "
        f"testing without loading, {_or(list(dict.fromkeys(pace.batch for pace in paces.values())))} images at a time."
    )
    busy = [line.name for line in lines if (pace := paces.get(line.variant.name)) and not pace.was_idle]
    if busy:
        said.append(f"The device was not idle when these were measured: {some(busy)}.")
    return said


def _or(words: Sequence[object]) -> str:
    return " or ".join(map(str, words))
