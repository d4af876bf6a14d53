"""The process of ``pvt-exp predict``: writes a finished run's predictions as pictures and as ``predictions.json``.

Images are predicted one at a time, so that none affects another. The folder appears when all is done. Torch is imported
only after all images have been found readable.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from rich.console import Console
from rich.progress import track

from pvt_exp import config
from pvt_exp.config import DataError
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.inference import requests
from pvt_exp.nn.data.images import open_rgb
from pvt_exp.system import files
from pvt_exp.system.words import are, several

if TYPE_CHECKING:
    from pvt_exp.nn.tasks.training import Training


SHOWN = 10
"""Images whose class is printed."""


def main(request: dict[str, Any]) -> None:
    """Predict the images that the request names, and write the results."""
    run, placement = config.make(Run, request["run"]), config.make(Placement, request["placement"])
    paths, out = [Path(each) for each in request["images"]], Path(request["out"])
    turn, levels = getattr(run.dataset, "exif", "turn") == "turn", getattr(run.dataset, "range", None)
    opened = partial(open_rgb, turn=turn, levels=levels)
    unread = {path: why for path in paths if (why := _unreadable(path, opened)) is not None}
    if len(unread) == len(paths):
        raise config.ConfigError(unread.values())
    from pvt_exp.nn.weights import network
    from pvt_exp.train import fit

    fit.set_up(run, placement)
    module = network.restore(run, Path(request["checkpoint"]))
    module.to("cuda" if placement.gpus else "cpu")
    module.classes = tuple(request["class_names"] or module.classes)
    module.category_ids = tuple(request["category_ids"] or ())
    above = next(folder for folder in out.parents if folder.exists())
    part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=above))
    try:
        lines = _write(module, [path for path in paths if path not in unread], opened, request, part, unread)
        part.chmod(0o755)  # mkdtemp's 0700 would hide the folder from colleagues
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            shutil.rmtree(out)  # an earlier prediction, checked by requests.room
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for line in lines[:SHOWN] if run.task.kind == "classification" else ():
        print(files.shown(f"{line['file_name']}: {line['class']}, probability {line['probability']:.3f}"))
    if run.task.kind == "classification" and len(lines) > SHOWN:
        print(f"and {several(len(lines) - SHOWN, 'more image')}, in predictions.json")
    for path in (out / "predictions.json", out):
        print(path)
    for why in unread.values():
        print(f"error: {why}", file=sys.stderr)
    if unread:
        print(
            f"{len(lines)} of {several(len(paths), 'image')} {are(len(paths))} done; the others cannot be read",
            file=sys.stderr,
        )
        raise SystemExit(1)


def _unreadable(path: Path, opened: Callable[[Path], Image.Image]) -> str | None:
    """Why an image cannot be read; None if it can."""
    try:
        opened(path)
    except DataError as error:
        return str(error)
    except OSError as error:
        return files.shown(f"{path}: {error.strerror or error}")
    return None


def _write(
    module: "Training",
    paths: list[Path],
    opened: Callable[[Path], Image.Image],
    request: dict[str, Any],
    folder: Path,
    unread: dict[Path, str],
) -> list[dict[str, Any]]:
    """Write the pictures and the record into the folder; the record's line of each image."""
    from pvt_exp.nn.tasks import val_pictures
    from pvt_exp.nn.tasks.records import records

    pipeline, found_on, lines = module.task.pipeline(), records(module, folder), []
    for number, (path, name) in enumerate(_shown(list(zip(paths, _names(paths), strict=True))), 1):
        image = opened(path)
        found = val_pictures.find(module, pipeline, image)
        val_pictures.save(module.picture(image, found, least=request["score"]), folder / f"{name}.jpg")
        size = {"width": image.width, "height": image.height}
        line = {"id": number, "file_name": str(path), **size, "picture": f"{name}.jpg"}
        lines.append({**line, **found_on.add(number, name, found)})
    of = {"run": module.run.id, "weights": request["weights"], "task": module.task.kind}
    told = {**of, "images": lines, "unread": _told(unread), **found_on.rest()}
    files.write(folder / "predictions.json", files.dump(told))
    return lines


def _told(unread: dict[Path, str]) -> list[dict[str, str]]:
    return [{"file_name": str(path), "reason": why} for path, why in unread.items()]


def _names(paths: list[Path]) -> list[str]:
    """A file name for each image: its own, with a number where another has the same."""
    names: dict[str, None] = {}
    for path in paths:
        tries = (path.stem if n == 1 else f"{path.stem}.{n}" for n in count(1))
        names[next(name for name in tries if name not in names)] = None
    return list(names)


def _shown(images: list[Any]) -> Iterable[Any]:
    """The same, with a bar on a terminal and a line now and then elsewhere."""
    console = Console(stderr=True, markup=False, emoji=False)
    if console.is_terminal:
        yield from track(images, "images", console=console, transient=True)
        return
    for n, image in enumerate(images):
        if n and n % 100 == 0:
            print(f"{n} of {len(images)} images", file=sys.stderr)
        yield image


if __name__ == "__main__":
    requests.answer(main)
