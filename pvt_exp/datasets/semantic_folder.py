"""Images and masks of class numbers, in two folders a split; the layouts of ADE20K and Cityscapes are presets."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pvt_exp.datasets import SUFFIXES, DataError, Facts, Split, fingerprint, listing, scan, some
from pvt_exp.datasets._class_names import ADE20K, CITYSCAPES
from pvt_exp.datasets._pictures import Pictures
from pvt_exp.left_out import LeftOut

if TYPE_CHECKING:
    from pvt_exp.nn.semantic_folder import SemanticFolder

IGNORED = 255  # the label of what nothing is learnt from
MOST_CLASSES = 254  # a label is a byte, and 254 marks a value that is no class
LOOKED_AT = 8  # masks of each split, before anything is launched
SPLITS: tuple[Split, Split] = ("train", "val")
LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ade20k": {
        "train_image_folder": "images/training",
        "train_mask_folder": "annotations/training",
        "val_image_folder": "images/validation",
        "val_mask_folder": "annotations/validation",
        "reduce_zero": True,
    },
    "cityscapes": {
        "train_image_folder": "leftImg8bit/train",
        "train_mask_folder": "gtFine/train",
        "val_image_folder": "leftImg8bit/val",
        "val_mask_folder": "gtFine/val",
        "image_suffix": "_leftImg8bit.png",
        "mask_suffix": "_gtFine_labelTrainIds.png",
    },
}
Name = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Name, ...], Field(min_length=2, max_length=MOST_CLASSES)]


class Settings(Pictures):
    """An image and its mask have the same path below their folders, but for the suffix."""

    tasks: ClassVar[frozenset[str]] = frozenset({"semantic"})

    kind: Literal["semantic_folder"] = "semantic_folder"
    layout: Literal["plain", "ade20k", "cityscapes"] = "plain"
    """``ade20k`` (arXiv 1608.05442, 150 classes) and ``cityscapes`` (1604.01685, 19 classes, with masks of train ids) set
    what is not written beside them."""
    train_image_folder: str = Field("train/images", min_length=1)
    """The folder of the training images, relative to the data's; folders in it are looked into."""
    train_mask_folder: str = Field("train/masks", min_length=1)
    """The folder of the training masks: images of one channel, whose values are class numbers."""
    val_image_folder: str = Field("val/images", min_length=1)
    """The folder of the validation images."""
    val_mask_folder: str = Field("val/masks", min_length=1)
    """The folder of the validation masks."""
    image_suffix: str | None = Field(None, min_length=1)
    """How the name of an image ends; what comes before pairs it with its mask. None: any suffix of an image."""
    mask_suffix: str = Field(".png", min_length=1)
    """How the name of a mask ends."""
    classes: Annotated[int, Field(ge=2, le=MOST_CLASSES)] | Names | None = None
    """The names of classes 0, 1, ..., or how many there are. None: the layout's, or the file ``classes.json`` in the data's
    folder: a list of names, or a mapping with one under ``classes``."""
    ignore_index: int | None = Field(255, ge=0, le=65535)
    """A value in the masks that stands for no class: it is neither learnt nor scored."""
    reduce_zero: bool = False
    """0 in the masks stands for no class too, and 1 is the first class."""
    on_bad_image: Literal["fail", "skip"] = "fail"
    """``fail`` ends the run at an image or mask that cannot be decoded, or two that differ in size; ``skip`` takes the next
    one in training, leaves it out in validation, and counts it."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_layout(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("layout"), str):
            return {**LAYOUTS.get(value["layout"], {}), **value}
        return value

    @model_validator(mode="after")
    def _inside_and_apart(self) -> "Settings":
        for place in (self.train_image_folder, self.train_mask_folder, self.val_image_folder, self.val_mask_folder):
            if Path(place).is_absolute() or ".." in Path(place).parts:
                raise ValueError(f"'{place}' leads out of the data's folder; which lies elsewhere on each machine")
        if self.train_image_folder == self.val_image_folder:
            same = f"train and val are the same folder, '{self.train_image_folder}'"
            raise ValueError(f"{same}: the score would be of what was learnt")
        if isinstance(self.classes, tuple) and len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: a name stands there twice")
        if self.reduce_zero and self.ignore_index == 0:
            raise ValueError("ignore_index: 0 has no effect beside reduce_zero, which ignores it already")
        return self

    def inspect(self, root: Path) -> Facts:
        """Pairs images with masks, and looks at a few masks of each split."""
        scan(root)  # says what is wrong with the root itself before a folder in it is missed
        names = self.names(root)
        sizes: dict[str, int] = {}
        images: dict[str, int] = {}
        for split in SPLITS:
            pairs = self._sized_pairs(root, split)
            images[split] = len(pairs)
            sizes |= dict(file for pair in pairs for file in pair)
        if self.on_bad_image == "fail" and (void := [name for name, size in sizes.items() if size == 0]):
            raise DataError(f"{root}: 0 bytes long: {some(void)}; mend them, or set dataset.on_bad_image: skip")
        self._look(root)
        state = fingerprint(root, sizes.items())
        told: dict[str, tuple[LeftOut, ...]] = {
            split: self.pictures(root, split, [image for image, _ in self.pairs(root, split)], state)
            for split in SPLITS
        }
        return Facts(state, names, images, left_out=told)

    def _look(self, root: Path) -> None:
        from pvt_exp.nn.images import BadImage

        for split in SPLITS:
            reader = self.open(root, split, "semantic")
            looked_at = min(LOOKED_AT, len(reader))
            for n in range(looked_at):
                try:
                    reader.check(n * len(reader) // looked_at)
                except BadImage:
                    if self.on_bad_image == "fail":
                        raise

    def open(self, root: Path, split: Split, task: str) -> "SemanticFolder":
        from pvt_exp.nn.semantic_folder import SemanticFolder

        return SemanticFolder(self, root, split)

    def label(self, value: int, classes: int) -> int | None:
        """The label that a mask's value stands for, of so many classes; None if it stands for nothing."""
        if value == self.ignore_index or (self.reduce_zero and value == 0):
            return IGNORED
        label = value - self.reduce_zero
        return label if 0 <= label < classes else None

    def names(self, root: Path) -> tuple[str, ...]:
        """The class names.

        Raises:
            DataError: if nothing says them, or what does says something else.
        """
        if isinstance(self.classes, int):
            return tuple(map(str, range(self.classes)))
        if isinstance(self.classes, tuple):
            return self.classes
        if self.layout != "plain":
            return {"ade20k": ADE20K, "cityscapes": CITYSCAPES}[self.layout]
        return self._named_by(root / "classes.json")

    def _named_by(self, path: Path) -> tuple[str, ...]:
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise DataError(f"{path}: no such file; write it, or say dataset.classes (names, or how many)") from None
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: not JSON: {error}") from None
        told = content if isinstance(content, dict) else {"classes": content}
        names = told.get("classes")
        names = [name for name in names if isinstance(name, str) and name] if isinstance(names, list) else []
        if not 2 <= len(names) <= MOST_CLASSES or len(set(names)) < len(told["classes"]):
            raise DataError(f"{path}: a list of 2 to {MOST_CLASSES} different class names is due here")
        ignored = told.get("ignore_index")
        if type(ignored) is int and self.label(ignored, len(names)) != IGNORED:
            raise DataError(f"{path}: says that {ignored} is ignored; set dataset.ignore_index: {ignored}")
        return tuple(names)

    def pairs(self, root: Path, split: Split) -> list[tuple[str, str]]:
        """The paths of each image and its mask, relative to ``root``, by name.

        Raises:
            DataError: if there are none, or one lacks the other.
        """
        return [(image, mask) for (image, _), (mask, _) in self._sized_pairs(root, split)]

    def _sized_pairs(self, root: Path, split: Split) -> list[tuple[tuple[str, int], tuple[str, int]]]:
        at = (
            (self.train_image_folder, self.train_mask_folder)
            if split == "train"
            else (self.val_image_folder, self.val_mask_folder)
        )
        images, masks = _by_stem(root, at[0], self.image_suffix), _by_stem(root, at[1], self.mask_suffix)
        if not images:
            ending = self.image_suffix or " ".join(sorted(SUFFIXES))
            raise DataError(f"{root / at[0]}: no images in it; they end in: {ending}")
        if not masks:
            how = "; cityscapesscripts' csCreateTrainIdLabelImgs makes them" if self.layout == "cityscapes" else ""
            raise DataError(f"{root / at[1]}: no masks in it; they end in: {self.mask_suffix}{how}")
        if bare := [image for stem, (image, _) in images.items() if stem not in masks]:
            raise DataError(f"{root / at[1]}: no mask there for {some(bare)}; add the masks or delete the images")
        if bare := [mask for stem, (mask, _) in masks.items() if stem not in images]:
            raise DataError(f"{root / at[0]}: no image there for {some(bare)}; add the images or delete the masks")
        return [(images[stem], masks[stem]) for stem in sorted(images)]


def _by_stem(root: Path, folder: str, suffix: str | None) -> dict[str, tuple[str, int]]:
    """Path and size of the files that end so, by their path below the folder without that; None: of every image."""
    found: dict[str, tuple[str, int]] = {}
    for path, size in listing(root, folder):
        ending = path[path.rfind(".") :] if suffix is None else suffix
        if path.endswith(ending) and (suffix or ending.lower() in SUFFIXES):
            stem = path[len(folder) + 1 : -len(ending)]
            if stem in found:
                raise DataError(f"{root / folder}: two files of one name, {found[stem][0]} and {path}; delete one")
            found[stem] = path, size
    return found
