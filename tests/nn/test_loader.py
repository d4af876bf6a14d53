"""What is loaded follows from (seed, epoch, sample), and from nothing else."""

import os
import pickle
import random
from collections.abc import Sequence
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from pvt_exp.config import DataError
from pvt_exp.config.placement import Placement
from pvt_exp.nn.data.augment import test_transform as centred  # a name that pytest does not collect
from pvt_exp.nn.data.augment import train_transform
from pvt_exp.nn.data.images import BadImage
from pvt_exp.nn.data.loader import Loader, loaders
from pvt_exp.nn.data.order import InOrder, Order
from pvt_exp.plan.whole_batches import left_out
from pvt_exp.system import inherited
from pvt_exp.tasks.classification import Augment, Mixing
from pvt_exp.tasks.classification import Settings as Classification

EVERYTHING = Augment(rand_augment="rand-m9-mstd0.5-inc1", erasing=0.5)


class Noise(Sequence[Any]):
    """Images of noise; image n has label n % 4. Some cannot be read."""

    def __init__(self, number: int, bad: Sequence[int] = ()) -> None:
        self.number, self.bad = number, bad

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: Any) -> Any:
        if index in self.bad:
            raise BadImage(f"/data/{index}.png: not a readable image: cut short")
        pixels = np.random.RandomState(index).randint(0, 256, (20, 24, 3), dtype=np.uint8)
        return Image.fromarray(pixels), index % 4


def made(
    number: int = 40,
    *,
    bad: Sequence[int] = (),
    on_bad: str = "fail",
    micro: int | None = None,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
    seed: int = 3,
    **task: Any,
) -> tuple[Loader, Loader]:
    dataset = SimpleNamespace(on_bad_image=on_bad)
    task = {"num_classes": 4, "image_px": 16, "augment": EVERYTHING, **task}
    return loaders(
        SimpleNamespace(batch_size=16, ghost_batch_size=8, seed=seed, dataset=dataset),  # type: ignore[arg-type]
        Classification(**task).pipeline(),
        Noise(number, bad),
        Noise(number, bad),
        Placement(workers=workers, micro_batch=micro),
        rank=rank,
        world=world,
    )


