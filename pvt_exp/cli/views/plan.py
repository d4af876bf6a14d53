"""What a plan says before its runs, and how they stand: `plan` and `status SWEEP`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from pvt_exp.cli.views.estimate import estimate_json
from pvt_exp.cli.views.grid import Grid
from pvt_exp.cli.views.runs import standing
from pvt_exp.config.metrics import Metric, as_printed
from pvt_exp.config.run import Run
from pvt_exp.config.space import edge_in_words, in_words
from pvt_exp.cost.estimate import Estimate
from pvt_exp.plan import Plan, Variant
from pvt_exp.store import code_changes
from pvt_exp.store.outcome import Outcome
from pvt_exp.store.states import COLOURS
from pvt_exp.system import files
from pvt_exp.system.words import several


def plan_json(
    plan: Plan, outcomes: dict[str, Outcome], tunings: Sequence[dict[str, Any]], told: Estimate | None = None
) -> dict[str, Any]:
    """Fields of ``pvt-exp plan --json``; ``tunings`` is `tuned.progress`."""
    return {
        "sweep": plan.name,
        "seeds": list(plan.seeds),
        "runs": len(plan.runs),
        "states": _states(plan.runs, outcomes),
        "merged": len(plan.merged),
        "merged_rows": [each._asdict() for each in plan.merged],
        "removed": len(plan.removed),
        "removed_rows": list(plan.removed),
        "variants": [_variant(variant, outcomes) for variant in plan.variants],
        "pretrainings": [
            {"name": each.name, "runs": runs} for each in plan.pretrainings if (runs := _runs(each.runs, outcomes))
        ],
        "tunings": list(tunings),
        **(estimate_json(plan, told) if told else {}),
    }


def _variant(variant: Variant, outcomes: dict[str, Outcome]) -> dict[str, Any]:
    runs = _runs(variant.runs, outcomes)
    told = {"base": variant.is_base, "labels": list(variant.labels), "recipe_differs": list(variant.unlike)}
    told |= {"matched": variant.matched._asdict()} if variant.matched else {}
    told |= {"unmatched": variant.unmatched} if variant.unmatched else {}
    told |= {"published": [figure._asdict() for figure in variant.published]} if variant.published else {}
    return {"name": variant.name, **told, "runs": runs}


def _runs(runs: Sequence[Run], outcomes: dict[str, Outcome]) -> list[dict[str, Any]]:
    return [
        {
            "id": run.id,
            "seed": run.seed,
            "state": outcomes[run.id].state,
            "pretraining": run.pretraining.id if run.pretraining is not None else None,
            "other_code": code_changes.differing(run, made) if (made := outcomes[run.id].result) else [],
        }
        for run in runs
        if run.id in outcomes  # a pretraining that is not there, and that nothing waits for, is of no interest
    ]


def _states(runs: Sequence[Run], outcomes: Mapping[str, Outcome]) -> dict[str, int]:
    return dict(Counter(outcomes[run.id].state for run in runs if run.id in outcomes))


def _in_words(states: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in states.items())


def status_json(
    plan: Plan, runs: Path, outcomes: dict[str, Outcome], tunings: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Fields of ``pvt-exp status SWEEP --json``: the plan's, and what became of each run."""
    found = plan_json(plan, outcomes, tunings)
    for group in (*found["variants"], *found["pretrainings"]):
        group["runs"] = [{**run, **standing(runs, outcomes[run["id"]])} for run in group["runs"]]
    return found


def print_plan(
    console: Console, plan: Plan, outcomes: dict[str, Outcome], tunings: Sequence[dict[str, Any]], most: int | None
) -> None:
    """The variants of a plan, the first ``most`` of them, and what is left to do."""
    open_ = [each for each in tunings if each["chosen"] is None]
    console.print(_rows(plan, outcomes, open_, most))
    if most is not None and (more := len(plan.variants) - most) > 0:
        console.print(f"… and {several(more, 'more variant')} (--all shows them)")
    console.print(f"{plan.name}: {', '.join(_counts(plan, outcomes, open_))}", highlight=False)
    for line in (
        *_merged_and_removed(plan, most),
        code_changes.in_words(plan, outcomes, code_changes.other(plan, outcomes)),
    ):
        if line:
            console.print(line, highlight=False, soft_wrap=True, markup=False)
    _print_recipes(console, plan, most)
    for line in _about_tuning(tunings):
        console.print(line, highlight=False, soft_wrap=True)
    if states := _states(plan.pretraining_runs, outcomes):
        count = several(sum(states.values()), "pretraining run")
        console.print(f"and {count} they start from: {_in_words(states)}", highlight=False)


