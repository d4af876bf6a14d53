"""What a run is told to W&B. The record is the run's folder; W&B mirrors it, and its absence never fails a run."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger

from pvt_exp.schema import Run, Tracking

INIT_TIMEOUT_S = 20
FINISH_TIMEOUT_S = 20


class Wandb(WandbLogger):
    """Lightning's logger with W&B's step equal to the run's.

    W&B counts steps from 0 again in each offline part of a resumed run and would drop the second part as older than the
    first; with the step given, the parts join into one curve.
    """

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Log at the run's step."""
        self._try(lambda: self.experiment.log({**metrics, "trainer/global_step": step}, step=step))

    def show(self, pictures: Sequence[Path], per_class: Sequence[dict[str, Any]], step: int) -> None:
        """Log pictures of validation, and the table of classes where there is one."""
        self._try(lambda: self.experiment.log(_shown(pictures, per_class), step=step))

    def close(self, summary: dict[str, Any]) -> None:
        """Say how it ended, and give W&B a limited time to take it in."""
        self._try(lambda: self.experiment.summary.update(summary))
        self._try(self.experiment.finish)

    def _try(self, tell: Callable[[], Any]) -> None:
        try:
            tell()
        except Exception as error:
            print(f"W&B: {error}")


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
    import wandb as client

    settings = client.Settings(init_timeout=INIT_TIMEOUT_S, finish_timeout=FINISH_TIMEOUT_S, console="off")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logger = Wandb(
                project=tracking.project,
                entity=tracking.entity,
                id=run.id,
                name=tracking.name or run.id,
                group=tracking.group,
                job_type=run.task.kind,
                tags=list(tracking.tags),
                config=run.model_dump(mode="json"),
                save_dir=folder,
                resume="allow",
                mode=tracking.mode,
                settings=settings,
            )
            _ = logger.experiment  # starts it, so that a failure shows here
    except Exception as error:
        print(f"W&B is left out of this run: {error}")
        return None
    return logger
