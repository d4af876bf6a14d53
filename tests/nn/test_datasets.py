"""What every kind of data set must do; new kinds are found by themselves."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pvt_exp.component import kinds
from pvt_exp.datasets import DataError, Dataset
from pvt_exp.datasets.cifar import FILES, FOLDERS
from pvt_exp.datasets.cifar import Settings as Cifar
from pvt_exp.datasets.image_folder import Settings as ImageFolder
from pvt_exp.datasets.shapes import Settings as Shapes
from pvt_exp.nn.images import BadImage

KINDS = kinds("datasets")
SHARED = Path(__file__).parents[3] / "shared" / "data"


def settings(kind: str) -> Dataset:
    """The kind with its defaults, and a name where it has none."""
    fields = {"name": "x"} if KINDS[kind].model_fields["name"].is_required() else {}
    small = {"train_images": 30, "val_images": 20, "image_px": 16}
    fields |= {name: value for name, value in small.items() if name in KINDS[kind].model_fields}
    found = KINDS[kind].model_validate(fields)
    assert isinstance(found, Dataset)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_says_what_it_is(kind: str) -> None:
    dataset = settings(kind)
    assert dataset.kind == kind  # type: ignore[attr-defined]
    assert dataset.tasks <= set(kinds("tasks")) | {"detection", "instance", "segmentation"}
    assert dataset.tasks


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_folder_is_said_or_made(kind: str, tmp_path: Path) -> None:
    dataset = settings(kind)
    if dataset.made:
        assert dataset.inspect(tmp_path / "gone").fingerprint is None
        return
    with pytest.raises(DataError, match="gone: no such folder"):
        dataset.inspect(tmp_path / "gone")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if settings(kind).made])
def test_made_data_are_what_was_promised(kind: str, tmp_path: Path) -> None:
    dataset = settings(kind)
    before = dataset.inspect(tmp_path)
    dataset.make(tmp_path)
    facts = dataset.inspect(tmp_path)
    assert facts[1:] == before[1:]
    assert facts.fingerprint
    assert len(facts.fingerprint) == 16
    check_readers(dataset, tmp_path)


def check_readers(dataset: Dataset, root: Path) -> None:
    facts = dataset.inspect(root)
    for task in dataset.tasks & {"classification"}:
        for split in ("train", "val"):
            reader = dataset.open(root, split, task)  # type: ignore[arg-type]
            assert len(reader) == facts.images[split]
            assert len(pickle.dumps(reader)) < 1_000_000
            again = pickle.loads(pickle.dumps(reader))
            for index in {0, 1, len(reader) // 2, len(reader) - 1}:
                image, target = reader[index]
                assert isinstance(image, Image.Image)
                assert image.mode == "RGB"
                assert type(target) is int
                assert 0 <= target < len(facts.classes)
                assert np.array_equal(image, again[index][0])


@pytest.mark.parametrize("name", ["cls_cifar10", "cls_clothing10", "cls_fashion_gray"])
def test_folders_of_real_images(name: str) -> None:
    if not (SHARED / name).is_dir():
        pytest.skip(f"no data at {SHARED / name}")
    check_readers(ImageFolder(name=name), SHARED / name)


def test_validation_has_the_class_numbers_of_training(tmp_path: Path) -> None:
    for at in ("train/ant", "train/bee", "train/cow", "val/bee"):
        (tmp_path / at).mkdir(parents=True)
        Image.new("RGB", (2, 2)).save(tmp_path / at / "1.png")
    reader = ImageFolder(name="x").open(tmp_path, "val", "classification")
    assert [label for _, label in reader] == [1]
    (tmp_path / "val/bee/2.jpg").write_bytes(b"no image")
    with pytest.raises(BadImage, match=r"val/bee/2\.jpg"):
        ImageFolder(name="x").open(tmp_path, "val", "classification")[1]


def test_shapes_of_two_settings_share_a_folder(tmp_path: Path) -> None:
    one, other = (Shapes(image_px=16, train_images=4, val_images=2, seed=seed) for seed in (0, 1))
    first = np.asarray(one.open(tmp_path, "train", "classification")[0][0])
    assert not np.array_equal(first, np.asarray(other.open(tmp_path, "train", "classification")[0][0]))
    assert np.array_equal(first, np.asarray(one.open(tmp_path, "train", "classification")[0][0]))


# ---------------------------------------------------------------- CIFAR, by files of the official form and other sums


class Boom:
    """What an evil pickle does when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("it was loaded",)


@pytest.fixture(params=[10, 100])
def cifar(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Cifar, Path]:
    classes = request.param
    at = tmp_path / FOLDERS[classes]
    at.mkdir()
    sums = {}
    for n, name in enumerate(FILES[classes]):
        pixels = np.full((2, 3072), n, dtype=np.uint8)
        labels = "labels" if classes == 10 else "fine_labels"
        content = {"data": pixels, labels: [n, 9], "label_names": ["x"] * 10, "fine_label_names": ["x"] * 100}
        (at / name).write_bytes(pickle.dumps(content))
        sums[name] = hashlib.md5((at / name).read_bytes()).hexdigest()
    from torchvision.datasets import CIFAR10, CIFAR100

    official = {10: CIFAR10, 100: CIFAR100}[classes]
    tests = FILES[classes][-2]
    monkeypatch.setattr(official, "train_list", [[n, sums[n]] for n in FILES[classes][:-2]])
    monkeypatch.setattr(official, "test_list", [[tests, sums[tests]]])
    monkeypatch.setattr(official, "meta", {**official.meta, "md5": sums[FILES[classes][-1]]})
    return Cifar(classes=classes), tmp_path


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
