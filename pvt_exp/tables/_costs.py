"""What rows cost, as their runs counted or took it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pvt_exp.cost import units
from pvt_exp.system.words import several
from pvt_exp.tables import Cell, Remark
from pvt_exp.tables._digits import fixed, of_costs
from pvt_exp.tables._notes import remarked, some
from pvt_exp.tables._rows import Line, in_words


class Count(NamedTuple):
    """A size of the model, the same for all seeds."""

    title: str
    usual: str
    """The unit where nothing is counted."""


COUNTS = {
    "params": Count("params", "M"),
    "trainable_params": Count("trainable params", "M"),
    "backbone_params": Count("backbone params", "M"),
    "macs": Count("MACs", "G"),
}
"""By the field of ``cost`` in a result."""
TIMES = (("h", 3600.0, 7200.0), ("min", 60.0, 120.0), ("s", 1.0, 0.0))
"""Units of times, and from how many seconds on they are taken."""


def count_cells(lines: Sequence[Line], key: str, among: Sequence[Line], usual: bool = False) -> tuple[str, list[Cell]]:
    """Parameters or MACs, as the runs themselves counted them; and the title with their unit.

    The unit fits ``among``, all rows of the table; ``usual``: it is millions, and billions, as in what is published.
    """
    counts = _counts(lines, key)
    unit = (units.fixed if usual else units.fitting)(_counts(among, key), units.COUNTS, COUNTS[key].usual)
    return unit.head(COUNTS[key].title), [
        Cell(missing="not counted" if line.results else line.missing)
        if count is None
        else Cell(count, text=unit.text(count))
        for line, count in zip(lines, counts, strict=True)
    ]


def _counts(lines: Sequence[Line], key: str) -> list[float | None]:
    return [next((r["cost"][key] for r in line.results if r["cost"].get(key) is not None), None) for line in lines]


def mark_counts(lines: Sequence[Line], key: str, cells: list[Cell]) -> None:
    """Mark the rows whose seeds counted different sizes, of which the first one's is shown."""
    for i, line in enumerate(lines):
        seeds: dict[float, list[int]] = {}
        for seed, result in zip(line.seeds, line.results, strict=True):
            if (count := result["cost"].get(key)) is not None:
                seeds.setdefault(count, []).append(seed)
        if len(seeds) > 1:
            parts = (
                f"{count:,} of {'seed' if len(of) == 1 else 'seeds'} {in_words(of)}" for count, of in seeds.items()
            )
            text = f"{COUNTS[key].title} differ among its seeds, the first is shown: {some(parts)}"
            cells[i] = remarked(cells[i], Remark(text, line.name))


def mark_sizes(lines: Sequence[Line], macs: list[Cell]) -> None:
    """Mark each row's MACs with the image size that they were counted at, where there are several."""
    sizes = _sizes(lines)
    for i, size in enumerate(sizes if _differ(sizes) else ()):
        if size:
            macs[i] = remarked(macs[i], Remark(f"at {size} px"))


def about_sizes(lines: Sequence[Line]) -> list[str]:
    """The image size that MACs were counted at, where it is one."""
    sizes = _sizes(lines)
    return [] if _differ(sizes) else [f"MACs at {size} px." for size in sizes if size][:1]


def _sizes(lines: Sequence[Line]) -> list[str]:
    return [" or ".join(sorted({" × ".join(map(str, r["cost"]["input_px"])) for r in line.results})) for line in lines]


def _differ(sizes: Sequence[str]) -> bool:
    return len(set(filter(None, sizes))) > 1


def time_cells(lines: Sequence[Line], among: Sequence[Line]) -> tuple[str, list[Cell]]:
    """Seconds that a run's training took, over all its attempts, the mean of the seeds; and the title with their unit.

    The unit fits ``among``, all rows of the table.
    """
    means, every = _seconds(lines), [mean for mean in _seconds(among) if mean is not None]
    word, unit, _ = next(each for each in TIMES if max(every, default=0.0) >= each[2])
    digits = of_costs([mean / unit for mean in every if mean], 1)
    return f"time ({word})", [
        Cell(missing="not recorded" if line.results else line.missing)
        if mean is None
        else Cell(mean, text=fixed(mean / unit, digits))
        for line, mean in zip(lines, means, strict=True)
    ]


def _seconds(lines: Sequence[Line]) -> list[float | None]:
    return [_over(line.results, lambda r: r["provenance"].get("seconds"), lambda v: sum(v) / len(v)) for line in lines]


def memory_cells(lines: Sequence[Line], among: Sequence[Line]) -> tuple[str, list[Cell]]:
    """Bytes that a run's process, or its GPU, held at most: the largest of the seeds; and the title with their unit.

    The unit fits ``among``, all rows of the table.
    """
    most = _held(lines)
    unit = units.fitting(_held(among), units.BYTES, "GiB")
    return unit.head("peak memory"), [
        Cell(missing="not recorded" if line.results else line.missing)
        if value is None
        else Cell(value, text=unit.text(value))
        for line, value in zip(lines, most, strict=True)
    ]


def _held(lines: Sequence[Line]) -> list[float | None]:
    return [_over(line.results, _memory, max) for line in lines]


def mark_hardware(lines: Sequence[Line], cells: list[Cell]) -> None:
    """Mark the rows whose seeds were trained on several devices, so that one number is of neither."""
    for i, line in enumerate(lines):
        devices = dict.fromkeys(device for result in line.results if (device := _device(result)))
        if len(devices) > 1 and cells[i].text:
            text = f"its seeds were trained on different devices: {some(devices)}"
            cells[i] = remarked(cells[i], Remark(text, line.name))


def about_hardware(lines: Sequence[Line]) -> list[str]:
    """What times and peak memory were taken on."""
    devices = dict.fromkeys(device for line in lines for result in line.results if (device := _device(result)))
    return [f"Time (mean over seeds) and peak memory (largest) on {some(devices)}."] if devices else []


def _memory(result: Mapping[str, Any]) -> float | None:
    found: float | None = result["provenance"].get("hardware", {}).get("peak_memory_bytes")
    return found


def _device(result: Mapping[str, Any]) -> str:
    hardware = result["provenance"].get("hardware", {})
    gpus = hardware.get("gpus")
    if gpus:
        return f"{len(gpus)} × {gpus[0]}"
    threads, ranks = hardware.get("threads"), result["provenance"].get("ranks", 1)
    each = f", {several(threads, 'thread')}" if threads else ""
    return (
        f"{hardware.get('processor') or 'an unknown CPU'}{each}{f' in each of {ranks} processes' if ranks > 1 else ''}"
    )


def _over(
    results: Sequence[Mapping[str, Any]],
    take: Callable[[Mapping[str, Any]], float | None],
    reduce: Callable[[list[float]], float],
) -> float | None:
    found = [value for result in results if (value := take(result)) is not None]
    return reduce(found) if found else None
