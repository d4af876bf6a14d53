"""What every task's LightningModule shares: moving average, optimizer, schedule, and the end of a run whose loss is NaN."""

import math
from typing import Any

import pytorch_lightning as pl
import torch
from PIL import Image
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from pvt_exp.config.run import Run
from pvt_exp.nn import optim, ranks
from pvt_exp.nn.batchnorm import Statistics
from pvt_exp.nn.counting import memory
from pvt_exp.nn.metrics.beside import Beside
from pvt_exp.system.ends import RunEnded
from pvt_exp.system.seeds import derive


class Diverged(RunEnded):
    """The loss became NaN or infinite."""

    state = "diverged"

    def __init__(self, step: int, lr: float, gradient_norm: float) -> None:
        norm = gradient_norm if math.isfinite(gradient_norm) else str(gradient_norm)  # JSON has no NaN
        self._numbers = {"step": step, "lr": lr, "gradient_norm": norm}
        super().__init__(
            f"loss is NaN or Inf at step {step} (learning rate {lr:.3g}, gradient norm {gradient_norm:.3g})"
        )

    @property
    def numbers(self) -> dict[str, Any]:
        return self._numbers


def in_a_line(error: Exception) -> str:
    """The first line of an error, with the name of its class unless it is a ValueError."""
    words = (str(error).strip().splitlines() or [""])[0][:300]
    return words if words and isinstance(error, ValueError) else f"{type(error).__name__}: {words}".rstrip(": ")


def group_by_size(sizes: list[tuple[int, int]]) -> dict[tuple[int, int], list[int]]:
    """Indices of the images of each size, so that images are scored together without padding."""
    found: dict[tuple[int, int], list[int]] = {}
    for place, size in enumerate(sizes):
        found.setdefault(size, []).append(place)
    return found


