"""Images and their objects, read by the arrays that `check` wrote.

Legend: N objects of an image.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pvt_exp.datasets._coco_categories import Classes
from pvt_exp.datasets._sizes import differs
from pvt_exp.nn.data.coco.arrays import Rows, corners
from pvt_exp.nn.data.coco.masks import Drawn, unpack
from pvt_exp.nn.data.images import BadImage, open_rgb, orientation
from pvt_exp.nn.data.instances import Target

if TYPE_CHECKING:
    from pvt_exp.datasets._boxes import Boxes


class Coco(Sequence[tuple[Image.Image, Target]]):
    """(image, its objects) in the order of the file's images; ``classes`` are training's."""

    def __init__(
        self, settings: "Boxes", folder: Path, arrays: Path, classes: Classes, task: str, drop_empty: bool = False
    ) -> None:
        self._given = settings, folder, arrays, classes, task, drop_empty
        self.turn, self.levels = settings.exif == "turn", settings.range
        self.folder, self.arrays, self.classes, self.task = folder, arrays, classes.named, task
        self.category_ids = tuple(number for number, _ in self.classes)
        rows = Rows(arrays, classes.of if settings.categories is not None else None)
        self.images, self.annotations = rows.images, rows.annotations
        # One array rather than a list of strings, whose reference counts would make forked workers copy their pages.
        self.names = np.array([os.fsencode(name) for name in json.loads((arrays / "names.json").read_bytes())])
        if drop_empty:
            kept = self.images["first"] < self.images["end"]
            self.images, self.names = self.images[kept], self.names[kept]

    def __reduce__(self) -> tuple[type["Coco"], tuple["Boxes", Path, Path, Classes, str, bool]]:
        return Coco, self._given

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Any) -> Any:
        identity, height, width, first, end = self.images[index].item()
        image = self._open(index, height, width)
        rows_N = self.annotations[first:end]
        target = Target(
            image_id=identity,
            boxes=corners(rows_N["bbox"], height, width),
            labels=np.searchsorted(self.category_ids, rows_N["category"]).astype(np.int64),
            crowd=np.array(rows_N["crowd"]),
            area=rows_N["area"].astype(np.float32),
        )
        if self.task == "instance":
            target["masks"] = Drawn(self._segmentations(rows_N, height, width), height, width)
        return image, target

    def _open(self, index: int, height: int, width: int) -> Image.Image:
        path = self.folder / os.fsdecode(self.names[index])
        image = open_rgb(path, self.turn, self.levels)
        if image.size != (width, height):
            with Image.open(path) as header:
                tagged = orientation(header) >= 5
            raise BadImage(differs(path, image.size, (width, height), tagged, self.turn))
        return image

    def _segmentations(self, rows: Any, height: int, width: int) -> list[Any]:
        found = []
        with (self.arrays / "masks.bin").open("rb") as file:
            for row in rows:
                file.seek(row["at"])
                found.append(unpack(row["form"], file.read(row["size"]), height, width))
        return found

    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of each image, as the file says."""
        return list(zip(self.images["height"].tolist(), self.images["width"].tolist(), strict=True))

    def contents(self) -> list[set[int]]:
        """The classes of the objects, but crowds, of each image, by their place among the classes."""
        labels_N = np.searchsorted(self.category_ids, self.annotations["category"]).tolist()
        crowd_N = self.annotations["crowd"].tolist()
        spans = zip(self.images["first"].tolist(), self.images["end"].tolist(), strict=True)
        return [{labels_N[n] for n in range(first, end) if not crowd_N[n]} for first, end in spans]

    def ground_truth(self) -> dict[str, Any]:
        """The annotations that are kept, with the file's own ids, boxes and, where they can be right, areas."""
        images, annotations = [], []
        for name, image in zip(self.names.tolist(), self.images, strict=True):
            identity, height, width, first, end = image.item()
            images.append({"id": identity, "height": height, "width": width, "file_name": os.fsdecode(name)})
            rows = self.annotations[first:end]
            masks = self._segmentations(rows, height, width) if self.task == "instance" else [None] * len(rows)
            for row, mask in zip(rows, masks, strict=True):
                annotation = {
                    "id": int(row["id"]),
                    "image_id": identity,
                    "category_id": int(row["category"]),
                    "bbox": row["bbox"].tolist(),
                    "area": float(row["area"]),
                    "iscrowd": int(row["crowd"]),
                }
                annotations.append(annotation if mask is None else {**annotation, "segmentation": mask})
        categories = [{"id": number, "name": name} for number, name in self.classes]
        return {"images": images, "annotations": annotations, "categories": categories}
