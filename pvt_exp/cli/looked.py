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
    """The fields ``data``, ``unfit`` and ``absent`` of ``--json``."""


def look(planned: Plan, store_: Path, data: DataSets) -> Looked:
    """Look at a plan's runs, and at its data where they are at hand."""
    at_hand = data.of(planned)
    found = status.outcomes(store_, planned, at_hand.fingerprints)
    return Looked(found, at_hand, {"data": at_hand.as_json(), "unfit": at_hand.unfit, "absent": at_hand.absent})
