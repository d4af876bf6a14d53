"""Rotated shapes on cluttered ground, drawn on this machine on first use: data for trying things without a download.

Everything follows from the settings: the same settings give the same bytes on every machine (`pvt_exp.nn.draw_shapes`
says how), so the fingerprint is as good as that of downloaded data.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pvt_exp.datasets import DataError, Dataset, Facts, Split

if TYPE_CHECKING:
    from pvt_exp.nn.shapes import Shapes

SHAPES = ("disc", "square", "triangle", "star", "cross", "ring", "crescent", "heart", "hexagon", "arrow")


class Settings(Dataset):
    """One large shape, which is the image's class, partly hidden by smaller ones of other classes."""

    # Instances and their classes are on disk too, so that detection and segmentation can be served once they exist.
    tasks: ClassVar[frozenset[str]] = frozenset({"classification"})
    made: ClassVar[bool] = True

    kind: Literal["shapes"] = "shapes"
    name: str = Field("shapes", pattern=r"^[A-Za-z0-9][\w.\-]*$", max_length=64)
    """What the data are called in ``--data NAME=PATH``; sets of different settings share one folder."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Of the drawing; the run's own seed is another."""
    image_px: int = Field(64, ge=16, le=512)
    """Side of the images on disk."""
    num_classes: int = Field(10, ge=2, le=len(SHAPES))
    """The first so many of disc, square, triangle, star, cross, ring, crescent, heart, hexagon, arrow."""
    train_images: int = Field(4000, ge=1, le=1_000_000)
    val_images: int = Field(1000, ge=1, le=1_000_000)
    distractors: int = Field(2, ge=0, le=3)
    """Most smaller shapes of other classes in an image; an image has one at least unless this is 0."""
    turn_deg: int = Field(20, ge=0, le=180)
    """Most that a shape is turned, either way."""
    clutter: float = Field(0.1, ge=0, le=1)
    """Strength of the ground's texture, and density of the strips that lie over it."""
    noise: float = Field(0.05, ge=0, le=1)
    """Most standard deviation of the pixels' noise, of a range of 1; each image has its own."""
    contrast: float = Field(0.25, gt=0, le=0.5)
    """Least amount that a shape is lighter than the ground by, of a range of 1; the most is half of it."""

    def folder(self, root: Path) -> Path:
        """Where the data of these settings lie under ``root``: a folder named by their hash."""
        told = {**self.model_dump(exclude={"name"}), "revision": self.revision}
        return root / hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]

    def inspect(self, root: Path) -> Facts:
        """What lies there, or what will be made; data that were tampered with or cut short are an error."""
        folder = self.folder(root)
        try:
            meta = json.loads((folder / "meta.json").read_bytes())
            for name, size in meta["bytes"].items():
                if (folder / name).stat().st_size != size:
                    raise ValueError(f"{name} is not {size} bytes long")
            return Facts(meta["fingerprint"], tuple(meta["classes"]), meta["images"])
        except NotADirectoryError:
            raise DataError(f"{root}: a file, where the folder for made data is due") from None
        except FileNotFoundError:
            if folder.exists():
                raise DataError(f"{folder}: files are missing; delete the folder, and it is made anew") from None
            images = {"train": self.train_images, "val": self.val_images}
            return Facts(None, SHAPES[: self.num_classes], images)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{folder}: damaged ({error}); delete the folder, and it is made anew") from None

    def make(self, root: Path) -> Path:
        """Draw the data unless they lie there; the folder appears whole, by one rename, or not at all."""
        folder = self.folder(root)
        if folder.exists():
            return folder
        try:
            root.mkdir(parents=True, exist_ok=True)
            with _alone(root / f".{folder.name}.lock") as alone:
                if not folder.exists():
                    if alone:
                        for left in root.glob(f".{folder.name}.*.part"):  # by a maker that was killed
                            shutil.rmtree(left, ignore_errors=True)
                    self._draw_into(folder)
        except OSError as error:
            raise DataError(f"{root}: the data set '{self.name}' cannot be made there: {error.strerror}") from None
        return folder

    def _draw_into(self, folder: Path) -> None:
        import numpy as np

        from pvt_exp.nn.draw_shapes import draw

        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        try:
            part.chmod(0o755)  # mkdtemp's 0700 would hide the data from colleagues
            digest = hashlib.sha256()
            for split, images in (("train", self.train_images), ("val", self.val_images)):
                (part / split).mkdir()
                draw(self, split, images, part / split)
                for file in sorted((part / split).iterdir()):
                    array = np.load(file, mmap_mode="r", allow_pickle=False)
                    digest.update(repr((split, file.stem, array.dtype.str, array.shape)).encode())
                    digest.update(array.data)
                    _sync(file)
            meta = {
                "fingerprint": digest.hexdigest()[:16],
                "classes": SHAPES[: self.num_classes],
                "images": {"train": self.train_images, "val": self.val_images},
                "bytes": {str(f.relative_to(part)): f.stat().st_size for f in sorted(part.glob("*/*"))},
                "settings": self.model_dump(exclude={"name"}),
            }
            (part / "meta.json").write_text(json.dumps(meta, indent=1) + "\n")
            _sync(part / "meta.json")
            part.rename(folder)
            _sync(folder.parent)
        except OSError as error:
            # Where locks do not work, another maker may have been first; its data are the same.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def open(self, root: Path, split: Split, task: str) -> "Shapes":
        """The reader; makes the data first where that has not been done."""
        from pvt_exp.nn.shapes import Shapes

        return Shapes(self.make(root) / split)


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[bool]:
    """Wait for and hold the lock, which the kernel frees however its holder ends; False where locks do not work."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
