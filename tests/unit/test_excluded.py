"""What is left out of data is counted by split and told: of a folder, of a plan, of a result, in a table's notes."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pvt_exp import config, plan
from pvt_exp.config import DataError, excluded
from pvt_exp.config.excluded import LeftOut
from pvt_exp.config.run import Run
from pvt_exp.config.space import Holdout
from pvt_exp.datasets import _alike
from pvt_exp.datasets.image_folder import Settings as ImageFolder
from pvt_exp.datasets.semantic_folder import Settings as SemanticFolder
from pvt_exp.nn.data import look
from pvt_exp.nn.data.holdout import facts_of
from pvt_exp.plan.data_sets import AtHand, DataSets, in_words
from pvt_exp.system import files
from tests.unit.test_mask_values import HALF, two_splits

TEXTS = LeftOut("files ending in .txt", 2, "not taken", ("train/a/x.txt", "train/a/y.TXT"))


def folder(root: Path) -> Path:
    for split in ("train", "val"):
        for name in ("a", "b"):
            (root / split / name).mkdir(parents=True)
            turned = 90 * (split == "val") + 180 * (name == "b")
            Image.linear_gradient("L").rotate(turned).save(root / split / name / "0.png")
    return root


def test_files_that_are_not_taken_are_told_by_suffix(tmp_path: Path) -> None:
    root = folder(tmp_path)
    for name in ("a/x.txt", "a/y.TXT", "b/Thumbs.db", "b/plain", "LIST.v2"):
        (root / "train" / name).write_text("no image")
    told = ImageFolder(name="x").inspect(root).left_out
    lines = {line.what: (line.number, line.examples) for line in told["train"]}
    assert lines == {
        "files ending in .txt": (2, TEXTS.examples),
        "files ending in .db": (1, ("train/b/Thumbs.db",)),
        "files without a suffix": (1, ("train/b/plain",)),
        "files ending in .v2": (1, ("train/LIST.v2",)),
    }
    assert told["val"] == ()


def test_what_is_no_regular_file_is_told_and_not_opened(tmp_path: Path) -> None:
    root = folder(tmp_path)
    dataset = ImageFolder(name="x")
    before = dataset.inspect(root)
    for name in ("train/a/f.png", "train/pipe", "val/b/g.png"):
        os.mkfifo(root / name)
    (root / "train/b/h.png").symlink_to(root / "train/a/f.png")
    facts = dataset.inspect(root)
    assert (facts.images, facts.fingerprint) == (before.images, before.fingerprint)
    what = "named pipes, sockets or devices"
    assert facts.left_out["train"] == (LeftOut(what, 3, "not taken", ("train/a/f.png", "train/b/h.png", "train/pipe")),)
    assert facts.left_out["val"] == (LeftOut(what, 1, "not taken", ("val/b/g.png",)),)
    assert len(dataset.open(root, "train", "classification")) == facts.images["train"]


def test_a_file_of_no_bytes_that_is_skipped_is_told(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "train/a/void.png").touch()
    found = ImageFolder(name="x", on_bad_image="skip").inspect(root).left_out
    assert found["train"] == (LeftOut("files of 0 bytes", 1, "skipped (on_bad_image)", ("train/a/void.png",)),)
    assert found["val"] == ()


def test_a_class_that_validation_lacks_is_told(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "val/b/0.png").unlink()
    (root / "val/b").rmdir()
    dataset = ImageFolder(name="x")
    facts = {dataset: dataset.inspect(root)}
    assert in_words(facts, ()) == [
        "data x: 2 images in train, 1 image in val; left out or changed:",
        "  val: classes without an image: 1 never scored (b)",
    ]


@pytest.mark.parametrize("held", ["a", "b"])
def test_a_class_that_a_holdout_misses_is_told(experiment: Path, tmp_path: Path, held: str) -> None:
    """Of three images of a and one of b, one is held out; which, is the seed's."""
    root = folder(tmp_path)
    for n in (1, 2):
        Image.linear_gradient("L").resize((50 + n, 50)).save(root / f"train/a/{n}.png")
    holdout = next(
        each
        for each in (Holdout(fraction=0.25, seed=seed) for seed in range(100))
        if (each.places(4)[1] == [3]) == (held == "b")
    )
    words = ["dataset={kind: image_folder, name: x}", f"holdout={{fraction: 0.25, seed: {holdout.seed}}}"]
    run = config.load(Run, experiment, [*words, "task.num_classes=2", "batch_size=1", "ghost_batch_size=1"])
    _, facts, problems = DataSets({"x": str(root)}).of(plan.single(run, "x"))
    assert not problems
    lines = {
        "a": ["  held out: classes without an image: 1 never scored (b)"],
        "b": [
            "  not held out: classes without an image: 1 never learnt (b)",
            "  held out: classes without an image: 1 never scored (a)",
        ],
    }
    assert in_words(facts, ())[1:] == lines[held]
    of_run = facts_of(run, root, run.dataset.inspect(root))
    assert of_run.images == {"train": 3, "val": 1}
    assert [line.number for line in of_run.left_out["val"]] == [1]
    assert [line.number for line in of_run.left_out["train"]] == [1] * (held == "b")


