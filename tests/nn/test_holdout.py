"""Training images that are held out: which they are, and that a run learns from the others and is scored on them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pvt_exp import config, store
from pvt_exp.config import DataError
from pvt_exp.config.run import Run
from pvt_exp.config.space import Holdout
from pvt_exp.datasets.shapes import Settings as Shapes
from pvt_exp.nn.data.holdout import Part
from pvt_exp.store import attempts
from pvt_exp.train import fit
from tests.nn.test_datasets import check_ground_truth, check_objects
from tests.nn.test_train import attempt


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
def test_a_part_is_a_reader(task: str, tmp_path: Path) -> None:
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
    result = store.result(attempts.run_folder(placed[2])) or {}
    assert result["data"]["images"] == {"train": 72, "val": 24}
    assert result["provenance"]["samples_seen"] == 64  # whole batches of 16
