"""Training images that are held out: which they are, and that a run learns from the others and is scored on them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pvt_exp import config, plan
from pvt_exp.config import DataError
from pvt_exp.config.run import Run
from pvt_exp.config.space import Holdout
from pvt_exp.datasets.shapes import Settings as Shapes
from pvt_exp.nn.data import look
from pvt_exp.nn.data.holdout import Part, facts_of, open_split
from pvt_exp.plan.data_sets import DataSets
from pvt_exp.store import attempts
from pvt_exp.store.results import read_result
from pvt_exp.testing.datasets import check_ground_truth, check_objects
from pvt_exp.train import fit
from tests.nn.test_train import attempt
from tests.nn.test_unreadable import CASES
from tests.nn.test_unreadable import run as run_of


def test_the_parts_are_one_whole_and_follow_from_the_seed() -> None:
    kept, held = Holdout(fraction=0.3, seed=4).places(50)
    assert len(held) == 15
    assert sorted(kept + held) == list(range(50))
    assert (kept, held) == Holdout(fraction=0.3, seed=4).places(50)
    assert held != Holdout(fraction=0.3, seed=5).places(50)[1]
    for share in (0.001, 0.999):
        with pytest.raises(DataError, match="leaves a part without any"):
            Holdout(fraction=share).places(50)


@pytest.mark.parametrize("task", ["classification", "detection", "instance", "semantic"])
def test_a_part_has_all_that_samples_have(task: str, tmp_path: Path) -> None:
    dataset = Shapes(num_classes=3, image_px=32, train_images=12, val_images=4)
    dataset.make(tmp_path)
    whole: Any = dataset.open(tmp_path, "train", task)
    part = Part(whole, [1, 7, 8])
    assert len(part) == 3
    for n, place in enumerate((1, 7, 8)):
        assert np.array_equal(part[n][0], whole[place][0])
    if task in ("detection", "instance"):
        assert [part[n][1]["image_id"] for n in range(3)] == [whole[place][1]["image_id"] for place in (1, 7, 8)]
        check_objects(part[2][1], 3, part[2][0])
        check_ground_truth(part, dataset.inspect(tmp_path).class_names(task), task)
        here = {image["id"] for image in part.ground_truth()["images"]}
        assert {each["image_id"] for each in part.ground_truth()["annotations"]} <= here


def test_a_run_is_scored_on_what_it_does_not_learn_from(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = config.load(Run, experiment, ["epochs=1", "holdout={fraction: 0.25, seed: 3}"])
    assert run.id != config.load(Run, experiment, ["epochs=1"]).id
    seen: list[Any] = []
    loaders = fit.loaders
    monkeypatch.setattr(fit, "loaders", lambda *given, **where: seen.extend(given[2:4]) or loaders(*given, **where))
    placed = attempt(tmp_path, run)
    assert fit.fit(*placed)
    learnt, scored = (set(part.chosen.tolist()) for part in seen)
    assert learnt | scored == set(range(96))
    assert not learnt & scored
    result = read_result(attempts.run_folder(placed[2])) or {}
    assert result["data"]["images"] == {"train": 72, "val": 24}
    assert result["provenance"]["samples_seen"] == 64  # whole batches of 16


# ---------------------------------------------------------------- classes that a part misses


def seen(run: Run, root: Path, split: Any) -> set[int]:
    """The classes, ground and what is ignored left out, that the samples of a part gives."""
    found = set[int]()
    for _, target in open_split(run, root, split):
        if run.task.kind == "classification":
            found.add(target)
        elif run.task.kind == "semantic":
            first = 1 if run.dataset.kind == "shapes" else 0
            found |= {label - first for label in np.unique(target).tolist() if first <= label < 255}
        else:
            found |= set(target["labels"][~target["crowd"]].tolist())
    return found


def told(run: Run, root: Path) -> dict[str, tuple[str, ...]]:
    """What is said of a run's two parts, at launch; the result says the same."""
    _, facts, problems = DataSets({run.dataset.name: str(root)}).of(plan.single(run, "x"))
    assert not problems
    of_run = facts_of(run, root, run.dataset.inspect(root)).left_out
    lines = facts[run.dataset].left_out
    found = {}
    for split, part, effect in (("train", "not held out", "never learnt"), ("val", "held out", "never scored")):
        (line,) = [each for each in lines[part] if each.what == "classes without an image"] or [None]
        assert line in of_run[split] if line else not [each for each in of_run[split] if each.effect == effect]
        assert line is None or line.effect == effect
        found[split] = line.examples if line else ()
    return found


