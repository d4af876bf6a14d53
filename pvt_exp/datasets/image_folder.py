"""Images in one folder a class, the layout of ImageNet (arXiv 1409.0575): ``train/<class>/*`` and ``val/<class>/*``.

Images in folders below a class's are of that class too.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator

from pvt_exp.config import DataError, excluded
from pvt_exp.config.excluded import LeftOut
from pvt_exp.datasets import (
    NO_IMAGE,
    SUFFIXES,
    Facts,
    Split,
    _alike,
    _layouts,
    fingerprint,
    hidden_images,
    listing,
    scan,
)
from pvt_exp.datasets._overlap import LEARNT, check_apart, in_both, same_words
from pvt_exp.datasets._pictures import Pictures
from pvt_exp.system.words import some

if TYPE_CHECKING:
    from pvt_exp.datasets import Contents
    from pvt_exp.nn.data.image_folder import ImageFolder


class Settings(Pictures):
    """A folder of images, with a sub-folder for each class; files that are not images by their name are counted and told."""

    tasks: ClassVar[frozenset[str]] = frozenset({"classification"})
    expects: ClassVar[str] = "folders train/<class>/ and val/<class>/ with images"

    kind: Literal["image_folder"] = "image_folder"
    train: str = Field("train", min_length=1)
    """The folder of the training images, relative to the data's."""
    val: str = Field("val", min_length=1)
    """The folder of the validation images. It may lack classes that training has, and have no others."""

    @model_validator(mode="after")
    def _two_folders(self) -> "Settings":
        for folder in (self.train, self.val):
            if Path(folder).is_absolute() or ".." in Path(folder).parts:
                raise ValueError(f"'{folder}' leads out of the data's folder; which lies elsewhere on each machine")
        if same_words(self.train, self.val):
            raise ValueError(f"train and val are the same folder, '{self.train}': {LEARNT}")
        return self

    @classmethod
    def recognised(cls, root: Path) -> dict[str, Any] | None:
        return _layouts.image_folder(root)

    def usual_px(self, root: Path) -> tuple[int, int] | None:
        return _layouts.median_size(root / self.train)

    def inspect(self, root: Path) -> Facts:
        """Classes in the order of their names, and the counts; a class folder without images is an error."""
        scan(root)  # says what is wrong with the root itself before a split of it is missed
        check_apart(root, self.train, self.val, "folder")
        val = root / self.val
        no_val = None if val.exists() else f"{val}: no such folder"
        folders = {"train": self.train} if no_val else {"train": self.train, "val": self.val}
        found = {split: images(root, folder) for split, folder in folders.items()}
        void = {}
        for split, (classes, files, _) in found.items():
            where = root / (self.train if split == "train" else self.val)
            if not classes:
                raise DataError(
                    f"{where}: no folders in it; a folder for each class is expected here, with images in it"
                )
            filled = {classes[n] for n, _, _ in files}
            if bare := [name for name in classes if name not in filled]:
                raise DataError(f"{where}: no images in the class folder {some(bare)}; known suffixes: {_suffixes()}")
            void[split] = self.void(root, ((name, size) for _, name, size in files))
        classes = found["train"][0]
        if len(classes) == 1:
            raise DataError(f"{root / self.train}: one class only, {some(classes)}; there is nothing to tell apart")
        if unknown := sorted(set(found["val"][0] if "val" in found else ()) - set(classes)):
            raise DataError(f"{root / self.val}: classes that {self.train} lacks: {some(unknown)}")
        print_id = fingerprint(root, [(name, size) for _, files, _ in found.values() for _, name, size in files])
        numbers = {split: len(files) for split, (_, files, _) in found.items()}
        told = {
            split: (
                *lines,
                *void[split],
                *self.pictures(root, split, [name for _, name, _ in files], print_id),
                *_alike.pictures(root, files, f"{split} {print_id}"),
            )
            for split, (_, files, lines) in found.items()
        }
        told["train"] += _alike.names(classes)
        if "val" in found:
            learnt, scored = ([(name, size) for _, name, size in found[split][1]] for split in ("train", "val"))
            told["val"] += in_both(root, (self.train, self.val), learnt, scored, print_id)
            lacking = sorted(set(classes) - set(found["val"][0]))
            told["val"] += excluded.count(NO_IMAGE, "never scored", lacking)
        return Facts(print_id, tuple(classes), numbers, left_out=told, no_val=no_val)

    def contents(self, root: Path, facts: Facts, task: str) -> "Contents":
        one = [(number,) for number in range(len(facts.classes))]  # of a million images few are held
        return [one[number] for number, _, _ in images(root, self.train).files]

    def open(self, root: Path, split: Split, task: str) -> "ImageFolder":
        from pvt_exp.nn.data.image_folder import ImageFolder

        return ImageFolder(self, root, split)


class Images(NamedTuple):
    """What a split's folder holds."""

    classes: list[str]
    """By name."""
    files: list[tuple[int, str, int]]
    """Class, path relative to the data's folder, and bytes of every image."""
    told: tuple[LeftOut, ...]
    """What is not taken."""


def images(root: Path, folder: str) -> Images:
    """The images of ``root/folder``, in its class folders and the folders below those.

    Raises:
        DataError: if a folder cannot be read, or a class has a name that is not UTF-8.
    """
    classes = classes_of(root / folder)
    files, rest, hidden = [], [], hidden_images(root, folder)
    loose, special = list[str](), list[str]()
    for entry in scan(root / folder):
        if not entry.is_dir():
            (loose if entry.is_file() or entry.is_symlink() else special).append(f"{folder}/{entry.name}")
    for number, name in enumerate(classes):
        for path, size in sorted(listing(root, f"{folder}/{name}", hidden=hidden, special=special)):
            if excluded.suffix(path) in SUFFIXES:
                files.append((number, path, size))
            else:
                rest.append(path)
    told = (
        *excluded.by_suffix(path for path in (*loose, *rest) if excluded.suffix(path) not in SUFFIXES),
        *excluded.count(
            "images in no class's folder", excluded.NOT_TAKEN, (p for p in loose if excluded.suffix(p) in SUFFIXES)
        ),
        *excluded.special(special),
        *excluded.hidden(hidden),
    )
    return Images(classes, files, told)


def classes_of(folder: Path) -> list[str]:
    """The names of the folders in a split, sorted."""
    classes = [entry.name for entry in scan(folder) if entry.is_dir()]
    if odd := [name for name in classes if not name.isprintable()]:
        raise DataError(f"{folder}: a class folder's name is not plain text: {odd[0]!a}")
    return classes


def _suffixes() -> str:
    return " ".join(sorted(SUFFIXES))
