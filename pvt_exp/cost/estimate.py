"""What a plan costs: counts for every row, throughput of calibrated rows, and hours if all rows are calibrated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from pvt_exp import cost, store
from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.cost import Cost, NoCost, calibration
from pvt_exp.cost.calibration import Hours, Throughput
from pvt_exp.launchers import Launcher, Slot
from pvt_exp.plan import Plan
from pvt_exp.plan.data_sets import DataSets
from pvt_exp.store import attempts, progress
from pvt_exp.store.outcome import Outcome
from pvt_exp.store.states import GOING, RETRYABLE

CUDA_BYTES = 600 << 20
"""Memory that CUDA's context and its libraries take of a GPU, about."""
FEW = 30
"""Models that are counted, in a second or two each, before a sweep starts on GPUs."""
GIB = 2**30


@dataclass(frozen=True)
class Estimate:
    """Of a plan on the slots at hand."""

    costs: tuple[Cost | NoCost, ...]
    """Of the plan's rows."""
    throughputs: Mapping[str, Throughput]
    """By the names of rows and pretraining runs, of those that were calibrated on such a device."""
    run_h: Mapping[str, float]
    """Hours of one run, likewise."""
    available_memory: int
    """Bytes that a run can have."""
    slots: int
    device: str
    hours: Hours | None = None
    """None where something was not calibrated, or where data are not at hand."""
    lacking: tuple[str, ...] = ()
    """What the hours are not known of."""
    too_large: tuple[str, ...] = ()
    """Of each row that will not fit, why."""
    failed: tuple[str, ...] = ()
    """Of each row that cannot be built, or calibrated: where it is written, its name, and why."""


def of(
    plan: Plan,
    outcomes: Mapping[str, Outcome],
    tried: Sequence[dict[str, Any]],
    runs: Path,
    launcher: Launcher,
    placement: Placement,
    data: DataSets,
    calibrate: bool,
) -> Estimate:
    """Count every row; calibrate what was not, if asked to; ``tried`` is `tuned.progress`. A row that fails is told.

    Raises:
        ConfigError: for data or a device that calibration lacks.
    """
    places = launcher.slots()
    slot = places[0]
    roots, facts, problems = data.of(plan)
    groups = calibration.groups(plan)
    costs = cost.each([_placed(row.first, placement) for row in plan.rows])
    by_row = {row.name: each for row, each in zip(plan.rows, costs, strict=True)}
    failed = {name: f"cannot be built: {each.reason}" for name, each in by_row.items() if isinstance(each, NoCost)}
    if calibrate:
        if told := [problem for run in groups.values() for problem in problems.get(run.dataset, ())]:
            raise ConfigError(dict.fromkeys(told))
        left = {name: run for name, run in groups.items() if name not in failed}
        failed |= _calibrate(left, runs, placement, roots, slot)
    throughputs = {
        name: throughput
        for name, run in groups.items()
        if (throughput := calibration.known(runs, run, placement, slot)) is not None
    }
    known = {run.dataset for run in groups.values() if run.dataset in facts and facts[run.dataset].images}
    lacking = tuple(name for name, run in groups.items() if name not in throughputs or run.dataset not in known)
    run_h = {
        name: throughputs[name].run_s(run, facts[run.dataset]) / 3600
        for name, run in groups.items()
        if name not in lacking
    }
    hours = None
    if not lacking and groups:
        begun = {run_id: part for run_id in outcomes if (part := _begun(runs, outcomes[run_id]))}
        ended = {each["name"]: len(each["tried"]) for each in tried}
        hours = calibration.hours(plan, outcomes, ended, throughputs, facts, begun, len(places))
    available = available_memory(places, launcher.memory_gb)
    too_large = _too_large(by_row, available)
    origins = {row.name: f"{row.origin}: " for row in plan.rows if row.origin}
    return Estimate(
        tuple(costs),
        throughputs,
        run_h,
        available,
        len(places),
        calibration.device(slot),
        hours,
        lacking,
        tuple(too_large),
        tuple(f"{origins.get(name, '')}{name}: {why}" for name, why in failed.items()),
    )


def available_memory(places: Sequence[Slot], memory_gb: float | None) -> int:
    """Bytes that each process of a run can have in the first of these places; on the CPU no more than its limit."""
    slot = places[0]
    whole = calibration.device_memory(slot, sum(each.gpus == slot.gpus for each in places))
    if slot.gpus:
        return whole - CUDA_BYTES
    return min(whole, int(memory_gb * 1e9 / slot.ranks)) if memory_gb else whole


def will_not_fit(rows: Mapping[str, Run], launcher: Launcher, placement: Placement) -> list[str]:
    """Messages for rows that will not fit or cannot be built, as far as costs are cached; on a GPU a few are counted now."""
    places = launcher.slots()
    runs = [_placed(run, placement) for run in rows.values()]
    costs: list[Cost | NoCost | None] = [*cost.known(runs)]
    if places[0].gpus and 0 < costs.count(None) <= FEW:
        costs = [*cost.each(runs)]
    found = dict(zip(rows, costs, strict=True))
    return [
        *(f"cannot be built: {name}: {told.reason}" for name, told in found.items() if isinstance(told, NoCost)),
        *_too_large(found, available_memory(places, launcher.memory_gb)),
    ]


def _too_large(costs: Mapping[str, Cost | NoCost | None], available: int) -> list[str]:
    return [
        f"will not fit: a step of {name} takes {each.memory / GIB:.1f} GiB, and a run has {available / GIB:.1f} GiB here; "
        "--micro-batch takes fewer images at once"
        for name, each in costs.items()
        if isinstance(each, Cost) and each.memory is not None and each.memory > available
    ]


def _placed(run: Run, placement: Placement) -> Run:
    """The run with as many images at once as the placement says, for counting."""
    return run.model_copy(update={"ghost_batch_size": placement.micro_batch}) if placement.micro_batch else run


def _calibrate(
    groups: Mapping[str, Run],
    runs: Path,
    placement: Placement,
    roots: Mapping[str, Path],
    slot: Slot,
) -> dict[str, str]:
    """Measure what was not measured, or on a device that was busy; why that failed, of each row where it did."""
    failed = {}
    cost.let_go()  # what is measured has the machine for itself
    throughputs = {name: calibration.known(runs, run, placement, slot) for name, run in groups.items()}
    missing = {
        name: groups[name] for name, throughput in throughputs.items() if throughput is None or not throughput.was_idle
    }
    store.create(runs)
    console = Console(stderr=True, markup=False, emoji=False)
    for count, (name, run) in enumerate(missing.items(), 1):
        placed = placement.model_copy(update={"data": str(roots[run.dataset.name])})
        try:
            throughput = calibration.measure(runs, run, placed, slot)
        except ConfigError as error:
            failed[name] = str(error)
            continue
        console.print(
            f"calibrated {count} of {len(missing)}: {name}: {throughput.step_s:.3g} s a step",
            highlight=False,
            soft_wrap=True,
        )
    return failed


def _begun(runs: Path, seen: Outcome) -> float:
    """The part of a run that its newest checkpoint has, roughly: whole epochs."""
    if seen.state == "done" or not seen.attempts:
        return 0.0
    latest = attempts.of(runs / seen.id)
    told = progress.read(latest[-1]) if latest else None
    if not told or seen.state not in (*GOING, *RETRYABLE):
        return 0.0
    return (
        float(told["fraction"]) if seen.state == "running" else float(told["scored_epoch"]) / max(1.0, told["epochs"])
    )
