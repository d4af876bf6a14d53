"""What a run is trained and scored on. Each file is a kind; here is what they share.

A data set is named in a run, and found on this machine by ``--data NAME=PATH``, ``$PVT_EXP_DATA/NAME`` or `site.yaml`.
"""

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from pvt_exp.config import excluded
from pvt_exp.config.component import Component
from pvt_exp.config.errors import DataError
from pvt_exp.config.excluded import LeftOut
from pvt_exp.config.space import Holdout
from pvt_exp.system.words import several

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    Contents = Sequence[Collection[int] | None]
    """The classes in each training image, as indices into `Facts.classes`; None for an image that was not inspected."""

Split = Literal["train", "val"]
SUFFIXES = frozenset(
    """
    .apng .avif .avifs .bmp .bw .dds .dib .gif .icb .j2c .j2k .jfif .jp2 .jpc .jpe .jpeg .jpf .jpg .jpx .mpo .pbm .pcx .pfm
    .pgm .png .pnm .ppm .qoi .ras .rgb .rgba .sgi .tga .tif .tiff .vda .vst .webp
    """.split()  # noqa: SIM905
)
"""Suffixes of image files: what Pillow opens, without icons, drawings, films and formats of a single program."""
NO_IMAGE = "classes without an image"


class Facts(NamedTuple):
    """What is known of the data on disk before training."""

    fingerprint: str | None
    """16 hex digits that change when the data do; None while data that are made on first use are not made yet."""
    classes: tuple[str, ...]
    images: dict[str, int]
    """Number of images by split."""
    counts: dict[str, dict[str, int]] = {}  # noqa: RUF012 - nobody writes to it
    """What else there is, by split: annotations."""
    left_out: dict[str, tuple[LeftOut, ...]] = {}  # noqa: RUF012
    """By split, what is left out, changed or not scored, as far as it is known before training."""
    background: str | None = None
    """The name of class 0 in semantic segmentation, which is not among ``classes``: pixels of no object."""
    unfit: dict[str, str] = {}  # noqa: RUF012 - nobody writes to it
    """By task: why these data cannot be used for it, although their kind can."""
    no_val: str | None = None
    """Why there is no validation split; then only a run with `holdout` can train."""

    def parted(self, holdout: Holdout, contents: "Contents" = ()) -> "Facts":
        """The facts of the two parts of the training images; those of the validation split are dropped.

        Raises:
            DataError: if one part is empty.
        """
        kept, held = holdout.places(self.images["train"])
        own = self.left_out.get("train", ())
        every = range(len(self.classes))
        whole = {n for known in contents if known is not None for n in known}  # what is nowhere is told of the whole
        learnt = self._lacking(kept, contents, sorted(whole), "never learnt")
        told = {"train": (*own, *learnt), "val": self._lacking(held, contents, every, "never scored")}
        return self._replace(images={"train": len(kept), "val": len(held)}, left_out=told)

    def _lacking(
        self, places: list[int], contents: "Contents", among: Iterable[int], effect: str
    ) -> tuple[LeftOut, ...]:
        """The message for classes without an image in a part of the training images, as far as that is known."""
        known = [there for place in places if contents and (there := contents[place]) is not None]
        if not known:
            return ()
        looked_at = f", of {several(len(known), 'image')} looked at" if len(known) < len(places) else ""
        there = {n for each in known for n in each}
        return excluded.count(NO_IMAGE + looked_at, effect, (self.classes[n] for n in among if n not in there))

    def check_val(self, held_out: bool) -> None:
        """Raise DataError if there is nothing to validate on, unless a part of the training images is held out for it."""
        if self.no_val is not None and not held_out:
            raise DataError(self.no_val)

    def class_names(self, task: str) -> tuple[str, ...]:
        """The classes in the order of a task's labels."""
        if task == "semantic" and self.background is not None:
            return self.background, *self.classes
        return self.classes


class Dataset(Component):
    """Settings of a data set. They are light; `open` imports torch."""

    tasks: ClassVar[frozenset[str]] = frozenset()
    """The kinds of task that it can be used for."""
    made: ClassVar[bool] = False
    """Whether it is made on first use, and not found on disk."""
    expects: ClassVar[str] = ""
    """What `recognised` looks for, for the message where a folder is of no kind."""

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.\-]*$", max_length=64)
    """What the data are called in ``--data NAME=PATH``."""

    @classmethod
    def recognised(cls, root: Path) -> dict[str, Any] | None:
        """The fields with which this kind reads what lies at ``root``, without ``kind`` and ``name``; None for other data.

        Only names are looked at, and a few files; `inspect` then says what is wrong. For ``pvt-exp init``.
        """
        return None

    @property
    def px(self) -> tuple[int, int] | None:
        """Height and width in pixels of every image, where the kind or its settings say it; None: they may differ."""
        return None

    def usual_px(self, root: Path) -> tuple[int, int] | None:
        """Height and width in pixels of a usual training image; None where that is not known. For ``pvt-exp init``."""
        return self.px

    def inspect(self, root: Path) -> Facts:
        """What lies at ``root``. Raises DataError for what is missing, empty or does not fit. Never imports torch."""
        raise NotImplementedError

    def make(self, root: Path) -> Path:
        """Make the data under ``root`` unless they lie there, and return their folder; only where `made`.

        Several processes may call it at once. Raises DataError if ``root`` cannot be written to.
        """
        raise NotImplementedError

    def contents(self, root: Path, facts: Facts, task: str) -> "Contents":
        """The classes in each training image, in the order of the samples; empty where that is not known before training.

        ``facts`` are those that `inspect` gave. Never imports torch.
        """
        return ()

    def check_readable(self, root: Path, facts: Facts, task: str, holdout: Holdout | None) -> None:
        """Raise DataError if no image that a run learns from, or none that it is scored on, can be read.

        Where there are very many, some are tried, and a run tries the others before it trains.
        """

    def open(self, root: Path, split: Split, task: str) -> "Sequence[tuple[Any, Any]]":
        """The samples of a split: ``len(samples)`` and ``samples[i] -> (RGB PIL image, target)``.

        A target is, by task:

        - ``classification``: the class index.
        - ``detection``: `nn.data.instances.Target`, a dict of arrays. ``instance``: the same with ``masks``. Both also
          have ``category_ids``, ``sizes()`` and ``ground_truth()``, see `nn.data.instances.Instances`.
        - ``semantic``: uint8 [H, W] of class indices in the order of `Facts.class_names`, 255 where pixels are ignored.

        Its pickle is small, as loading processes may be spawned. A file that is no image raises `nn.data.images.BadImage`.
        """
        raise NotImplementedError


