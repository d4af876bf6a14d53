"""Validating eight photographs of 24 megapixels takes 1.5 GB at most, libraries and all."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from pvt_exp.nn.data import packed
from pvt_exp.nn.scores import miou
from pvt_exp.nn.scores.miou import MeanIoU
from pvt_exp.nn.tasks import semantic
from tests.conftest import ROOT, environment

HEIGHT, WIDTH = 4000, 6000
PHOTOGRAPHS, OBJECTS, CLASSES = 3, 40, 40  # all in one batch
BOUND = 1.5e9 - (8 - PHOTOGRAPHS) * HEIGHT * WIDTH
"""Eight take 1.5 GB at most, of which each has a map of classes, a byte a pixel."""

CHILD = """
import json, sys
from pathlib import Path
import pytorch_lightning as pl
from pvt_exp import config
from pvt_exp.train import fit
from pvt_exp.nn.data import holdout
from pvt_exp.nn.data.loader import val_loader
from pvt_exp.config.placement import Placement; from pvt_exp.config.run import Run

root = Path(sys.argv[1])
run, placement = config.make(Run, json.loads(sys.argv[2])), Placement(data=str(root), threads=1, workers=0)
fit.set_up(run, placement)
module = run.task.build(run)
loader = val_loader(run, run.task.pipeline(), holdout.open_split(run, root, "val"), placement)
assert len(loader) == 1
off = {f"enable_{what}": False for what in ("checkpointing", "progress_bar", "model_summary")}
module.classes = tuple(map(str, range(run.task.num_classes)))
pl.Trainer(accelerator="cpu", logger=False, **off).validate(module, loader, verbose=False)
found = getattr(module, "found", None)
masks = sum("segmentation" in each for each in found.results()) if found else 0
status = Path("/proc/self/status").read_text()  # ru_maxrss has what the process that started this one held
peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
print(json.dumps({"peak": peak, "masks": masks, "lines": len(module.per_class)}))
"""
NETWORK: dict[str, Any] = {
    "backbone": {
        "kind": "pvt", "preset": "pvt_v2_b0", "embed_dims": [8, 16, 16, 16], "heads": [1, 2, 2, 2],
        "depths": [1, 1, 1, 1], "mlp_ratios": [2, 2, 2, 2],
    },
    "optim": {"kind": "adamw", "lr": 2e-3},
    "schedule": {"kind": "cosine", "warmup_epochs": 0},
    "epochs": 1,
    "batch_size": 8,
}  # fmt: skip


def validated(root: Path, run: dict[str, Any]) -> dict[str, int]:
    """A whole validation in a process of its own: the most memory that it had, and what it came to."""
    command = [sys.executable, "-c", CHILD, str(root), json.dumps({**NETWORK, **run})]
    env = environment(XDG_CACHE_HOME=str(root / "cache"), OMP_NUM_THREADS="1")
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_instances_of_large_photographs(tmp_path: Path) -> None:
    """A hundred masks are found on each, in places and sizes of all kinds."""
    (tmp_path / "i").mkdir()
    images, annotations = [], []
    for number in range(1, PHOTOGRAPHS + 1):
        Image.new("RGB", (WIDTH, HEIGHT), "gray").save(tmp_path / f"i/{number}.jpg")
        images.append({"id": number, "file_name": f"{number}.jpg", "width": WIDTH, "height": HEIGHT})
        for n in range(OBJECTS):
            left, top, wide, high = 10 * n, 10 * n, WIDTH - 500, HEIGHT - 500
            outline = [left, top, left + wide, top, left + wide, top + high, left, top + high]
            annotations.append({
                "id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0,
                "bbox": [left, top, wide, high], "area": wide * high, "segmentation": [outline],
            })  # fmt: skip
    document = {"images": images, "categories": [{"id": 1, "name": "a"}], "annotations": annotations}
    for split in ("train", "val"):
        (tmp_path / f"{split}.json").write_text(json.dumps(document))
    files = {"train_annotations": "train.json", "val_annotations": "val.json"}
    sizes = {"short_px": [128], "long_px": 192, "test_short_px": 128, "test_long_px": 192}
    detector = {"head_width": 32, "mask_width": 8, "mask_convs": 1, "score_threshold": 0.0}
    found = validated(
        tmp_path,
        {
            "task": {
                "kind": "instance", "num_classes": 1, "neck": {"kind": "fpn", "width": 16}, "detector": detector, **sizes,
            },
            "dataset": {
                "kind": "coco", "name": "photographs", **files, "train_image_folder": "i", "val_image_folder": "i",
            },
        },
    )  # fmt: skip
    assert found["masks"] == 100 * PHOTOGRAPHS
    assert found["peak"] <= BOUND, found


@pytest.mark.slow
def test_classes_of_the_pixels_of_large_photographs(tmp_path: Path) -> None:
    """The logits of one photograph alone would take 3.8 GB at its size."""
    values = (np.arange(WIDTH) * CLASSES // WIDTH).astype(np.uint8)
    for split in ("train", "val"):
        for what in ("images", "masks"):
            (tmp_path / split / what).mkdir(parents=True)
        for number in range(PHOTOGRAPHS):
            Image.new("RGB", (WIDTH, HEIGHT), "gray").save(tmp_path / split / f"images/{number}.jpg")
            Image.fromarray(np.tile(values, (HEIGHT, 1))).save(tmp_path / split / f"masks/{number}.png")
    task = {"kind": "semantic", "num_classes": CLASSES, "neck": {"kind": "fpn", "width": 16}, "head_width": 16}
    sizes = {"short_px": 128, "long_px": 192, "crop_px": [64, 64]}
    dataset = {"kind": "semantic_folder", "name": "photographs", "classes": CLASSES}
    found = validated(tmp_path, {"task": task | sizes, "dataset": dataset})
    assert found["lines"] == CLASSES
    assert found["peak"] <= BOUND, found


# ---------------------------------------------------------------- a part at a time changes nothing


@pytest.mark.parametrize("size", [(61, 83), (375, 500), (301, 900)])
@pytest.mark.parametrize("classes", [2, 4, 5, 21])
def test_logits_are_enlarged_a_class_at_a_time_to_the_same(
    classes: int, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit-equal; and where logits lie in memory pixel by pixel, but for pixels whose two best classes are as good."""
    torch.manual_seed(classes)
    for logits in (torch.randn(classes, 32, 48), torch.randn(classes, 32, 48).bfloat16().float().round()):  # and ties
        whole = interpolate(logits[None], size, mode="bilinear", align_corners=False)[0]
        assert torch.equal(semantic.likeliest(logits, size).long(), whole.argmax(0))
        by_pixel = logits[None].contiguous(memory_format=torch.channels_last)[0]
        together = semantic.likeliest(by_pixel, size)
        with monkeypatch.context() as patched:
            patched.setattr(semantic, "VALUES_AT_ONCE", 1)
            alone = semantic.likeliest(logits, size)
            assert torch.equal(alone.long(), whole.argmax(0))
            assert torch.equal(semantic.likeliest(by_pixel, size), alone)
        best = whole.topk(2, 0).values
        assert (best[0] - best[1])[together != alone].lt(1e-5).all()


