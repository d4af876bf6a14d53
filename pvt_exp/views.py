"""What the looking verbs say: as JSON with stable fields (docs/json.md), and for a person."""

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pvt_exp import files, store
from pvt_exp.component import kinds
from pvt_exp.cost import Cost
from pvt_exp.live import COLOURS, duration, several
from pvt_exp.plan import Plan, Variant
from pvt_exp.schema import Run
from pvt_exp.space import in_words
from pvt_exp.store import Outcome


def print_json(value: Any) -> None:
    """To standard output."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


# ---------------------------------------------------------------- plan and status


def plan_json(
    plan: Plan, outcomes: dict[str, Outcome], tunings: Sequence[dict[str, Any]], costs: Sequence[Cost] = ()
) -> dict[str, Any]:
    """Fields of ``pvt-exp plan --json``; ``tunings`` is `tuning.progress`, ``costs`` of the plan's rows."""
    counted = (
        [{"name": row.name, **each._asdict()} for row, each in zip(plan.rows, costs, strict=True)] if costs else []
    )
    return {
        "sweep": plan.name,
        "seeds": list(plan.seeds),
        "runs": len(plan.runs),
        "states": _states(plan.runs, outcomes),
        "merged": plan.merged,
        "removed": plan.removed,
        "variants": [_variant(variant, outcomes) for variant in plan.variants],
        "pretrainings": [
            {"name": each.name, "runs": runs} for each in plan.pretrainings if (runs := _runs(each.runs, outcomes))
        ],
        "tunings": list(tunings),
        **({"costs": counted} if counted else {}),
    }


def _variant(variant: Variant, outcomes: dict[str, Outcome]) -> dict[str, Any]:
    runs = _runs(variant.runs, outcomes)
    told = {"base": variant.is_base, "labels": list(variant.labels), "recipe_differs": list(variant.unlike)}
    return {"name": variant.name, **told, "runs": runs}


def _runs(runs: Sequence[Run], outcomes: dict[str, Outcome]) -> list[dict[str, Any]]:
    return [
        {
            "id": run.id,
            "seed": run.seed,
            "state": outcomes[run.id].state,
            "pretraining": run.need.id if run.need is not None else None,
        }
        for run in runs
        if run.id in outcomes  # a pretraining that is not there, and that nothing waits for, is of no interest
    ]


def _states(runs: Sequence[Run], outcomes: dict[str, Outcome]) -> dict[str, int]:
    return dict(Counter(outcomes[run.id].state for run in runs if run.id in outcomes))


def _in_words(states: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in states.items())


