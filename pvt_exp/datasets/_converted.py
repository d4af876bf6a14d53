"""Data sets with boxes whose files are converted into COCO's form, once for each state of the files."""

import hashlib
import os
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pvt_exp.config import DataError
from pvt_exp.datasets import SUFFIXES, Split
from pvt_exp.datasets._boxes import Boxes, index_of
from pvt_exp.system import files

Document = dict[str, Any]
"""``images``, ``annotations`` and ``categories``, as cocodataset.org describes them ("Data format")."""


class Converted(Boxes):
    """Settings of data that a `document` is made of; all else is as with COCO's own files."""

    @abstractmethod
    def document(self, root: Path, split: Split) -> Document:
        """The annotations of a split in COCO's form. Never imports torch.

        The file names are relative to the image folder of `_at`; the categories are the same for both splits.

        Raises:
            DataError: for what cannot be read, with file and place.
        """

    @abstractmethod
    def _sources(self, root: Path, split: Split) -> Iterable[Path]:
        """The files that the document is made of: it is made anew when one of them changes."""

    def _index(self, root: Path, split: Split) -> Path:
        def write(folder: Path) -> None:
            from pvt_exp.nn.data.coco import check

            text = files.encoded(files.dump(self.document(root, split)))
            check.write_document(text, root / self._at(split)[0], folder, has_areas=False)

        state = (repr(self), split, str(root.resolve()), _state(self._sources(root, split)))
        return index_of(state, str(root / self._at(split)[0]), write)


def _state(sources: Iterable[Path]) -> str:
    """A hash of the paths, sizes and times of files."""
    digest = hashlib.sha256()
    for path in sources:
        try:
            told = path.stat()
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from None
        digest.update(os.fsencode(path) + repr((told.st_size, told.st_mtime_ns, told.st_ctime_ns)).encode())
    return digest.hexdigest()


def size_of(path: Path, turn: bool) -> tuple[int, int]:
    """Width and height of an image as it is read, by its header. Raises DataError if it cannot be read."""
    from PIL import Image

    from pvt_exp.nn.data import images

    try:
        with Image.open(path) as image:
            return images.size_of(image, turn)
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def by_stem(folder: Path) -> dict[str, str]:
    """The names of the image files in a folder, by their names without suffix."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - a path an entry would be slow
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from None
    return {Path(name).stem: name for name in names if Path(name).suffix.lower() in SUFFIXES}