def test_many_suffixes_are_told_in_few_lines_and_none_is_lost() -> None:
    lines = excluded.by_suffix(f"{n}.s{n}" for n in range(20))
    assert len(lines) == excluded.MOST + 1
    assert sum(line.number for line in lines) == 20


def test_what_is_told_of_a_data_set_at_hand(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "train/a/x.txt").write_text("")
    dataset = ImageFolder(name="x")
    facts = {dataset: dataset.inspect(root)}
    assert in_words(facts, ()) == [
        "data x: 2 images in train, 2 images in val; left out or changed:",
        "  train: files ending in .txt: 1 not taken (train/a/x.txt)",
    ]
    (told,) = AtHand({"x": root}, facts, {}).as_json()
    assert json.loads(json.dumps(told))["left_out"]["train"][0]["number"] == 1


def test_a_result_says_what_it_said_and_a_damaged_one_says_less() -> None:
    told = {"train": (TEXTS,), "val": ()}
    result = {"data": {"name": "x", "left_out": json.loads(json.dumps(excluded.as_json(told)))}}
    assert excluded.of_result(result) == {"train": (TEXTS,)}
    for odd in (None, 5, [], {"train": 5}, {"train": [5, {"number": "many"}]}):
        assert not any(excluded.of_result({"data": {"left_out": odd}}).values())


def test_the_notes_of_a_table_have_the_largest_number_of_its_runs() -> None:
    results = [
        {"data": {"name": "x", "left_out": excluded.as_json({"val": excluded.unreadable("val", names)})}}
        for names in (["a"], ["a", "b"])
    ]
    assert excluded.of_rows(results) == ["Left out or changed in x: val: unreadable images: up to 2 not scored."]
    assert excluded.of_rows([{"data": {"name": "x"}}]) == []


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("name", [b"caf\xe9.png", b"two\nlines.png", b"tab\t.png", "ё.png".encode()])
def test_any_name_is_one_printable_line_and_records_give_it_back(name: bytes, tmp_path: Path) -> None:
    text = os.fsdecode(name)
    shown = str(DataError(f"{text}: no image"))
    assert len(shown.splitlines()) == 1
    shown.encode()
    files.write(tmp_path / "record.json", files.dump({"file_name": text}))
    read = files.read_json(tmp_path / "record.json")
    assert read is not None
    assert os.fsencode(read["file_name"]) == name


def test_names_are_shown_with_their_bytes() -> None:
    assert files.shown("caf\udce9 ё\n") == r"caf\xe9 ё\n"
    assert files.shown("half a pair \ud800") == r"half a pair \ud800"


# ---------------------------------------------------------------- images


def test_turned_and_flat_images_are_told_with_the_way_out(tmp_path: Path) -> None:
    root, exif = folder(tmp_path), Image.Exif()
    exif[0x0112] = 3
    Image.linear_gradient("L").save(root / "train/a/turned.jpg", exif=exif)
    (line,) = ImageFolder(name="x").inspect(root).left_out["train"]
    assert str(line) == "images with an EXIF tag that turns them: 1 turned upright (train/a/turned.jpg)"
    (line,) = ImageFolder(name="x", exif="ignore").inspect(root).left_out["train"]
    assert line.effect == "left as they are stored (exif: ignore)"
    for name in ("a", "b"):
        deep = np.arange(200, 4296, dtype=np.uint16).reshape(64, 64)
        Image.fromarray(deep if name == "a" else deep[::-1].copy()).save(root / "val" / name / "0.png")
    (line,) = ImageFolder(name="x").inspect(root).left_out["val"]
    assert (line.number, line.effect) == (2, "nearly flat")
    assert "dataset.range: [200, 4295]" in line.hint
    assert ImageFolder(name="x", range=(200, 4295)).inspect(root).left_out["val"] == ()