def _rows(plan: Plan, outcomes: Mapping[str, Outcome], open_: Sequence[dict[str, Any]], most: int | None) -> Grid:
    """The pretrainings, the variants, and the variants whose values are not chosen yet; the first ``most`` of each."""
    table = Grid()
    table.add_column("variant", overflow="fold")
    table.add_column("done", justify="right")
    beside = any(variant.published for variant in plan.variants)
    metric = plan.variants[0].first.task.metric if beside else ""
    if beside:
        table.add_column(f"published {metric}", overflow="fold")
    table.add_column("runs", overflow="fold", style="dim")
    for pretraining in plan.pretrainings[:most]:
        there = [run for run in pretraining.runs if run.id in outcomes]
        done = sum(outcomes[run.id].state == "done" for run in there)
        if there:
            ids = " ".join(run.id for run in there)
            table.add_row(Text(pretraining.name, "dim"), f"{done}/{len(there)}", *([""] if beside else []), ids)
    for variant in plan.variants[:most]:
        done = sum(outcomes[run.id].state == "done" for run in variant.runs)
        also = [", ".join(label.values()) for label in variant.labels if label] if variant.is_base else []
        name = variant.name + (f" ({', '.join(also)})" if also else "")
        told = [
            f"{as_printed(f.metrics[metric])} {f.key.partition('/')[0]}"
            for f in variant.published
            if metric in f.metrics
        ]
        ids = " ".join(run.id for run in variant.runs)
        table.add_row(Text(name), f"{done}/{len(variant.runs)}", *([", ".join(told)] if beside else []), ids)
    for each in open_[:most]:
        decided = f"decided after {several(each['trials'], 'trial')}"
        table.add_row(Text(each["name"]), f"0/{len(plan.seeds)}", *([""] if beside else []), decided)
    return table


def _counts(plan: Plan, outcomes: Mapping[str, Outcome], open_: Sequence[dict[str, Any]]) -> list[str]:
    """How many variants and runs there are, and in which states."""
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
        words.append(f"{len(plan.merged)} spelled twice and merged")
    if plan.removed:
        words.append(f"{several(len(plan.removed), 'variant')} removed by where")
    return words


def _print_recipes(console: Console, plan: Plan, most: int | None) -> None:
    """The rows whose recipe differs from the base's, and those that `match` changed or could not change."""
    unlike = [variant for variant in plan.variants if variant.unlike]
    if unlike:
        console.print(
            "recipes that differ from the base's (in brackets) in more than what is studied:", highlight=False
        )
    for variant in unlike[:most]:
        console.print(f"  {variant.name}: {'; '.join(variant.unlike)}", highlight=False, soft_wrap=True)
    for variant in [variant for variant in plan.variants if variant.matched][:most]:
        console.print(f"matched to the base: {variant.name}: {variant.matched}", highlight=False, soft_wrap=True)
    for variant in [variant for variant in plan.variants if variant.unmatched][:most]:
        console.print(f"not matched to the base: {variant.name}: {variant.unmatched}", highlight=False, soft_wrap=True)


def _merged_and_removed(plan: Plan, most: int | None) -> list[str]:
    """Their names, the first ``most`` of each."""
    lines = []
    equal = [f"{each.name} = {each.into}" for each in plan.merged]
    for told, names in (("merged", equal), ("removed by where", plan.removed)):
        more = len(names) - len(names[:most])
        rest = f"; and {more} more (--all names them)" if more else ""
        lines += [f"{told}: {'; '.join(names[:most])}{rest}"] if names else []
    return lines


def _about_tuning(tunings: Sequence[dict[str, Any]]) -> list[str]:
    """How many trials the tuning takes, and how those of each variant stand."""
    if not tunings:
        return []
    total, tried = sum(each["trials"] for each in tunings), [trial for each in tunings for trial in each["tried"]]
    states = _in_words(dict(Counter(trial["state"] for trial in tried)))
    lines = [f"and {several(total, 'trial')} before: {states or 'none yet'}"]
    for each in tunings:
        if each["chosen"] is not None:
            lines.append(f"  {each['name']}: chosen {in_words(each['chosen'])}, {_best(each)}")
            if told := edge_in_words(each["chosen"], each["at_edge"]):
                lines.append(f"    {told}")
        elif each["tried"]:
            best = f", best {_best(each)}" if each["best"] is not None else ""
            lines.append(f"  {each['name']}: {len(each['tried'])} of {several(each['trials'], 'trial')}{best}")
    return lines


def _best(tuning: dict[str, Any]) -> str:
    """The best score of a variant's trials, with its name and unit."""
    name, unit = tuning["metric"], tuning["unit"]
    return f"{name} {Metric(name, name, unit, None).text(tuning['best'])}"


def print_status(console: Console, found: dict[str, Any]) -> None:
    """Counts, what runs now, and why the rest is not done."""
    for words in _about_tuning(found["tunings"]):
        console.print(words.removeprefix("and "), highlight=False, soft_wrap=True)
    console.print(f"{found['sweep']}: {several(found['runs'], 'run')}: {_in_words(found['states'])}", highlight=False)
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
            line.append(f"  {files.line(run['reason'])}")
        console.print(line, soft_wrap=True)
    if len(told) > 50:
        console.print(f"… and {len(told) - 50} more (--json has all)")
