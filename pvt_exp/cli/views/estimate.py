"""What a plan costs, for `plan --cost`."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

from pvt_exp.cli.views.grid import Grid
from pvt_exp.cost import Cost, NoCost
from pvt_exp.cost.estimate import Estimate
from pvt_exp.cost.units import BYTES, COUNTS, TIMES, Unit, fitting
from pvt_exp.plan import Plan
from pvt_exp.system.words import several

NOTHING: dict[str, Any] = {**dict.fromkeys(Cost._fields), "uncounted": {}}
"""In the place of a cost that there is not."""


def estimate_json(plan: Plan, told: Estimate) -> dict[str, Any]:
    """``costs``, one entry per row, ``device``, and ``hours``."""
    costs = [
        {
            "name": row.name,
            **(each._asdict() if isinstance(each, Cost) else NOTHING),
            "head_params": each.params - each.backbone_params if isinstance(each, Cost) else None,
            "reason": each.reason if isinstance(each, NoCost) else None,
            "throughput": told.throughputs[row.name]._asdict() if row.name in told.throughputs else None,
            "run_h": told.run_h.get(row.name),
        }
        for row, each in zip(plan.rows, told.costs, strict=True)
    ]
    device = {
        "name": told.device,
        "slots": told.slots,
        "available_memory_bytes": told.available_memory,
        "too_large": list(told.too_large),
    }
    return {"costs": costs, "device": device, "hours": told.hours and told.hours._asdict()}


def print_estimate(console: Console, plan: Plan, told: Estimate, most: int | None) -> None:
    """What each row costs, beside the base's; what does not fit; the hours."""
    rows = list(zip(plan.rows, told.costs, strict=True))
    base = next((each for row, each in rows if {} in row.labels and isinstance(each, Cost)), None)
    counted = [each for each in told.costs if isinstance(each, Cost)]
    larger = any(each.test_px != each.input_px for each in counted)
    frozen = any(each.trainable_params != each.params for each in counted)
    params = fitting((size for each in counted for size in _sizes(each)), COUNTS, "M")
    macs = fitting((size for each in counted for size in (each.macs, each.test_macs)), COUNTS, "G")
    peaks = [throughput.peak_memory_bytes for throughput in told.throughputs.values()]
    memory = fitting([*(each.memory for each in counted), *peaks], BYTES, "GiB")
    times = fitting((3600 * hours for hours in told.run_h.values()), TIMES, "h")
    table = Grid()
    table.add_column("variant", overflow="fold")
    titles = [params.head("parameters"), *(["trained"] if frozen else []), "backbone", "head", macs.head("MACs")]
    titles += [*(["in testing"] if larger else []), memory.head("step memory")]
    beside = ["parameters, MACs to the base's"] if base else []
    paced = ["step (s)", "data wait", memory.head("peak memory"), times.head("run")] if told.throughputs else []
    for title in (*titles, *beside, *paced):
        table.add_column(title, justify="right")
    for row, each in rows[:most]:
        if isinstance(each, NoCost):
            blank = [""] * (len(titles) + len(beside) + len(paced) - 1)
            table.add_row(Text(row.name), Text("cannot be built", "dim"), *blank)
            continue
        whole, trained, backbone, head = _sizes(each)
        cells = [params.text(count) for count in (whole, *([trained] if frozen else []), backbone, head)]
        cells += [_or_not(macs, count) for count in (each.macs, *([each.test_macs] if larger else []))]
        cells += [_or_not(memory, each.memory)]
        cells += [f"{_times(each.params, base.params)}, {_times(each.macs, base.macs)}"] if base else []
        if told.throughputs:
            cells += _throughput(told, row.name, memory, times)
        table.add_row(Text(row.name), *cells)
    console.print(table)
    say = _Say(console)
    in_testing = f", in testing of at most {_px(each.test_px for each in counted)} px" if larger else ""
    if counted:
        say(
            f"counted: MACs of one image of {_px(each.input_px for each in counted)} px{in_testing}; step memory: the most "
            "that a training step holds, less what CUDA and its libraries take; the head is all but the backbone, a neck too"
        )
    for row, each in rows:
        for reason, names in _uncounted(each):
            say(f"not counted: {names} of {row.name}: {reason}")
    if told.throughputs:
        say(
            f"measured on {told.device}: a step with its loading, the part of it spent waiting for images, "
            "peak memory, time of the steps and validations of one run"
        )
    if busy := [name for name, throughput in told.throughputs.items() if not throughput.was_idle]:
        say(
            f"not on an idle device: {', '.join(busy[:5])}{' ...' if len(busy) > 5 else ''}; calibrate again when it is"
        )
    for line in told.too_large:
        say(line)
    _say_hours(say, told)


def _sizes(cost: Cost) -> tuple[int, int, int, int]:
    """Parameters: all, those that are trained, of the backbone, and of the head."""
    return cost.params, cost.trainable_params, cost.backbone_params, cost.params - cost.backbone_params


def _or_not(unit: Unit, value: float | None) -> str:
    return "not counted" if value is None else unit.text(value)


def _times(value: float | None, base: float | None) -> str:
    return f"x {value / base:.2f}" if value is not None and base else "-"


def _uncounted(cost: Cost | NoCost) -> Iterable[tuple[str, str]]:
    """Why a part of a cost is not known, and which."""
    found: dict[str, list[str]] = {}
    for name, reason in (cost.uncounted if isinstance(cost, Cost) else {}).items():
        found.setdefault(reason, []).append(
            {"macs": "MACs", "test_macs": "MACs in testing", "memory": "step memory"}.get(name, name)
        )
    return ((reason, " and ".join(names)) for reason, names in found.items())


def _px(sizes: Iterable[tuple[int, int]]) -> str:
    return " or ".join(sorted({" x ".join(map(str, size)) for size in sizes}))


class _Say:
    def __init__(self, console: Console) -> None:
        self.console = console

    def __call__(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True)


def _throughput(told: Estimate, name: str, memory: Unit, times: Unit) -> list[str]:
    throughput = told.throughputs.get(name)
    if throughput is None:
        return ["-"] * 4
    run = times.text(3600 * told.run_h[name]) if name in told.run_h else "-"
    return [
        f"{throughput.step_s:.3g}",
        f"{100 * throughput.data_wait:.0f} %",
        memory.text(throughput.peak_memory_bytes),
        run,
    ]


def _time(hours: float) -> str:
    unit = fitting([3600 * hours], TIMES, "h")
    return f"{unit.text(3600 * hours)} {unit.name}"


def _say_hours(say: _Say, told: Estimate) -> None:
    if told.hours is not None:
        left = several(told.hours.left, "run")
        alone, together = (_time(hours) for hours in (told.hours.device_h, told.hours.wall_h))
        say(
            f"left to train: {left}, {alone} one after another on {told.device}; about {together} with {told.slots} at "
            "once; without the start of each run, its checkpoints and pictures"
        )
        return
    if told.throughputs:
        say(f"hours: not known of {', '.join(told.lacking[:5])}{' ...' if len(told.lacking) > 5 else ''}")
    say("hours: pvt-exp plan SWEEP --calibrate measures a few steps of each row")