@pytest.mark.parametrize(
    ("on_bad_image", "effect"),
    [("fail", "end a run that reads them (on_bad_image: fail)"), ("skip", "skipped (on_bad_image)")],
)
def test_images_that_cannot_be_read_are_told_by_header_and_where_pixels_are_looked_at(
    on_bad_image: Any, effect: str, tmp_path: Path
) -> None:
    root = folder(tmp_path)
    for n in range(40):
        Image.linear_gradient("L").save(root / f"train/b/many{n:02}.png")
    head = b"\x89PNG\r\n\x1a\n"
    (root / "train/a/bad.png").write_bytes(head)
    (root / "train/b/zbad.jpg").write_bytes(b"hello")
    for n in ("a", "b"):
        whole = (root / f"val/{n}/0.png").read_bytes()
        (root / f"val/{n}/0.png").write_bytes(whole[:60])  # a whole header, and half of the pixels
    told = ImageFolder(name="x", on_bad_image=on_bad_image).inspect(root).left_out
    (train,), (val,) = (
        [str(line) for line in told[split] if "cannot be read" in line.what] for split in ("train", "val")
    )
    assert train == f"images that cannot be read: 2 {effect} (train/a/bad.png, train/b/zbad.jpg)"
    assert val == f"images that cannot be read: 2 {effect} (val/a/0.png, val/b/0.png)"


def test_an_image_that_the_look_and_the_run_could_not_read_is_counted_once() -> None:
    seen = {
        "train": (LeftOut("images that cannot be read, of 8 looked at", 1, "skipped (on_bad_image)"),),
        "val": (LeftOut("images that cannot be read", 1, "skipped (on_bad_image)"), LeftOut("files", 3, "not taken")),
    }
    told = excluded.of_a_run(seen, {"train": {}, "val": {"a.png: torn": None, "b.png: torn": None}})
    assert [str(line) for line in told["train"]] == [str(line) for line in seen["train"]]
    assert [(line.what, line.number) for line in told["val"]] == [("files", 3), ("unreadable images", 2)]


def test_files_of_0_bytes_are_not_told_twice(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "train/a/void.png").write_bytes(b"")
    lines = ImageFolder(name="x", on_bad_image="skip").inspect(root).left_out["train"]
    assert [line.what for line in lines] == ["files of 0 bytes"]


def test_masks_that_are_skipped_are_told(tmp_path: Path) -> None:
    root = two_splits(tmp_path, HALF)
    mask = root / "train/masks/1.png"
    mask.write_bytes(mask.read_bytes()[:50])
    told = SemanticFolder(name="x", classes=2, on_bad_image="skip").inspect(root).left_out["train"]
    (line,) = (line for line in told if "cannot be read" in line.what)
    assert str(line).startswith(
        "images or masks that cannot be read, or differ in size, of 3 looked at: 1 skipped (on_bad_image) ("
    )
    assert f"{mask}: not a readable image" in line.examples[0]


@pytest.mark.parametrize("suffix", ["gif", "tif", "png", "webp"])
def test_pictures_after_the_first_of_a_file_are_told(suffix: str, tmp_path: Path) -> None:
    root = folder(tmp_path)
    first, second = (Image.linear_gradient("L").rotate(90 * turn) for turn in (0, 1))
    first.save(root / f"train/a/two.{suffix}", save_all=True, append_images=[second])
    first.save(root / f"train/b/one.{suffix}", save_all=True)
    lines = ImageFolder(name="x").inspect(root).left_out
    (line,) = (line for line in lines["train"] if "frames" in line.what)
    assert str(line) == f"images of several frames: 1 read as their first frame (train/a/two.{suffix})"
    assert not [line for line in lines["val"] if "frames" in line.what]
    reader = ImageFolder(name="x").open(root, "train", "classification")
    (index,) = (n for n, path in enumerate(reader.paths) if b"two" in path)
    shown = np.asarray(reader[index][0].convert("L")).astype(int)
    assert abs(shown - np.asarray(first).astype(int)).max() <= (0 if suffix in ("tif", "png") else 40)
    assert abs(shown - np.asarray(second).astype(int)).max() > 200