def test_a_large_map_of_classes_is_packed_and_scored_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.random.default_rng(0).integers(0, 7, (61, 83), dtype=np.uint8)
    plain = packed.packed(labels)
    monkeypatch.setattr(packed, "PIXELS", labels.size - 1)
    small = packed.packed(labels[:, ::-1])
    assert isinstance(plain, torch.Tensor)
    assert isinstance(small, packed.Packed)
    for target, due in ((plain, labels), (pickle.loads(pickle.dumps(small)), labels[:, ::-1])):
        assert np.array_equal(packed.unpacked(target, torch.device("cpu")).numpy(), due)


def test_pixels_are_counted_a_part_at_a_time_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    pred, target = torch.randint(0, 7, (2, 61, 83)), torch.randint(0, 7, (2, 61, 83), dtype=torch.uint8)
    target[torch.rand(target.shape) < 0.1] = 255
    tables = []
    for pixels in (2**22, 1000, 83):
        monkeypatch.setattr(miou, "PIXELS_AT_ONCE", pixels)
        metric = MeanIoU(7)
        metric.update(pred, target)
        assert metric.confusion_CC is not None
        tables.append(metric.confusion_CC)
    assert all(torch.equal(tables[0], table) for table in tables)
    assert tables[0].sum() == (target != 255).sum()
