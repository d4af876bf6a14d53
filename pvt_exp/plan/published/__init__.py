"""What papers, READMEs and others have published: figures to put beside our own, each with its source. Data, in YAML.

A file is a source, and a figure's reference is the path to it: ``v1/table2/PVT-Small`` is the row PVT-Small of table2 of
``v1.yaml``, ``v1/table3/1x/PVT-Small`` that of ``table3/1x``. Nothing here was measured by this project.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pvt_exp import config
from pvt_exp.config import ConfigError
from pvt_exp.system import spelling

Kind = Literal["paper", "readme", "third party"]
FOLDER = Path(__file__).parent
TOLD = ("backbone", "schedule", "params", "macs", "confidence", "note", "outcome", "claim")
"""What a row may say besides metrics."""
ERROR = "_error"
"""How the name of a metric ends that is printed as an error in percent, and is 100 less it here."""


class Figure(NamedTuple):
    """One published row."""

    key: str
    """Its reference, ``v1/table2/PVT-Small``."""
    source: str
    """Who says so, ``PVT``."""
    table: str
    """Where there, ``Table 2``."""
    cite: str
    """Where the source is found, ``arXiv 2102.12122v2``."""
    kind: Kind
    method: str
    """What is built on the backbone, ``RetinaNet``."""
    backbone: str
    schedule: str
    data: str
    params: float | None
    """Millions, as published."""
    macs: float | None
    """1e9 multiply-accumulates, which the papers call GFLOPs, as published."""
    metrics: Mapping[str, float]
    """By the names of this project's metrics and in their units: scores in percent."""
    printed: Mapping[str, float]
    """The figures that are printed as errors, ``{"top1_error": 20.2}``; the metric is 100 less the error."""
    note: str
    """What must be known to compare with it."""
    table_note: str
    """The same, of its whole table."""
    confidence: str
    """That it is transcribed rightly and means what it seems to: ``high`` or ``medium``."""
    outcome: str | None
    """Why there is no figure: ``out of memory on a 32 GB GPU``."""
    claim: str | None
    """What is said without figures."""


def find(key: str) -> Figure:
    """The figure with this reference.

    Raises:
        ConfigError: if there is none, with the nearest reference.
    """
    name = key.partition("/")[0]
    if name not in sources():
        raise ConfigError(f"no published figures called '{key}'; a reference begins with {', '.join(sources())}")
    found = _figures(name)
    if key not in found:
        hint = spelling.hint(key, found, f"{name} has {', '.join(_read(name)['tables'])}")
        raise ConfigError(f"no published figure '{key}'{hint}")
    return found[key]


@cache
def sources() -> tuple[str, ...]:
    """The names that references begin with: those of the files."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def every() -> tuple[Figure, ...]:
    """All that is published, source by source in the order of its tables."""
    return tuple(figure for name in sources() for figure in _figures(name).values())


@cache
def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = config.read(FOLDER / f"{name}.yaml").value
    return found


@cache
def _figures(name: str) -> dict[str, Figure]:
    source = _read(name)
    return {
        f"{name}/{table}/{row}": _figure(f"{name}/{table}/{row}", row, source, about, told)
        for table, about in source["tables"].items()
        for row, told in about["rows"].items()
    }


def _figure(key: str, row: str, source: dict[str, Any], about: dict[str, Any], told: dict[str, Any]) -> Figure:
    scores = {name: value for name, value in told.items() if name not in TOLD}
    metrics = {
        name.removesuffix(ERROR): round(100 - value, 3) if name.endswith(ERROR) else value
        for name, value in scores.items()
    }
    return Figure(
        key=key,
        source=source["title"],
        table=about["title"],
        cite=source["cite"],
        kind=source["kind"],
        method=about.get("method", ""),
        backbone=told.get("backbone", row),
        schedule=told.get("schedule", about.get("schedule", "")),
        data=about["data"],
        params=told.get("params"),
        macs=told.get("macs"),
        metrics=metrics,
        printed={name: value for name, value in scores.items() if name.endswith(ERROR)},
        note=told.get("note", ""),
        table_note=about.get("note", ""),
        confidence=told.get("confidence", about.get("confidence", "high")),
        outcome=told.get("outcome"),
        claim=told.get("claim"),
    )
