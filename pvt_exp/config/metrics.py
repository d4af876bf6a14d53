"""What a metric is: its title, its unit, and which direction is better. A task declares its own; its name says nothing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pvt_exp.config import metric_names

SCIENTIFIC_FROM = 1e7
"""Size from which on a number is shown as ``4.210e+43``."""
MOST_DIGITS = 9
"""Decimals at which a number that is still smaller than 1e-6 is shown so too."""


def number(value: float, digits: int, sign: str = "-") -> str:
    """A number with so many decimals, and in scientific notation where it is huge or tiny; never minus zero.

    ``sign`` is ``+`` for numbers that show a plus, as in the format language of Python.
    """
    if not math.isfinite(value):
        return f"{value:{sign}}"
    is_tiny = digits >= MOST_DIGITS and 0 < abs(value) < 1e-6
    if is_tiny or abs(value) >= SCIENTIFIC_FROM:
        return f"{value:{sign}.3e}"
    text = f"{value:{sign}.{digits}f}"
    return text.lstrip("+-") if text[0] in "+-" and float(text) == 0 else text


@dataclass(frozen=True)
class Metric:
    """One number that validation gives."""

    name: str
    """In ``result.json``, and as a column in a report's file."""
    title: str
    """As people write it."""
    unit: str
    """``%`` for values from 0 to 100, else for instance ``m``; empty: none. Decimals follow from it."""
    larger_is_better: bool | None
    """None where neither direction is better; no row is best then."""
    shown: bool = True
    """Whether a table shows it where no columns are asked for."""
    is_declared: bool = True
    """False for one that a result has and its task does not declare."""

    @property
    def head(self) -> str:
        """Title and unit, as the head of a column or the name of an axis."""
        if not self.unit:
            return self.title
        return f"{self.title[:-1]}, {self.unit})" if self.title.endswith(")") else f"{self.title} ({self.unit})"

    @property
    def is_percent(self) -> bool:
        return self.unit == "%"

    @property
    def smaller_is_better(self) -> bool:
        return self.larger_is_better is False

    def text(self, value: float) -> str:
        """One value with its unit."""
        return f"{self.digits(value)} {self.unit}" if self.unit else self.digits(value)

    def digits(self, value: float) -> str:
        """One value that stands alone: two decimals of a percentage, four digits of others."""
        return number(value, 2) if self.is_percent else f"{value:.4g}"

    def info(self) -> dict[str, Any]:
        """Its entry in JSON, under its name."""
        return {"title": self.title, "unit": self.unit, "larger_is_better": self.larger_is_better}


LOSS = Metric("loss", "loss", "", larger_is_better=False)
"""Of validation, as several tasks give it."""


def undeclared(name: str) -> Metric:
    """A metric of which nothing but the name is known."""
    return Metric(name, metric_names.word_of(name), "", None, is_declared=False)


def wrong_in(declared: Any) -> str | None:
    """What is wrong with what a task of another package declares, in words; None where nothing is."""
    if not isinstance(declared, tuple):
        return f"must be a tuple of Metric, not {type(declared).__name__}"
    for i, each in enumerate(declared):
        if not isinstance(each, Metric):
            return f"entry {i} must be a pvt_exp.config.metrics.Metric, not {type(each).__name__}"
        if not all(isinstance(text, str) and text.isprintable() for text in (each.title, each.unit)) or not isinstance(
            each.name, str
        ):
            return f"entry {i}: name, title and unit must be text of one line"
        if each.larger_is_better is not None and not isinstance(each.larger_is_better, bool):
            return f"metric {each.name}: larger_is_better must be True, False or None, not {each.larger_is_better!r}"
    return metric_names.wrong_among([each.name for each in declared])


def value_of(result: Mapping[str, Any], name: str) -> float | None:
    """What a result has of a metric; None where that is absent, or not finite."""
    value = result["metrics"].get(name)
    return value if value is not None and math.isfinite(value) else None


def unscored(result: Mapping[str, Any]) -> dict[str, str]:
    """The metrics that a result lacks though its task should give them, and why."""
    told = result.get("unscored")
    return told if isinstance(told, dict) else {}


def described(result: Mapping[str, Any]) -> list[str]:
    """The metrics of a result or an evaluation in words, with the units that stand in it."""
    found = result["metrics"].items()
    return [
        *(f"{name} {Metric(name, name, _unit(result, name), None).text(value)}" for name, value in found),
        *(f"no {name}: {why}" for name, why in unscored(result).items()),
    ]


def _unit(result: Mapping[str, Any], name: str) -> str:
    """What a result says of a metric's unit; nothing where it does not, as one of another program."""
    info = result.get("metric_info")
    entry = info.get(name) if isinstance(info, Mapping) else None
    unit = entry.get("unit") if isinstance(entry, Mapping) else None
    return unit if isinstance(unit, str) else ""


def as_printed(value: float) -> str:
    """A published figure with one decimal, as all but a few are, or as many as it has."""
    return number(value, 1) if round(value, 1) == value else f"{value:g}"
