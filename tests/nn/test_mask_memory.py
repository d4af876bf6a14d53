"""Masks of large photographs are worked on a few at a time, and come out bit-equal to all at once."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as rle
from torch import Tensor
from torch.nn.functional import grid_sample
from torchvision import tv_tensors

from pvt_exp.datasets.coco import Settings
from pvt_exp.nn.data import augment_boxes
from pvt_exp.nn.dense import masks
from pvt_exp.nn.pictures import draw
from pvt_exp.nn.scores.detections import Detections, encode
from pvt_exp.nn.seeding import draw_from
from pvt_exp.tasks.detection import Crop
from pvt_exp.tasks.instance import Settings as Instance
from tests.conftest import ROOT, environment, real_data

SIZE = (61, 83)


def pasted_whole(masks_PSS: Tensor, boxes_P4: Tensor, size: tuple[int, int]) -> Tensor:
    """Each mask sampled over its whole box at once."""
    out = torch.zeros(len(boxes_P4), *size, dtype=torch.bool)
    for mask, box, image in zip(masks_PSS, boxes_P4, out, strict=True):
        x1, y1 = box[:2].floor().clamp(min=0).long().tolist()
        x2, y2 = box[2:].ceil().minimum(torch.tensor(size[::-1])).long().tolist()
        if x2 <= x1 or y2 <= y1:
            continue
        x = (torch.arange(x1, x2) + 0.5 - box[0]) / (box[2] - box[0]) * 2 - 1
        y = (torch.arange(y1, y2) + 0.5 - box[1]) / (box[3] - box[1]) * 2 - 1
        ys, xs = torch.meshgrid(y, x, indexing="ij")
        image[y1:y2, x1:x2] = (
            grid_sample(mask[None, None], torch.stack([xs, ys], 2)[None], align_corners=False)[0, 0] >= 0.5
        )
    return out


@pytest.fixture
def found() -> tuple[Tensor, Tensor]:
    """Masks of probabilities and their boxes: some beyond the border, one of no pixel, one over the whole image."""
    torch.manual_seed(0)
    corners = torch.rand(40, 2) * torch.tensor([90.0, 70.0]) - 5
    boxes = torch.cat([corners, corners + torch.rand(40, 2) * 60 + 0.2], 1)
    boxes[0] = torch.tensor([0.0, 0.0, SIZE[1], SIZE[0]])
    boxes[1] = torch.tensor([SIZE[1], 3.0, SIZE[1] + 4.0, 9.0])
    return torch.rand(40, 28, 28), boxes


@pytest.mark.parametrize("pixels", [1, 100, 2**22])
def test_pasting_and_encoding_a_few_at_a_time_changes_nothing(
    found: tuple[Tensor, Tensor], pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pasted_whole(*found, SIZE)
    expected = [
        {"size": each["size"], "counts": each["counts"].decode()}
        for each in rle.encode(np.asfortranarray(whole.numpy().transpose(1, 2, 0).astype(np.uint8)))
    ]
    monkeypatch.setattr(masks, "PIXELS_AT_ONCE", pixels)
    each_alone = masks.Pasted(*found, SIZE)
    assert torch.equal(torch.stack(list(each_alone)), whole)
    assert torch.equal(masks.paste(*found, SIZE), whole)
    assert encode(each_alone) == encode(whole) == expected
    assert [len(part) for part in each_alone.chunks()] == ([40] if pixels == 2**22 else [1] * 40)
    boxes = {"boxes": found[1], "scores": torch.ones(40), "labels": torch.zeros(40, dtype=torch.long)}
    collected = Detections({}, [1], kinds=("boxes", "masks"))
    collected.update([1, 2], [{**boxes, "masks": each_alone}, {**boxes, "masks": whole}])
    assert [x["segmentation"] for x in collected.images[1]] == [x["segmentation"] for x in collected.images[2]]


def test_pictures_are_the_same(found: tuple[Tensor, Tensor]) -> None:
    image = Image.new("RGB", SIZE[::-1], "gray")
    things = {"boxes": found[1], "scores": torch.rand(40), "labels": torch.arange(40) % 3}
    drawn = [
        draw.objects(image, "abc", {**things, "masks": each}, {**things, "scores": torch.ones(40), "masks": each})
        for each in (masks.Pasted(*found, SIZE), pasted_whole(*found, SIZE))
    ]
    assert drawn[0].tobytes() == drawn[1].tobytes()


class AllAtOnce(augment_boxes.Objects):
    """Takes all masks through each step together."""

    def __init__(self, image: Image.Image, target: Any) -> None:
        super().__init__(image, {**target, "masks": np.asarray(target["masks"])})
        self.held: Any = tv_tensors.Mask(torch.from_numpy(np.asarray(target["masks"]))[self.rows])

    def apply(self, step: Any, *args: Any) -> None:
        super().apply(step, *args)
        self.held = step(self.held, *args) if len(self.held) else self.held.new_zeros(0, *self.size)

    def crop(self, *part: int) -> None:
        before = self.rows
        super().crop(*part)
        self.held = tv_tensors.wrap(self.held[torch.isin(before, self.rows)], like=self.held)

    def target(self) -> dict[str, Tensor]:
        return {"boxes": self.boxes.as_subclass(Tensor), "labels": self.labels, "masks": self.held.as_subclass(Tensor)}


def test_training_images_are_the_same(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """On real photographs with polygons and crowds, cropped, scaled and mirrored."""
    samples = Settings().open(real_data("coco_tiny100"), "train", "instance")
    crop = Crop(short_px=(200, 300), side_px=(150, 260))
    task = Instance(num_classes=80, short_px=(100, 160, 427, 480), long_px=640, crop=crop)
    objects = 0
    for index in range(0, 50, 2):
        results = []
        for kind in (augment_boxes.Objects, AllAtOnce):
            with monkeypatch.context() as patched:
                patched.setattr(augment_boxes, "Objects", kind)
                draw_from(index)
                results.append(task.pipeline().train(*samples[index]))
        (one, rest), (other, rest_of_other) = results
        assert torch.equal(one, other)
        assert {**rest, "target": 0} == {**rest_of_other, "target": 0}
        for name, values in rest["target"].items():
            assert torch.equal(values, rest_of_other["target"][name]), name
            assert values.dtype == rest_of_other["target"][name].dtype
        objects += len(rest["target"]["masks"])
    assert objects > 100


# ---------------------------------------------------------------- what it takes

HEIGHT, WIDTH, OBJECTS = 2000, 3000, 60
CHILD = """
import sys
from pathlib import Path
import torch
from pvt_exp.datasets.coco import Settings
from pvt_exp.nn.dense import masks
from pvt_exp.nn.scores.detections import encode
from pvt_exp.nn.pictures.draw import objects
from pvt_exp.tasks.instance import Settings as Instance

