"""What a table is made of, whatever it shows and wherever it goes. Each file is a kind; here is what they share.

Contract of a kind: ``Settings`` over `TableOf`, with ``sweeps``, the files whose results it shows, and ``build``, which
reads nothing but its arguments, shows every variant of the plans, and gives the reason for each number that it has not
got. A table holds full precision and the text that is shown, so that no format rounds or decides anything;
`pvt_exp.report` writes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import ConfigDict

from pvt_exp.config.component import Component
from pvt_exp.config.metric_names import CSV_PARTS
from pvt_exp.store.outcome import Outcome

if TYPE_CHECKING:
    from pvt_exp.cost import Cost, NoCost
    from pvt_exp.cost.calibration import Throughput
    from pvt_exp.plan import Plan


Verdict = Literal["clear", "unclear", "noise"]
"""What a difference shows: ``clear`` stands after correction for all comparisons of the table, ``noise`` is one whose own
interval contains 0, and ``unclear`` is between: it would stand alone, and does not as one of so many."""


class Source(NamedTuple):
    """One sweep, and what became of its runs by their ids."""

    plan: "Plan"
    outcomes: Mapping[str, "Outcome"]
    costs: Mapping[str, "Cost | NoCost"] = {}
    """What was counted, by the names of variants; for kinds that want it."""
    throughputs: Mapping[str, "Sequence[Throughput]"] = {}
    """What was calibrated, likewise, on all devices."""


class Replicate(NamedTuple):
    """One seed of a row."""

    seed: int
    run: str
    """The id of its run."""
    state: str
    """``done`` if it counts, else why it does not."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What a reader must know of a cell or a row while the table is made; `_notes.numbered` gives it a mark."""

    text: str
    place: str = field(default="", compare=False)
    """Which seed or row it is of, for its note; empty: the cells at which it stands say that."""


class Cell(NamedTuple):
    """A number as it is and as it is shown, or why there is none. All empty: nothing is due here."""

    value: float | None = None
    """In full precision; a mean where there are `values`."""
    std: float | None = None
    """Sample standard deviation (n - 1); none for a single seed, and for what has no spread."""
    n: int = 0
    """How many seeds `value` is the mean of."""
    text: str = ""
    std_text: str = ""
    best: bool = False
    """Whether it is shown in bold."""
    second: bool = False
    """Whether it is underlined."""
    missing: str | None = None
    """Why there is no number, in a word or two."""
    marks: tuple[str, ...] = ()
    """The notes that belong to it."""
    values: tuple[float | None, ...] = ()
    """What each of the row's replicates gave, in their order, beginning with the one at `first`."""
    interval: tuple[float, float] | None = None
    """95 %, of a difference, or of a mean in a column of intervals."""
    p: float | None = None
    """Of a difference, corrected for all comparisons of the table (Holm)."""
    verdict: Verdict | None = None
    """Of a difference that has an interval."""
    within: bool | None = None
    """Of a deviation from a published figure, whether it is within the table's tolerance."""
    first: int = 0
    """The place among the row's replicates that `values` begin at."""
    remarks: tuple[Remark, ...] = ()
    """Notes that have no mark yet; none in a finished table."""


@dataclass(frozen=True, slots=True)
class Column:
    """What the cells below it are."""

    key: str
    """Its name in CSV and JSON."""
    title: str
    kind: Literal["metric", "count", "interval", "difference", "p", "cost", "setting", "published", "deviation"]
    heading: str = ""
    """What stands above it and its neighbours with the same heading; empty: nothing."""
    unit: str = ""
    """Of a metric and its differences."""
    larger_is_better: bool | None = None
    """Of a metric and its differences; None where that is not known, and for all other columns."""

    @property
    def heads(self) -> tuple[str, ...]:
        """Its columns in CSV."""
        return tuple(self.key + part for part in CSV_PARTS.get(self.kind, ("",)))


@dataclass(frozen=True)
class Row:
    """One variant."""

    name: str
    cells: tuple[Cell, ...]
    """One a column."""
    replicates: tuple[Replicate, ...]
    is_base: bool = False
    marks: tuple[str, ...] = ()
    """The notes that belong to the whole row."""
    remarks: tuple[Remark, ...] = ()
    """Those that have no mark yet; none in a finished table."""
    data: tuple[str, ...] = ()
    """Name and fingerprint of the data that its runs saw, ``shapes:0123456789abcdef``."""
    code: tuple[str, ...] = ()
    """Git SHA of the code that its runs were, with a ``+`` where changes were not committed."""

    @cached_property
    def runs(self) -> tuple[str, ...]:
        """Ids of the runs that its numbers come from."""
        return tuple(replicate.run for replicate in self.replicates if replicate.state == "done")


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one heading."""

    title: str
    """Empty: no heading."""
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """What a reader must know beside the numbers."""

    mark: str
    """The letter that stands at the cells it is about; empty: about the whole table."""
    text: str


@dataclass(frozen=True)
class Table:
    """Everything that is said in one table."""

    name: str
    """The sweep's; names its folder."""
    caption: str
    columns: tuple[Column, ...]
    """Without the first, which is the rows' names."""
    groups: tuple[Group, ...]
    notes: tuple[Note, ...]
    seeds: tuple[int, ...]
    head: str = "variant"
    """What stands above the rows' names."""

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All rows, the groups' one after the other."""
        return tuple(row for group in self.groups for row in group.rows)

    @cached_property
    def group_of(self) -> tuple[Group, ...]:
        """The group of each of the `rows`."""
        return tuple(group for group in self.groups for _ in group.rows)

    @cached_property
    def longest_spreads(self) -> tuple[str, ...]:
        """The longest text of a spread in each column; empty where a column has none."""
        places = range(len(self.columns))
        return tuple(max((row.cells[i].std_text for row in self.rows), key=len, default="") for i in places)


USUAL = "ablation"
"""The kind of a table that names none."""


def names_its_kind(schema: dict[str, Any]) -> None:
    """So that an editor takes a table without a kind for the usual one alone."""
    if schema["properties"]["kind"]["const"] != USUAL:
        schema["required"] = [*schema.get("required", ()), "kind"]


class TableOf(Component):
    """One table of a report, of any kind."""

    model_config = ConfigDict(json_schema_extra=names_its_kind)
    wants_costs: ClassVar[bool] = False
    """Whether it shows what was counted and calibrated."""

    title: str | None = None
    """What the caption begins with; none: the sweep's name."""
    columns: tuple[str, ...] = ()
    """In their order: metrics, ``n``, ``interval``, ``difference``, ``p``, ``params``, ``macs``, ``seconds``, fields of the
    run such as ``optim.lr``; docs/tables.md has all words. Empty: those that the kind shows by itself."""
    epoch: Literal["last", "best"] = "last"
    """``best`` takes the best epoch of each run by the task's first metric, which is optimistic; the table says so."""

    @property
    def sweeps(self) -> tuple[str, ...]:
        """The files of the sweeps whose results it shows, relative to the report's."""
        raise NotImplementedError

    def build(self, sources: Sequence[Source]) -> Table:
        """The table of the `sweeps`, of which ``sources`` has one each.

        Raises:
            ConfigError: for a column that is not there; it begins with the field, ``columns.0: ``.
        """
        raise NotImplementedError
