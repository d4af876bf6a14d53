"""What the data sets of image files share: how pixels are taken, and a look at the files before anything is launched."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from pvt_exp.config import DataError
from pvt_exp.config.excluded import EXAMPLES, NOT_READ, LeftOut, count
from pvt_exp.config.space import Holdout
from pvt_exp.datasets import Dataset, Facts
from pvt_exp.datasets._sizes import Size, refuse
from pvt_exp.system import files, machine
from pvt_exp.system.words import several, some

FORMAT = 7  # of what is kept of a look; raised with each change of what `nn.look` finds
READ = 500
"""Images that are decoded, where none of them can be read; a run decodes the others before it trains."""
FLAT = 32
"""Levels of 255: an image that spans fewer is nearly flat."""


class Pictures(Dataset):
    """Settings of data whose images are files of any format and depth."""

    exif: Literal["turn", "ignore"] = "turn"
    """``turn``: photographs are turned upright as their EXIF tag says. ``ignore``: pixels are taken as they are stored, for
    boxes and masks that were drawn on those."""
    on_bad_image: Literal["fail", "skip"] = "fail"
    """``fail`` ends the run at a file that cannot be decoded; ``skip`` takes the next one in training, leaves it out in
    validation, and counts it."""
    range: tuple[float, float] | None = Field(None)
    """The values that become black and white in grey images of more than 8 bits, such as [0, 4095] for 12 bits. None: 0 and
    65535; images of floating-point pixels then cannot be read."""

    @model_validator(mode="after")
    def _low_and_high(self) -> "Pictures":
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError(
                f"range: {list(self.range)}: the value of black comes first, and is less than that of white"
            )
        return self

    def pictures(
        self, root: Path, split: str, images: Sequence[str], state: str, sizes: Mapping[str, Size] | None = None
    ) -> tuple[LeftOut, ...]:
        """What is told of the images of a split: turned, of another size than ``sizes`` says of each, nearly flat, clipped.

        ``state`` is a fingerprint of the data: the look is kept, and taken again when the data change.

        Raises:
            DataError: if one is of another size, unless bad images are skipped.
        """

        def look() -> dict[str, Any]:
            from pvt_exp.nn.data.look import pictures

            return pictures(root, images, self.exif == "turn", self.range, sizes)

        seen = kept(f"{root} {split} {state} {self.exif} {self.range}", look)
        if self.on_bad_image == "fail":
            refuse(root, seen["of_other_size"], seen["turned"], seen["looked_at"], self.exif == "turn")
        part = f", of {seen['looked_at']} looked at" if seen["looked_at"] < len(images) else ""
        lines = (
            self.turned(seen["turned"], f"images with an EXIF tag that turns them{part}"),
            of_frames(seen["frames"], f"images of several frames{part}"),
            *count(f"{NOT_READ}{part}", self._bad_images, seen["unreadable"]),
            _of_other_size(seen),
            self._flat(seen),
            self._clipped(seen),
        )
        return tuple(line for line in lines if line.number)

    def void(self, root: Path, files: Iterable[tuple[str, int]]) -> tuple[LeftOut, ...]:
        """What is told of those of a split's files that have 0 bytes.

        Raises:
            DataError: if there are any, unless bad images are skipped.
        """
        names = [name for name, size in files if size == 0]
        if names and self.on_bad_image == "fail":
            raise DataError(f"{root}: 0 bytes long: {some(names)}; mend them, or set dataset.on_bad_image: skip")
        return count("files of 0 bytes", "skipped (on_bad_image)", names)

    def check_readable(self, root: Path, facts: Facts, task: str, holdout: Holdout | None) -> None:
        if self.on_bad_image == "fail":  # a run ends at the first
            return

        def look() -> dict[str, Any]:
            from pvt_exp.nn.data.look import unreadable

            whole: Any = self.open(root, "train", task)
            if holdout is None:
                val: Any = self.open(root, "val", task)
                parts = {"learn from": (whole, [*range(len(whole))]), "be scored on": (val, [*range(len(val))])}
            else:
                learnt, held = holdout.places(len(whole))
                parts = {"learn from": (whole, learnt), "be scored on": (whole, held)}
            return {
                what: (len(places), unreadable(samples, places[:READ])) for what, (samples, places) in parts.items()
            }

        told = kept(f"{root} readable {facts.fingerprint} {self!r} {task} {holdout!r}", look)
        for what, (number, why) in told.items():
            if why is not None and number <= READ:
                raise DataError(none_of(number, what, why))

    def turned(self, names: Sequence[str], what: str) -> LeftOut:
        """The message for files that an EXIF tag rotates."""
        few = tuple(map(files.shown, names[:EXAMPLES]))
        effect, hint = "turned upright", "annotations of the stored pixels need dataset.exif: ignore"
        if self.exif == "ignore":
            effect, hint = (
                "left as they are stored (exif: ignore)",
                "annotations of the upright image need dataset.exif: turn",
            )
        return LeftOut(what, len(names), effect, few, "" if self.tasks == {"classification"} else hint)

    @property
    def _bad_images(self) -> str:
        """What becomes of images that cannot be read, in words."""
        return (
            "skipped (on_bad_image)"
            if self.on_bad_image == "skip"
            else "end a run that reads them (on_bad_image: fail)"
        )

    def _flat(self, seen: dict[str, Any]) -> LeftOut:
        flat, number = seen["flat"], 0
        if 2 * len(flat) >= seen["decoded"]:  # else they are some that have nothing on them
            number = len(flat)
        hint = ""
        if seen["values"] is not None:
            hint = "their values are {:g} to {:g}; dataset.range: [{:g}, {:g}] makes these black and white".format(
                *seen["values"], *seen["values"]
            )
        what = f"images, of {seen['decoded']} looked at, that span less than {FLAT} of 255 levels of brightness"
        return LeftOut(what, number, "nearly flat", tuple(map(files.shown, flat[:EXAMPLES])), hint)

    def _clipped(self, seen: dict[str, Any]) -> LeftOut:
        part = 100 * seen["clipped"] / max(1, seen["pixels"])
        by = "dataset.range" if self.range is not None else "0 to 65535"
        what = f"images, of {seen['decoded']} looked at, with values outside {by}"
        effect = f"clipped to black or white ({part:.2g} % of their pixels)"
        return LeftOut(what, len(seen["beyond"]), effect, tuple(map(files.shown, seen["beyond"][:EXAMPLES])))


def of_frames(names: Sequence[str], what: str) -> LeftOut:
    """The message for animations and for files of several pages."""
    return LeftOut(what, len(names), "read as their first frame", tuple(map(files.shown, names[:EXAMPLES])))


def _of_other_size(seen: dict[str, Any]) -> LeftOut:
    others = seen["of_other_size"]
    few = tuple(f"{files.shown(name)}: {w} x {h}, not {x} x {y}" for name, w, h, x, y in others[:EXAMPLES])
    what = f"images, of {seen['looked_at']} looked at, of another size than their annotations say"
    return LeftOut(what, len(others), "skipped (on_bad_image)", few)


def none_of(number: int, what: str, why: str) -> str:
    """The message where none of so many images can be read; ``what``: "learn from", and ``why`` the first one cannot."""
    return f"none of the {several(number, 'image')} to {what} can be read; the first: {why}"


def kept(question: str, look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of a check of data in a known state; cached in the user's folder."""
    key = hashlib.sha256(f"{FORMAT} {question}".encode("utf-8", "surrogateescape")).hexdigest()[:24]
    folder = machine.cache_folder() / "looks"
    if (known := files.read_json(folder / f"{key}.json")) is not None:
        return known
    found = look()
    with contextlib.suppress(OSError):  # without a cache it is looked again
        folder.mkdir(parents=True, exist_ok=True)
        files.write(folder / f"{key}.json", files.dump(found))
    return json.loads(files.dump(found))  # type: ignore[no-any-return]
