"""What there is of a plan: its runs, and its data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pvt_exp.datasets import Dataset, Facts
from pvt_exp.plan import Plan, site
from pvt_exp.store import status
from pvt_exp.store.outcome import Outcome


class Looked(NamedTuple):
    """What there is of a plan."""

    outcomes: dict[str, Outcome]
    """Of its runs; those of other data than the ones at hand are stale."""
    facts: dict[Dataset, Facts]
    """Of each data set that is at hand."""
    data: dict[str, Any]
    """The fields ``data`` and ``unfit`` of ``--json``."""


def look(planned: Plan, store_: Path, data: Sequence[str]) -> Looked:
    """Look at a plan's runs, and at its data where they are at hand; ``data`` are the words after ``--data``."""
    roots, facts, problems = site.inspect(planned, site.places(data), site.load())
    unfit = [line for each, told in problems.items() if each.name in roots for line in told]
    found = status.outcomes(store_, planned, site.fingerprints(facts))
    return Looked(found, facts, {"data": site.as_json(roots, facts), "unfit": unfit})
