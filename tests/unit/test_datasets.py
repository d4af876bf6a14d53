"""What data sets say of the data at hand, without torch."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pvt_exp.config import DataError
from pvt_exp.datasets import Facts, fingerprint
from pvt_exp.datasets.cifar import Settings as Cifar
from pvt_exp.datasets.image_folder import Settings as ImageFolder
from pvt_exp.datasets.shapes import GROUND, SHAPES
from pvt_exp.datasets.shapes import Settings as Shapes
from pvt_exp.system import files

SMALL = {"image_px": 16, "train_images": 70, "val_images": 20}
FEW = Shapes(**SMALL)
GOLDEN = "04d04865c0aee128"


def folder(root: Path, **splits: dict[str, int]) -> Path:
    """``train={"cat": 2}``: a split, its classes and their numbers of images."""
    for split, classes in splits.items():
        for name, number in classes.items():
            (root / split / name).mkdir(parents=True)
            for n in range(number):
                Image.new("RGB", (4, 4), (n, 0, 0)).save(root / split / name / f"{n}.png")
    return root


# ---------------------------------------------------------------- image folders


def test_a_folder_of_images_is_counted(tmp_path: Path) -> None:
    root = folder(tmp_path, train={"dog": 2, "cat": 3}, val={"cat": 1})
    (root / "train/cat/notes.txt").write_text("no image")
    hidden = ("train/.loose.jpg", "train/cat/.hidden.png", "train/cat/.cache/deep/0.jpg", "train/.bin/dog/9.png")
    no_images = ("train/cat/._0.png", "train/.DS_Store", "train/dog/.cache/x.txt", "train/dog/.cache/._1.png")
    for name in (*hidden, *no_images):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("no image")
    (root / "train/README").write_text("no class")
    (root / "train/loose.jpg").write_text("of no class")
    (root / "train/cat/below").mkdir()
    (root / "train/cat/0.png").rename(root / "train/cat/below/0.png")
    facts = ImageFolder(name="pets").inspect(root)
    told = {line.what: (line.number, line.effect, set(line.examples)) for line in facts.left_out["train"]}
    assert told["images in no class's folder"] == (1, "not taken", {"train/loose.jpg"})
    number, effect, shown = told["hidden images (a name that begins with a dot)"]
    assert (number, effect) == (4, "not taken")
    assert shown < set(hidden), "three of them; what macOS keeps beside files is no image"
    assert "files ending in .jpg" not in told
    assert facts.classes == ("cat", "dog")
    assert facts.images == {"train": 5, "val": 1}
    assert facts == ImageFolder(name="pets").inspect(root)


def test_splits_may_have_other_names(tmp_path: Path) -> None:
    root = folder(tmp_path, training={"a": 1, "b": 1}, validation={"a": 1})
    assert ImageFolder(name="x", train="training", val="validation").inspect(root).images == {"train": 2, "val": 1}


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    root = folder(tmp_path, train={"a": 2, "b": 2}, val={"a": 1})
    before = ImageFolder(name="x").inspect(root).fingerprint
    file = root / "train/a/1.png"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert ImageFolder(name="x").inspect(root).fingerprint != before
    file.rename(root / "train/a/2.png")
    assert ImageFolder(name="x").inspect(root).fingerprint != before


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ({"train": {"a": 1, "b": 1}}, "val: no such folder"),
        ({"val": {"a": 1}}, "train: no such folder"),
        ({"train": {}, "val": {"a": 1}}, "train: no such folder"),
        ({"train": {"a": 2}, "val": {"a": 1}}, "train: one class only, a"),
        ({"train": {"a": 2, "b": 0, "c": 0}, "val": {"a": 1}}, "train: no images in the class folder b, c"),
        ({"train": {"a": 2, "b": 2}, "val": {"a": 1, "zebra": 1}}, "val: classes that train lacks: zebra"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, splits: dict[str, dict[str, int]], said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        ImageFolder(name="x").inspect(folder(tmp_path, **splits)).check_val(held_out=False)
    assert str(tmp_path) in str(error.value)


def test_an_empty_split_missing_root_file_root_and_dead_link_are_said(tmp_path: Path) -> None:
    pets = ImageFolder(name="pets")
    with pytest.raises(DataError, match="nowhere: no such folder"):
        pets.inspect(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file: a file, where a folder is expected"):
        pets.inspect(tmp_path / "file")
    (tmp_path / "train").mkdir()
    (tmp_path / "val").mkdir()
    with pytest.raises(DataError, match="train: no folders in it; a folder for each class is expected"):
        pets.inspect(tmp_path)
    root = folder(tmp_path / "linked", train={"a": 1, "b": 1}, val={"a": 1})
    (root / "val/a/dead.png").symlink_to(root / "gone.png")
    with pytest.raises(DataError, match=r"dead\.png: No such file"):
        pets.inspect(root)


def test_an_empty_file_is_said_at_once_unless_bad_images_are_skipped(tmp_path: Path) -> None:
    root = folder(tmp_path, train={"a": 1, "b": 1}, val={"a": 1})
    (root / "train/a/void.png").touch()
    with pytest.raises(DataError, match=r"0 bytes long: train/a/void\.png"):
        ImageFolder(name="x").inspect(root)
    assert ImageFolder(name="x", on_bad_image="skip").inspect(root).images["train"] == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_root_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    with pytest.raises(DataError, match="Permission denied"):
        ImageFolder(name="x").inspect(tmp_path)


@pytest.mark.parametrize("changes", [{"train": "../x"}, {"val": "/x"}, {"val": "train"}, {"train": ""}])
def test_split_folders_that_make_no_sense_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"leads out of|same folder|at least 1"):
        ImageFolder(name="x", **changes)


def test_the_fingerprint_reads_files_from_the_first_to_the_last(tmp_path: Path) -> None:
    files = [(f"{n:03}", 1) for n in range(127)]
    for name, _ in files:
        (tmp_path / name).write_text("x")
    before = fingerprint(tmp_path, files)
    (tmp_path / "126").write_text("y")
    (tmp_path / "125").write_text("y")
    assert fingerprint(tmp_path, files) != before


# ---------------------------------------------------------------- CIFAR


def test_cifar_is_named_by_its_classes() -> None:
    assert (Cifar().name, Cifar(classes=100).name, Cifar(classes=100, name="mine").name) == (
        "cifar10",
        "cifar100",
        "mine",
    )
    assert len(set(Cifar(classes=100).class_names())) == 100


@pytest.mark.parametrize("inside", [True, False])
def test_cifar_is_found_in_its_folder_or_as_it(tmp_path: Path, inside: bool) -> None:
    at = tmp_path / "cifar-100-python" if inside else tmp_path
    at.mkdir(exist_ok=True)
    for name in ("train", "test", "meta"):
        (at / name).write_text(name)
    facts = Cifar(classes=100).inspect(tmp_path)
    assert facts.images == {"train": 50_000, "val": 10_000}
    assert len(facts.classes) == 100
    (at / "test").unlink()
    with pytest.raises(DataError, match="lacks test"):
        Cifar(classes=100).inspect(tmp_path)


def test_missing_cifar_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"torchvision\.datasets\.CIFAR10\(.*download=True\)"):
        Cifar().inspect(tmp_path)


# ---------------------------------------------------------------- shapes


def test_shapes_are_the_same_everywhere(tmp_path: Path) -> None:
    before = FEW.inspect(tmp_path)
    assert before == Facts(None, SHAPES, {"train": 70, "val": 20}, background=GROUND)
    made = FEW.make(tmp_path)
    facts = FEW.inspect(tmp_path)
    assert facts == before._replace(fingerprint=GOLDEN), "raise `revision` if the drawing has changed on purpose"
    stamp = made.stat().st_mtime_ns
    assert FEW.make(tmp_path) == made
    assert made.stat().st_mtime_ns == stamp
    assert Shapes(**SMALL, name="other").inspect(tmp_path) == facts
    other = Shapes(**SMALL, seed=1)
    assert other.inspect(tmp_path).fingerprint is None
    other.make(tmp_path)
    assert other.inspect(tmp_path).fingerprint not in (None, GOLDEN)


def test_labels_agree_with_instances(tmp_path: Path) -> None:
    made = Shapes(image_px=32, train_images=200, val_images=10).make(tmp_path)
    images, labels, instances, classes = (
        np.load(made / "train" / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("images", "labels", "instances", "instance_classes")
    )
    assert images.shape == (200, 32, 32, 3)
    assert images.dtype == instances.dtype == classes.dtype == np.uint8
    areas = np.stack([(instances == k).sum((1, 2)) for k in range(1, 5)], 1)
    assert (areas[:, 0] >= areas.max(1)).all()
    assert (classes[:, 0] == labels + 1).all()
    assert ((classes > 0) == (areas > 0)).all()
    assert (np.diff((areas > 0).astype(int)) <= 0).all(), "instances are numbered without gaps"
    assert (np.bincount(labels, minlength=10) == 20).all()


def test_one_shape_and_two_classes_will_do(tmp_path: Path) -> None:
    made = Shapes(**SMALL, num_classes=2, distractors=0, clutter=0.0, noise=0.0).make(tmp_path)
    assert set(np.load(made / "train/instance_classes.npy")[:, 1:].ravel()) == {0}


def test_a_second_maker_without_locks_throws_its_work_away(tmp_path: Path) -> None:
    made = FEW.make(tmp_path)
    assert not files.claim_folder(made, FEW._draw)
    assert FEW.inspect(tmp_path).fingerprint == GOLDEN
    assert not list(tmp_path.glob(".*.part"))


def test_damage_is_said(tmp_path: Path) -> None:
    made = FEW.make(tmp_path)
    (made / "train/images.npy").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"is not .* bytes long.*delete the folder"):
        FEW.inspect(tmp_path)
    (made / "meta.json").write_text("{")
    with pytest.raises(DataError, match="delete the folder"):
        FEW.inspect(tmp_path)
    (made / "meta.json").unlink()
    with pytest.raises(DataError, match="delete the folder"):
        FEW.inspect(tmp_path)
    (tmp_path / "file").touch()
    for verb in (FEW.inspect, FEW.make):
        with pytest.raises(DataError, match="file"):
            verb(tmp_path / "file")
