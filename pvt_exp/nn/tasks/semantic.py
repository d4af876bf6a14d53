"""Semantic segmentation as a LightningModule, scored at each image's own size over the whole set."""

from collections.abc import Iterator
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pvt_exp.config.run import Run
from pvt_exp.datasets._mask_values import IGNORED
from pvt_exp.nn import ranks
from pvt_exp.nn.counting import macs
from pvt_exp.nn.data.packed import unpacked
from pvt_exp.nn.losses import cross_entropy_of_pixels
from pvt_exp.nn.pictures import draw
from pvt_exp.nn.scores.miou import NAMES, MeanIoU
from pvt_exp.nn.tasks.training import Training, group_by_size

VALUES_AT_ONCE = 2**26
"""Logits of an image that are enlarged together, 268 MB of them; of a larger image each class alone."""


def likeliest(logits_CHW: Tensor, size: tuple[int, int]) -> Tensor:
    """The class of the greatest logit, the first of equal ones, at another height and width [H, W]: int16.

    A photograph of 24 megapixels would have 14 GB of logits of 150 classes, so these are enlarged one class after another;
    bit for bit what enlarging them together gives, where these lie in memory class by class too.
    """
    if len(logits_CHW) * size[0] * size[1] <= VALUES_AT_ONCE:
        sized = F.interpolate(logits_CHW[None], size, mode="bilinear", align_corners=False)
        return sized[0].max(0).indices.short()  # what argmax gives, which takes eleven times as long on a CPU
    best_HW = logits_CHW.new_full(size, -torch.inf)
    found_HW = torch.zeros(size, dtype=torch.int16, device=logits_CHW.device)
    for label, logits_HW in enumerate(logits_CHW):
        sized = F.interpolate(logits_HW[None, None].contiguous(), size, mode="bilinear", align_corners=False)[0, 0]
        found_HW.masked_fill_(sized > best_HW, label)
        torch.maximum(best_HW, sized, out=best_HW)
        del sized  # else it is held while the next one is made
    return found_HW


class Segmenter(Training):
    """Trains a network that gives logits at a fourth of the image; scores are in percent."""

    def __init__(self, run: Run) -> None:
        backbone = run.backbone.build(run.task.pos_embed_px, maps=True).to(memory_format=torch.channels_last)
        super().__init__(run, run.task.model(backbone))
        self.overlap = MeanIoU(run.task.num_classes, IGNORED)
        self.minimised = cross_entropy_of_pixels if self.task.loss is None else self.task.loss.build(self.task)

    def loss(self, batch: dict[str, Any]) -> Tensor:
        labels_BHW = torch.stack(batch["target"]).long()
        logits = F.interpolate(self.network(batch["image"]), labels_BHW.shape[1:], mode="bilinear", align_corners=False)
        loss: Tensor = self.minimised(logits, labels_BHW)
        return loss

    def shaped_loss(self, images: int) -> Tensor:
        labels = [torch.empty(self.task.train_px, dtype=torch.uint8) for _ in range(images)]
        return self.loss({"image": self.shaped_images(images), "target": labels})

    def count_macs(self, size: tuple[int, int]) -> int:
        return macs.count(self.network, torch.empty(1, 3, *size, device="meta"))

    # ------------------------------------------------------------ validation

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        for place, predicted_HW in self._predicted(batch):
            target_HW = unpacked(batch["target"][place], predicted_HW.device)
            self.overlap.update(predicted_HW[None], target_HW[None])
            if self.beside:
                self.beside.update(predicted_HW[None].long(), target_HW[None].long())

    def predict(self, batch: dict[str, Any]) -> list[Tensor]:
        """The class [H, W] of each pixel of each image on disk; images are not padded, so none depends on another."""
        found = dict(self._predicted(batch))
        return [found[place] for place in range(len(batch["sizes"]))]

    def _predicted(self, batch: dict[str, Any]) -> Iterator[tuple[int, Tensor]]:
        """The place in the batch of each image, and the class of its pixels; one is held at a time."""
        for (height, width), places in group_by_size(batch["sizes"]).items():
            images = batch["image"][places, :, :height, :width].contiguous(memory_format=torch.channels_last)
            for place, logits in zip(places, self.scored(images).float(), strict=True):
                yield place, likeliest(logits, batch["originals"][place])

    def picture(self, image: Image.Image, found: Any, truth: Any = None, least: float = 0.5) -> Image.Image:
        return draw.regions(image, self.classes, found, truth)

    def on_validation_epoch_end(self) -> None:
        own = self.overlap.confusion_CC
        self.overlap.join(ranks.gathered(own if own is None else own.cpu()))
        scores = self.overlap.compute()
        self.overlap.reset()
        nothing = "no pixel of the images that are scored is of a class"
        self.log_scores(scores.metrics, {} if scores.metrics else dict.fromkeys(NAMES, nothing))
        self.per_class = [{"class": name, "IoU": iou} for name, iou in zip(self.classes, scores.iou, strict=True)]
