"""Boxes in the XML files of Pascal VOC (Everingham et al., IJCV 2010), with its lists of names and its masks of objects."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from pvt_exp.config import DataError
from pvt_exp.datasets import Split, scan
from pvt_exp.datasets._converted import Converted, Document
from pvt_exp.datasets._overlap import LEARNT, check_apart, same_words

SPLITS: tuple[Split, Split] = ("train", "val")


class Settings(Converted):
    """VOC 2007 or 2012 as it is unpacked, or any data with such files; classes are the names in all files, sorted.

    Scores are COCO's, not VOC's AP: the mean over IoU 0.5 to 0.95, and AP50.
    """

    expects: ClassVar[str] = "Annotations with XML files, JPEGImages, and ImageSets/Main/train.txt"

    kind: Literal["voc"] = "voc"
    name: str = Field("voc", pattern=r"^[A-Za-z0-9][\w.\-]*$", max_length=64)
    """What the data are called in ``--data NAME=PATH``."""
    train_annotation_folder: str = Field("Annotations", min_length=1)
    """The folder of the training split's XML files, relative to the data's folder."""
    train_image_folder: str = Field("JPEGImages", min_length=1)
    """The folder of the training images; an image has the name of its XML file, but for the suffix."""
    train_list: str | None = Field("ImageSets/Main/train.txt", min_length=1)
    """A file that names the training images, a line each, without suffix. A number after the name says whether it has a
    class, and -1 leaves the image out. None: all XML files in the folder."""
    val_annotation_folder: str = Field("Annotations", min_length=1)
    """The folder of the validation split's XML files."""
    val_image_folder: str = Field("JPEGImages", min_length=1)
    """The folder of the validation images."""
    val_list: str | None = Field("ImageSets/Main/val.txt", min_length=1)
    """The file that names the validation images."""
    object_mask_folder: str = Field("SegmentationObject", min_length=1)
    """The folder of the masks of objects, for the task ``instance``: pixels of the n-th object of the XML file have the
    value n. The images of VOC that have masks are those of ImageSets/Segmentation."""
    first_pixel: Literal[0, 1] = 1
    """The number of the first pixel: 1 as in VOC, whose boxes go from 1 to the width, or 0 as other programs write it."""
    difficult: Literal["ignore", "use"] = "ignore"
    """Objects that are marked as difficult: not learnt, and what falls on them is not scored, as in VOC; or as others."""

    @model_validator(mode="after")
    def _inside_and_apart(self) -> "Settings":
        places = [self.train_annotation_folder, self.train_image_folder, self.val_annotation_folder]
        for place in (*places, self.val_image_folder, self.object_mask_folder, self.train_list, self.val_list):
            if place is not None and (Path(place).is_absolute() or ".." in Path(place).parts):
                raise ValueError(f"'{place}' leads out of the data's folder; which lies elsewhere on each machine")
        if same_words(self.train_annotation_folder, self.val_annotation_folder):
            if self.train_list is None or self.val_list is None:
                raise ValueError(f"train and val are the same folder, '{self.train_annotation_folder}': {LEARNT}")
            if same_words(self.train_list, self.val_list):
                raise ValueError(f"train and val are the same list, '{self.train_list}': {LEARNT}")
        return self

    @classmethod
    def recognised(cls, root: Path) -> dict[str, Any] | None:
        """VOC's own folders; else a folder a split that holds both images and XML files, as Roboflow writes them."""
        if (root / "Annotations").is_dir() and (root / "ImageSets/Main/train.txt").exists():
            return {}
        folders = {"train": ("train",), "val": ("valid", "val", "test")}
        found = {
            split: next((n for n in names if any((root / n).glob("*.xml"))), None) for split, names in folders.items()
        }
        if found["train"] is None:
            return None
        fields: dict[str, Any] = {}
        for split, folder in found.items():
            place = folder or split
            fields |= {f"{split}_annotation_folder": place, f"{split}_image_folder": place, f"{split}_list": None}
        return fields | {"first_pixel": 0}

    def document(self, root: Path, split: Split) -> Document:
        from pvt_exp.nn.data.voc import document

        return document(self, root, split)

    def folders(self, split: Split) -> tuple[str, str, str | None]:
        """The XML files' folder, the images' folder, and the list, relative to the root."""
        if split == "train":
            return self.train_annotation_folder, self.train_image_folder, self.train_list
        return self.val_annotation_folder, self.val_image_folder, self.val_list

    def names(self, root: Path, split: Split) -> list[str]:
        """The names of a split's images, without suffix. Raises DataError if there are none."""
        folder, _, listed = self.folders(split)
        if listed is None:
            found = sorted(Path(each.name).stem for each in scan(root / folder) if each.name.lower().endswith(".xml"))
        else:
            try:
                lines = (root / listed).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise DataError(f"{root / listed}: {getattr(error, 'strerror', None) or 'not text in UTF-8'}") from None
            words = [line.split() for line in lines if line.strip()]
            found = list(dict.fromkeys(each[0] for each in words if each[1:] != ["-1"]))
        if not found:
            raise DataError(f"{root / (listed or folder)}: names no image")
        return found

    def _at(self, split: Split) -> tuple[str, str]:
        folder, images, _ = self.folders(split)
        return folder, images

    def _check_apart(self, root: Path) -> None:
        (train, _, first), (val, _, second) = self.folders("train"), self.folders("val")
        if first and second:
            check_apart(root, first, second, "file")
        else:
            check_apart(root, train, val, "folder")

    def _no_val(self, root: Path) -> str | None:
        folder, _, listed = self.folders("val")
        if (root / (listed or folder)).exists():
            return None
        return f"{root / (listed or folder)}: no such {'file' if listed else 'folder'}"

    def _said_by(self, root: Path) -> Iterable[str]:
        """With images and XML files in one folder the latter are no images."""
        return [f"{folder}/{each.name}" for folder in self._xml_folders(root) for each in scan(root / folder)
                if each.name.lower().endswith(".xml")]  # fmt: skip

    def _xml_folders(self, root: Path) -> list[str]:
        folders = dict.fromkeys((self.train_annotation_folder, self.val_annotation_folder))
        return [folder for folder in folders if (root / folder).is_dir()]

    def _sources(self, root: Path, split: Split) -> Iterable[Path]:
        """All XML files, as the classes are those of all; the list; and the masks."""
        listed = self.folders(split)[2]
        for each in self._xml_folders(root):
            yield from (Path(entry.path) for entry in scan(root / each) if entry.name.lower().endswith(".xml"))
        if listed is not None:
            yield root / listed
        for name in self.names(root, split) if (root / self.object_mask_folder).is_dir() else ():
            if (mask := root / self.object_mask_folder / f"{name}.png").exists():
                yield mask
