"""What there is of a plan: its runs, and its data."""

from pathlib import Path
from typing import Any, NamedTuple

from pvt_exp.plan import Plan
from pvt_exp.plan.data_sets import AtHand, DataSets
from pvt_exp.store import status
from pvt_exp.store.outcome import Outcome


class Looked(NamedTuple):
    """What there is of a plan."""

    outcomes: dict[str, Outcome]
    """Of its runs; those of other data than the ones at hand are stale."""
    at_hand: AtHand
    data: dict[str, Any]
    """The fields ``data`` and ``unfit`` of ``--json``."""


def look(planned: Plan, store_: Path, data: DataSets) -> Looked:
    """Look at a plan's runs, and at its data where they are at hand."""
    at_hand = data.of(planned)
    unfit = [line for each, told in at_hand.problems.items() if each.name in at_hand.roots for line in told]
    found = status.outcomes(store_, planned, at_hand.fingerprints)
    return Looked(found, at_hand, {"data": at_hand.as_json(), "unfit": unfit})
