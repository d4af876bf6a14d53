"""Rows in the making: what the runs of each variant gave, why some gave nothing, and which do not compare."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pvt_exp.tables import Note, Replicate

if TYPE_CHECKING:
    from pvt_exp.plan import Plan, Variant
    from pvt_exp.store import Outcome

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
    marks: list[str] = field(default_factory=list)
    """Of the whole row: it does not compare with the others."""
    gaps: list[str] = field(default_factory=list)
    """Of its missing seeds."""

    @property
    def missing(self) -> str:
        """Why the row has no number at all."""
        states = dict.fromkeys(SHORT.get(r.state, r.state) for r in self.replicates if r.state != "done")
        return ", ".join(states) or "not measured"


class Notes:
    """Notes with marks a, b, c, ... in the order in which they are first needed, and the places they are needed at."""

    def __init__(self) -> None:
        self.places: dict[str, list[str]] = {}
        self.marks: dict[str, str] = {}

    def mark(self, text: str, place: str = "") -> str:
        """The mark of the note with this text."""
        if text not in self.marks:
            letters, i = "abcdefghijklmnoprstuvwxyz", len(self.marks)  # there is no superscript q in a terminal
            self.marks[text] = letters[i % 25] * (i // 25 + 1)
        self.places.setdefault(text, []).append(place)
        return self.marks[text]

    def finish(self) -> list[Note]:
        """All notes, with their places."""
        return [
            Note(mark, f"{text} ({some(filter(None, self.places[text]))})" if any(self.places[text]) else text)
            for text, mark in self.marks.items()
        ]


def place(variant: "Variant") -> tuple[tuple[str, ...], str]:
    """The axes a variant stands under, and its name there: its first label, then what else it is called."""
    labels = [label for label in variant.labels if label]
    names = list(dict.fromkeys(", ".join(label.values()) for label in labels))
    if variant.is_base:
        return (), f"base ({', '.join(names)})" if names else "base"
    others = f" (= {', '.join(names[1:])})" if names[1:] else ""
    return tuple(labels[0]), names[0] + others


def collect(plan: "Plan", outcomes: Mapping[str, "Outcome"], epoch: str, notes: Notes) -> list[Line]:
    """A line a variant, with what its runs gave; a reason for each that gave nothing."""
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
                shown = " ".join(why.split())[:300] if why and reasons else ""
                text = f"{state.replace('_', ' ')}: {shown}" if shown else state.replace("_", " ")
                line.gaps.append(notes.mark(text, f"{line.name}, seed {seed}: {run_id}"))
        lines.append(line)
    return lines


def data_of(result: Mapping[str, Any]) -> str:
    """The data a run saw, as name and fingerprint."""
    return f"{result['data']['name']}:{result['data']['fingerprint']}"


def code_of(result: Mapping[str, Any]) -> str:
    """The code a run was, as its git SHA; ``+`` and the start of the change's hash where it was not committed.

    Where there was no git, the hash of the package's files, and the commit that was told and not checked.
    """
    git = result["provenance"]["git"]
    if not git.get("sha"):
        told = f", said to be git {git['told'][:10]}" if git.get("told") else ""
        return f"files {(git.get('files_sha256') or 'unknown')[:10]}{told}"
    change = f"+{(git.get('diff_sha256') or '')[:8]}" if git.get("dirty") else ""
    return str(git["sha"]) + change


def compare_data(lines: Sequence[Line], notes: Notes) -> str:
    """Mark the rows that saw other data of the same name than most; say what all others saw."""
    seen: dict[str, Counter[str]] = {}
    for line in lines:
        for result in line.results:
            seen.setdefault(result["data"]["name"], Counter())[result["data"]["fingerprint"]] += 1
    usual = {}
    for name, prints in seen.items():
        (first, most), *rest = prints.most_common()
        usual[name] = first if not rest or most > rest[0][1] else None
    for line in lines:
        for data in dict.fromkeys(data_of(result) for result in line.results):
            name, _, fingerprint = data.rpartition(":")
            if usual[name] is None:
                text = f"saw {name} with fingerprint {fingerprint}; the rows do not share their data"
            elif fingerprint != usual[name]:
                text = f"saw other data than the rest: {name} with fingerprint {fingerprint}, not {usual[name]}"
            else:
                continue
            line.marks.append(notes.mark(text))
    skipped = max((result["data"].get("skipped") or 0 for line in lines for result in line.results), default=0)
    words = [f"{name} with fingerprint {fingerprint}" for name, fingerprint in usual.items() if fingerprint]
    left_out = f" Up to {skipped} unreadable images were skipped in a run." if skipped else ""
    return f"Data: {some(words)}.{left_out}" if words else left_out.strip()


def about_holdout(lines: Sequence[Line], notes: Notes) -> list[str]:
    """That rows are scored on held out training images: said once for all, or marked at the rows of which it is so."""
    told: dict[str, list[Line]] = {}
    for line in lines:
        if (holdout := line.variant.runs[0].holdout) is not None:
            share = f"{100 * holdout.share:g} % of the training images, held out (seed {holdout.seed})"
            told.setdefault(f"scored on {share}, not on the validation split", []).append(line)
    if len(told) == 1 and len(next(iter(told.values()))) == len(lines):
        (text,) = told
        return [f"{text[0].upper()}{text[1:]}."]
    for text, marked in told.items():
        for line in marked:
            line.marks.append(notes.mark(text))
    return []


def about_code(lines: Sequence[Line]) -> list[str]:
    """The code behind the rows: one SHA, or all of them with what came from each."""
    rows: dict[str, dict[str, None]] = {}
    for line in lines:
        for result in line.results:
            rows.setdefault(code_of(result), {})[line.name] = None

    def words(code: str) -> str:
        sha, dirty, change = code.partition("+")
        if sha.startswith("files "):
            return sha
        return f"git {sha[:10]}" + (f" with uncommitted changes{f' {change}' if change else ''}" if dirty else "")

    if len(rows) <= 1:
        return [f"Code: {words(code)}." for code in rows]
    return [f"Code differs among the runs: {some((f'{words(c)}: {some(names, 3)}' for c, names in rows.items()), 10)}."]


def some(words: Iterable[str], most: int = 5) -> str:
    """The first few, and how many more there are."""
    every = list(words)
    return "; ".join(every[:most]) + (f"; and {len(every) - most} more" if len(every) > most else "")
