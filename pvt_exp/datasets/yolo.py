"""Boxes and polygons in text files, as Ultralytics' YOLO reads them (docs.ultralytics.com, "Datasets")."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from pvt_exp.config import DataError, excluded
from pvt_exp.config.reading import read
from pvt_exp.datasets import SUFFIXES, Split, listing
from pvt_exp.datasets._converted import Converted, Document
from pvt_exp.datasets._overlap import check_apart

KEYS: dict[Split, tuple[str, ...]] = {"train": ("train",), "val": ("val", "valid", "validation", "test")}


class Settings(Converted):
    """A ``data.yaml`` with ``names``, ``train`` and ``val``, folders of images, and a text file an image below ``labels``.

    A line of a text file is ``class x y width height`` of a box around its centre, or ``class x1 y1 x2 y2 x3 y3 ...`` of a
    polygon, in parts of the image's width and height. An image without a text file has no objects.
    """

    expects: ClassVar[str] = "data.yaml with names, train and val, as YOLO has it"

    kind: Literal["yolo"] = "yolo"
    file: str = Field("data.yaml", min_length=1)
    """The file that names classes and folders, relative to the data's folder. Its ``path`` is not used: the folders are
    looked for in the data's folder."""

    @model_validator(mode="after")
    def _inside(self) -> "Settings":
        if Path(self.file).is_absolute() or ".." in Path(self.file).parts:
            raise ValueError(f"'{self.file}' leads out of the data's folder; which lies elsewhere on each machine")
        return self

    @classmethod
    def recognised(cls, root: Path) -> dict[str, Any] | None:
        for path in sorted(root.glob("*.yaml")):
            written = read(path).value
            if isinstance(written, dict) and "names" in written and "train" in written:
                return {"file": path.name}
        return None

    def document(self, root: Path, split: Split) -> Document:
        from pvt_exp.nn.data.yolo import document

        return document(self, root, split)

    def class_list(self, root: Path) -> list[str]:
        """The names of classes 0, 1, ... Raises DataError if the file does not say them so."""
        names = self._written(root).get("names")
        if isinstance(names, dict) and set(map(str, names)) == set(map(str, range(len(names)))):
            names = [name for _, name in sorted((int(number), name) for number, name in names.items())]
        if not (isinstance(names, list) and names and all(isinstance(name, str | int) for name in names)):
            raise DataError(f"{root / self.file}: names: a list of class names, or a mapping from 0 on, is expected")
        return [str(name) for name in names]

    def images(self, root: Path, split: Split) -> list[str]:
        """The paths of a split's images, relative to the root. Raises DataError if there are none."""
        found: dict[str, None] = {}
        for place in self._places(root, split):
            if (root / place).is_dir():
                names = (os.path.normpath(name) for name, _ in sorted(listing(root, place)))
                found |= dict.fromkeys(name for name in names if excluded.suffix(name) in SUFFIXES)
            else:
                found |= dict.fromkeys(self._listed(root, place))
        if not found:
            raise DataError(f"{root / self.file}: {split}: no image in {', '.join(self._places(root, split))}")
        return list(found)

    def _listed(self, root: Path, place: str) -> list[str]:
        """The images that a list names, relative to it or to the root."""
        try:
            lines = (root / place).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{root / place}: {getattr(error, 'strerror', None) or 'not text in UTF-8'}") from None
        below = Path(place).parent
        return [os.path.normpath(below / line.strip()) for line in lines if line.strip()]

    def _places(self, root: Path, split: Split) -> list[str]:
        """The folders and lists of a split, relative to the root. Raises DataError for one that is not there."""
        written = self._written(root)
        key = next((each for each in KEYS[split] if written.get(each)), KEYS[split][0])
        told = written.get(key) or []
        places = [told] if isinstance(told, str) else told
        if not (isinstance(places, list) and all(isinstance(place, str) for place in places) and places):
            raise DataError(f"{root / self.file}: {key}: a folder of images, or a list of them, is expected")
        return [self._place(root, key, place) for place in places]

    def _place(self, root: Path, key: str, place: str) -> str:
        """A place relative to the root; leading ``..`` are those of Roboflow's exports, which begin one folder too high."""
        parts = [part for part in Path(place).parts if part not in ("..", ".", "/")]
        for first in range(len(parts)):
            inside = os.path.join(*parts[first:])  # noqa: PTH118 - a text
            if (root / inside).exists():
                return inside
        raise DataError(f"{root / self.file}: {key}: {place} is not there")

    def _written(self, root: Path) -> dict[str, Any]:
        try:
            written = read(root / self.file).value
        except ValueError as error:
            raise DataError(str(error)) from None
        return written if isinstance(written, dict) else {}

    def _at(self, split: Split) -> tuple[str, str]:
        return self.file, "."

    def _check_apart(self, root: Path) -> None:
        for train in self._places(root, "train"):
            for val in self._places(root, "val") if self._no_val(root) is None else ():
                check_apart(root, train, val, "file" if (root / train).is_file() else "folder")

    def _no_val(self, root: Path) -> str | None:
        written = self._written(root)
        return None if any(written.get(key) for key in KEYS["val"]) else f"{root / self.file}: has no val"

    def usual_px(self, root: Path) -> tuple[int, int] | None:
        from pvt_exp.datasets._layouts import median_size

        return median_size(root / str(Path(self.images(root, "train")[0]).parent))

    def _said_by(self, root: Path) -> Iterable[str]:
        """All that is no image: texts lie among the images."""
        return [name for name, _ in listing(root, ".") if excluded.suffix(name) not in SUFFIXES]

    def _sources(self, root: Path, split: Split) -> Iterable[Path]:
        """The file, the lists, the images, whose sizes are read, and their labels."""
        yield root / self.file
        yield from (root / place for place in self._places(root, split) if (root / place).is_file())
        for image in self.images(root, split):
            if (root / image).exists():  # what is missing is told with the others
                yield root / image
            if (labels := root / labels_of(image)).exists():
                yield labels


def labels_of(image: str) -> str:
    """The text file of an image: in ``labels`` in place of the last folder ``images``, else beside it."""
    parts = list(Path(image).parts)
    places = [number for number, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return str(Path(*parts).with_suffix(".txt"))
