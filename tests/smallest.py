"""The smallest form of what the documents train: found from what is written, by the meaning of each field's name.

`project` rewrites files so that a run of it takes one step on a few small images; what a sweep varies stays as
it is, and so do the names of its rows. `draw` puts on disk the data that a run wants, of its kind and with its classes.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pvt_exp import config
from pvt_exp.config.run import Run
from pvt_exp.datasets import coco, image_folder, semantic_folder
from tests.examples.coco import box
from tests.examples.semantic_folder import put

MOST_PX = 64
BATCH = 8
WIDTHS = {"embed_dims": [8, 8, 16, 16], "heads": [1, 1, 2, 2]}
"""Of a PVT whose widths are left to its preset."""
NUMBERS = {
    "epochs": 1,
    "batch_size": BATCH,
    "ghost_batch_size": BATCH,
    "warmup_epochs": 0,
    "warmup_steps": 0,
    "milestones": [1],
    "train_images": BATCH,
    "val_images": BATCH,
    "trials": 2,
}
"""Fields that say how much, wherever they stand, and their smallest value that still does what they are for."""


def project(folder: Path) -> None:
    """Rewrite all experiments, and the sweeps that are not a paper's, which nothing here trains."""
    sweeps = {path: config.read(path).value for path in sorted(folder.glob("sweeps/**/*.yaml"))}
    presets_vary = {
        (path.parent / written["base"]).resolve() for path, written in sweeps.items() if "preset" in json.dumps(written)
    }
    for path in sorted(folder.glob("experiments/**/*.yaml")):
        _experiment(path, presets_vary)
    for path in sorted(folder.glob("sweeps/*.yaml")):
        _sweep(path)


def _experiment(path: Path, presets_vary: set[Path]) -> None:
    """Rewrite an experiment."""
    written = config.parse(path.read_text(), str(path)).value
    written = _smaller(written)
    backbone = written["backbone"]
    if backbone["kind"] == "pvt" and "embed_dims" not in backbone and path.resolve() not in presets_vary:
        backbone |= WIDTHS
    if written["dataset"]["kind"] == "image_folder":
        written["task"]["num_classes"] = min(written["task"]["num_classes"], 4)
    path.write_text(json.dumps(written))  # which is YAML too


def _sweep(path: Path) -> None:
    """Rewrite a sweep: one seed, two trials."""
    written = config.parse(path.read_text(), str(path)).value
    written["seeds"] = written.get("seeds", [0])[:1]
    if "tune" in written:
        written["tune"] = _smaller(written["tune"])
    path.write_text(json.dumps(written))


def override(word: str) -> str:
    """A change that is typed, likewise."""
    name = word.partition("=")[0]
    return f"{name}=2" if name == "epochs" else word  # two, as a warm-up and a pruner need more than one


def _smaller(value: Any, name: str = "") -> Any:
    if name in NUMBERS:
        return NUMBERS[name]
    if isinstance(value, dict):
        return {key: _smaller(each, key) for key, each in value.items()}
    if name.endswith("_px"):
        return [min(each, MOST_PX) for each in value] if isinstance(value, list) else value and min(value, MOST_PX)
    return value


def draw(run: Run, folder: Path) -> None:
    """Put the data of a run into a folder, a few images a split; nothing for what draws itself."""
    dataset, classes = run.dataset, run.task.num_classes
    if folder.exists():
        return
    if isinstance(dataset, image_folder.Settings):
        for split, least in (("train", BATCH), ("val", 1)):
            for number in range(max(classes, least)):
                _picture(folder / f"{split}/{number % classes:04}/{number}.jpg", number)
    elif isinstance(dataset, coco.Settings):
        for split, image_folder_, annotations in (
            ("train", dataset.train_image_folder, dataset.train_annotations),
            ("val", dataset.val_image_folder, dataset.val_annotations),
        ):
            _coco(folder, f"{split}-", image_folder_, annotations, classes)
    elif isinstance(dataset, semantic_folder.Settings):
        values = np.arange(MOST_PX * MOST_PX, dtype=np.uint8).reshape(MOST_PX, MOST_PX) % classes
        for split in ("train", "val"):
            at = (getattr(dataset, f"{split}_{what}_folder") for what in ("image", "mask"))
            images, masks = (folder / each for each in at)
            for number in range(BATCH):
                put(images / f"{split}{number}.png", masks / f"{split}{number}.png", np.roll(values, number))
        (folder / "classes.json").write_text(json.dumps([f"class {number}" for number in range(classes)]))
    else:
        assert dataset.kind == "shapes", f"write here how a few images of the kind {dataset.kind} are drawn"


def _picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(value).integers(0, 256, (MOST_PX, MOST_PX, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def _coco(folder: Path, begins: str, images: str, annotations: str, classes: int) -> None:
    names = [f"{begins}{number}.png" for number in range(BATCH)]
    for number, name in enumerate(names):
        _picture(folder / images / name, number)
    told = {
        "categories": [{"id": n, "name": f"class {n}"} for n in range(1, classes + 1)],
        "images": [
            {"id": n, "file_name": name, "width": MOST_PX, "height": MOST_PX} for n, name in enumerate(names, 1)
        ],
        "annotations": [box(n, n, 1 + n % classes, [8, 8, 30, 30]) for n in range(1, len(names) + 1)],
    }
    (folder / annotations).parent.mkdir(parents=True, exist_ok=True)
    (folder / annotations).write_text(json.dumps(told))