torch.set_num_threads(1)
root, (height, width, count) = Path(sys.argv[1]), map(int, sys.argv[2:])
task = Instance(num_classes=1, short_px=(64,), long_px=96, test_short_px=64, test_long_px=96)
files = {"train_annotations": "train.json", "val_annotations": "val.json"}
samples = Settings(**files, train_image_folder="i", val_image_folder="i").open(root, "train", "instance")
image, target = samples[0]
peak = lambda: int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024
task.pipeline().train(image, {**target, "masks": [target["masks"][0]] * 1, "boxes": target["boxes"][:1],
                              "labels": target["labels"][:1], "crowd": target["crowd"][:1]})
boxes = torch.tensor([[5.0, 5, width, height]]).repeat(count, 1)
found = {"boxes": boxes, "scores": torch.ones(count), "labels": torch.zeros(count, dtype=torch.long)}
found["masks"] = masks.Pasted(torch.rand(count, 28, 28), boxes, (height, width))
before = peak()
task.pipeline().train(image, target)
read = peak() - before
assert len(encode(found["masks"])) == count
coded = peak() - before
objects(image, ["a"], found, target)
print(read, coded, peak() - before)
"""


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photograph")
    (root / "i").mkdir()
    Image.new("RGB", (WIDTH, HEIGHT), "gray").save(root / "i/1.png")
    annotations = [
        {"id": n, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [n, n, 900, 800], "area": 720000,
         "segmentation": [[n, n, n + 900, n, n + 900, n + 800, n, n + 800]]}
        for n in range(1, OBJECTS + 1)
    ]  # fmt: skip
    image = {"id": 1, "file_name": "1.png", "width": WIDTH, "height": HEIGHT}
    document = {"images": [image], "categories": [{"id": 1, "name": "a"}], "annotations": annotations}
    for split in ("train", "val"):
        (root / f"{split}.json").write_text(json.dumps(document))
    return root


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_masks(photograph: Path) -> None:
    """To read, to encode and to draw 60 masks takes less than half of what they hold, 360 MB; each took more than that."""
    command = [sys.executable, "-c", CHILD, str(photograph), str(HEIGHT), str(WIDTH), str(OBJECTS)]
    env = environment(XDG_CACHE_HOME=str(photograph / "cache"))
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(int(taken) < OBJECTS * HEIGHT * WIDTH / 2 for taken in done.stdout.split()), done.stdout
