"""Boxes and masks that are read by an index in COCO's form, whatever files say them: what such data sets share.

A kind says where its files are (`Boxes._at`), whether there is a validation split (`Boxes._no_val`) and what makes the index
(`Boxes._index`); the checks, the counts, the samples and the ground truth are the same for all.
"""

import hashlib
import json
import os
from abc import abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import field_validator, model_validator

from pvt_exp.config import DataError, excluded
from pvt_exp.config.excluded import LeftOut
from pvt_exp.datasets import Facts, Split, _alike, _layouts, fingerprint, listing, scan
from pvt_exp.datasets._coco_categories import Classes, choose, follow
from pvt_exp.datasets._coco_names import nearest
from pvt_exp.datasets._overlap import check_apart, in_both, same_words
from pvt_exp.datasets._pictures import Pictures
from pvt_exp.datasets._sizes import Size
from pvt_exp.system import files, machine
from pvt_exp.system.words import are, several, some

if TYPE_CHECKING:
    from pvt_exp.datasets import Contents
    from pvt_exp.nn.data.coco.samples import Coco

FORMAT = 4  # of the index on disk; raised with each change of what `nn.data.coco.check` writes
SPLITS: tuple[Split, Split] = ("train", "val")


class Boxes(Pictures):
    """Settings of data with boxes, and masks if they have some.

    Boxes of zero size or outside their image are left out and counted; boxes that reach out of their image are clipped;
    images without annotations are kept, unless `drop_empty`.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"detection", "instance"})

    categories: tuple[str, ...] | dict[str, str | None] | None = None
    """The categories that are classes. A list: these names, or ids, and no others. A mapping of names or ids: the name of
    the class that each becomes, null to leave it out; those that get one name become one class, and what is not in it stays.
    None: all."""
    drop_empty: bool = False
    """Leave out the training images without an annotation, as mmdetection does; they teach what is background."""
    on_bad_image: Literal["fail", "skip"] = "fail"
    """``fail`` ends the run at a file that cannot be decoded or is not of the size that its annotations say; ``skip``
    takes the next one in training, leaves it out in validation, and counts it."""

    @field_validator("categories", mode="before")
    @classmethod
    def _ids_as_text(cls, value: Any) -> Any:
        """An id may be written as a number."""

        def text(key: Any) -> Any:
            return str(key) if type(key) is int else key

        if isinstance(value, dict):
            return {text(key): becomes for key, becomes in value.items()}
        return tuple(map(text, value)) if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _some_categories(self) -> "Boxes":
        if self.categories is not None and not self.categories:
            raise ValueError("categories: none; leave the field out for all of them")
        return self

    @abstractmethod
    def _at(self, split: Split) -> tuple[str, str]:
        """What says the annotations of a split, and the folder of its images, relative to the root."""

    @abstractmethod
    def _no_val(self, root: Path) -> str | None:
        """Why there is no validation split; None if there is one."""

    @abstractmethod
    def _index(self, root: Path, split: Split) -> Path:
        """The folder of the annotations of a split as arrays (`index_of`). Raises DataError if they cannot be used."""

    def _check_apart(self, root: Path) -> None:
        """Raise DataError if training and validation are the same."""
        check_apart(root, self._at("train")[0], self._at("val")[0], "file")

    def _said_by(self, root: Path) -> Iterable[str]:
        """The files that say the annotations, which may lie among the images; relative to the root."""
        return [self._at(split)[0] for split in SPLITS]

    def usual_px(self, root: Path) -> tuple[int, int] | None:
        return _layouts.median_size(root / self._at("train")[1])

    def inspect(self, root: Path) -> Facts:
        """What the annotations hold, and whether the images are there; a file is read once, and indexed in the cache."""
        scan(root)  # says what is wrong with the root itself before a file in it is missed
        self._check_apart(root)
        no_val = self._no_val(root)
        splits = SPLITS if no_val is None else SPLITS[:1]
        told = {split: self._look(root, split) for split in splits}
        if "val" in told and not told["val"].objects:
            no_val = told.pop("val").nothing
        if not told["train"].objects:
            raise DataError(told["train"].nothing)
        hidden: dict[Split, list[str]] = {split: [] for split in told}
        special: dict[Split, list[str]] = {split: [] for split in told}
        present = {
            split: dict(listing(root, self._at(split)[1], hidden=hidden[split], special=special[split]))
            for split in told
        }
        for split, paths in special.items():
            names = {os.path.normpath(f"{self._at(split)[1]}/{name}") for name in told[split].names}
            if listed := [path for path in paths if os.path.normpath(path) in names]:
                due = f"{self._at(split)[0]} lists as an image"
                raise DataError(f"{root}: a named pipe, socket or device, which {due}: {some(listed)}")
        sizes = {split: self._images(root, split, told[split].names, present[split]) for split in told}
        void = {split: self.void(root, sizes[split].items()) for split in told}
        content = [fingerprint(root, {n: s for each in sizes.values() for n, s in each.items()}.items())]
        content += [look.facts["digest"] for look in told.values()]
        state = hashlib.sha256(" ".join(content).encode()).hexdigest()[:16]
        unmasked = [why for look in told.values() if (why := look.facts["unmasked"])]
        lines: dict[str, tuple[LeftOut, ...]] = {
            split: (
                *look.lines,
                *self._unlisted(root, split, present, sizes, hidden[split]),
                *excluded.special(special[split]),
                *void[split],
                *self.pictures(root, split, list(sizes[split]), state, self._due(root, split, look.names)),
            )
            for split, look in told.items()
        }
        lines["train"] += _alike.names(name for _, name in told["train"].classes.named)
        if "val" in told:
            train, val = (list(sizes[split].items()) for split in SPLITS)
            lines["val"] += in_both(root, (self._at("train")[1], self._at("val")[1]), train, val, state)
        return Facts(
            state,
            tuple(name for _, name in told["train"].classes.named),
            {split: told[split].images if split in told else 0 for split in SPLITS},
            {split: look.counts for split, look in told.items()},
            left_out=lines,
            unfit={"instance": unmasked[0]} if unmasked else {},
            no_val=no_val,
        )

    def open(self, root: Path, split: Split, task: str) -> "Coco":
        from pvt_exp.nn.data.coco.samples import Coco

        if task == "instance" and (why := self._told(root, split)["unmasked"]):
            raise DataError(why)
        classes = self._classes(root, split)
        return Coco(self, root / self._at(split)[1], self._index(root, split), classes, task, self._drops(split))

    def contents(self, root: Path, facts: Facts, task: str) -> "Contents":
        return self.open(root, "train", task).contents()

    def _drops(self, split: Split) -> bool:
        return self.drop_empty and split == "train"

    def _told(self, root: Path, split: Split) -> dict[str, Any]:
        """What the index says of a split."""
        folder = self._index(root, split)
        if (told := files.read_json(folder / "facts.json")) is None:
            raise DataError(f"{folder}: damaged; delete the folder, and it is made anew")
        return told

    def _due(self, root: Path, split: Split, names: list[str]) -> dict[str, Size]:
        """Width and height of each image of a split by its path, as its annotations say."""
        from pvt_exp.nn.data.coco.arrays import Rows

        images, folder = Rows(self._index(root, split), None).images, self._at(split)[1]
        due = zip(images["width"].tolist(), images["height"].tolist(), strict=True)
        return {f"{folder}/{name}": size for name, size in zip(names, due, strict=True)}

    def _classes(self, root: Path, split: Split) -> Classes:
        """The classes, and how a split's categories become these.

        Raises:
            DataError: if the categories do not fit the settings, or those of training.
        """
        train = _pairs(self._told(root, "train"))
        classes = choose(train, self.categories, str(root / self._at("train")[0]))
        if split == "train":
            return classes
        classes, unknown = follow(_pairs(self._told(root, split)), train, classes, self.categories)
        if unknown:
            where = f"{root / self._at('val')[0]}: categories that {self._at('train')[0]} lacks: {some(unknown)}"
            way = "leave them out by dataset.categories, or list the same categories by the same ids in both files"
            raise DataError(f"{where}; {way}")
        return classes

    def _look(self, root: Path, split: Split) -> "Look":
        """What a split holds of the classes."""
        from pvt_exp.nn.data.coco.arrays import Rows

        facts, folder, classes = self._told(root, split), self._index(root, split), self._classes(root, split)
        rows = Rows(folder, classes.of if self.categories is not None else None)
        names = json.loads((folder / "names.json").read_bytes())
        lines = [LeftOut(**{**line, "examples": tuple(line["examples"])}) for line in facts["left_out"]]
        train, crowds, empty = split == "train", rows.crowds(), rows.empty()
        lines += excluded.count("categories", "left out (dataset.categories)", classes.left_out)
        if rows.others:
            lines.append(LeftOut("annotations of categories that are left out", rows.others, "left out"))
        if crowds:
            lines.append(LeftOut("crowds", crowds, "not learnt" if train else "ignored in scoring"))
        lines += excluded.count(
            "classes without an object",
            "kept (dataset.categories can leave them out)" if train else "not in the mean of the score",
            (name for number, name in classes.named if number not in rows.present()),
        )
        if empty and self._drops(split):
            lines.append(LeftOut("images without annotations", empty, "left out (drop_empty)"))
        images = len(rows.images) - (empty if self._drops(split) else 0)
        nothing = f"{root / self._at(split)[0]}: no image of it has an annotation that is no crowd"
        nothing += " and of a class" if rows.others else ""
        counts = {"annotations": len(rows.annotations), "images without annotations": empty}
        return Look(
            facts, classes, names, images, len(rows.annotations) - crowds, counts, tuple(lines),
            f"{nothing}; there is nothing to {'learn' if train else 'score'}",
        )  # fmt: skip

    def _images(self, root: Path, split: Split, names: list[str], present: dict[str, int]) -> dict[str, int]:
        """Path and size of the images of a split, of those ``present`` in its folder."""
        folder = self._at(split)[1]
        found = {f"{folder}/{name}": present.get(f"{folder}/{name}") for name in names}
        if missing := [name.removeprefix(f"{folder}/") for name, size in found.items() if size is None]:
            there = [name.removeprefix(f"{folder}/") for name in present]
            if outside := [
                name for name in missing if name.startswith(("/", "../")) and (root / folder / name).exists()
            ]:
                where = (
                    f"{root / folder}: images named by paths that lead out of it: {some(nearest(outside[:5], there))}"
                )
                raise DataError(f"{where}; a file_name is relative to dataset.{split}_image_folder, and below it")
            listed = some([*nearest(missing[:5], there), *missing[5:]])
            of = f"{several(len(names), 'image')} of {self._at(split)[0]} {are(len(names))}"
            where = f"{root / folder}: {len(missing)} of {of} missing: {listed}"
            raise DataError(f"{where}; put them there, mend the names, or set dataset.{split}_image_folder")
        return {name: size for name, size in found.items() if size is not None}

    def _unlisted(
        self,
        root: Path,
        split: Split,
        present: dict[Split, dict[str, int]],
        listed: dict[Split, dict[str, int]],
        hidden: list[str],
    ) -> tuple[LeftOut, ...]:
        """The files in a split's folder that no annotation file names; of a folder of both splits they are training's."""
        if split == "val" and same_words(self._at("train")[1], self._at("val")[1]):
            return ()
        due = {os.path.normpath(name) for each in listed.values() for name in each}
        due |= {os.path.normpath(name) for name in self._said_by(root)}
        rest = [name for name in present[split] if os.path.normpath(name) not in due]
        return (*excluded.count("files that are not listed", excluded.NOT_TAKEN, rest), *excluded.hidden(hidden))


class Look(NamedTuple):
    """What a split holds."""

    facts: dict[str, Any]
    classes: Classes
    names: list[str]
    """Of all image files, relative to their folder."""
    images: int
    """That are used."""
    objects: int
    """Annotations that are no crowds."""
    counts: dict[str, int]
    lines: tuple[LeftOut, ...]
    nothing: str
    """What is said where there is no object."""


def _pairs(told: dict[str, Any]) -> list[tuple[int, str]]:
    return [(number, name) for number, name in told["categories"]]


def index_of(state: object, source: str, write: Callable[[Path], None]) -> Path:
    """The folder of an index in the user's cache; made by ``write`` at the first call for this state of its sources.

    Raises:
        DataError: if the sources cannot be used, which ``write`` says, or the cache cannot be written.
    """
    cache = machine.cache_folder() / "coco"
    folder = cache / hashlib.sha256(repr((FORMAT, state)).encode()).hexdigest()[:24]
    try:
        if not folder.exists():
            files.make_folder(folder, write)
    except OSError as error:
        where = f"{cache}: the index of {source} cannot be kept there: {error.strerror}"
        raise DataError(f"{where}; set XDG_CACHE_HOME to a folder that can be written to") from None
    return folder
