"""The runs of a sweep as a table of pandas, for notebooks: `pvt_exp.results`."""

import math
from collections.abc import Sequence, Set
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvt_exp import cost, store
from pvt_exp.config.metric_names import word_of
from pvt_exp.config.run import Run
from pvt_exp.plan import Plan, Variant, expand
from pvt_exp.plan.data_sets import DataSets
from pvt_exp.store import status, trial_record
from pvt_exp.store.outcome import Outcome

if TYPE_CHECKING:
    import pandas


COST = ("params", "trainable_params", "macs")
MADE = ("seconds", "samples_seen", "lr", "batch_size", "precision")
OF_RESULT = ("best_epoch", *COST, *MADE, "data", "code")
TAKEN = {"variant", "base", "seed", "run", "state", "reason", *OF_RESULT}


def results(
    sweep: str | Path,
    *overrides: str,
    runs: str | Path = "runs",
    seeds: Sequence[int] | None = None,
    data: dict[str, str] | None = None,
) -> "pandas.DataFrame":
    """One row per run of a sweep, also those that are not done, in the plan's order.

    Columns: ``variant``, ``base`` (whether it is the base's row), the choice of each axis under the axis's name (with
    `` (axis)`` behind it where another column is called so), ``seed``, ``run`` (the id), ``state`` (``done``, ``stale``,
    ``failed`` ...), ``reason`` (why it is not done); each metric of the last epoch under its own name (with ``metrics.``
    before it where tables mean something else by it), in the unit that its task declares (accuracies, IoU and AP:
    percent), and NaN unless ``done``; ``best_epoch``; ``params``, ``trainable_params`` and ``macs`` (of one image);
    ``seconds``, ``samples_seen``, ``lr`` (scaled), ``batch_size``, ``precision``; ``data`` (the fingerprint it saw),
    ``code`` (git SHA, with ``+`` where changes were not committed).

    Args:
        sweep: The sweep's file.
        overrides: Changes to its base, as on the command line: ``"epochs=30"``.
        runs: The run store.
        seeds: Instead of the sweep's.
        data: Folder of each data set that lies elsewhere than `site.yaml` says.

    Raises:
        ConfigError: for a sweep that cannot be used.
    """
    import pandas

    place = Path(runs)
    find, choose = partial(store.find, place), partial(trial_record.choice, place)
    plan = expand.load(Path(sweep), overrides, seeds, find, choose, cost)[1]
    seen = status.outcomes(place, plan, DataSets(data).of(plan).fingerprints)
    taken = TAKEN.union(*(map(word_of, each.result["metrics"]) for each in seen.values() if each.result))
    rows = [_row(plan, each, run, seen[run.id], taken) for each in plan.variants for run in each.runs]
    frame = pandas.DataFrame(rows)
    task = plan.variants[0].first.task if plan.variants else None
    metrics = ["score"] if task is None else [each.name for each in task.all_metrics if each.shown]
    lacking = [name for name in (*metrics, *OF_RESULT) if name not in frame]
    return frame.assign(**dict.fromkeys(lacking, math.nan))  # nothing is done yet that would have them


def _row(plan: Plan, variant: Variant, run: Run, seen: Outcome, taken: Set[str]) -> dict[str, Any]:
    places = plan.coordinates(variant).items()
    row: dict[str, Any] = {"variant": variant.name, "base": variant.is_base}
    row |= {f"{axis} (axis)" if axis in taken else axis: choice for axis, choice in places}
    row |= {"seed": run.seed, "run": run.id, "state": seen.state, "reason": seen.reason}
    if seen.result is None or seen.state != "done":
        return row
    costs, made = seen.result["cost"], seen.result["provenance"]
    git = made["git"]
    return {
        **row,
        **{word_of(name): value for name, value in seen.result["metrics"].items()},
        "best_epoch": (seen.result.get("best") or {}).get("epoch"),
        **{name: costs[name] for name in COST},
        **{name: made[name] for name in MADE},
        "data": seen.result["data"]["fingerprint"],
        "code": f"{git['sha']}{'+' if git.get('dirty') else ''}"
        if git.get("sha")
        else f"files {git.get('files_sha256')}",
    }
