"""What a reader must know of rows beside their numbers: their data, what they were scored on, their recipe and code."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pvt_exp.config import excluded
from pvt_exp.store import code_changes
from pvt_exp.tables import Cell, Group, Remark, Row
from pvt_exp.tables._notes import some
from pvt_exp.tables._rows import Line
from pvt_exp.tables._starts import about_starts
from pvt_exp.tables._tuned import about_tuning

if TYPE_CHECKING:
    from pvt_exp.plan import Plan

WHAT = {"params": "parameters", "macs": "MACs", "memory": "step memory"}
"""What `match` can bring to the base's, as notes say it."""


def about(plan: "Plan", lines: Sequence[Line], base: Line | None = None) -> list[str]:
    """Mark the lines with all that is said of them, and return what is said of the whole table.

    ``base`` is what differences are to, where that is not the sweep's own base.
    """
    said = [*compare_data(lines), *about_holdout(lines)]
    search, tuned = about_tuning(plan, lines)
    same_start, starts = about_starts(lines)
    for line, start, values in zip(lines, starts, tuned, strict=True):
        line.told += (*start, *values)
    matched = about_matches(lines)
    about_recipes(lines, base)
    mark_codes(lines)
    return [*matched, *said, *search, *same_start, *about_code(lines)]


def row(line: Line, cells: Sequence[Cell]) -> Row:
    """The finished row of one line."""
    return joined(line.name, [line], cells, line.remarks)


def by_axis(lines: Sequence[Line], cells: Iterable[Sequence[Cell]], base: Line | None) -> tuple[Group, ...]:
    """The finished rows under their axes, the base alone; ``cells`` are those of each line."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for line, made in zip(lines, cells, strict=True):
        key = ("base",) if line is base else ("", *line.group)
        groups.setdefault(key, []).append(replace(row(line, made), is_base=line is base))
    return tuple(
        Group("" if key[0] == "base" else ", ".join(filter(None, key)), tuple(rows)) for key, rows in groups.items()
    )


def joined(name: str, lines: Sequence[Line], cells: Sequence[Cell], remarks: Sequence[Remark]) -> Row:
    """The finished row of several lines, one beside the other."""
    results = [result for line in lines for result in line.results]
    return Row(
        name,
        tuple(cells),
        tuple(replicate for line in lines for replicate in line.replicates),
        all(line.variant.is_base for line in lines),
        remarks=tuple(remarks),
        data=tuple(sorted({data_of(result) for result in results})),
        code=tuple(sorted({code_of(result) for result in results})),
    )


def data_of(result: Mapping[str, Any]) -> str:
    """The data that a run used: name and fingerprint."""
    return f"{result['data']['name']}:{result['data']['fingerprint']}"


def code_of(result: Mapping[str, Any]) -> str:
    """The code that a run was trained with: its git SHA, with ``+`` and the diff's hash where it was not committed.

    Without git: the hash of the package's files.
    """
    git = result["provenance"]["git"]
    if not git.get("sha"):
        return f"files {(git.get('files_sha256') or 'unknown')[:10]}"
    change = f"+{(git.get('diff_sha256') or '')[:8]}" if git.get("dirty") else ""
    return str(git["sha"]) + change


def compare_data(lines: Sequence[Line]) -> list[str]:
    """Mark the rows whose data, of one name, differ from most rows'; say what the others used, and what was left out."""
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
                text = f"trained on {name} with fingerprint {fingerprint}; the rows do not share their data"
            elif fingerprint != usual[name]:
                text = f"trained on other data than the rest: {name} with fingerprint {fingerprint}, not {usual[name]}"
            else:
                continue
            line.marks.append(Remark(text))
    words = [f"{name} with fingerprint {fingerprint}" for name, fingerprint in usual.items() if fingerprint]
    told = excluded.of_rows(result for line in lines for result in line.results)
    return [*([f"Data: {some(words)}."] if words else []), *told]


def about_holdout(lines: Sequence[Line]) -> list[str]:
    """That rows are scored on held out training images: said once for all, or marked at the rows of which it is so."""
    told: dict[str, list[Line]] = {}
    for line in lines:
        if (holdout := line.variant.runs[0].holdout) is not None:
            share = f"{100 * holdout.fraction:g} % of the training images, held out (seed {holdout.seed})"
            told.setdefault(f"scored on {share}, not on the validation split", []).append(line)
    if len(told) == 1 and len(next(iter(told.values()))) == len(lines):
        (text,) = told
        return [f"{text[0].upper()}{text[1:]}."]
    for text, marked in told.items():
        for line in marked:
            line.marks.append(Remark(text))
    return []


def about_matches(lines: Sequence[Line]) -> list[str]:
    """Mark the rows of which a field was scaled to the base's cost, and those that could not be."""
    for line in lines:
        if line.variant.matched is not None:
            line.told.append(Remark(f"matched: {line.variant.matched}"))
        elif line.variant.unmatched is not None:
            line.told.append(Remark(f"not matched: {line.variant.unmatched}"))
    costs = [f"the base's {WHAT[line.variant.matched.cost]}" for line in lines if line.variant.matched is not None]
    return [f"Matched: scaled to {' and '.join(dict.fromkeys(costs))}."] if costs else []


def about_recipes(lines: Sequence[Line], base: Line | None = None) -> None:
    """Mark the rows whose recipe differs from that of the sweep's base in more than what the sweep studies."""
    whose = "the base's" if base is None or base.variant.is_base else "that of the sweep's own base"
    for line in lines:
        if line.variant.unlike:
            line.told.append(Remark(f"its recipe differs from {whose}: {'; '.join(line.variant.unlike)}"))


def mark_codes(lines: Sequence[Line]) -> None:
    """Mark the rows that are a mean over runs of different code."""
    for line in lines:
        if (text := code_changes.several(zip(line.seeds, line.results, strict=True))) is not None:
            line.told.append(Remark(text))


def about_code(lines: Sequence[Line]) -> list[str]:
    """The code behind the rows, of other packages too: one, or all of them with what came from each."""
    return [*_about_own_code(lines), *_about_packages(lines)]


def _about_packages(lines: Sequence[Line]) -> list[str]:
    rows: dict[str, dict[str, dict[str, None]]] = {}
    for line in lines:
        for result in line.results:
            for name, each in (result["provenance"].get("packages") or {}).items():
                code = f"{name} {each['version']} (files {each['files_sha256'][:10]})"
                rows.setdefault(name, {}).setdefault(code, {})[line.name] = None
    same = [next(iter(found)) for found in rows.values() if len(found) == 1]
    said = [f"Components of other packages: {', '.join(same)}."] if same else []
    for name, found in rows.items():
        if len(found) > 1:
            parts = some((f"{code}: {some(names, 3)}" for code, names in found.items()), 10)
            said.append(f"Code of {name} differs among the runs: {parts}.")
    return said


def _about_own_code(lines: Sequence[Line]) -> list[str]:
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