class Training(pl.LightningModule):
    """Trains ``network``, which has a ``backbone``. A task adds `loss` and its validation."""

    def __init__(self, run: Run, network: nn.Module) -> None:
        super().__init__()
        self.run, self.task = run, run.task
        self.network = network
        self.ema = ModelEmaV3(network, decay=run.ema_decay) if run.ema_decay else None
        self.classes: tuple[str, ...] = tuple(map(str, range(run.task.num_classes)))
        """Names of the data's classes in the order of the labels; set by the caller, who has the data."""
        self.category_ids: tuple[int, ...] = ()
        """Their ids in the data's own annotations, where there are any; set likewise."""
        self.per_class: list[dict[str, Any]] = []
        """Scores by class of the newest validation, one entry a class."""
        self.unscored: dict[str, str] = {}
        """Metrics that the newest validation could not compute, and why; a task fills it."""
        self.beside = Beside(run.task)
        """The metrics of `task.metrics`; a task gives them predictions and targets, and `log_scores` logs them."""
        self.parts = 1
        """Micro-batches of a group; set from the placement."""
        self._last_loss: Tensor | None = None
        self._gradient_norm = torch.zeros(())
        self._statistics = Statistics(network)

    @property
    def scored(self) -> nn.Module:
        """The network that is validated and kept: the moving average of the weights where there is one."""
        return self.ema.module if self.ema is not None else self.network

    def loss(self, batch: dict[str, Any]) -> Tensor:
        """The loss of a training batch; its parts may be logged on the way."""
        raise NotImplementedError

    def cost(self) -> dict[str, Any]:
        """What the model costs, counted: fields of `pvt_exp.cost.Cost`.

        MACs that cannot be counted are None, with the reason in ``uncounted``, which is there only then.
        """
        parameters = list(self.network.parameters())
        backbone: nn.Module = self.network.backbone  # type: ignore[assignment]
        counted, test = self.task.counted_px, self.task.test_px
        sizes = {"macs": counted, "test_macs": test}
        macs: dict[tuple[int, int], int | None] = {}
        reasons: dict[tuple[int, int], str] = {}
        for size in dict.fromkeys(sizes.values()):
            try:
                macs[size] = self.count_macs(size)
            except (
                Exception
            ) as error:  # an operation that the meta device lacks, in a network that may train all the same
                macs[size], reasons[size] = None, in_a_line(error)
        uncounted = {name: reasons[size] for name, size in sizes.items() if size in reasons}
        return {
            "params": sum(p.numel() for p in parameters),
            "trainable_params": sum(p.numel() for p in parameters if p.requires_grad),
            "backbone_params": sum(p.numel() for p in backbone.parameters()),
            "macs": macs[counted],
            "input_px": list(counted),
            "test_macs": macs[test],
            "test_px": list(test),
            **({"uncounted": uncounted} if uncounted else {}),
        }

    def count_macs(self, size: tuple[int, int]) -> int:
        """Multiply-accumulates of the forward pass of one image of this height and width."""
        raise NotImplementedError

    def shaped_loss(self, images: int) -> Tensor:
        """The loss of so many images of the training size, with shapes that no data change. For counting memory."""
        raise NotImplementedError

    def step_memory(self) -> int:
        """Peak bytes of a training step, a group of images at a time; of a module on the meta device."""
        run = self.run
        parts, ema = run.batch_size // run.ghost_batch_size, run.ema_decay is not None
        self.network.train()
        return memory.of_step(
            self.network, lambda: self.shaped_loss(run.ghost_batch_size), run.optim.states, run.precision, parts, ema
        )

    def shaped_images(self, count: int) -> Tensor:
        """So many images of the training size, as the loader gives them."""
        return torch.empty(count, 3, *self.task.train_px).contiguous(memory_format=torch.channels_last)

    def predict(self, batch: dict[str, Any]) -> list[Any]:
        """What is found in each image of a batch of validation, in the pixels of the image on disk."""
        raise NotImplementedError

    def picture(self, image: Image.Image, found: Any, truth: Any = None, least: float = 0.5) -> Image.Image:
        """An image with what `predict` found on it, beside its target if it has one.

        ``least`` is the score from which on objects are drawn.
        """
        raise NotImplementedError

    def log_scores(self, scores: dict[str, Any], unscored: dict[str, str] | None = None) -> None:
        """Log the task's own scores and those of `beside`; ``unscored`` says why metrics of the task have none."""
        more, without = self.beside.compute()
        self.log_dict({**scores, **more})
        self.unscored = {**(unscored or {}), **without}

    # ------------------------------------------------------------ training

    def on_train_batch_start(self, batch: dict[str, Any], batch_idx: int) -> None:
        # Drop path draws from (seed, epoch, batch over all ranks), so that a resumed run draws what an undisturbed one does.
        group, part = divmod(batch_idx, self.parts)
        number = (group * ranks.world() + ranks.rank()) * self.parts + part
        torch.manual_seed(derive(self.run.seed, "step", self.current_epoch, number))
        self._lr: float = self.optimizers().param_groups[0]["lr"]  # type: ignore[union-attr]

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        if self._lost:  # the step before: reading its loss does not make the GPU wait for this one
            raise self._diverged()
        self._statistics.note()
        loss = self.loss(batch)
        self._last_loss = loss.detach()
        self.log_loss("loss", self._last_loss, len(batch["target"]), on_step=True)
        return loss

    def on_after_backward(self) -> None:
        self._statistics.join()

    def log_loss(self, name: str, value: Tensor, images: int, on_step: bool = False) -> None:
        """Log a loss of training of so many images, for each epoch over all ranks."""
        several = ranks.world() > 1
        self.log(f"train/{name}", value, on_step=on_step, on_epoch=True, batch_size=images, sync_dist=several)

    @property
    def _lost(self) -> bool:
        return self._last_loss is not None and not torch.isfinite(self._last_loss)

    def _diverged(self) -> Diverged:
        return Diverged(self.global_step, self._lr, float(self._gradient_norm))

    def stop_if_diverged(self) -> None:
        """Raise `Diverged` if the newest loss, or a weight, is NaN or Inf, of this rank or another. All must ask.

        A finite loss can have gradients that are not, and then the step has written them into the weights.
        """
        if ranks.any_of(
            self._lost or not torch.isfinite(get_total_norm(list(self.network.parameters()), foreach=True))
        ):
            raise self._diverged()

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        self._gradient_norm = get_total_norm(gradients, foreach=True)
        if self.run.optim.clip_norm is not None:
            clip_grads_with_norm_(self.network.parameters(), self.run.optim.clip_norm, self._gradient_norm)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        if self.ema is not None:
            self.ema.update(self.network)

    def on_train_epoch_end(self) -> None:
        self.stop_if_diverged()
        self.log_dict({"lr": self._lr, "train/gradient_norm": self._gradient_norm})

    def configure_optimizers(self) -> Any:
        exempt = {f"backbone.{name}" for name in self.network.backbone.no_weight_decay()}  # type: ignore[operator, union-attr]
        groups = optim.parameter_groups(self.network, self.run.optim, exempt)
        optimizer = self.run.optim.build(groups, self.run.lr, fused=self.run.precision != "16-mixed")
        steps = int(self.trainer.estimated_stepping_batches) // self.run.epochs
        scheduler = self.run.schedule.build(optimizer, self.run.epochs, steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": self.run.schedule.per, "name": "lr"},
        }

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        if self.run.schedule.per == "step":
            scheduler.step_update(self.global_step)
        else:
            scheduler.step(self.current_epoch + 1)
