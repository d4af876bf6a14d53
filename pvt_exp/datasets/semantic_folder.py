"""Images and masks of class numbers, in two folders a split; the layouts of ADE20K and Cityscapes are presets."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pvt_exp.config import DataError, excluded
from pvt_exp.config.excluded import LeftOut
from pvt_exp.datasets import Facts, Split, _alike, _layouts, fingerprint, require_regular, scan
from pvt_exp.datasets._class_names import ADE20K, CITYSCAPES
from pvt_exp.datasets._mask_values import AS_PNG, IGNORED, Meaning, Values
from pvt_exp.datasets._overlap import LEARNT, check_apart, in_both, same_words
from pvt_exp.datasets._pairs import Folders, NoMasks, Pairs, find
from pvt_exp.datasets._palettes import Palettes
from pvt_exp.datasets._pictures import Pictures, kept, of_frames
from pvt_exp.system.words import several, some

if TYPE_CHECKING:
    from pvt_exp.datasets import Contents
    from pvt_exp.nn.data.semantic_folder import SemanticFolder

MOST_CLASSES = 254  # a label is a byte, and 254 marks a value that is no class
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
    expects: ClassVar[str] = "folders train/images, train/masks, val/images, val/masks, or the like"

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
    """How the name of an image ends, in upper or lower case from its last dot on; what comes before pairs it with its mask.
    None: any suffix of an image."""
    mask_suffix: str = Field(".png", min_length=1)
    """How the name of a mask ends, in upper or lower case from its last dot on."""
    classes: Annotated[int, Field(ge=2, le=MOST_CLASSES)] | Names | None = None
    """The names of classes 0, 1, ..., or how many there are. None: the layout's, or the file ``classes.json`` in the data's
    folder: a list of names, or a mapping with one under ``classes``."""
    train_list: str | None = Field(None, min_length=1)
    """A file in the data's folder that names the training images, a line each, as VOC's ``ImageSets`` do: a name below the
    image folder, with or without its suffix. None: all images in the folder."""
    val_list: str | None = Field(None, min_length=1)
    """The file that names the validation images. With both lists the splits may lie in the same folders."""
    unpaired: Literal["refuse", "leave_out"] = "refuse"
    """What becomes of images without a mask, and masks without an image, where no list names what is taken."""
    values: Values | None = None
    """What stands in the masks, and the class it is: ``{0: 0, 255: 1}``, or ``{'#000000': 0, '#ff0000': 1}`` for masks of
    colours; ``null`` for no class. None: values are class numbers."""
    threshold: int | None = Field(None, ge=1, le=65535)
    """For masks of two classes that are not exact, as JPEG is not: class 1 is what is so bright, class 0 the rest."""
    ignore_index: int | None = Field(255, ge=0, le=65535)
    """A value in the masks that stands for no class: it is neither learnt nor scored. ``values`` may make a class of 255."""
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
        lists = (self.train_list, self.val_list)
        if self.train_list and self.val_list and same_words(self.train_list, self.val_list):
            raise ValueError(f"train_list and val_list are the same file, '{self.train_list}': {LEARNT}")
        if same_words(self.train_image_folder, self.val_image_folder) and None in lists:
            same = f"train and val are the same folder, '{self.train_image_folder}', and no lists tell them apart"
            raise ValueError(f"{same}: {LEARNT}")
        if isinstance(self.classes, tuple) and len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: a name stands there twice")
        for place in filter(None, lists):
            if Path(place).is_absolute() or ".." in Path(place).parts:
                raise ValueError(f"'{place}' leads out of the data's folder; which lies elsewhere on each machine")
        told = [name for name in ("values", "threshold") if getattr(self, name) is not None]
        if len([*told, *(["reduce_zero"] if self.reduce_zero else [])]) > 1:
            raise ValueError(
                f"{', '.join(told)}{' and reduce_zero' if self.reduce_zero else ''}: one of them says what masks hold"
            )
        if self.reduce_zero and self.ignore_index == 0:
            raise ValueError("ignore_index: 0 has no effect beside reduce_zero, which ignores it already")
        if self.threshold is not None and self.ignore_index not in (None, IGNORED):
            raise ValueError(
                f"ignore_index: {self.ignore_index} has no effect beside threshold, which makes classes of all"
            )
        label = dict(self.values or ()).get(str(self.ignore_index))
        if label is not None and self.ignore_index != IGNORED:
            both = f"values makes class {label} of {self.ignore_index}, and ignore_index says that it is none"
            raise ValueError(f"{both}; leave ignore_index out, or write {self.ignore_index}: null in values")
        return self

    @classmethod
    def recognised(cls, root: Path) -> dict[str, Any] | None:
        return _layouts.semantic_folder(root)

    def usual_px(self, root: Path) -> tuple[int, int] | None:
        return _layouts.median_size(root / self.train_image_folder)

    def inspect(self, root: Path) -> Facts:
        """Class names and counts; each image must have its mask, and masks are decoded as far as that takes seconds."""
        scan(root)  # says what is wrong with the root itself before a folder in it is missed
        names = self.names(root)
        self._check_labels(len(names))
        if self.train_list and self.val_list:
            check_apart(root, self.train_list, self.val_list, "file")
        else:
            check_apart(root, self.train_image_folder, self.val_image_folder, "folder")
        found: dict[Split, Pairs] = {"train": self._pairs(root, "train")}
        no_val = None if (root / self.val_image_folder).exists() else self._no_val(root)
        if no_val is None:
            found["val"] = self._pairs(root, "val")
        sizes = dict(file for pairs in found.values() for pair in pairs.files for file in pair)
        void = {
            split: self.void(root, (file for pair in pairs.files for file in pair)) for split, pairs in found.items()
        }
        state = fingerprint(root, sizes.items())
        told: dict[str, tuple[LeftOut, ...]] = {}
        for split, pairs in found.items():
            images = [image for (image, _), _ in pairs.files]
            told[split] = (
                *pairs.told,
                *void[split],
                *self.pictures(root, split, images, state),
                *self._masks(root, split, state, names),
            )
        told["train"] += _alike.names(names)
        if "val" in found:
            train, val = ([image for image, _ in found[split].files] for split in SPLITS)
            told["val"] += in_both(root, (self.train_image_folder, self.val_image_folder), train, val, state)
        return Facts(
            state, names, {split: len(pairs.files) for split, pairs in found.items()}, left_out=told, no_val=no_val
        )

    def contents(self, root: Path, facts: Facts, task: str) -> "Contents":
        """As far as its masks were looked at."""
        found: list[Collection[int] | None] = [None] * facts.images["train"]
        for index, classes in self._look(root, "train", str(facts.fingerprint), facts.classes)["contents"]:
            found[index] = classes
        return found

    def _no_val(self, root: Path) -> str | None:
        """Why there is no validation split, where its folder is not there."""
        try:
            self._pairs(root, "val")
        except DataError as error:
            return str(error.args[0])
        return None

    @property
    def meaning(self) -> Meaning:
        """What the values in the masks stand for."""
        return Meaning.model_construct(
            ignore_index=self.ignore_index, reduce_zero=self.reduce_zero, values=self.values, threshold=self.threshold
        )

    def _check_labels(self, classes: int) -> None:
        if bad := [name for name, label in self.values or () if label is not None and label >= classes]:
            raise DataError(f"dataset.values: {some(bad)}: the {classes} classes are 0 to {classes - 1}")
        if self.threshold is not None and classes != 2:
            raise DataError(f"dataset.threshold: makes two classes of the masks, and there are {classes}")

    def _masks(self, root: Path, split: Split, state: str, names: tuple[str, ...]) -> tuple[LeftOut, ...]:
        """What is told of the masks of a split.

        Raises:
            DataError: for masks that cannot be used, and for fewer than two classes in them.
        """
        seen = self._look(root, split, state, names)
        folder = root / (self.train_mask_folder if split == "train" else self.val_mask_folder)
        way_out = self.meaning.way_out(seen["values"], len(names))
        if seen["bad"] and self.on_bad_image == "fail":
            raise DataError(seen["bad"][0])
        if seen["lossy"] is not None:
            half = self.meaning.half(seen["values"], len(names)) or "N"
            ways = f"{AS_PNG}, or, for two classes, dataset.threshold: {half} makes class 1 of what is so bright"
            raise DataError(f"{seen['lossy']}; {ways}")
        if seen["wrong"] is not None:
            raise DataError(seen["wrong"])
        if seen["no_class"] is not None:
            raise DataError(f"{seen['no_class']}; {way_out}")
        if len(seen["classes"]) < 2 and seen["looked_at"] > len(seen["bad"]):
            only = f"no class but {names[seen['classes'][0]]}" if seen["classes"] else "no pixel of a class"
            values = (
                f" (their values: {some(seen['values'])}; {self.meaning.due(len(names))})" if seen["values"] else ""
            )
            raise DataError(f"{folder}: the masks hold {only}{values}: there is nothing to tell apart; {way_out}")
        return self._left_out(seen, split, names)

    def _look(self, root: Path, split: Split, state: str, names: tuple[str, ...]) -> dict[str, Any]:
        """What `nn.look.masks` finds in a split's; those of validation are compared with those of training."""

        def look() -> dict[str, Any]:
            from pvt_exp.nn.data.look import masks

            before = Palettes({}, {})
            if split == "val":
                before = Palettes.of_json(self._look(root, "train", state, names)["palettes"])
            return masks(self.open(root, split, "semantic"), before)

        return kept(f"{root} {split} masks {state} {self!r} {names}", look)

    def _left_out(self, seen: dict[str, Any], split: Split, names: tuple[str, ...]) -> tuple[LeftOut, ...]:
        rest = seen["looked_at"] - len(seen["bad"])
        masks = several(rest, "mask")
        ignored = LeftOut(
            f"pixels in {masks} that were looked at",
            seen["ignored"],
            f"ignored ({100 * seen['ignored'] / max(1, seen['pixels']):.2g} %)",
        )
        by_threshold = LeftOut(
            f"pixels in {masks} that were looked at, of a value between the least and the greatest",
            sum(number for _, number in seen["levels"][1:-1]),
            f"made class 0 or 1 by dataset.threshold: {self.threshold}",
        )
        part = f", of {masks} looked at"
        turned = self.turned(seen["turned"], f"masks with an EXIF tag that turns them{part}")
        frames = of_frames(seen["frames"], f"masks of several frames{part}")
        lacking = [name for number, name in enumerate(names) if number not in seen["classes"]]
        effect = "never learnt" if split == "train" else "not part of the mean IoU"
        return (
            *(line for line in (ignored, by_threshold, turned, frames) if line.number),
            *excluded.count(
                f"masks whose palette differs from that of others{part}",
                "read by number, as dataset.values says",
                seen["clashing"],
            ),
            *excluded.count(
                f"images or masks that cannot be read, or differ in size, of {seen['looked_at']} looked at",
                "skipped (on_bad_image)",
                seen["bad"],
            ),
            *excluded.count(
                "masks in which no pixel is of a class", f"of no effect, of {rest} looked at", seen["empty"]
            ),
            *self._only_ignored_beside_0(seen, rest, len(names)),
            *excluded.count(f"classes that none of {masks} has", effect, lacking),
        )

    def _only_ignored_beside_0(self, seen: dict[str, Any], rest: int, classes: int) -> tuple[LeftOut, ...]:
        """Masks whose other class may be written as the value that is ignored, as where masks of 0 and 1 and of 0 and 255
        are mixed; not told where that is written.
        """
        value = self.ignore_index
        if classes != 2 or self.values is not None or self.reduce_zero or value is None:
            return ()
        hint = f"where {value} is class 1 there: dataset.values: {{0: 0, 1: 1, {value}: 1}}"
        told = excluded.count(
            f"masks of class 0 and the ignored value {value} alone, of {rest} looked at",
            "without anything to tell apart",
            seen["nothing_but_0"],
        )
        return tuple(line._replace(hint=hint) for line in told)

    def open(self, root: Path, split: Split, task: str) -> "SemanticFolder":
        from pvt_exp.nn.data.semantic_folder import SemanticFolder

        return SemanticFolder(self, root, split)

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
            require_regular(path)
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise DataError(
                f"{path}: no such file; write it (docs/data.md), or say dataset.classes (names, or how many)"
            ) from None
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: not JSON: {error}") from None
        told = content if isinstance(content, dict) else {"classes": content}
        names = told.get("classes")
        names = [name for name in names if isinstance(name, str) and name] if isinstance(names, list) else []
        if not 2 <= len(names) <= MOST_CLASSES or len(set(names)) < len(told["classes"]):
            raise DataError(f"{path}: a list of 2 to {MOST_CLASSES} different class names is expected here")
        ignored = told.get("ignore_index")
        if type(ignored) is int and self.meaning.label(ignored, len(names)) != IGNORED:
            raise DataError(f"{path}: says that {ignored} is ignored; set dataset.ignore_index: {ignored}")
        return tuple(names)

    def pairs(self, root: Path, split: Split) -> list[tuple[str, str]]:
        """The paths of each image and its mask, relative to ``root``, by name.

        Raises:
            DataError: if there are none, or one lacks the other.
        """
        return [(image, mask) for (image, _), (mask, _) in self._pairs(root, split).files]

    def _pairs(self, root: Path, split: Split) -> Pairs:
        train = split == "train"
        folders = Folders(
            self.train_image_folder if train else self.val_image_folder,
            self.train_mask_folder if train else self.val_mask_folder,
            self.image_suffix,
            self.mask_suffix,
            self.train_list if train else self.val_list,
            (f"{split}_image_folder", f"{split}_mask_folder", f"{split}_list"),
        )
        try:
            return find(root, folders, self.unpaired == "leave_out")
        except NoMasks as error:
            if self.layout == "cityscapes":
                raise DataError(f"{error.args[0]}; cityscapesscripts' csCreateTrainIdLabelImgs makes them") from None
            raise
