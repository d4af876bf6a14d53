"""Image classification as a LightningModule: a linear head on any backbone's feature."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from pvt_exp.config.run import Run
from pvt_exp.nn.counting import macs
from pvt_exp.nn.pictures import draw
from pvt_exp.nn.tasks.training import Training


class Network(nn.Module):
    """``[B, 3, H, W]`` images to ``[B, num_classes]`` logits."""

    def __init__(self, backbone: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(int(backbone.embed_dim), num_classes)  # type: ignore[arg-type]
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone.embed(images))  # type: ignore[operator]
        return logits


class Classifier(Training):
    """Trains a `Network`; scores top-1, top-5 (of more than five classes) in percent, and the loss."""

    def __init__(self, run: Run) -> None:
        backbone = run.backbone.build(run.task.image_px).to(memory_format=torch.channels_last)
        super().__init__(run, Network(backbone, run.task.num_classes))
        accuracy = {"top1": MulticlassAccuracy(run.task.num_classes, top_k=1, average="micro")}
        if run.task.num_classes > 5:
            accuracy["top5"] = MulticlassAccuracy(run.task.num_classes, top_k=5, average="micro")
        self.accuracy = MetricCollection(dict(accuracy))
        self.val_loss = MeanMetric()
        self.minimised = None if self.task.loss is None else self.task.loss.build(self.task)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.scored(images)
        return logits

    def loss(self, batch: dict[str, Any]) -> Tensor:
        target = batch["target"]
        if self.minimised is not None:
            other: Tensor = self.minimised(self.network(batch["image"]), target)
            return other
        smoothing = 0.0 if target.is_floating_point() else self.task.label_smoothing
        return F.cross_entropy(self.network(batch["image"]), target, label_smoothing=smoothing)

    def shaped_loss(self, images: int) -> Tensor:
        mixed = self.task.mixing is not None
        target = torch.empty(images, self.task.num_classes) if mixed else torch.empty(images, dtype=torch.long)
        return self.loss({"image": self.shaped_images(images), "target": target})

    def count_macs(self, size: tuple[int, int]) -> int:
        return macs.count(self.network, torch.empty(1, 3, *size, device="meta"))

    def predict(self, batch: dict[str, Any]) -> list[Tensor]:
        """The probability of each class [num_classes], of each image."""
        return list(self(batch["image"]).float().softmax(1))

    def picture(self, image: Image.Image, found: Any, truth: Any = None, least: float = 0.5) -> Image.Image:
        return draw.classes(image, self.classes, found, truth)

    # ------------------------------------------------------------ validation

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        target = batch["target"]
        logits = self(batch["image"]).float()
        self.accuracy.update(logits, target)
        self.val_loss.update(F.cross_entropy(logits, target), weight=len(target))
        if self.beside:
            self.beside.update(logits.softmax(1), target)

    def on_validation_epoch_end(self) -> None:
        percent = {name: 100 * value for name, value in self.accuracy.compute().items()}
        self.log_scores({**percent, "loss": self.val_loss.compute()})
        self.accuracy.reset()
        self.val_loss.reset()
