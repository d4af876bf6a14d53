"""Data sets beyond what every kind must do, which tests/nn/test_contracts.py looks at."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pvt_exp.config import DataError
from pvt_exp.datasets.cifar import FILES, FOLDERS
from pvt_exp.datasets.cifar import Settings as Cifar
from pvt_exp.datasets.image_folder import Settings as ImageFolder
from pvt_exp.datasets.shapes import GROUND, SHAPES
from pvt_exp.datasets.shapes import Settings as Shapes
from pvt_exp.nn.data.images import BadImage
from pvt_exp.testing.datasets import check_samples
from tests.conftest import real_data
from tests.examples.cifar import write as write_cifar


@pytest.mark.parametrize("name", ["cls_cifar10", "cls_clothing10", "cls_fashion_gray"])
def test_folders_of_real_images(name: str) -> None:
    check_samples(ImageFolder(name=name), real_data(name))


def test_validation_has_the_class_numbers_of_training(tmp_path: Path) -> None:
    for at in ("train/ant", "train/bee", "train/cow", "val/bee"):
        (tmp_path / at).mkdir(parents=True)
        Image.new("RGB", (2, 2)).save(tmp_path / at / "1.png")
    samples = ImageFolder(name="x").open(tmp_path, "val", "classification")
    assert [label for _, label in samples] == [1]
    (tmp_path / "val/bee/2.jpg").write_bytes(b"no image")
    with pytest.raises(BadImage, match=r"val/bee/2\.jpg"):
        ImageFolder(name="x").open(tmp_path, "val", "classification")[1]


def test_shapes_of_two_settings_share_a_folder(tmp_path: Path) -> None:
    one, other = (Shapes(image_px=16, train_images=4, val_images=2, seed=seed) for seed in (0, 1))
    first = np.asarray(one.open(tmp_path, "train", "classification")[0][0])
    assert not np.array_equal(first, np.asarray(other.open(tmp_path, "train", "classification")[0][0]))
    assert np.array_equal(first, np.asarray(one.open(tmp_path, "train", "classification")[0][0]))


def test_shapes_of_all_tasks_are_the_same_shapes(tmp_path: Path) -> None:
    dataset = Shapes(image_px=32, train_images=40, val_images=2)
    assert dataset.inspect(tmp_path).class_names("semantic") == (GROUND, *SHAPES)
    assert dataset.inspect(tmp_path).class_names("detection") == SHAPES
    tasks = ("classification", "instance", "semantic")
    hidden = 0
    for number, samples in enumerate(zip(*(dataset.open(tmp_path, "train", task) for task in tasks), strict=True)):
        label, target, labels_HW = (told for _, told in samples)
        assert target["image_id"] == number
        assert target["labels"][0] == label
        assert target["area"].argmax() == 0, "the image's class is that of the largest shape"
        painted = np.zeros((32, 32), dtype=np.uint8)
        for shape, mask, (left, top, right, bottom) in zip(
            target["labels"], target["masks"], target["boxes"].astype(int), strict=True
        ):
            assert not (painted * mask).any(), "what is seen of two shapes does not overlap"
            painted += (mask * (shape + 1)).astype(np.uint8)
            inside = mask[top:bottom, left:right]
            assert inside.sum() == mask.sum(), "the box is around the whole shape"
            assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1])), "and tight"
        assert np.array_equal(painted, labels_HW)
        hidden += len(target["labels"]) < 2
    assert hidden < 40, "some images have more than one shape"


# ---------------------------------------------------------------- CIFAR, by files of the official form and other sums


class Boom:
    """What an evil pickle does when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("it was loaded",)


@pytest.fixture(params=[10, 100])
def cifar(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Cifar, Path]:
    return write_cifar(tmp_path, monkeypatch, request.param), tmp_path


def test_cifar_is_read(cifar: tuple[Cifar, Path]) -> None:
    dataset, root = cifar
    train, val = (dataset.open(root, split, "classification") for split in ("train", "val"))
    batches = len(FILES[dataset.classes]) - 2
    assert (len(train), len(val)) == (2 * batches, 2)
    assert [val[n][1] for n in range(2)] == [batches, 9]
    assert val[0][0].size == (32, 32)
    assert (np.asarray(val[0][0]) == batches).all()
    (root / FOLDERS[dataset.classes]).rename(root / "elsewhere")
    assert len(dataset.open(root / "elsewhere", "val", "classification")) == 2


def test_an_unofficial_pickle_is_refused_before_it_is_loaded(cifar: tuple[Cifar, Path]) -> None:
    dataset, root = cifar
    for name in FILES[dataset.classes]:
        file = root / FOLDERS[dataset.classes] / name
        kept = file.read_bytes()
        file.write_bytes(pickle.dumps(Boom()))
        with pytest.raises(DataError, match="not the official CIFAR"):
            dataset.open(root, "train", "classification")
        file.write_bytes(kept)