def fingerprint(root: Path, files: Iterable[tuple[str, int]], read: int = 64) -> str:
    """Hash of every name and size, and of the bytes of ``read`` files spread evenly over them.

    For a million files, names and sizes take seconds, and contents would take hours. A data set that was re-encoded or
    resized differs in file sizes, and in the files that are read.

    Raises:
        DataError: if a file cannot be read.
    """
    listed = sorted(files)
    digest = hashlib.sha256()
    for name, size in listed:
        digest.update(f"{name}\0{size}\n".encode("utf-8", "surrogateescape"))
    for n in range(min(read, len(listed))):
        file = root / listed[n * len(listed) // min(read, len(listed))][0]
        try:
            digest.update(file.read_bytes())
        except OSError as error:
            raise DataError(f"{file}: {error.strerror}") from None
    return digest.hexdigest()[:16]


def listing(
    root: Path,
    folder: str,
    dead_links: bool = False,
    hidden: list[str] | None = None,
    special: list[str] | None = None,
) -> list[tuple[str, int]]:
    """Path relative to ``root`` and size of every regular file under ``root/folder``, hidden ones left out.

    Args:
        root: What paths are relative to.
        folder: Relative to it.
        dead_links: Whether links that lead nowhere are listed too, as files of 0 bytes.
        hidden: Gets the paths of the `hidden_images`.
        special: Where named pipes, sockets and devices are added, whose opening may wait without end.

    Raises:
        DataError: if a folder cannot be read, or a link leads nowhere.
    """
    found, waiting = [], [folder]
    while waiting:
        here = waiting.pop()
        every = _entries(root / here)
        if hidden is not None:
            hidden += _hidden_images(here, every)
        for entry in filter(_is_shown, every):
            try:
                if entry.is_dir():
                    waiting.append(f"{here}/{entry.name}")
                elif stat.S_ISREG((told := entry.stat()).st_mode):
                    found.append((f"{here}/{entry.name}", told.st_size))
                elif special is not None:
                    special.append(f"{here}/{entry.name}")
            except OSError as error:
                if not (dead_links and entry.is_symlink()):
                    raise DataError(f"{entry.path}: {error.strerror}") from None
                found.append((f"{here}/{entry.name}", 0))
    return found


def require_regular(file: Path) -> None:
    """Raise DataError for a named pipe, a socket or a device: reading it may wait without end. OSError: it is not there."""
    if not (stat.S_ISREG(mode := file.stat().st_mode) or stat.S_ISDIR(mode)):  # a folder is told by what reads it
        raise DataError(f"{file}: a named pipe, socket or device, where a file is expected")


def scan(folder: Path) -> "list[os.DirEntry[str]]":
    """The entries of a folder, by name, without hidden ones.

    Raises:
        DataError: if it is missing, no folder, or cannot be read.
    """
    return list(filter(_is_shown, _entries(folder)))


def hidden_images(root: Path, folder: str) -> list[str]:
    """The hidden image files directly in ``root/folder``, and all in hidden folders there, relative to ``root``.

    Hidden is what has a name that begins with a dot; ``._*``, in which macOS keeps what belongs to a file, is no image.
    """
    return _hidden_images(folder, _entries(root / folder))


def _hidden_images(folder: str, entries: "Iterable[os.DirEntry[str]]") -> list[str]:
    found = []
    for entry in entries:
        if _is_shown(entry) or entry.name.startswith("._"):
            continue
        path = f"{folder}/{entry.name}"
        if not entry.is_dir():
            found.append(path)
            continue
        for here, _, names in os.walk(entry.path):  # what cannot be read in there is not needed
            below = os.path.relpath(here, entry.path)
            inside = path if below == "." else f"{path}/{below}"
            found += [f"{inside}/{name}" for name in names if not name.startswith("._")]
    return sorted(path for path in found if excluded.suffix(path) in SUFFIXES)


def _is_shown(entry: "os.DirEntry[str]") -> bool:
    return not entry.name.startswith(".")


def _entries(folder: Path) -> "list[os.DirEntry[str]]":
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        raise DataError(f"{folder}: no such folder") from None
    except NotADirectoryError:
        raise DataError(f"{folder}: a file, where a folder is expected") from None
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}") from None
