"""What was found on images, as ``predictions.json`` has it: COCO's results, probabilities of classes, or masks as files.

Legend: N objects, H W pixels.
"""

from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor

from pvt_exp.nn.pictures import paint
from pvt_exp.nn.scores.detections import Detections
from pvt_exp.nn.tasks.detection import PREFIXES
from pvt_exp.nn.tasks.training import Training


class Records(Protocol):
    """Takes in what is found, image by image."""

    def add(self, number: int, name: str, found: Any) -> dict[str, Any]:
        """What stands in the line of an image; ``name`` is that of its files, without a suffix."""
        ...

    def rest(self) -> dict[str, Any]:
        """What stands beside the list of images."""
        ...


class Ranked:
    """For classification: the likeliest class, and the probability of each."""

    def __init__(self, module: Training) -> None:
        self.names = module.classes

    def add(self, number: int, name: str, found: Tensor) -> dict[str, Any]:
        best = int(found.argmax())
        probabilities = [round(value, 6) for value in found.tolist()]
        return {"class": self.names[best], "probability": probabilities[best], "probabilities": probabilities}

    def rest(self) -> dict[str, Any]:
        return {"classes": list(self.names)}


class Objects:
    """For detection and instance segmentation: COCO's results format under ``annotations``, all scores."""

    def __init__(self, module: Training) -> None:
        self.names, self.ids = module.classes, module.category_ids or tuple(range(1, len(module.classes) + 1))
        self.found = Detections({}, self.ids, kinds=tuple(PREFIXES[module.task.kind]))

    def add(self, number: int, name: str, found: Any) -> dict[str, Any]:
        self.found.update([number], [found])
        return {}

    def rest(self) -> dict[str, Any]:
        categories = [{"id": number, "name": name} for number, name in zip(self.ids, self.names, strict=True)]
        return {"categories": categories, "annotations": self.found.results()}


class Masks:
    """For semantic segmentation: an image of class numbers each, whose palette has the pictures' colours."""

    def __init__(self, module: Training, folder: Path) -> None:
        self.names, self.folder = module.classes, folder

    def add(self, number: int, name: str, found: Tensor) -> dict[str, Any]:
        mask = Image.fromarray(found.to(torch.uint8).cpu().numpy(), "L")
        mask.putpalette(paint.palette())
        (self.folder / "masks").mkdir(exist_ok=True)
        mask.save(self.folder / "masks" / f"{name}.png")
        return {"mask": f"masks/{name}.png"}

    def rest(self) -> dict[str, Any]:
        return {"classes": list(self.names)}


def records(module: Training, folder: Path) -> Records:
    """What keeps the findings of a module's task; files beside ``predictions.json`` go into the folder."""
    if module.task.kind == "classification":
        return Ranked(module)
    return Masks(module, folder) if module.task.kind == "semantic" else Objects(module)
