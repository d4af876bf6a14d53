"""Rotated shapes on cluttered ground, drawn on this machine on first use: data for trying things without a download.

Everything follows from the settings: the same settings give the same bytes on every machine (`pvt_exp.nn.data.draw_shapes`
says how), so the fingerprint is as good as that of downloaded data.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from pvt_exp.config import DataError
from pvt_exp.datasets import Dataset, Facts, Split
from pvt_exp.system import files

if TYPE_CHECKING:
    from pvt_exp.datasets import Contents
    from pvt_exp.nn.data.shapes import Shapes

SHAPES = ("disc", "square", "triangle", "star", "cross", "ring", "crescent", "heart", "hexagon", "arrow")
GROUND = "ground"


class Settings(Dataset):
    """One large shape, which is the image's class, partly hidden by smaller ones of other classes.

    Each visible shape is an instance, with the box of what is seen of it; for semantic segmentation the ground is class 0.
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"classification", "detection", "instance", "semantic"})
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

    @property
    def px(self) -> tuple[int, int] | None:
        return self.image_px, self.image_px

    def inspect(self, root: Path) -> Facts:
        """What lies there, or what will be made; data that were tampered with or cut short are an error."""
        folder = self.folder(root)
        try:
            meta = json.loads((folder / "meta.json").read_bytes())
            for name, size in meta["bytes"].items():
                if (folder / name).stat().st_size != size:
                    raise ValueError(f"{name} is not {size} bytes long")
            return Facts(meta["fingerprint"], tuple(meta["classes"]), meta["images"], background=GROUND)
        except NotADirectoryError:
            raise DataError(f"{root}: a file, where the folder for made data is expected") from None
        except FileNotFoundError:
            if folder.exists():
                raise DataError(f"{folder}: files are missing; delete the folder, and it is made anew") from None
            images = {"train": self.train_images, "val": self.val_images}
            return Facts(None, SHAPES[: self.num_classes], images, background=GROUND)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{folder}: damaged ({error}); delete the folder, and it is made anew") from None

    def contents(self, root: Path, facts: Facts, task: str) -> "Contents":
        from pvt_exp.nn.data.shapes import Shapes

        if facts.fingerprint is None:  # they are not made yet
            return ()
        return Shapes(self.folder(root) / "train", facts.classes, task).contents()

    def make(self, root: Path) -> Path:
        """Draw the data unless they lie there; the folder appears whole or not at all."""
        folder = self.folder(root)
        try:
            files.make_folder(folder, self._draw)
        except OSError as error:
            raise DataError(f"{root}: the data set '{self.name}' cannot be made there: {error.strerror}") from None
        return folder

    def _draw(self, part: Path) -> None:
        import numpy as np

        from pvt_exp.nn.data.draw_shapes import draw

        digest = hashlib.sha256()
        for split, images in (("train", self.train_images), ("val", self.val_images)):
            (part / split).mkdir()
            draw(self, split, images, part / split)
            for file in sorted((part / split).iterdir()):
                array = np.load(file, mmap_mode="r", allow_pickle=False)
                digest.update(repr((split, file.stem, array.dtype.str, array.shape)).encode())
                digest.update(array.data)
        meta = {
            "fingerprint": digest.hexdigest()[:16],
            "classes": SHAPES[: self.num_classes],
            "images": {"train": self.train_images, "val": self.val_images},
            "bytes": {str(f.relative_to(part)): f.stat().st_size for f in sorted(part.glob("*/*"))},
            "settings": self.model_dump(exclude={"name"}),
        }
        files.put(part / "meta.json", json.dumps(meta, indent=1) + "\n")

    def open(self, root: Path, split: Split, task: str) -> "Shapes":
        """The samples; makes the data first where they are not there."""
        from pvt_exp.nn.data.shapes import Shapes

        return Shapes(self.make(root) / split, SHAPES[: self.num_classes], task)
