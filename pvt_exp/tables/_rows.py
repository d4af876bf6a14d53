"""Rows being built: the results of each variant's runs, and why some are missing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pvt_exp.system import files
from pvt_exp.tables import Cell, Remark, Replicate

if TYPE_CHECKING:
    from pvt_exp.plan import Variant
    from pvt_exp.tables import Source

SHORT = {"out_of_memory": "OOM", "timed_out": "timeout"}
MOST_REASONS = 12
"""Above that many different reasons, notes are by state only."""


@dataclass(eq=False)
class Line:
    """A row in the making."""

    variant: "Variant"
    group: tuple[str, ...]
    name: str
    replicates: list[Replicate] = field(default_factory=list)
    metrics: list[Mapping[str, Any] | None] = field(default_factory=list)
    """Of each replicate, none where it does not count."""
    results: list[dict[str, Any]] = field(default_factory=list)
    """Those that count."""
    marks: list[Remark] = field(default_factory=list)
    """Of the whole row: it does not compare with the others."""
    told: list[Remark] = field(default_factory=list)
    """Of the whole row too: what a reader must know, and it compares all the same."""
    gaps: list[Remark] = field(default_factory=list)
    """Of its missing seeds."""

    @property
    def seeds(self) -> list[int]:
        """Of the `results`."""
        return [r.seed for r, metrics in zip(self.replicates, self.metrics, strict=True) if metrics is not None]

    @property
    def remarks(self) -> list[Remark]:
        """All that are of the whole row."""
        return [*self.marks, *self.told]

    @property
    def missing(self) -> str:
        """Why the row has no number."""
        states = dict.fromkeys(SHORT.get(r.state, r.state) for r in self.replicates if r.state != "done")
        return ", ".join(states) or "not measured"


def place(variant: "Variant") -> tuple[tuple[str, ...], str]:
    """The axes a variant stands under, and its name there: its first label, then what else it is called."""
    labels = [label for label in variant.labels if label]
    names = list(dict.fromkeys(", ".join(label.values()) for label in labels))
    if variant.is_base:
        return (), f"base ({', '.join(names)})" if names else "base"
    others = f" (= {', '.join(names[1:])})" if names[1:] else ""
    return tuple(labels[0]), names[0] + others


def collect(source: "Source", epoch: str) -> list[Line]:
    """One line per variant, with the results of its runs, or a reason for each that is missing."""
    plan, outcomes = source.plan, source.outcomes
    gone = {(o.state, o.reason) for o in outcomes.values() if o.state != "done" and o.reason}
    reasons = len(gone) <= MOST_REASONS
    lines = []
    for variant in plan.variants:
        line = Line(variant, *place(variant))
        for seed, run in zip(plan.seeds, variant.runs, strict=True):
            run_id = run.id  # a hash of all fields: asked for once
            outcome = outcomes.get(run_id)
            state: str = "pending" if outcome is None else outcome.state
            why = outcome.reason if outcome is not None else None
            result = outcome.result if outcome is not None and state == "done" else None
            metrics = result and (result["metrics"] if epoch == "last" else (result.get("best") or {}).get("metrics"))
            if state == "done" and metrics is None:
                state, why = "no result", f"it has none for the {epoch} epoch"
            line.replicates.append(Replicate(seed, run_id, state))
            line.metrics.append(metrics)
            if result is not None and metrics is not None:
                line.results.append(result)
            else:
                shown = files.line(why, 300) if why and reasons else ""
                text = f"{state.replace('_', ' ')}: {shown}" if shown else state.replace("_", " ")
                line.gaps.append(Remark(text, f"{line.name}, seed {seed}: {run_id}"))
        lines.append(line)
    return lines


def gaps(lines: Iterable[Line]) -> list[Remark]:
    """Why seeds are missing, whose notes stand before the others."""
    return [gap for line in lines for gap in line.gaps]


def caption(title: str, seeds: Sequence[int] | None, epoch: str, cells: Iterable[Cell]) -> str:
    """What a table is, and how its numbers were made; no ``seeds``: they differ, and notes say them."""
    if seeds is None:
        over = "mean ± standard deviation over seeds"
    elif len(seeds) > 1:
        over = f"mean ± standard deviation over seeds {in_words(seeds)}"
    else:
        over = f"one seed ({in_words(seeds)}), no spread"
    which = "at each run's last epoch" if epoch == "last" else "at each run's best epoch, which is optimistic"
    best = second = False
    for cell in cells:
        best, second = best or cell.best, second or cell.second
    ranked = f"{', best in bold' if best else ''}{', second underlined' if second else ''}"
    return f"{title}: {over}, {which}{ranked}."


def in_words(seeds: Sequence[int]) -> str:
    """The seeds, or how many they are."""
    return ", ".join(map(str, seeds)) if len(seeds) <= 10 else str(len(seeds))