def epoch(loader: Loader, number: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    loader.set_epoch(number)
    batches = list(loader)
    assert len(batches) == len(loader)
    return torch.cat([b["image"] for b in batches]), torch.cat([b["target"] for b in batches])


def same(one: tuple[torch.Tensor, torch.Tensor], other: tuple[torch.Tensor, torch.Tensor]) -> bool:
    return torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


# ---------------------------------------------------------------- the promise


def test_workers_and_resume_change_nothing() -> None:
    mixing = Mixing()
    alone, _ = made(mixing=mixing)
    through = [epoch(alone, number) for number in range(4)]
    assert not same(through[2], through[3])
    fresh, _ = made(mixing=mixing)
    assert same(epoch(fresh, 3), through[3])
    helped, _ = made(mixing=mixing, workers=2)
    assert same(epoch(helped, 3), through[3])
    assert same(epoch(helped, 0), through[0]), "workers that stay have no memory"
    for other in (made(mixing=mixing, seed=4), made(mixing=Mixing(mixup=0.0))):
        assert not same(epoch(other[0], 3), through[3])


def test_the_generators_of_training_are_left_alone() -> None:
    train, val = made(mixing=Mixing())
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    due = torch.rand(3), random.random(), np.random.rand()
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    for loader in (train, val):
        list(loader)
        list(loader)
    helped, _ = made(workers=1)
    list(helped)
    got = torch.rand(3), random.random(), np.random.rand()
    assert torch.equal(due[0], got[0])
    assert due[1:] == got[1:]


def test_an_image_is_augmented_differently_in_each_epoch_and_repeat() -> None:
    train, _ = made(number=16, augment=Augment(crop_scale=(0.5, 1.0), repeats=2))
    images, _ = epoch(train)
    assert len({image.numpy().tobytes() for image in images}) == 16
    train, _ = made(number=16, augment=Augment(crop_scale=None, flip=0, repeats=2))
    images, _ = epoch(train)
    assert len({image.numpy().tobytes() for image in images}) == 8


def test_ranks_share_what_one_process_would_load() -> None:
    whole = epoch(made(mixing=Mixing())[0], 1)
    halves = [epoch(made(mixing=Mixing(), rank=rank, world=2)[0], 1) for rank in (0, 1)]
    groups = [half[0].split(8) for half in halves]
    assert torch.equal(torch.cat([g for pair in zip(*groups, strict=True) for g in pair]), whole[0])
    for number in (40, 65, 200):
        ranks = [InOrder(number, 64, rank=rank, world=3) for rank in range(3)]
        assert sorted(key.image for order in ranks for group in order for key in group) == list(range(number))
        assert [len(order) for order in ranks] == [len(list(order)) for order in ranks]
    _, half = made(number=40, rank=1, world=2)
    assert [len(batch["target"]) for batch in half] == [20], "each has some to score"
    with pytest.raises(
        ValueError, match="4 processes cannot share a batch of 16 in groups of 8 evenly; a ghost_batch_size of 4"
    ):
        made(world=4)
    with pytest.raises(ValueError, match="nor can any groups"):
        made(world=3)


# ---------------------------------------------------------------- the order


def test_the_order_is_a_permutation_of_its_own_in_each_epoch() -> None:
    order = Order(100, 20, 10, repeats=1, seed=0)
    first = [key.image for group in order for key in group]
    assert sorted(first) == list(range(100))
    assert first == [key.image for group in order for key in group]
    order.set_epoch(1)
    assert first != [key.image for group in order for key in group]
    assert first != [key.image for group in Order(100, 20, 10, repeats=1, seed=1) for key in group]


def test_repeats_are_of_one_batch_and_of_different_groups() -> None:
    order = Order(100, 12, 4, repeats=3, seed=0)
    groups = list(order)
    assert len(groups) == len(order) == 100 // 12 * 3
    keys = [key for group in groups for key in group]
    assert [key.position for key in keys] == list(range(96))
    assert len({key.image for key in keys}) == 32
    for group in groups:
        assert len({key.image for key in group}) == 4
    for n in range(0, len(groups), 3):
        batch = [key for group in groups[n : n + 3] for key in group]
        assert len({(key.image, key.repeat) for key in batch}) == 12
        assert len({key.image for key in batch}) == 4


def test_too_few_images_for_a_batch() -> None:
    with pytest.raises(DataError, match="batch_size is 16, and there are only 15 training images"):
        made(number=15)


def test_validation_has_every_image_once_in_order() -> None:
    assert [key.image for group in InOrder(130, 64) for key in group] == list(range(130))
    _, val = made(number=130)
    assert epoch(val)[1].tolist() == [n % 4 for n in range(130)]
    assert [len(b["target"]) for b in val] == [64, 64, 2]
    _, small = made(number=130, micro=4)
    assert same(epoch(small), epoch(val))


# ---------------------------------------------------------------- groups


def test_mixing_is_of_a_group_and_micro_batches_are_cut_after_it() -> None:
    whole, _ = made(mixing=Mixing(), label_smoothing=0.1)
    cut, _ = made(mixing=Mixing(), label_smoothing=0.1, micro=2)
    assert same(epoch(whole), epoch(cut))
    assert len(cut) == 4 * len(whole)
    batch = next(iter(cut))
    assert batch["image"].shape == (2, 3, 16, 16)
    assert batch["target"].shape == (2, 4)
    assert torch.allclose(epoch(cut)[1].sum(1), torch.ones(32))
    assert epoch(cut)[1].min() >= 0.1 / 4 - 1e-6
    plain, _ = made(mixing=None)
    assert next(iter(plain))["target"].dtype == torch.long


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="micro-batch of 3 images does not divide the run's ghost_batch_size 8"):
        made(micro=3)
    with pytest.raises(ValueError, match="mixup and cutmix are both 0"):
        made(mixing=Mixing(mixup=0.0, cutmix=0.0))
    with pytest.raises(ValueError, match="timm does not know 'rand-x9'"):
        made(augment=Augment(rand_augment="rand-x9"))


