"""What happens to images with objects or with a map of classes, on the way to a batch."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pvt_exp.config import DataError
from pvt_exp.config.placement import Placement
from pvt_exp.datasets.shapes import Settings as Shapes
from pvt_exp.nn.data.augment_boxes import fit
from pvt_exp.nn.data.loader import Loader, loaders
from pvt_exp.nn.data.order import Order
from pvt_exp.nn.seeding import draw_from
from pvt_exp.tasks.detection import Crop
from pvt_exp.tasks.detection import Settings as Detection
from pvt_exp.tasks.instance import Settings as Instance
from pvt_exp.tasks.semantic import Settings as Semantic

SMALL = {"short_px": (48, 64, 80), "long_px": 96, "test_short_px": 64, "test_long_px": 96}


class Mixed(Sequence[Any]):
    """The drawn shapes, cut so that some images lie and some stand, with one crowd in each."""

    def __init__(self, samples: Any) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def sizes(self) -> list[tuple[int, int]]:
        return [(64, 48) if n % 3 == 0 else (40, 64) for n in range(len(self))]

    def __getitem__(self, index: Any) -> Any:
        image, target = self.samples[index]
        height, width = self.sizes()[index]
        masks = target["masks"][:, :height, :width]
        seen = masks.any((1, 2))
        boxes = np.array([around(torch.from_numpy(mask)).numpy() for mask in masks[seen]], np.float32)
        kept = {name: target[name][seen] for name in ("labels", "area")}
        crowd = np.zeros(seen.sum(), np.bool_)
        if len(crowd) > 1:
            crowd[-1] = True
        rest = {"boxes": boxes, "masks": masks[seen], "crowd": crowd, "image_id": index}
        return image.crop((0, 0, width, height)), {**kept, **rest}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    made = Shapes(train_images=36, val_images=4, num_classes=4)
    return Mixed(made.open(tmp_path_factory.mktemp("shapes"), "train", "instance"))


def made(task: Any, samples: Any, *, batch: int = 8, group: int = 4, **placement: Any) -> tuple[Loader, Loader]:
    run: Any = SimpleNamespace(batch_size=batch, ghost_batch_size=group, seed=3, dataset=SimpleNamespace())
    return loaders(run, task.pipeline(), samples, samples, Placement(**placement))


@pytest.mark.parametrize(
    ("size", "short", "long", "due"),
    [((480, 640), 800, 1333, (800, 1067)), ((427, 640), 800, 1333, (800, 1199)), ((300, 1000), 800, 1333, (400, 1333))],
)
def test_an_image_is_scaled_as_mmdetection_does(
    size: tuple[int, int], short: int, long: int, due: tuple[int, int]
) -> None:
    assert fit(*size, short, long) == due
    assert fit(*size[::-1], short, long) == due[::-1]


def around(mask: torch.Tensor) -> torch.Tensor:
    rows, columns = torch.where(mask.any(1))[0], torch.where(mask.any(0))[0]
    return torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


@pytest.mark.parametrize("crop", [None, Crop(short_px=(56, 70), side_px=(32, 60))], ids=["whole", "cropped"])
def test_boxes_and_masks_stay_together(shapes: Mixed, crop: Crop | None) -> None:
    """The box of each mask is its box, to what resizing a mask leaves open; a crop may leave a box wider than its mask."""
    transform = Instance(num_classes=4, **SMALL, crop=crop).pipeline().train
    objects = 0
    for seed in range(60):
        draw_from(seed)
        image, rest = transform(*shapes[seed % len(shapes)])
        target = rest["target"]
        assert tuple(image.shape[1:]) == rest["size"] == tuple(target["masks"].shape[1:])
        assert len(target["boxes"]) == len(target["labels"]) == len(target["masks"])
        for box, mask in zip(target["boxes"], target["masks"], strict=True):
            if mask.sum() < 20:
                continue
            beyond = (box - around(mask)) * torch.tensor([1, 1, -1, -1])
            assert beyond.max() <= 2, "a mask reaches out of its box"
            assert crop is not None or beyond.min() >= -2, "a box is wider than its mask"
            objects += 1
    assert objects > 60


def test_training_draws_and_testing_does_not(shapes: Mixed) -> None:
    pipeline = Instance(num_classes=4, **SMALL).pipeline()
    sizes = set()
    for seed in range(12):
        draw_from(seed)
        sizes.add(pipeline.train(*shapes[1])[1]["size"])
    assert sizes == {fit(40, 64, short, 96) for short in (48, 64, 80)}
    first, second = pipeline.test(*shapes[1]), pipeline.test(*shapes[1])
    assert torch.equal(first[0], second[0])
    assert first[1]["size"] == fit(40, 64, 64, 96)
    assert first[1]["original"] == (40, 64)


def test_crowds_are_not_trained_on(shapes: Mixed) -> None:
    image, target = next(shapes[n] for n in range(len(shapes)) if shapes[n][1]["crowd"].any())
    _, rest = (
        Detection(num_classes=4, **SMALL).pipeline().train(image, {k: v for k, v in target.items() if k != "masks"})
    )
    assert len(rest["target"]["labels"]) == (~target["crowd"]).sum()
    assert "masks" not in rest["target"]


def test_a_batch_is_padded_to_multiples_of_32_at_its_right_and_bottom(shapes: Mixed) -> None:
    train, val = made(Instance(num_classes=4, **SMALL), shapes)
    for loader in (train, val):
        for batch in loader:
            height, width = batch["image"].shape[2:]
            assert height % 32 == width % 32 == 0
            for image, (h, w) in zip(batch["image"], batch["sizes"], strict=True):
                assert not image[:, h:].any()
                assert not image[:, :, w:].any()
                assert image[:, h - 1].any()
                assert image[:, :, w - 1].any()
            assert len(batch["target"]) == len(batch["ids"]) == len(batch["image"])


def test_a_training_group_holds_images_of_one_orientation(shapes: Mixed) -> None:
    train, _ = made(Instance(num_classes=4, **SMALL), shapes)
    kinds = [{width > height for height, width in batch["originals"]} for batch in train]
    assert len(kinds) == len(train) == 8  # 12 stand, 24 lie: 3 + 6 groups of four, of which two make a batch
    assert all(len(kind) == 1 for kind in kinds)
    assert {kind.pop() for kind in kinds} == {True, False}


def test_groups_of_one_shape_are_drawn_anew_each_epoch_and_miss_no_image_for_ever() -> None:
    order = Order(37, 8, 4, seed=0, shapes=[n % 5 == 0 for n in range(37)])
    seen = []
    for epoch in range(6):
        order.set_epoch(epoch)
        groups = [[key.image for key in keys] for keys in order]
        assert len(groups) == len(order) == 8
        flat = [image for group in groups for image in group]
        assert len(set(flat)) == len(flat)
        seen.append(flat)
    assert seen[0] != seen[1]
    assert {image for flat in seen for image in flat} == set(range(37))
    with pytest.raises(DataError, match="of one shape"):
        Order(8, 8, 8, seed=0, shapes=[0, 1] * 4)


def test_what_is_loaded_depends_on_no_worker_and_no_micro_batch(shapes: Mixed) -> None:
    task = Instance(num_classes=4, **SMALL, crop=Crop(short_px=(56,), side_px=(32, 50)))
    alone = list(made(task, shapes)[0])
    for others in (made(task, shapes, workers=2)[0], made(task, shapes, micro_batch=2)[0]):
        images = [image for b in others for image in zip(b["image"], b["sizes"], b["target"], strict=True)]
        due = [image for b in alone for image in zip(b["image"], b["sizes"], b["target"], strict=True)]
        for (image, size, target), (image_due, size_due, target_due) in zip(images, due, strict=True):
            assert size == size_due
            assert torch.equal(image[:, : size[0], : size[1]], image_due[:, : size[0], : size[1]])
            assert torch.equal(target["boxes"], target_due["boxes"])


# ---------------------------------------------------------------- semantic


def striped(height: int, width: int) -> tuple[Image.Image, Any]:
    """An image whose left tenth is of class 9 and the rest of class 0; brighter where it is class 9."""
    labels = np.zeros((height, width), np.uint8)
    labels[:, : width // 10] = 9
    return Image.fromarray(np.repeat(labels[:, :, None] * 20, 3, 2)), labels


def test_a_part_of_one_class_is_drawn_anew() -> None:
    image, labels = striped(64, 320)
    shares = {}
    for most in (1.0, 0.75):
        task = Semantic(num_classes=10, short_px=64, long_px=320, crop_px=(64, 64), scale=(1.0, 1.0), crop_most=most)
        found = []
        for seed in range(40):
            draw_from(seed)
            target = task.pipeline().train(image, labels)[1]["target"]
            found.append(float((target == 9).float().mean()))
        shares[most] = sum(share >= 0.25 for share in found)
    assert shares[0.75] > 2 * shares[1.0]


def test_the_map_of_classes_follows_its_image() -> None:
    task = Semantic(num_classes=10, short_px=64, long_px=320, crop_px=(64, 64), scale=(0.7, 1.4), photometric=False)
    image, labels = striped(64, 320)
    for seed in range(30):
        draw_from(seed)
        pixels, rest = task.pipeline().train(image, labels)
        bright = pixels[0] > pixels[0].mean()
        target = rest["target"]
        assert set(target.unique().tolist()) <= {0, 9, 255}
        if 0.1 < float((target == 9).float().mean()) < 0.9:
            same = (bright == (target == 9))[target != 255].float().mean()
            assert same > 0.95


def test_what_is_padded_is_ignored_and_zero() -> None:
    task = Semantic(num_classes=10, short_px=32, long_px=320, crop_px=(64, 64), scale=(1.0, 1.0))
    pixels, rest = task.pipeline().train(*striped(32, 40))
    assert (rest["target"][32:] == 255).all()
    assert (rest["target"][:, 40:] == 255).all()
    assert not pixels[:, 32:].any()
    assert (rest["target"][:32, :40] != 255).all()


def test_testing_resizes_to_multiples_of_32_and_keeps_the_truth() -> None:
    image, labels = striped(50, 90)
    pixels, rest = Semantic(num_classes=10, short_px=64, long_px=320).pipeline().test(image, labels)
    assert tuple(pixels.shape[1:]) == rest["size"] == (64, 128)
    assert np.array_equal(rest["target"].numpy(), labels)
