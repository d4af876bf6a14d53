"""Boxes and masks in the format of COCO (arXiv 1405.0312): a JSON file of annotations and a folder of images a split."""

import os
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from pvt_exp.config import DataError
from pvt_exp.datasets import Split, _layouts, require_regular
from pvt_exp.datasets._boxes import Boxes, index_of
from pvt_exp.datasets._overlap import LEARNT, same_words


class Settings(Boxes):
    """COCO 2017 as it is downloaded, or any data in its format; classes are the categories in the order of their ids.

    Boxes of zero size or outside their image are left out and counted; boxes that reach out of their image are clipped;
    images without annotations are kept, unless `drop_empty`.
    """

    expects: ClassVar[str] = "COCO's JSON for each split, and a folder of the images that it names"

    kind: Literal["coco"] = "coco"
    name: str = Field("coco", pattern=r"^[A-Za-z0-9][\w.\-]*$", max_length=64)
    """What the data are called in ``--data NAME=PATH``."""
    train_annotations: str = Field("annotations/instances_train2017.json", min_length=1)
    """The JSON file of the training annotations, relative to the data's folder. Its categories are the classes."""
    train_image_folder: str = Field("train2017", min_length=1)
    """The folder that the file names of the training images are relative to."""
    val_annotations: str = Field("annotations/instances_val2017.json", min_length=1)
    """The JSON file of the validation annotations. It may lack categories that training has, and have no others. A run with
    `holdout` needs none."""
    val_image_folder: str = Field("val2017", min_length=1)
    """The folder of the validation images; it may be that of the training images."""

    @model_validator(mode="after")
    def _inside_and_apart(self) -> "Settings":
        for place in (self.train_annotations, self.train_image_folder, self.val_annotations, self.val_image_folder):
            if Path(place).is_absolute() or ".." in Path(place).parts:
                raise ValueError(f"'{place}' leads out of the data's folder; which lies elsewhere on each machine")
        if same_words(self.train_annotations, self.val_annotations):
            raise ValueError(f"train and val are the same file, '{self.train_annotations}': {LEARNT}")
        return self

    @classmethod
    def recognised(cls, root: Path) -> dict[str, Any] | None:
        return _layouts.coco(root)

    def _at(self, split: Split) -> tuple[str, str]:
        if split == "train":
            return self.train_annotations, self.train_image_folder
        return self.val_annotations, self.val_image_folder

    def _no_val(self, root: Path) -> str | None:
        file = root / self.val_annotations
        if os.path.lexists(file):
            return None
        return f"{file}: no such file; put it there, or set dataset.val_annotations"

    def _index(self, root: Path, split: Split) -> Path:
        return index(root / self._at(split)[0], f"dataset.{split}_annotations")


def index(annotations: Path, field: str) -> Path:
    """The folder of the annotations as arrays, in the user's cache; made at the first call for this state of the file.

    Raises:
        DataError: if the file cannot be used, which `nn.data.coco.check.write` says more of, or the cache cannot be written.
    """
    try:
        require_regular(annotations)
        state = annotations.stat()
    except FileNotFoundError:
        raise DataError(f"{annotations}: no such file; put it there, or set {field}") from None
    except OSError as error:
        raise DataError(f"{annotations}: {error.strerror}") from None

    def write(folder: Path) -> None:
        from pvt_exp.nn.data.coco import check

        check.write(annotations, folder)

    told = (str(annotations.resolve()), state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    return index_of(told, str(annotations), write)