# ---------------------------------------------------------------- bad images


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_image_ends_the_epoch_by_its_path(workers: int) -> None:
    train, val = made(bad=[5], workers=workers)
    for loader in (train, val):
        with pytest.raises(BadImage) as error:
            list(loader)
        assert str(error.value) == "/data/5.png: not a readable image: cut short"


@pytest.mark.parametrize("workers", [0, 1])
def test_other_flaws_of_the_data_end_the_epoch_in_one_line_too(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def mask_of_colours(*_: object) -> None:
        raise DataError("/data/5.png: pixels of mode RGB")

    monkeypatch.setattr(Noise, "__getitem__", mask_of_colours)
    for loader in made(on_bad="skip", workers=workers):
        with pytest.raises(DataError) as error:
            list(loader)
        assert str(error.value) == "/data/5.png: pixels of mode RGB"


def test_skipped_images_are_replaced_in_training_and_left_out_in_validation() -> None:
    train, val = made(number=48, bad=[5, 6], on_bad="skip", augment=Augment(repeats=1))
    batches = list(train)
    assert sum(len(b["skipped"]) for b in batches) == 2
    assert {len(b["target"]) for b in batches} == {8}
    assert sum(len(b["skipped"]) for b in val) == 2
    assert epoch(val)[1].tolist() == [n % 4 for n in range(48) if n not in (5, 6)]
    thrice, _ = made(number=48, bad=range(1, 48), on_bad="skip", augment=Augment(repeats=3))
    drawn = {key.image for group in thrice.sampler for key in group}
    assert len(drawn) == 16
    assert sum(len(b["skipped"]) for b in thrice) == len(drawn - {0})


def test_a_whole_batch_of_bad_images_is_left_out_and_counted() -> None:
    for bad in (range(4), range(4, 8), range(8, 12)):
        _, val = made(number=16, micro=4, bad=bad, on_bad="skip")
        assert [(len(b["target"]) > 0) for b in val] == [True] * 3
        assert sum(len(b["skipped"]) for b in val) == 4


def test_validation_images_that_no_process_can_read_are_said_before_training() -> None:
    said = "none of the 40 images to be scored on can be read; the first: /data/0.png: not a readable image: cut short"
    with pytest.raises(DataError, match=said):
        made(bad=range(40), on_bad="skip")
    made(bad=range(1, 40), on_bad="skip")
    for rank in range(2):
        with pytest.raises(DataError, match="none of the 8 images to be scored on by process 2 of 2 can be read"):
            made(number=16, bad=range(8, 16), on_bad="skip", rank=rank, world=2)


# ---------------------------------------------------------------- transforms


def test_the_test_transform_is_resize_and_centre_crop() -> None:
    task = Classification(num_classes=4, image_px=224)
    assert centred(task)(Image.new("RGB", (20, 50))).shape == (3, 224, 224)
    pixels = np.random.RandomState(0).randint(0, 256, (256, 300, 3), dtype=np.uint8)
    due = torch.from_numpy(pixels[16:240, 38:262]).permute(2, 0, 1) / 255 - torch.tensor(task.mean)[:, None, None]
    due /= torch.tensor(task.std)[:, None, None]
    assert torch.allclose(centred(task)(Image.fromarray(pixels)), due, atol=1e-5)


def test_randaugment_at_its_highest_magnitude() -> None:
    transform = train_transform(
        Classification(num_classes=4, image_px=16, augment=Augment(rand_augment="rand-m10-n9-inc1"))
    )
    for index in range(40):
        assert transform(Noise(40)[index][0]).isfinite().all()


def test_colour_jitter_and_no_crop() -> None:
    task = Classification(num_classes=4, image_px=16, augment=Augment(crop_scale=None, flip=0, color_jitter=0.4))
    image = Noise(1)[0][0]
    one, two = train_transform(task)(image), train_transform(task)(image)
    assert one.shape == (3, 16, 16)
    assert not torch.equal(one, two)


def test_what_workers_are_sent_pickles() -> None:
    train, _ = made(mixing=Mixing())
    again = pickle.loads(pickle.dumps(train.groups.dataset))
    keys = next(iter(train.sampler))
    assert torch.equal(again[keys]["image"], train.groups.dataset[keys]["image"])


# ---------------------------------------------------------------- Lightning


class Recorder(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen: dict[int, list[float]] = {}

    def training_step(self, batch: dict[str, Any], _: int) -> torch.Tensor:
        self.seen.setdefault(self.current_epoch, []).append(float(batch["image"].double().sum()))
        return self.layer(torch.ones(1)).sum()

    def validation_step(self, batch: dict[str, Any], _: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("workers", [0, 2])
def test_lightning_sets_the_epoch_after_a_resume_too(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in filter(inherited.is_foreign, tuple(os.environ)):
        monkeypatch.delenv(name)  # this trainer is a bare one of Lightning

    def fit(epochs: int, checkpoint: str | None) -> dict[int, list[float]]:
        trainer = pl.Trainer(
            max_epochs=epochs, logger=False, enable_progress_bar=False, enable_model_summary=False,
            default_root_dir=tmp_path, accelerator="cpu",
        )  # fmt: skip
        module = Recorder()
        trainer.fit(module, *made(workers=workers), ckpt_path=checkpoint)
        trainer.save_checkpoint(tmp_path / f"{epochs}.ckpt")
        return module.seen

    undisturbed = fit(4, None)
    assert len({tuple(values) for values in undisturbed.values()}) == 4
    assert all(len(values) == 4 for values in undisturbed.values())
    fit(2, None)
    assert fit(4, str(tmp_path / "2.ckpt")) == {n: undisturbed[n] for n in (2, 3)}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RuntimeError("unable to allocate shared memory(shm) for file </torch_7>: No space left on device (28)"),
            r"/dev/shm is too small for the batches.*No space left on device \(28\); --workers 0.*--shm-size",
        ),
        (
            OSError(24, "Too many open files"),
            r"could not hand over its batch: OSError: \[Errno 24\] Too many open files",
        ),
    ],
)
def test_a_batch_that_cannot_be_handed_over_ends_the_run_at_once(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    """It happens in a thread of the loading process, which would print it, and the run would wait."""

    def broken(tensor: torch.Tensor) -> Any:
        raise error

    monkeypatch.setitem(ForkingPickler._extra_reducers, torch.Tensor, broken)  # type: ignore[attr-defined]
    train, _ = made(workers=1)
    with pytest.raises(DataError, match=said) as raised:
        next(iter(train))
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("images", "batch", "group"), [(36, 20, 10), (36, 18, 9), (100, 7, 7), (97, 32, 8), (64, 64, 16)]
)
def test_as_many_are_left_out_as_training_leaves_out(images: int, batch: int, group: int) -> None:
    order = Order(images, batch, group, seed=3)
    drawn = {key.image for keys in order for key in keys}
    assert images - len(drawn) == left_out(images, batch)


def test_images_of_several_shapes_leave_out_no_fewer() -> None:
    for batch, group in ((8, 2), (6, 3), (10, 5)):
        shapes = [number % 3 == 0 for number in range(50)]
        drawn = {key.image for keys in Order(50, batch, group, seed=1, shapes=shapes) for key in keys}
        assert 50 - len(drawn) >= left_out(50, batch)