def test_values_outside_the_range_are_told(tmp_path: Path) -> None:
    """64 x 64 values from 200 on: 100 of them below 300, 296 above 3999; and what is no number."""
    root = folder(tmp_path)
    deep = np.arange(200, 4296, dtype=np.uint16).reshape(64, 64)
    Image.fromarray(deep).save(root / "val/a/0.png")
    Image.fromarray(deep[:, ::-1].clip(300, 3999)).save(root / "val/b/0.png")
    lines = ImageFolder(name="x", range=(300, 3999)).inspect(root).left_out["val"]
    effect = "1 clipped to black or white (9.7 % of their pixels)"
    assert list(map(str, lines)) == [
        f"images, of 2 looked at, with values outside dataset.range: {effect} (val/a/0.png)"
    ]
    floats = deep.astype(np.float32)
    floats[0, :40] = np.nan
    Image.fromarray(floats).save(root / "val/a/1.tif")
    (line,) = ImageFolder(name="x", range=(200, 4295)).inspect(root).left_out["val"]
    assert (line.number, line.effect, line.examples) == (
        1,
        "clipped to black or white (0.98 % of their pixels)",
        ("val/a/1.tif",),
    )
    wide = deep.astype(np.int32)
    wide[1, :2] = -1, 65536
    Image.fromarray(wide).save(root / "val/a/1.tif")
    lines = ImageFolder(name="x").inspect(root).left_out["val"]
    assert [line.number for line in lines if line.what.endswith("values outside 0 to 65535")] == [1]


# ---------------------------------------------------------------- classes


def test_a_picture_under_two_classes_is_told(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "train/b/copy.png").write_bytes((root / "train/a/0.png").read_bytes())
    (root / "train/a/again.png").write_bytes((root / "train/a/0.png").read_bytes())
    other = bytearray((root / "train/a/0.png").read_bytes())
    other[50] ^= 1  # of one size and one end, and another picture
    (root / "train/b/other.png").write_bytes(other)
    lines = ImageFolder(name="x", on_bad_image="skip").inspect(root).left_out
    assert [str(line) for line in lines["train"] if "under" in line.what] == [
        "pictures under several classes: 1 kept in each (train/a/0.png, train/a/again.png, train/b/copy.png)"
    ]
    assert lines["val"] == ()


def test_files_are_compared_up_to_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_alike, "MOST_FILES", 3)
    files = []
    for number in (0, 1):
        for n in range(3):
            (tmp_path / f"{number}{n}").write_bytes(b"x" * (n + 1))
            files.append((number, f"{number}{n}", n + 1))
    (line,) = _alike.pictures(tmp_path, files, "")
    assert str(line) == "pictures under several classes, of 3 of equal bytes looked at: 1 kept in each (00, 10)"


def test_classes_that_a_reader_takes_for_one_are_told(tmp_path: Path) -> None:
    groups = [["Cat", "cat"], ["traffic light", "trafficlight "], ["caf\u00e9", "cafe\u0301"]]
    (line,) = _alike.names([name for group in groups for name in group] + ["dog", "dogs"])
    assert (line.number, line.effect) == (3, "kept apart")
    assert line.examples[:2] == ("'Cat' / 'cat'", "'traffic light' / 'trafficlight '")
    root = folder(tmp_path)
    (root / "train/A").mkdir()
    Image.radial_gradient("L").save(root / "train/A/0.png")
    told = [str(line) for line in ImageFolder(name="x").inspect(root).left_out["train"]]
    assert told == ["class names that differ only by case, spaces or Unicode form: 1 kept apart ('A' / 'a')"]


def test_a_look_is_kept_and_taken_again_when_the_data_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path / "data")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = []
    real = look.pictures
    monkeypatch.setattr(look, "pictures", lambda *words: asked.append(words[1]) or real(*words))
    first = ImageFolder(name="x").inspect(root)
    assert ImageFolder(name="x").inspect(root) == first
    assert len(asked) == 2
    Image.new("L", (99, 99)).save(root / "train/a/1.png")
    assert ImageFolder(name="x").inspect(root).fingerprint != first.fingerprint
    assert len(asked) == 4
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/no")
    assert ImageFolder(name="x").inspect(root).images == {"train": 3, "val": 2}


def test_black_is_less_than_white() -> None:
    with pytest.raises(ValueError, match="the value of black comes first"):
        ImageFolder(name="x", range=(5, 5))
