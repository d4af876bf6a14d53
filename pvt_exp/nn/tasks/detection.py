"""Detection and instance segmentation as a LightningModule, scored as COCO does."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from pvt_exp.config.run import Run
from pvt_exp.nn import ranks
from pvt_exp.nn.counting import macs
from pvt_exp.nn.pictures import draw
from pvt_exp.nn.scores.coco_eval import ClassScore, Kind
from pvt_exp.nn.scores.detections import Detections
from pvt_exp.nn.scores.truth import Truth
from pvt_exp.nn.tasks.training import Training, group_by_size
from pvt_exp.tasks._dense import pad_to_multiple

PREFIXES: dict[str, dict[Kind, str]] = {"detection": {"boxes": ""}, "instance": {"boxes": "box_", "masks": "mask_"}}
"""By task: what is compared, and how the names of its metrics begin."""

MAIN = ("AP", "AP50", "AP75")


class Raw(nn.Module):
    """All of a detector but matching, RoIAlign and NMS, which is what its cost is counted over."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        return self.network.raw(images)


class Detector(Training):
    """Trains any detector of `pvt_exp.nn` over any backbone; average precisions are in percent."""

    def __init__(self, run: Run) -> None:
        backbone = run.backbone.build(run.task.pos_embed_px, maps=True).to(memory_format=torch.channels_last)
        super().__init__(run, run.task.model(backbone))
        self.prefixes = PREFIXES[run.task.kind]
        self.found: Detections | None = None
        self.unread = 0

    def loss(self, batch: dict[str, Any]) -> Tensor:
        losses = self.network(batch["image"], batch["target"], batch["sizes"])
        size = len(batch["target"])
        for name, part in losses.items():
            self.log_loss(name, part.detach(), size)
        return torch.stack(list(losses.values())).sum()

    def shaped_loss(self, images: int) -> Tensor:
        return self.network.shaped_loss(self.shaped_images(images))  # type: ignore[operator, no-any-return]

    def count_macs(self, size: tuple[int, int]) -> int:
        return macs.count(Raw(self.network), torch.empty(1, 3, *size, device="meta"))

    # ------------------------------------------------------------ validation

    def on_validation_epoch_start(self) -> None:
        samples = self.trainer.val_dataloaders.samples  # type: ignore[union-attr]
        if self.found is None:
            most = self.task.detector.max_detections
            self.found = Detections(
                samples.ground_truth(), samples.category_ids, kinds=tuple(self.prefixes), max_dets=most
            )
            self.truth = Truth(self.found.ground_truth, samples.category_ids)
        self.found.reset()
        self.unread = 0

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        assert self.found is not None
        self.unread += len(batch["skipped"])
        predictions = self.predict(batch)
        self.found.update(batch["ids"], predictions)
        if self.beside:
            self.beside.update(predictions, [self.truth.of(number, self.device) for number in batch["ids"]])

    def predict(self, batch: dict[str, Any]) -> list[dict[str, Tensor]]:
        """The detections of each image, in the pixels of the image on disk.

        Images are padded as if each came alone, so that what is found depends on no other image.
        """
        found: dict[int, dict[str, Tensor]] = {}
        for (height, width), places in group_by_size(batch["sizes"]).items():
            images = batch["image"][places, :, : pad_to_multiple(height), : pad_to_multiple(width)]
            originals = [batch["originals"][place] for place in places]
            seen = self.scored(
                images.contiguous(memory_format=torch.channels_last),
                sizes=[(height, width)] * len(places),
                originals=originals,
            )
            found |= dict(zip(places, seen, strict=True))
        return [found[place] for place in range(len(batch["sizes"]))]

    def picture(self, image: Image.Image, found: Any, truth: Any = None, least: float = 0.5) -> Image.Image:
        return draw.objects(image, self.classes, found, truth, least)

    def on_validation_epoch_end(self) -> None:
        assert self.found is not None
        for others in ranks.gathered(self.found.images):
            self.found.images.update(others)
        scores = self.found.compute(ranks.total(self.unread))
        metrics = {
            self.prefixes[kind] + name: value
            for kind, found in scores.items()
            for name, value in found.metrics.items()
            if name.startswith("AP")
        }
        nothing = "there is no object, but crowds, in the images that are scored"
        without = {prefix + name: nothing for prefix in self.prefixes.values() for name in MAIN}
        self.log_scores(metrics, {} if any(found.metrics for found in scores.values()) else without)
        self.per_class = [self._line(each) for each in zip(*(found.classes for found in scores.values()), strict=True)]

    def _line(self, scores: tuple[ClassScore, ...]) -> dict[str, Any]:
        """A class: its objects, and what it scored by each kind."""
        line: dict[str, Any] = {"class": scores[0].name, "instances": scores[0].instances}
        for prefix, score in zip(self.prefixes.values(), scores, strict=True):
            line |= {f"{prefix}AP": score.ap, f"{prefix}AP50": score.ap50}
        return line
