"""A sweep as pictures: how its rows came to their scores, and what those cost. For the eye; numbers are in tables."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pvt_exp.config import ConfigError
from pvt_exp.config.metrics import undeclared
from pvt_exp.cost import units
from pvt_exp.plan import Plan
from pvt_exp.statistics.scores import over_seeds
from pvt_exp.store.curves import curve
from pvt_exp.store.outcome import Outcome
from pvt_exp.system import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("png", "pdf")
MOST_DRAWN = 1e300


class Curve(NamedTuple):
    """One row: a score after each epoch, over the seeds that have come as far as the farthest."""

    name: str
    seeds: int
    due: int
    """How many seeds those are, and of how many."""
    epochs: list[int]
    mean: list[float]
    least: list[float]
    most: list[float]


def require() -> None:
    """Raise ConfigError if matplotlib is not installed."""
    try:
        import matplotlib.style  # noqa: F401
    except ImportError:
        raise ConfigError("--figures needs matplotlib: pip install 'pvt-exp[figures]'") from None


def write(
    plan: Plan, outcomes: Mapping[str, Outcome], runs: Path, out: Path, part: str = ""
) -> tuple[list[Path], list[str]]:
    """Write ``curves`` and ``cost``, each as PNG and PDF: the files, and why one of the two cannot be drawn.

    ``part`` is in the names of the files, as `report.write` has it.
    """
    require()
    import matplotlib.style

    matplotlib.use("agg")
    first = plan.variants[0].first.task.first_metric if plan.variants else undeclared("")
    metric, head = first.name, first.head
    drawn = [each for variant in plan.variants if (each := of_row(variant, outcomes, runs, metric)).epochs]
    out.mkdir(parents=True, exist_ok=True)
    end = f".{part}" if part else ""
    points = [point for variant in plan.variants if (point := _point(variant, outcomes, metric)) is not None]
    with matplotlib.style.context("default"):  # whose ten colours differ, whatever a person's settings are
        paths = _save(out / f"curves{end}", lambda axes: draw_curves(axes, drawn, head)) if drawn else []
        paths += _save(out / f"cost{end}", lambda axes: draw_costs(axes, points, head)) if points else []
    told = []
    if not drawn:
        told.append(
            f"--figures: no curves: no run of {plan.name} has a score by epoch (attempts/<n>/metrics.csv in {runs})"
        )
    if not points:
        told.append(f"--figures: no scores over cost: no run of {plan.name} is finished with a score and its cost")
    return paths, told


def of_row(variant: Any, outcomes: Mapping[str, Outcome], runs: Path, metric: str) -> Curve:
    """The row's curve: mean, least and most over its seeds; those that have not come as far as others are left out.

    What was diverged or pruned before the others ended is left out of the mean too, so the legend says how many are in it.
    """
    stale = {run_id for run_id, seen in outcomes.items() if seen.state == "stale"}
    begun = [found for run in variant.runs if run.id not in stale and (found := _finite(curve(runs / run.id, metric)))]
    farthest = max((max(found) for found in begun), default=0)
    seeds = [found for found in begun if max(found) == farthest]
    epochs = sorted(set.intersection(*map(set, seeds))) if seeds else []
    scores = [[found[epoch] for found in seeds] for epoch in epochs]
    mean = [stat.mean for each in scores if (stat := over_seeds(each)) is not None]
    least, most = list(map(min, scores)), list(map(max, scores))
    return Curve(variant.name, len(seeds), len(variant.runs), epochs, mean, least, most)


def _finite(scores: dict[int, float]) -> dict[int, float]:
    """What can be drawn of a curve."""
    return {epoch: _drawn(score) for epoch, score in scores.items() if math.isfinite(score)}


def _drawn(score: float) -> float:
    """The score, not larger than matplotlib can subtract from another."""
    return max(-MOST_DRAWN, min(MOST_DRAWN, score))


def _point(variant: Any, outcomes: Mapping[str, Outcome], metric: str) -> tuple[str, float, list[float]] | None:
    seen = [outcomes[run.id] for run in variant.runs if run.id in outcomes]
    results = [each.result for each in seen if each.state == "done" and each.result]
    scores = [_drawn(score) for each in results if math.isfinite(score := each["metrics"].get(metric, math.nan))]
    sizes = list(dict.fromkeys(macs for each in results if (macs := each["cost"].get("macs"))))
    if not scores or not sizes:
        return None
    name = f"{variant.name} (MACs differ among its seeds)" if len(sizes) > 1 else variant.name
    return _counted(name, len(scores), len(variant.runs)), sizes[0], scores


def _counted(name: str, seeds: int, due: int) -> str:
    """The name of a row in a legend, with how many of its seeds are drawn where that is not all."""
    return name if seeds == due else f"{name} ({seeds} of {due} seeds)"


def draw_curves(axes: "Axes", drawn: Sequence[Curve], name: str) -> None:
    """One line per row, and the range of its seeds as a band."""
    for i, each in enumerate(drawn):
        style = {"color": f"C{i % 10}", "linestyle": ("-", "--", ":")[i // 10 % 3]}
        axes.plot(
            each.epochs, each.mean, label=_label(_counted(each.name, each.seeds, each.due)), linewidth=1.4, **style
        )
        axes.fill_between(each.epochs, each.least, each.most, color=style["color"], alpha=0.12, linewidth=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("epoch")
    axes.set_ylabel(name)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def draw_costs(axes: "Axes", points: Sequence[tuple[str, float, list[float]]], name: str) -> None:
    """One point per row, at its MACs, with the standard deviation over its seeds."""
    unit = units.fitting((macs for _, macs, _ in points), units.COUNTS, "G")
    for i, (row, macs, scores) in enumerate(points):
        stat = over_seeds(scores)
        assert stat is not None
        axes.errorbar(
            macs / unit.size, stat.mean, yerr=stat.std or 0.0, fmt=("o", "s", "^")[i // 10 % 3], color=f"C{i % 10}",
            capsize=2, label=_label(row),
        )  # fmt: skip
    costs = [macs for _, macs, _ in points]
    if max(costs) > 4 * min(costs):
        axes.set_xscale("log")
    axes.set_xlabel(unit.head("MACs"))
    axes.set_ylabel(name)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _label(name: str) -> str:
    """As it is written: matplotlib leaves out what begins with _, and reads what is between two $ as mathematics."""
    plain = name.replace("$", r"\$")
    return f" {plain}" if plain.startswith("_") else plain


def _save(path: Path, draw: Any) -> list[Path]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.grid(alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    paths = [path.with_name(f"{path.name}.{form}") for form in FORMATS]
    for each, form in zip(paths, FORMATS, strict=True):
        drawn = io.BytesIO()  # without the time, so that the same results give the same file
        figure.savefig(drawn, format=form, metadata={"CreationDate": None} if form == "pdf" else {"Software": None})
        files.write(each, drawn.getvalue())
    return paths
