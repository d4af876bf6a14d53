"""Logs a run to W&B. The run's folder is the record; W&B is a copy, and a run does not fail without it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger

from pvt_exp.config.placement import Tracking
from pvt_exp.config.run import Run
from pvt_exp.tracking import client as wandb_client

ALERTED = ("failed", "diverged", "out_of_memory")
"""End states that send an alert; the others were requested by a person."""


class Wandb(WandbLogger):
    """Lightning's logger with W&B's step equal to the run's.

    W&B counts steps from 0 again in each offline part of a resumed run and would drop the second part as older than the
    first; with the step given, the parts join into one curve.
    """

    def __init__(self, experiment: Any, run: Run, tracking: Tracking, folder: Path) -> None:
        super().__init__(experiment=experiment, save_dir=folder)
        self._run, self._tracking, self._folder = run, tracking, folder
        self._open = True

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Log at the run's step."""
        self._try(lambda: self.experiment.log({**metrics, "trainer/global_step": step}, step=step))

    def show(self, pictures: Sequence[Path], per_class: Sequence[dict[str, Any]], step: int) -> None:
        """Log pictures of validation, and the table of classes where there is one."""
        self._try(lambda: self.experiment.log(_shown(pictures, per_class), step=step))

    def ended(self, state: str, reason: str = "", summary: dict[str, Any] | None = None) -> None:
        """Finish the W&B run, within a limited time. Later calls do nothing.

        ``state`` is one of the store's; ``done`` is a run of W&B that finished, all others are one that failed.
        """
        if not self._open:
            return
        self._open = False
        told = {"state": state, "reason": reason, **(summary or {})}
        self._try(lambda: self.experiment.summary.update(told))
        if self._tracking.alerts and state in ALERTED:
            name = self._tracking.name or self._run.id
            text = f"{reason}\n\npvt-exp runs show {self._run.id}"
            self._try(lambda: self.experiment.alert(f"{name}: {state}"[:63], text, "ERROR"))
        self._try(lambda: wandb_client.finish(self.experiment, self._folder, 0 if state == "done" else 1))

    def _try(self, tell: Callable[[], Any]) -> None:
        try:
            tell()
        except Exception as error:
            wandb_client.untold(self._folder, str(error) or type(error).__name__)


def _shown(pictures: Sequence[Path], per_class: Sequence[dict[str, Any]]) -> dict[str, Any]:
    import wandb as client

    shown: dict[str, Any] = {}
    if pictures:
        shown["val/pictures"] = [client.Image(str(path), caption=path.stem) for path in pictures]
    if per_class:
        rows: list[Any] = [list(line.values()) for line in per_class]
        shown["val/per_class"] = client.Table(columns=list(per_class[0]), data=rows)
    return shown


def wandb(run: Run, tracking: Tracking, folder: Path) -> Wandb | None:
    """The logger of a run, or None where W&B is off or cannot be started (which the log says)."""
    if tracking.mode == "disabled":
        return None
    try:
        experiment = wandb_client.start(
            folder,
            tracking.mode,
            agent=tracking.agent == run.id,
            project=tracking.project,
            entity=tracking.entity,
            id=run.id,
            name=tracking.name or run.id,
            group=tracking.group,
            job_type=tracking.job or run.task.kind,
            tags=list(tracking.tags),
            notes=tracking.notes,
            config={
                **run.model_dump(mode="json"),
                "run": f"runs/{run.id}",
                "metric_info": {each.name: each.info() for each in run.task.all_metrics},
                "sweep": tracking.group,
                "axes": tracking.axes,
            },
        )
        experiment.define_metric("trainer/global_step")
        experiment.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    except Exception as error:
        wandb_client.untold(folder, f"is left out of this run: {error}")
        return None
    return Wandb(experiment, run, tracking, folder)
