"""Semantic segmentation as a LightningModule, scored at each image's own size over the whole set."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pvt_exp.nn import macs, pictures, ranks
from pvt_exp.nn.augment_semantic import IGNORED
from pvt_exp.nn.miou import NAMES, MeanIoU
from pvt_exp.nn.training import Training, alike
from pvt_exp.schema import Run


class Segmenter(Training):
    """Trains a network that gives logits at a fourth of the image; scores are in percent."""

    def __init__(self, run: Run) -> None:
        backbone = run.backbone.build(run.task.table_px, maps=True).to(memory_format=torch.channels_last)
        super().__init__(run, run.task.model(backbone))
        self.overlap = MeanIoU(run.task.num_classes, IGNORED)

    def loss(self, batch: dict[str, Any]) -> Tensor:
        labels_BHW = torch.stack(batch["target"]).long()
        logits = F.interpolate(self.network(batch["image"]), labels_BHW.shape[1:], mode="bilinear", align_corners=False)
        losses_BHW = F.cross_entropy(logits, labels_BHW, ignore_index=IGNORED, reduction="none")
        return losses_BHW.mean()  # over all pixels, those that are ignored too, as mmsegmentation does

    def shaped_loss(self, images: int) -> Tensor:
        labels = [torch.empty(self.task.train_px, dtype=torch.uint8) for _ in range(images)]
        return self.loss({"image": self.shaped_images(images), "target": labels})

    def count_macs(self, size: tuple[int, int]) -> int:
        return macs.count(self.network, torch.empty(1, 3, *size, device="meta"))

    # ------------------------------------------------------------ validation

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        for predicted_HW, labels_HW in zip(self.predict(batch), batch["target"], strict=True):
            self.overlap.update(predicted_HW[None], labels_HW[None])

    def predict(self, batch: dict[str, Any]) -> list[Tensor]:
        """The class [H, W] of each pixel of each image on disk; images are not padded, so none depends on another."""
        found: dict[int, Tensor] = {}
        for (height, width), places in alike(batch["sizes"]).items():
            images = batch["image"][places, :, :height, :width].contiguous(memory_format=torch.channels_last)
            for place, logits in zip(places, self.scored(images).float(), strict=True):
                original = batch["originals"][place]
                sized = F.interpolate(logits[None], original, mode="bilinear", align_corners=False)
                found[place] = sized[0].max(0).indices  # what argmax gives, which takes eleven times as long on a CPU
        return [found[place] for place in range(len(batch["sizes"]))]

    def picture(self, image: Image.Image, found: Any, truth: Any = None, least: float = 0.5) -> Image.Image:
        return pictures.regions(image, self.classes, found, truth)

    def on_validation_epoch_end(self) -> None:
        own = self.overlap.confusion_CC
        self.overlap.join(ranks.gathered(own if own is None else own.cpu()))
        scores = self.overlap.compute()
        self.overlap.reset()
        self.log_dict(scores.metrics)
        nothing = "no pixel of the images that are scored is of a class"
        self.unscored = {} if scores.metrics else dict.fromkeys(NAMES, nothing)
        self.per_class = [{"class": name, "IoU": iou} for name, iou in zip(self.classes, scores.iou, strict=True)]
