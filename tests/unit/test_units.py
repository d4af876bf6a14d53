"""One unit for all numbers that stand together."""

import random

import pytest

from pvt_exp.cost import units
from pvt_exp.cost.units import COUNTS, LEAST, MOST, TIMES, fitting


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([2_700_000], ["2.70 M"]),  # and not 0.0027 G
        ([43_000_000, 367_000_000], ["43.00 M", "367.00 M"]),
        ([566_000_000, 4_100_000_000], ["0.57 G", "4.10 G"]),
        ([25_123, 11_179_000], ["0.025 M", "11.179 M"]),
        ([12, 640], ["12", "640"]),
        ([], []),
        ([0, None], ["0.00 G"]),
    ],
)
def test_the_unit_fits_all(values: list[float | None], texts: list[str]) -> None:
    unit = fitting(values, COUNTS, "G")
    assert [f"{unit.text(value)} {unit.name}".strip() for value in values if value is not None] == texts


@pytest.mark.parametrize(
    ("seconds", "texts"),
    [
        ([1.2744], ["1.27 s"]),
        ([40.0, 90.5], ["0.67 min", "1.51 min"]),
        ([7200.0, 36000.0], ["2.00 h", "10.00 h"]),
        ([3.0, 7200.0], ["3 s", "7200 s"]),
    ],
)
def test_a_time_has_the_unit_that_fits(seconds: list[float], texts: list[str]) -> None:
    unit = fitting(seconds, TIMES, "h")
    assert [f"{unit.text(value)} {unit.name}" for value in seconds] == texts


def test_no_number_is_all_zeros_and_none_is_long() -> None:
    draw = random.Random(0)
    for _ in range(500):
        values = [round(10 ** draw.uniform(0, 13)) for _ in range(draw.randint(1, 8))]
        unit = fitting(values, COUNTS, "G")
        assert (unit.name, unit.size) in COUNTS
        smallest, largest = float(unit.text(min(values))), max(values) / unit.size
        if max(values) / min(values) < MOST * LEAST:
            assert smallest > 0.009
            assert largest < MOST or unit.name == "T"
        for value in values:  # six decimals at most: where rows are millions of times apart, a digit may be lost
            assert abs(float(unit.text(value)) * unit.size / value - 1) < 0.06 or unit.digits == 6


def test_bytes_and_what_is_published_keep_their_units() -> None:
    assert fitting([5 * 2**30], units.BYTES, "GiB").head("memory") == "memory (GiB)"
    assert fitting([300 * 2**20], units.BYTES, "GiB").text(300 * 2**20) == "0.29"
    assert fitting([30 * 2**20], units.BYTES, "GiB").head("memory") == "memory (MiB)"
    assert units.fixed([30_000], COUNTS, "M") == ("M", 1e6, 3)
