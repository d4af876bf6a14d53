"""The store, its runs, and one of them whole: `status`, `runs list`, `runs show`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from pvt_exp import store
from pvt_exp.config.metrics import described
from pvt_exp.config.run import Run
from pvt_exp.cost import units
from pvt_exp.store import attempts, progress, uses
from pvt_exp.store.outcome import Outcome, outcome_of
from pvt_exp.store.states import COLOURS
from pvt_exp.system import files
from pvt_exp.system.words import duration, several, some

MOST_LETTERS = 40
"""Of a typed change in a list."""


def standing(runs: Path, seen: Outcome) -> dict[str, Any]:
    """What is told of every run: its state and why, metrics, and progress while it runs."""
    result = seen.result or {}
    found: dict[str, Any] = {
        "state": seen.state,
        "reason": seen.reason,
        "cause": seen.cause,
        "attempts": seen.attempts,
        "metrics": result.get("metrics"),
        "metric_info": result.get("metric_info"),
        "seconds": result.get("provenance", {}).get("seconds"),
    }
    if seen.state == "running":
        latest = attempts.of(runs / seen.id)
        found["progress"] = progress.read(latest[-1]) if latest else None
    return found


def store_json(runs: Path) -> dict[str, Any]:
    """Fields of ``pvt-exp status --json`` and ``pvt-exp runs list --json``."""
    try:
        names = sorted(entry.name for entry in os.scandir(runs) if (runs / entry.name / "run.yaml").exists())
    except OSError:
        names = []
    listed = []
    for name in filter(store.is_run, names):
        seen = outcome_of(runs, name)
        used = [use.as_json() for use in uses.of(runs / name)]
        told = {"sweeps": store.sweeps(runs / name), "changes": uses.changes(runs / name), "uses": used}
        listed.append({"id": name, **standing(runs, seen), **told})
    return {"store": str(runs), "runs": listed, "other_folders": [name for name in names if not store.is_run(name)]}


def retrained_json(runs: Path, ids: Sequence[str]) -> dict[str, Any]:
    """Fields of ``pvt-exp retrain --json``."""
    listed = []
    for name in ids:
        seen, aside = outcome_of(runs, name), sorted((runs / name).glob("result.set-aside-*.json"))
        told = {"sweeps": store.sweeps(runs / name), "set_aside": list(map(str, aside))}
        listed.append({"id": name, **standing(runs, seen), **told})
    return {"runs": listed}


def _print_others(console: Console, found: dict[str, Any]) -> None:
    if others := found["other_folders"]:
        console.print(
            f"folders whose names are not those of runs, not counted: {some(others)} (copies?)",
            highlight=False,
            soft_wrap=True,
        )


def print_store(console: Console, found: dict[str, Any], runs: Path) -> None:
    """How many runs each sweep has, by state."""
    by_sweep: dict[str, dict[str, int]] = {}
    for run in found["runs"]:
        for name in run["sweeps"] or ["(no sweep)"]:
            own = [use["changes"] for use in run["uses"] if use["sweep"] == name]
            sweep = " ".join((name, *_short(own[0] if own and all(own) else ())))
            counts = by_sweep.setdefault(sweep, {})
            counts[run["state"]] = counts.get(run["state"], 0) + 1
    console.print(f"{runs}: {several(len(found['runs']), 'run')}", highlight=False)
    for sweep, counts in by_sweep.items():
        told = ", ".join(f"{count} {state}" for state, count in counts.items())
        console.print(f"  {sweep}: {told}", highlight=False, soft_wrap=True, markup=False)
    _print_others(console, found)
    for run in [run for run in found["runs"] if run["cause"] == "result_not_valid"][:20]:
        console.print(f"  {run['id']}: {run['reason']}", highlight=False, soft_wrap=True, markup=False)


def print_runs(console: Console, found: dict[str, Any]) -> None:
    """One line per run: its id, state, name in its first sweep, seed, typed changes, metrics and sweeps."""
    names = _padded([_name(Path(found["store"]) / run["id"]) for run in found["runs"]])
    changes = [" ".join(_short(run["changes"])) for run in found["runs"]]
    if any(changes):
        names = [f"{name}  {change}" for name, change in zip(names, _padded(changes), strict=True)]
    scores = _padded(["  ".join(described(run)) if run["metrics"] else "" for run in found["runs"]])
    for run, name, score in zip(found["runs"], names, scores, strict=True):
        line = Text.assemble(run["id"], "  ", (f"{run['state']:>13}", COLOURS[run["state"]]), f"  {name}  {score}")
        line.append(f"  {', '.join(run['sweeps'])}", "dim")
        console.print(line, soft_wrap=True)
    _print_others(console, found)


def _short(changes: Sequence[str]) -> list[str]:
    """Typed changes, each short enough for a column; ``--json`` has them whole."""
    shown = [files.shown(change) for change in changes]
    return [change if len(change) <= MOST_LETTERS else f"{change[: MOST_LETTERS - 1]}…" for change in shown]


def _name(folder: Path) -> str:
    """What the first attempt that says it calls a run."""
    return files.shown(next(filter(None, map(attempts.called, attempts.of(folder))), "") or "")


def _padded(cells: Sequence[str]) -> list[str]:
    """All as wide as the widest on a terminal."""
    width = max(map(cell_len, cells), default=0)
    return [cell + " " * (width - cell_len(cell)) for cell in cells]


def run_json(runs: Path, run_id: str) -> dict[str, Any]:
    """Fields of ``pvt-exp runs show ID --json``."""
    folder = runs / run_id
    settings, problem = store.settings(folder)
    seen = outcome_of(runs, run_id)
    latest = attempts.of(folder)
    return {
        "id": run_id,
        **standing(runs, seen),
        "problem": problem,
        "settings": settings,
        "sweeps": store.sweeps(folder),
        "changes": uses.changes(folder),
        "folder": str(folder),
        "log": str(latest[-1] / "log.txt") if latest else None,
        "pictures": next((str(each / "pictures") for each in latest[::-1] if (each / "pictures").is_dir()), None),
        "ends": [attempts.ended(each) for each in latest],
        "result": seen.result,
    }


def single_json(runs: Path, run_id: str) -> dict[str, Any]:
    """Fields of ``pvt-exp run --json``: all of a run, or how it stands where its pretraining is not done."""
    if (runs / run_id / "run.yaml").exists():
        return run_json(runs, run_id)
    return {"id": run_id, **standing(runs, outcome_of(runs, run_id))}


def _sized(count: float) -> str:
    """A count in the unit that fits it, ready for the noun: ``2.70 M ``."""
    unit = units.fitting([count], units.COUNTS, "")
    return f"{unit.text(count)} {unit.name} " if unit.name else f"{unit.text(count)} "


def _or_unknown(value: Any) -> Any:
    return "unknown" if value is None else value


def print_run(console: Console, found: dict[str, Any]) -> None:
    """One run, in words; its many settings first, so that the result is what stands at the end."""
    console.print(files.dump_yaml(found["settings"]), highlight=False, markup=False)
    _print_standing(console, found)


def print_trained(console: Console, run: Run, found: dict[str, Any]) -> None:
    """A run that ``pvt-exp run`` was asked for: what it trains, and what came of it; not its many settings."""
    names = (getattr(run.backbone, word, None) for word in ("kind", "preset", "name"))
    backbone = " ".join(name for name in names if name)
    console.print(
        f"{run.task.kind} with {backbone} on {run.dataset.name}, {several(run.epochs, 'epoch')}, batch {run.batch_size}, "
        f"seed {run.seed}; all settings: pvt-exp runs show {run.id}",
        highlight=False,
        soft_wrap=True,
    )
    _print_standing(console, found)


def _print_standing(console: Console, found: dict[str, Any]) -> None:
    """How one run stands, what came of it, and where its files are."""
    head = Text.assemble((found["id"], "bold"), "  ", (found["state"], COLOURS[found["state"]]))
    if found["sweeps"]:
        head.append(f"  in {', '.join(found['sweeps'])}")
    if found["changes"]:
        head.append(f"  with {' '.join(found['changes'])}")
    console.print(head)
    if found["reason"]:
        console.print(found["reason"], highlight=False, markup=False)
    if found["problem"]:
        console.print(f"it cannot be used here: {found['problem']}", highlight=False, markup=False, soft_wrap=True)
    result = found["result"]
    if result:
        made, cost_ = result["provenance"], result["cost"]
        console.print("  ".join(described(result)), highlight=False)
        best, params, macs = (result.get("best") or {}).get("epoch"), cost_["params"], cost_["macs"]
        size = "x".join(map(str, cost_["input_px"]))
        counted = [f"{_sized(params)}parameters"] if params is not None else []
        counted += [f"{_sized(macs)}MACs at {size}"] if macs is not None else []
        epochs = f"best epoch {_or_unknown(best)} of {_or_unknown(result.get('epoch'))}"
        console.print("; ".join([epochs, *([", ".join(counted)] if counted else [])]), highlight=False)
        git = made["git"]
        sha = (git["sha"] or f"files {git['files_sha256']}")[:18] + (
            " with changes not committed" if git["dirty"] else ""
        )
        rate = "unknown" if made["lr"] is None else f"{made['lr']:.4g}"
        console.print(
            f"{duration(made['seconds'])}, {_or_unknown(made['samples_seen'])} images seen, batch "
            f"{_or_unknown(made['batch_size'])}, learning rate {rate}, data {result['data']['name']} "
            f"{result['data']['fingerprint']}, code {sha}",
            highlight=False,
        )
    elif found["ends"] and found["ends"][-1]:
        for line in found["ends"][-1].get("log") or []:
            console.print(f"  | {line}", style="dim", highlight=False, markup=False)
    console.print(f"files: {found['folder']}", highlight=False, soft_wrap=True)
    if found["log"]:
        console.print(f"log: {found['log']}", highlight=False, soft_wrap=True)
    if found["pictures"]:
        console.print(f"pictures of validation: {found['pictures']}", highlight=False, soft_wrap=True)
