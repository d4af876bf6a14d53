"""Whether the code that made results is the code at hand: ours and that of other packages, by hashes of their files."""

from collections.abc import Iterable, Mapping
from typing import Any

from pvt_exp.config import component
from pvt_exp.config.run import Run
from pvt_exp.plan import Plan
from pvt_exp.store import provenance
from pvt_exp.store.outcome import Outcome
from pvt_exp.system.words import some

OURS = "pvt_exp"


def of(result: Mapping[str, Any]) -> dict[str, str]:
    """The hashes of the code that a result was made with, by package; of ours, of the files that results follow from."""
    made = result.get("provenance") or {}
    git = made.get("git") or {}
    found = {OURS: git.get("computes_sha256") or git.get("files_sha256")}
    for name, each in (made.get("packages") or {}).items():
        found[name] = (each or {}).get("files_sha256")
    return {name: each for name, each in found.items() if isinstance(each, str)}


def differing(run: Run, result: Mapping[str, Any]) -> list[str]:
    """The packages whose code is not the one that a result was made with, where that is known."""
    made = of(result)
    if "computes_sha256" not in ((result.get("provenance") or {}).get("git") or {}):
        made.pop(OURS, None)  # made before it was recorded, or by hand
    if not made:
        return []
    now = {OURS: provenance.computes()}
    if component.origins():
        now |= {name: each["files_sha256"] for name, each in provenance.of_packages(run).items()}
    return [name for name in made if name in now and made[name] != now[name]]


def other(plan: Plan, outcomes: Mapping[str, Outcome]) -> dict[str, list[str]]:
    """The finished runs of a plan that were made by other code than is at hand: id to the packages that differ."""
    seen = ((run, outcomes[run.id]) for run in plan.order if run.id in outcomes)
    told = {run.id: differing(run, each.result) for run, each in seen if each.state == "done" and each.result}
    return {run_id: names for run_id, names in told.items() if names}


def in_words(plan: Plan, outcomes: Mapping[str, Outcome], found: Mapping[str, list[str]]) -> str | None:
    """One line about `other`, or None: how many runs, which code, which rows, what can be done."""
    if not found:
        return None
    done = sum(outcomes[run.id].state == "done" for run in plan.order if run.id in outcomes)
    names = ", ".join(dict.fromkeys(name for each in found.values() for name in each))
    rows = list(dict.fromkeys(plan.names[run_id] for run_id in found))
    which = "the finished run was" if done == 1 else f"{len(found)} of the {done} finished runs were"
    again = f"pvt-exp retrain {next(iter(found))}{' ...' if len(found) > 1 else ''}"
    return f"{which} made by other code of {names} than is here now: {some(rows, by='; ')} ({again} trains again)"


def several(results: Iterable[tuple[int, Mapping[str, Any]]]) -> str | None:
    """How the results of one row, each with its seed, differ in code; None where they do not."""
    codes = [(seed, of(result)) for seed, result in results]
    if all(code == codes[0][1] for _, code in codes):
        return None
    by_code: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for seed, code in codes:
        by_code.setdefault(tuple(sorted(code.items())), []).append(seed)
    names = sorted({name for code in by_code for name, _ in code if len({dict(c).get(name) for c in by_code}) > 1})

    def words(code: Mapping[str, str]) -> str:
        return ", ".join(f"{name} {code[name][:8] if name in code else 'unknown'}" for name in names)

    parts = [
        f"seed{'s'[: len(seeds) > 1]} {', '.join(map(str, seeds))} by {words(dict(code))}"
        for code, seeds in by_code.items()
    ]
    return f"its runs are of different code: {'; '.join(parts)} (hashes of the files)"
