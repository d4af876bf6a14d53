"""A metric that cannot be computed is missing with its reason, and names that are not UTF-8 stand in every record."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pvt_exp import config, store
from pvt_exp.config.metrics import described
from pvt_exp.config.run import Run
from pvt_exp.store import attempts
from pvt_exp.store.results import read_result
from pvt_exp.train import fit, worker
from tests.conftest import EXPERIMENT
from tests.examples.semantic_folder import put
from tests.nn.test_train import attempt

SEMANTIC = """
task: {kind: semantic, num_classes: 2, neck: {kind: fpn, width: 16}, head_width: 16, short_px: 32, long_px: 32,
       crop_px: [32, 32], crop_most: 1.0, photometric: false}
dataset: {kind: semantic_folder, name: d, classes: 2}
holdout: {fraction: 0.25, seed: 0}
"""
PHOTOS = """
task: {kind: classification, num_classes: 2, image_px: 32}
dataset: {kind: image_folder, name: d}
"""


def run_of(folder: Path, text: str) -> Run:
    rest = EXPERIMENT[EXPERIMENT.index("backbone:") :].replace("epochs: 2", "epochs: 1").replace("16\n", "2\n")
    rest = rest.replace("batch_size: 16", "batch_size: 2")
    (folder / "run.yaml").write_text(text + rest)
    return config.load(Run, folder / "run.yaml")


def test_a_held_out_part_without_a_pixel_to_score_gives_no_metric_and_says_so(tmp_path: Path) -> None:
    run = run_of(tmp_path, SEMANTIC)
    assert run.holdout is not None
    held = run.holdout.places(8)[1]
    for n in range(8):
        values = np.full((32, 32), 255, np.uint8) if n in held else np.tile(np.arange(2, dtype=np.uint8), (32, 16))
        put(tmp_path / f"data/train/images/{n}.png", tmp_path / f"data/train/masks/{n}.png", values)
    _, placement, placed = attempt(tmp_path, run)
    assert fit.fit(run, placement.model_copy(update={"data": str(tmp_path / "data")}), placed)
    result = read_result(attempts.run_folder(placed)) or {}
    why = "no pixel of the images that are scored is of a class"
    assert result["metrics"] == {}
    assert result["unscored"] == dict.fromkeys(("mIoU", "pixel_accuracy", "class_accuracy"), why)
    assert result["best"] == {}
    assert described(result)[0] == f"no mIoU: {why}"


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", b"two\nlines.jpg"])
def test_a_broken_image_of_any_name_is_the_reason_in_every_record(tmp_path: Path, name: bytes) -> None:
    run = run_of(tmp_path, PHOTOS)
    root = tmp_path / os.fsdecode(b"d\xe9")
    for split in ("train", "val"):
        for label in ("cat", "dog"):
            (root / split / label).mkdir(parents=True)
            for n in range(2):
                Image.linear_gradient("L").save(root / split / label / f"{n}.png")
    (root / "train/cat" / os.fsdecode(name)).write_bytes(b"broken")
    (root / "train/cat/0.png").unlink()  # so that all are drawn
    runs = store.create(tmp_path / "runs")
    _, placement, _ = attempt(tmp_path / "other", run)
    placement = placement.model_copy(update={"data": str(root)})
    placed = store.attempt(runs, run, placement, os.fsdecode(b"x"))
    assert worker.main(placed, to_log=False) == 1
    ended = json.loads((placed / "end.json").read_text(encoding="utf-8"))
    assert ended["state"] == "failed"
    shown = name.decode("utf-8", "backslashreplace").replace("\n", "\\n")
    assert f"d\\xe9/train/cat/{shown}: not a readable image" in ended["reason"]
    assert len(ended["reason"].splitlines()) == 1