def status_json(
    plan: Plan, runs: Path, outcomes: dict[str, Outcome], tunings: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Fields of ``pvt-exp status SWEEP --json``: the plan's, and what became of each run."""
    found = plan_json(plan, outcomes, tunings)
    for group in (*found["variants"], *found["pretrainings"]):
        group["runs"] = [{**run, **_standing(runs, outcomes[run["id"]])} for run in group["runs"]]
    return found


def _standing(runs: Path, seen: Outcome) -> dict[str, Any]:
    result = seen.result or {}
    found: dict[str, Any] = {
        "state": seen.state,
        "reason": seen.reason,
        "attempts": seen.attempts,
        "metrics": result.get("metrics"),
        "seconds": result.get("provenance", {}).get("seconds"),
    }
    if seen.state == "running":
        latest = store.attempts(runs / seen.id)
        found["progress"] = files.read_json(latest[-1] / "progress.json") if latest else None
    return found


def print_plan(
    console: Console, plan: Plan, outcomes: dict[str, Outcome], tunings: Sequence[dict[str, Any]], most: int | None
) -> None:
    """The variants of a plan, the first ``most`` of them, and what is left to do."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("variant", overflow="fold")
    table.add_column("done", justify="right")
    table.add_column("runs", overflow="fold", style="dim")
    for pretraining in plan.pretrainings[:most]:
        there = [run for run in pretraining.runs if run.id in outcomes]
        done = sum(outcomes[run.id].state == "done" for run in there)
        if there:
            table.add_row(Text(pretraining.name, "dim"), f"{done}/{len(there)}", " ".join(run.id for run in there))
    for variant in plan.variants[:most]:
        done = sum(outcomes[run.id].state == "done" for run in variant.runs)
        also = [", ".join(label.values()) for label in variant.labels if label] if variant.is_base else []
        name = variant.name + (f" ({', '.join(also)})" if also else "")
        table.add_row(Text(name), f"{done}/{len(variant.runs)}", " ".join(run.id for run in variant.runs))
    open_ = [each for each in tunings if each["chosen"] is None]
    for each in open_[:most]:
        table.add_row(Text(each["name"]), f"0/{len(plan.seeds)}", f"decided after {several(each['trials'], 'trial')}")
    console.print(table)
    if most is not None and (more := len(plan.variants) - most) > 0:
        console.print(f"… and {more} more variants (--all shows them)")
    variants = len(plan.variants) + len(open_)
    words = [
        f"{several(variants, 'variant')} x {several(len(plan.seeds), 'seed')} = {several(variants * len(plan.seeds), 'run')}"
    ]
    states = _states(plan.runs, outcomes)
    if open_:
        words.append(f"{len(open_) * len(plan.seeds)} of them decided after tuning")
    if states:
        words.append(_in_words(states))
    if plan.merged:
        words.append(f"{plan.merged} spelled twice and merged")
    if plan.removed:
        words.append(f"{plan.removed} variants removed by where")
    console.print(f"{plan.name}: {', '.join(words)}", highlight=False)
    unlike = [variant for variant in plan.variants if variant.unlike]
    if unlike:
        console.print(
            "recipes that differ from the base's (in brackets) in more than what is studied:", highlight=False
        )
    for variant in unlike[:most]:
        console.print(f"  {variant.name}: {'; '.join(variant.unlike)}", highlight=False, soft_wrap=True)
    for line in _about_tuning(tunings):
        console.print(line, highlight=False, soft_wrap=True)
    if states := _states(plan.needs, outcomes):
        count = several(sum(states.values()), "pretraining run")
        console.print(f"and {count} they start from: {_in_words(states)}", highlight=False)


def print_costs(console: Console, plan: Plan, costs: Sequence[Cost], most: int | None) -> None:
    """What the model of each row costs, beside the base's."""
    rows = list(zip(plan.rows, costs, strict=True))
    base = next((each for row, each in rows if {} in row.labels), None)
    frozen = any(each.trainable_params != each.params for each in costs)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("variant", overflow="fold")
    titles = ["parameters (M)", *(["trained"] if frozen else []), "backbone", "rest", "MACs (G)"]
    for title in (*titles, *(["parameters, MACs to the base's"] if base else [])):
        table.add_column(title, justify="right")
    for row, each in rows[:most]:
        cells = [each.params, *([each.trainable_params] if frozen else []), each.backbone_params]
        numbers = [f"{count / 1e6:.3f}" for count in (*cells, each.params - each.backbone_params)]
        beside = [f"x {each.params / base.params:.2f}, x {each.macs / base.macs:.2f}"] if base else []
        table.add_row(Text(row.name), *numbers, f"{each.macs / 1e9:.3f}", *beside)
    console.print(table)
    sizes = sorted({" x ".join(map(str, each.input_px)) for each in costs})
    console.print(f"MACs of one image of {' or '.join(sizes)} px; counted, not measured", highlight=False)


def _about_tuning(tunings: Sequence[dict[str, Any]]) -> list[str]:
    """How many trials the tuning takes, and how those of each variant stand."""
    if not tunings:
        return []
    total, tried = sum(each["trials"] for each in tunings), [trial for each in tunings for trial in each["tried"]]
    states = _in_words(dict(Counter(trial["state"] for trial in tried)))
    lines = [f"and {several(total, 'trial')} before: {states or 'none yet'}"]
    for each in tunings:
        if each["chosen"] is not None:
            lines.append(f"  {each['name']}: chosen {in_words(each['chosen'])}, {each['metric']} {each['best']:.2f}")
        elif each["tried"]:
            best = f", best {each['metric']} {each['best']:.2f}" if each["best"] is not None else ""
            lines.append(f"  {each['name']}: {len(each['tried'])} of {several(each['trials'], 'trial')}{best}")
    return lines


def print_status(console: Console, found: dict[str, Any]) -> None:
    """Counts, what runs now, and why the rest is not done."""
    for words in _about_tuning(found["tunings"]):
        console.print(words.removeprefix("and "), highlight=False, soft_wrap=True)
    console.print(f"{found['sweep']}: {found['runs']} runs: {_in_words(found['states'])}", highlight=False)
    needs = [run for group in found["pretrainings"] for run in group["runs"]]
    if needs:
        states = _in_words(dict(Counter(run["state"] for run in needs)))
        console.print(f"and {several(len(needs), 'pretraining run')} they start from: {states}", highlight=False)
    told = [
        (group["name"], run)
        for group in (*found["pretrainings"], *found["variants"])
        for run in group["runs"]
        if run["state"] not in ("done", "pending") or run["reason"]
    ]
    for name, run in told[:50]:
        line = Text.assemble(
            (f"{run['state']:>13}", COLOURS[run["state"]]), f"  {name}, seed {run['seed']} ({run['id']})"
        )
        if progress := run.get("progress"):
            line.append(f"  epoch {progress['epoch']}/{progress['epochs']}, {progress['fraction']:.0%}")
        if run["reason"]:
            line.append(f"  {run['reason'].splitlines()[0]}")
        console.print(line, soft_wrap=True)
    if len(told) > 50:
        console.print(f"… and {len(told) - 50} more (--json has all)")


# ---------------------------------------------------------------- the store and its runs


def store_json(runs: Path) -> dict[str, Any]:
    """Fields of ``pvt-exp status --json`` and ``pvt-exp runs list --json``."""
    try:
        names = sorted(entry.name for entry in os.scandir(runs) if (runs / entry.name / "run.yaml").exists())
    except OSError:
        names = []
    listed = []
    for name in names:
        seen = store.outcome(runs, name)
        listed.append({"id": name, **_standing(runs, seen), "sweeps": store.sweeps(runs / name)})
    return {"store": str(runs), "runs": listed}


def print_store(console: Console, found: dict[str, Any], runs: Path) -> None:
    """How many runs each sweep has, by state."""
    by_sweep: dict[str, dict[str, int]] = {}
    for run in found["runs"]:
        for sweep in run["sweeps"] or ["(no sweep)"]:
            counts = by_sweep.setdefault(sweep, {})
            counts[run["state"]] = counts.get(run["state"], 0) + 1
    console.print(f"{runs}: {len(found['runs'])} runs", highlight=False)
    for sweep, counts in by_sweep.items():
        console.print(f"  {sweep}: {', '.join(f'{count} {state}' for state, count in counts.items())}", highlight=False)


def print_runs(console: Console, found: dict[str, Any]) -> None:
    """A line a run."""
    for run in found["runs"]:
        line = Text.assemble(run["id"], "  ", (f"{run['state']:>13}", COLOURS[run["state"]]), "  ")
        line.append(" ".join(f"{name} {value:.4g}" for name, value in (run["metrics"] or {}).items()))
        line.append(f"  {', '.join(run['sweeps'])}", "dim")
        console.print(line, soft_wrap=True)


def run_json(runs: Path, run_id: str) -> dict[str, Any]:
    """Fields of ``pvt-exp runs show ID --json``."""
    folder = runs / run_id
    run = store.load(folder)
    seen = store.outcome(runs, run_id)
    latest = store.attempts(folder)
    return {
        "id": run_id,
        **_standing(runs, seen),
        "settings": run.model_dump(mode="json"),
        "sweeps": store.sweeps(folder),
        "folder": str(folder),
        "log": str(latest[-1] / "log.txt") if latest else None,
        "pictures": next((str(each / "pictures") for each in latest[::-1] if (each / "pictures").is_dir()), None),
        "ends": [files.read_json(each / "end.json") for each in latest],
        "result": seen.result,
    }


def print_run(console: Console, found: dict[str, Any]) -> None:
    """One run, in words."""
    import yaml

    head = Text.assemble((found["id"], "bold"), "  ", (found["state"], COLOURS[found["state"]]))
    if found["sweeps"]:
        head.append(f"  in {', '.join(found['sweeps'])}")
    console.print(head)
    if found["reason"]:
        console.print(found["reason"], highlight=False, markup=False)
    result = found["result"]
    if result:
        made, cost_ = result["provenance"], result["cost"]
        console.print("  ".join(f"{name} {value:.4g}" for name, value in result["metrics"].items()), highlight=False)
        console.print(
            f"best epoch {result['best']['epoch']} of {result['epoch']}; {cost_['params'] / 1e6:.3f} M parameters, "
            f"{cost_['macs'] / 1e9:.3f} G MACs at {'x'.join(map(str, cost_['input_px']))}",
            highlight=False,
        )
        git = made["git"]
        sha = (git["sha"] or f"files {git['files_sha256']}")[:18] + (
            " with changes not committed" if git["dirty"] else ""
        )
        console.print(
            f"{duration(made['seconds'])}, {made['samples_seen']} images seen, batch {made['batch_size']}, "
            f"learning rate {made['lr']:.4g}, data {result['data']['name']} {result['data']['fingerprint']}, code {sha}",
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
    console.print(
        yaml.safe_dump(found["settings"], sort_keys=False, allow_unicode=True, default_flow_style=None),
        highlight=False,
        markup=False,
    )


# ---------------------------------------------------------------- models


def models_json(count: Callable[[Sequence[Run]], Sequence[Cost]]) -> list[dict[str, Any]]:
    """Fields of ``pvt-exp models --json``."""
    named = [
        (kind, preset, settings.model_validate({"kind": kind, "preset": preset}))
        for kind, settings in kinds("backbones").items()
        for preset in getattr(settings, "PRESETS", ())
    ]
    found = count([_classifier(settings) for _, _, settings in named])
    return [
        {"kind": kind, "preset": preset, "params": each.params, "macs": each.macs, "input_px": 224}
        for (kind, preset, _), each in zip(named, found, strict=True)
    ]


def _classifier(backbone: Any) -> Run:
    """A backbone as ImageNet has it: 1000 classes at 224 px. What trains it does not count here."""
    task = {"kind": "classification", "num_classes": 1000, "image_px": 224}
    rest = {"optim": {"kind": "adamw", "lr": 1e-3}, "schedule": {"kind": "cosine"}, "epochs": 100, "batch_size": 2}
    return Run(task=task, dataset={"kind": "image_folder", "name": "any"}, backbone=backbone, **rest)  # type: ignore[arg-type]


def print_models(console: Console, found: list[dict[str, Any]]) -> None:
    """A line a preset."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("kind", "preset"):
        table.add_column(title)
    for title in ("parameters (M)", "MACs at 224 px (G)"):
        table.add_column(title, justify="right")
    for model in found:
        table.add_row(model["kind"], model["preset"], f"{model['params'] / 1e6:.2f}", f"{model['macs'] / 1e9:.2f}")
    console.print(table)
    console.print("With 1000 classes. And any model of timm: backbone: {kind: timm, name: resnet50}", style="dim")
