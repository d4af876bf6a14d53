"""What every kind of data set must do; new kinds are found by themselves."""

import importlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from pvt_exp.config import DataError
from pvt_exp.config.component import kinds
from pvt_exp.datasets import Dataset
from pvt_exp.datasets.cifar import FILES, FOLDERS
from pvt_exp.datasets.cifar import Settings as Cifar
from pvt_exp.datasets.image_folder import Settings as ImageFolder
from pvt_exp.datasets.shapes import GROUND, SHAPES
from pvt_exp.datasets.shapes import Settings as Shapes
from pvt_exp.nn.data.images import BadImage
from tests.conftest import real_data
from tests.examples.cifar import write as write_cifar

KINDS = kinds("datasets")
TASKS = {"classification", "detection", "instance", "semantic"}
IGNORED = 255


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
    assert dataset.tasks <= TASKS
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
    check_samples(dataset, tmp_path)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind].__module__.startswith("pvt_exp.")])
def test_an_example_is_read(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = importlib.import_module(f"tests.examples.{kind}")  # a new kind needs one
    dataset = example.write(tmp_path, monkeypatch)
    if kind == "cifar":  # whose numbers are the official ones
        facts = dataset.inspect(tmp_path)
        monkeypatch.setattr(Cifar, "inspect", lambda *_: facts._replace(images={"train": 10, "val": 2}))
    check_samples(dataset, tmp_path)


def check_samples(dataset: Dataset, root: Path) -> None:
    """What all samples promise, for each task that the data can serve."""
    facts = dataset.inspect(root)
    assert facts == dataset.inspect(root)
    served = dataset.tasks - set(facts.unfit)
    assert served
    for task in served:
        for split in ("train", "val"):
            samples = dataset.open(root, split, task)  # type: ignore[arg-type]
            assert len(samples) == facts.images[split]
            assert len(pickle.dumps(samples)) < 1_000_000
            again = pickle.loads(pickle.dumps(samples))
            for index in {0, 1 % len(samples), len(samples) // 2, len(samples) - 1}:
                image, target = samples[index]
                assert isinstance(image, Image.Image)
                assert image.mode == "RGB"
                assert np.array_equal(image, again[index][0])
                assert pickle.dumps(target) == pickle.dumps(again[index][1])
                classes = len(facts.class_names(task))
                {"classification": check_class, "semantic": check_map}.get(task, check_objects)(target, classes, image)
                assert ("masks" in target if task in ("detection", "instance") else False) == (task == "instance")
            if task in ("detection", "instance"):
                check_ground_truth(samples, facts.class_names(task), task)


def check_class(target: Any, classes: int, image: Image.Image) -> None:
    assert type(target) is int
    assert 0 <= target < classes


def check_map(target: Any, classes: int, image: Image.Image) -> None:
    assert target.dtype == np.uint8
    assert target.shape == (image.height, image.width)
    assert ((target < classes) | (target == IGNORED)).all()


def check_objects(target: Any, classes: int, image: Image.Image) -> None:
    number = len(target["boxes"])
    arrays = {"boxes": (np.float32, (4,)), "labels": (np.int64, ()), "crowd": (np.bool_, ()), "area": (np.float32, ())}
    for name, (dtype, shape) in arrays.items():
        assert target[name].dtype == dtype
        assert target[name].shape == (number, *shape)
    assert type(target["image_id"]) is int
    left, top, right, bottom = target["boxes"].T
    assert ((left >= 0) & (left < right) & (right <= image.width)).all()
    assert ((top >= 0) & (top < bottom) & (bottom <= image.height)).all()
    assert ((target["labels"] >= 0) & (target["labels"] < classes)).all()
    assert (target["area"] > 0).all()
    if "masks" in target:
        assert target["masks"].dtype == np.uint8
        assert target["masks"].shape == (number, image.height, image.width)
        assert set(np.unique(target["masks"])) <= {0, 1}


def check_ground_truth(samples: Any, classes: tuple[str, ...], task: str) -> None:
    """pycocotools can use it, and it says what the targets say."""
    coco = COCO()
    coco.dataset = samples.ground_truth()
    coco.createIndex()
    assert [coco.cats[number]["name"] for number in samples.category_ids] == list(classes)
    assert len(coco.imgs) == len(samples) == len(samples.sizes())
    assert 0 not in coco.anns, "pycocotools takes a match with id 0 for none"
    for index in {0, len(samples) // 2, len(samples) - 1}:
        image, target = samples[index]
        assert samples.sizes()[index] == (image.height, image.width)
        told = coco.loadAnns(coco.getAnnIds(target["image_id"]))
        assert [coco.imgs[target["image_id"]][side] for side in ("height", "width")] == [image.height, image.width]
        assert [samples.category_ids[label] for label in target["labels"]] == [a["category_id"] for a in told]
        assert np.allclose(target["area"], [a["area"] for a in told])
        assert target["crowd"].tolist() == [bool(a["iscrowd"]) for a in told]
        boxes = np.array([a["bbox"] for a in told]).reshape(-1, 4)
        edges = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
        assert np.allclose(target["boxes"], np.clip(edges, 0, [image.width, image.height] * 2), atol=1e-3)
        if task == "instance":
            assert all(np.array_equal(coco.annToMask(a), m) for a, m in zip(told, target["masks"], strict=True))


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
