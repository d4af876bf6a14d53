"""How and where a driver's runs are computed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pvt_exp import store
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.config.sweep import Policy
from pvt_exp.datasets import Dataset
from pvt_exp.launchers import Launcher, Slot
from pvt_exp.plan import Plan
from pvt_exp.plan.data_sets import AtHand, DataSets
from pvt_exp.store.results import kept_weights
from pvt_exp.tracking import labels


@dataclass(frozen=True)
class DriverContext:
    """What a command says of where and how its runs are trained."""

    store: Path
    launcher: Launcher
    placement: Placement
    """What all runs share: workers, tracking, keep, command."""
    data: DataSets = field(default_factory=DataSets)
    """Where data are, and what is known of them."""
    retry: Sequence[str] = ()
    """The words after ``--retry``."""
    policy: Policy = field(default_factory=Policy)

    def with_data(self, data: AtHand) -> "Where":
        """The same with the data that were found."""
        return Where(self.store.resolve(), self.launcher, data.roots, data.fingerprints, self.placement, self.policy)


@dataclass(frozen=True)
class Where:
    """What a driver knows of this machine for every run it places."""

    store: Path
    launcher: Launcher
    roots: dict[str, Path]
    """Folder of each data set."""
    fingerprints: dict[Dataset, str]
    """Of the data at hand."""
    placement: Placement
    policy: Policy


def place(run: Run, slot: Slot, where: Where, plan: Plan) -> Placement:
    """How a run is computed in a slot."""
    shared = where.placement
    used_by = {plan.name, *store.sweeps(where.store / run.id)}
    root, weights = where.roots.get(run.dataset.name), _weights(run, where.store)
    return shared.model_copy(
        update={
            "data": str(root) if root else None,
            "weights": str(weights.resolve()) if weights else None,
            "gpus": slot.gpus,
            "ranks": slot.ranks,
            "threads": slot.threads,
            "memory_gb": where.launcher.memory_gb,
            "tracking": labels.tracking(shared.tracking, plan, run, used_by),
        }
    )


def _weights(run: Run, runs: Path) -> Path | None:
    """The file that a run's weights to start from are in, here."""
    pretrained = run.backbone.pretrained
    if pretrained is not None and pretrained.path:
        return Path(pretrained.path)
    start = start_of(run)
    return kept_weights(runs, start) if start else None


def start_of(run: Run) -> str | None:
    """The id of the run of the store that this one starts from: its pretraining, or ``pretrained: runs/<id>``."""
    if run.pretraining is not None:
        return run.pretraining.id
    return run.backbone.pretrained.run if run.backbone.pretrained else None