def lay(kind: str, root: Path, rare: int) -> None:
    """Data of four classes, the last of which is in one training image only."""
    paths = CASES[kind][0](root)["train"]
    if kind == "semantic":
        for n, path in enumerate(paths):
            values = np.tile(np.arange(4 if n == rare else 3, dtype=np.uint8), (48, 16))[:, :48]
            Image.fromarray(values).save(path.parents[1] / "masks" / path.name)
    elif kind in ("detection", "instance"):
        file = root / "annotations/instances_train2017.json"
        document = json.loads(file.read_text())
        for each in document["annotations"]:
            each["category_id"] = 2 if each["image_id"] == rare + 1 else each["id"] % 2
            each["iscrowd"] = int(each["image_id"] == rare + 2)
        file.write_text(json.dumps(document))


@pytest.mark.parametrize("is_held", [True, False])
@pytest.mark.parametrize("kind", ["detection", "instance", "semantic"])
def test_a_class_that_a_part_misses_is_told(kind: str, is_held: bool, tmp_path: Path, cache: Path) -> None:
    root, run = tmp_path / "d", run_of(kind, holdout={"fraction": 0.25, "seed": 5})
    assert run.holdout is not None
    kept, held = run.holdout.places(12)
    lay(kind, root, (held if is_held else kept)[0])
    rare = {"semantic": "3"}.get(kind, "c")
    found = told(run, root)
    assert rare in found["train" if is_held else "val"]
    names = run.dataset.inspect(root).classes
    for split in ("train", "val"):
        assert {names.index(name) for name in found[split]} == set(range(len(names))) - seen(run, root, split)


@pytest.mark.parametrize("kind", ["classification", "detection", "instance", "semantic"])
def test_shapes_that_a_part_misses_are_told_once_they_are_made(kind: str, tmp_path: Path) -> None:
    base = run_of(kind if kind != "classification" else "semantic").model_dump(mode="json")
    dataset = {
        "kind": "shapes",
        "num_classes": 10,
        "train_images": 12,
        "val_images": 2,
        "image_px": 32,
        "distractors": 1,
    }
    task = {**base["task"], "num_classes": 11 if kind == "semantic" else 10}
    task = task if kind != "classification" else {"kind": kind, "num_classes": 10, "image_px": 32}
    run = config.make(Run, {**base, "task": task, "dataset": dataset, "holdout": {"fraction": 0.25, "seed": 1}})
    assert told(run, tmp_path) == {"train": (), "val": ()}
    run.dataset.make(tmp_path)
    found, names = told(run, tmp_path), run.dataset.inspect(tmp_path).classes
    whole = seen(run, tmp_path, "train") | seen(run, tmp_path, "val")
    missed = {"train": whole - seen(run, tmp_path, "train"), "val": set(range(10)) - seen(run, tmp_path, "val")}
    assert missed["val"]
    for split in ("train", "val"):
        assert found[split] == tuple(names[n] for n in sorted(missed[split]))[:3]


def test_only_masks_that_were_looked_at_speak_of_a_part(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, run = tmp_path / "d", run_of("semantic", holdout={"fraction": 0.5, "seed": 5})
    assert run.holdout is not None
    lay("semantic", root, run.holdout.places(12)[0][0])
    monkeypatch.setattr(look, "MASKS", 4)
    monkeypatch.setattr(look, "PIXELS", 4)
    looked_at = {0, 3, 6, 9} & set(run.holdout.places(12)[1])
    (line,) = facts_of(run, root, run.dataset.inspect(root)).left_out["val"]
    assert line.what == f"classes without an image, of {len(looked_at)} images looked at"
