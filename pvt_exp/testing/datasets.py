"""What the samples of a data set promise, for each task that the data can serve."""

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from pvt_exp.config import DataError
from pvt_exp.config.component import kinds
from pvt_exp.datasets import Dataset, Split
from pvt_exp.testing.contract import Contract

if TYPE_CHECKING:
    from PIL import Image

IGNORED = 255
"""The class of pixels that do not count."""
SPLITS: tuple[Split, ...] = ("train", "val")


class DatasetContract(Contract):
    """``settings`` of a data set, and `write`, which puts a small example on disk unless the kind makes its data."""

    group: ClassVar[str] = "datasets"

    def write(self, root: Path) -> None:
        """Put the example that ``settings`` reads into the folder ``root``."""
        assert self.settings.made, "a test class must say here what lies in the folder"
        self.settings.make(root)

    def test_the_kind_says_which_tasks_it_serves(self) -> None:
        assert self.settings.tasks
        assert self.settings.tasks <= set(kinds("tasks"))

    def test_a_missing_folder_is_said_or_made(self, tmp_path: Path) -> None:
        gone = tmp_path / "gone"
        if self.settings.made:
            assert self.settings.inspect(gone).fingerprint is None
            return
        with pytest.raises(DataError, match="gone: no such folder"):
            self.settings.inspect(gone)

    def test_made_data_are_what_was_promised(self, tmp_path: Path) -> None:
        if not self.settings.made:
            return
        before = self.settings.inspect(tmp_path)
        self.settings.make(tmp_path)
        assert self.settings.inspect(tmp_path)[1:] == before[1:]

    def test_the_fingerprint_is_of_16_digits(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        fingerprint = self.settings.inspect(tmp_path).fingerprint
        assert fingerprint
        assert len(fingerprint) == 16
        int(fingerprint, 16)

    def test_init_reads_the_data_as_the_settings_do(self, tmp_path: Path) -> None:
        """Where the kind is recognised by its files at all."""
        self.write(tmp_path)
        found = type(self.settings).recognised(tmp_path)
        if found is not None:
            assert self.settings.expects, "what recognised() looks for"
            again = type(self.settings).model_validate({**found, "name": self.settings.name})
            assert again.inspect(tmp_path).images == self.settings.inspect(tmp_path).images

    def test_samples_keep_the_contract(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        check_samples(self.settings, tmp_path)


def check_samples(dataset: Dataset, root: Path) -> None:
    """What all samples promise, for each task that the data can serve; AssertionError for what they do not keep."""
    import numpy as np
    from PIL import Image

    facts = dataset.inspect(root)
    assert facts == dataset.inspect(root)
    served = dataset.tasks - set(facts.unfit)
    assert served
    for task in served:
        for split in SPLITS:
            samples = dataset.open(root, split, task)
            assert len(samples) == facts.images[split]
            assert len(pickle.dumps(samples)) < 1_000_000
            again = pickle.loads(pickle.dumps(samples))
            for index in {0, 1 % len(samples), len(samples) // 2, len(samples) - 1}:
                image, target = samples[index]
                assert isinstance(image, Image.Image)
                assert image.mode == "RGB"
                assert np.array_equal(np.asarray(image), again[index][0])
                assert pickle.dumps(target) == pickle.dumps(again[index][1])
                classes = len(facts.class_names(task))
                if check := CHECKS.get(task):  # the target of another package's task is its own
                    check(target, classes, image)
                if task in ("detection", "instance"):
                    assert ("masks" in target) == (task == "instance")
            if task in ("detection", "instance"):
                check_ground_truth(samples, facts.class_names(task), task)


def check_class(target: Any, classes: int, image: "Image.Image") -> None:
    """Of classification."""
    assert type(target) is int
    assert 0 <= target < classes


def check_map(target: Any, classes: int, image: "Image.Image") -> None:
    """Of semantic segmentation."""
    import numpy as np

    assert target.dtype == np.uint8
    assert target.shape == (image.height, image.width)
    assert ((target < classes) | (target == IGNORED)).all()


def check_objects(target: Any, classes: int, image: "Image.Image") -> None:
    """Of detection and instance segmentation."""
    import numpy as np

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
    """Pycocotools can use it, and it says what the targets say."""
    import numpy as np
    from pycocotools.coco import COCO

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


CHECKS = {"classification": check_class, "semantic": check_map, "detection": check_objects, "instance": check_objects}
"""The check of a target by its task."""
