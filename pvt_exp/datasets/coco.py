"""Boxes and masks in the format of COCO (arXiv 1405.0312): a JSON file of annotations and a folder of images a split."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pvt_exp import files, machine
from pvt_exp.datasets import DataError, Dataset, Facts, Split, fingerprint, listing, scan, some

if TYPE_CHECKING:
    from pvt_exp.nn.coco import Coco

FORMAT = 1  # of the index on disk; raised with each change of what `nn.coco_index` writes
SPLITS: tuple[Split, Split] = ("train", "val")


class Settings(Dataset):
    """COCO 2017 as it is downloaded, or any data in its format; classes are the categories in the order of their ids.

    Boxes of zero size are left out and counted; boxes that reach out of their image are clipped; images without
    annotations are kept, unless `drop_empty`.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"detection", "instance"})

    kind: Literal["coco"] = "coco"
    name: str = Field("coco", pattern=r"^[A-Za-z0-9][\w.\-]*$", max_length=64)
    """What the data are called in ``--data NAME=PATH``."""
    train_annotations: str = Field("annotations/instances_train2017.json", min_length=1)
    """The JSON file of the training annotations, relative to the data's folder. Its categories are the classes."""
    train_image_folder: str = Field("train2017", min_length=1)
    """The folder that the file names of the training images are relative to."""
    val_annotations: str = Field("annotations/instances_val2017.json", min_length=1)
    """The JSON file of the validation annotations. It may lack categories that training has, and have no others."""
    val_image_folder: str = Field("val2017", min_length=1)
    """The folder of the validation images; it may be that of the training images."""
    drop_empty: bool = False
    """Leave out the training images without an annotation, as mmdetection does; they teach what is background."""
    on_bad_image: Literal["fail", "skip"] = "fail"
    """``fail`` ends the run at a file that cannot be decoded or is not of the size that its annotations say; ``skip``
    takes the next one in training, leaves it out in validation, and counts it."""

    @model_validator(mode="after")
    def _inside_and_apart(self) -> "Settings":
        for place in (self.train_annotations, self.train_image_folder, self.val_annotations, self.val_image_folder):
            if Path(place).is_absolute() or ".." in Path(place).parts:
                raise ValueError(f"'{place}' leads out of the data's folder; which lies elsewhere on each machine")
        if self.train_annotations == self.val_annotations:
            same = f"train and val are the same file, '{self.train_annotations}'"
            raise ValueError(f"{same}: the score would be of what was learnt")
        return self

    def inspect(self, root: Path) -> Facts:
        """What the annotations hold, and whether the images are there; a file is read once, and indexed in the cache."""
        scan(root)  # says what is wrong with the root itself before a file in it is missed
        told = {split: self._told(root, split) for split in SPLITS}
        train, val = (dict(told[split]["categories"]) for split in SPLITS)
        if unknown := [f"{name} (id {number})" for number, name in val.items() if train.get(number) != name]:
            where = f"{root / self.val_annotations}: categories that {self.train_annotations} lacks: {some(unknown)}"
            raise DataError(f"{where}; both files must list the same categories by the same ids")
        sizes: dict[str, int] = {}
        for split in SPLITS:
            sizes |= self._images(root, split, json.loads((self._index(root, split) / "names.json").read_bytes()))
        content = [fingerprint(root, sizes.items()), *(told[split]["digest"] for split in SPLITS)]
        unmasked = [why for split in SPLITS if (why := self._unmasked(root, split))]
        return Facts(
            hashlib.sha256(" ".join(content).encode()).hexdigest()[:16],
            tuple(train.values()),
            {split: told[split]["images"] - self._dropped(split, told[split]) for split in SPLITS},
            {split: told[split]["counts"] for split in SPLITS},
            unfit={"instance": unmasked[0]} if unmasked else {},
        )

    def open(self, root: Path, split: Split, task: str) -> "Coco":
        from pvt_exp.nn.coco import Coco

        if task == "instance" and (why := self._unmasked(root, split)):
            raise DataError(why)
        classes = tuple((number, name) for number, name in self._told(root, "train")["categories"])
        return Coco(root / self._at(split)[1], self._index(root, split), classes, task, self._drops(split))

    def _drops(self, split: Split) -> bool:
        return self.drop_empty and split == "train"

    def _dropped(self, split: Split, told: dict[str, Any]) -> int:
        """Images of a split that are left out."""
        return int(told["counts"]["images without annotations"]) if self._drops(split) else 0

    def _at(self, split: Split) -> tuple[str, str]:
        """The annotation file and the image folder, relative to the root."""
        if split == "train":
            return self.train_annotations, self.train_image_folder
        return self.val_annotations, self.val_image_folder

    def _index(self, root: Path, split: Split) -> Path:
        return index(root / self._at(split)[0], f"dataset.{split}_annotations")

    def _told(self, root: Path, split: Split) -> dict[str, Any]:
        """What the index says of a split."""
        folder = self._index(root, split)
        if (told := files.read_json(folder / "facts.json")) is None:
            raise DataError(f"{folder}: damaged; delete the folder, and it is made anew")
        return told

    def _unmasked(self, root: Path, split: Split) -> str | None:
        """Why a split cannot serve instance segmentation, if so."""
        if (lacking := self._told(root, split)["without a mask"]) is None:
            return None
        where = f"{root / self._at(split)[0]}: {lacking['number']} annotations have no segmentation"
        return f"{where}, the first has id {lacking['first']}; the task instance needs one for each, detection does not"

    def _images(self, root: Path, split: Split, names: list[str]) -> dict[str, int]:
        """Path and size of the images of a split."""
        folder = self._at(split)[1]
        present = dict(listing(root, folder))
        found = {f"{folder}/{name}": present.get(f"{folder}/{name}") for name in names}
        if missing := [name.removeprefix(f"{folder}/") for name, size in found.items() if size is None]:
            where = f"{root / folder}: images of {self._at(split)[0]} are missing: {some(missing)}"
            raise DataError(f"{where}; put them there, or set dataset.{split}_image_folder")
        if self.on_bad_image == "fail" and (void := [name for name, size in found.items() if size == 0]):
            raise DataError(f"{root}: 0 bytes long: {some(void)}; mend them, or set dataset.on_bad_image: skip")
        return {name: size for name, size in found.items() if size is not None}


def index(annotations: Path, field: str) -> Path:
    """The folder of the annotations as arrays, in the user's cache; made at the first call for this state of the file.

    Raises:
        DataError: if the file cannot be used, which `nn.coco_index.write` says more of, or the cache cannot be written.
    """
    try:
        state = annotations.stat()
    except FileNotFoundError:
        raise DataError(f"{annotations}: no such file; put it there, or set {field}") from None
    except OSError as error:
        raise DataError(f"{annotations}: {error.strerror}") from None
    told = (FORMAT, str(annotations.resolve()), state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    cache = machine.cache_folder() / "coco"
    folder = cache / hashlib.sha256(repr(told).encode()).hexdigest()[:24]
    try:
        if not folder.exists():
            from pvt_exp.nn.coco_index import write

            files.make_folder(folder, lambda part: write(annotations, part))
    except OSError as error:
        where = f"{cache}: the index of {annotations} cannot be kept there: {error.strerror}"
        raise DataError(f"{where}; set XDG_CACHE_HOME to a folder that can be written to") from None
    return folder
