"""What is told of the images that are left out of an epoch, because batches are whole."""

from pathlib import Path

from pvt_exp import config
from pvt_exp.config.run import Run
from pvt_exp.datasets import Facts
from pvt_exp.plan.whole_batches import in_words
from tests.conftest import EXPERIMENT


def made(folder: Path, images: int, batch: int, **changes: object) -> tuple[Run, dict]:  # type: ignore[type-arg]
    path = folder / "run.yaml"
    path.write_text(EXPERIMENT)
    run = config.load(Run, path, [f"batch_size={batch}", *(f"{name}={value}" for name, value in changes.items())])
    return run, {run.dataset: Facts("aa", ("a", "b"), {"train": images, "val": 9})}


def test_the_line_says_how_many_and_which_batch_leaves_out_fewer(tmp_path: Path) -> None:
    run, facts = made(tmp_path, 36, 20)
    assert in_words([run, run], facts) == [
        "data shapes: 16 of 36 training images (44 %) are left out of each epoch, others each time, as batches of 20 are "
        "whole; batch_size: 18 leaves out none"
    ]


def test_a_few_are_not_told(tmp_path: Path) -> None:
    assert not in_words([made(tmp_path, 1000, 7)[0]], made(tmp_path, 1000, 7)[1]), "6 of 1000"
    assert in_words([made(tmp_path, 300, 98)[0]], made(tmp_path, 300, 98)[1]), "6 of 300"


def test_what_is_held_out_is_no_training_image(tmp_path: Path) -> None:
    run, facts = made(tmp_path, 100, 25, holdout="{fraction: 0.2}")
    (line,) = in_words([run], facts)
    assert "5 of 80 training images" in line


def test_repeated_augmentation_has_a_part_of_the_images_by_design(tmp_path: Path) -> None:
    run, facts = made(tmp_path, 36, 20, **{"task.augment.repeats": 3})
    assert in_words([run], facts) == []


def test_the_batch_that_is_named_is_one_that_the_run_can_have(tmp_path: Path) -> None:
    run, facts = made(tmp_path, 105, 32)
    assert in_words([run], facts)[0].endswith("; batch_size: 21 leaves out none")
    run, facts = made(tmp_path, 105, 32, ghost_batch_size=4)
    assert in_words([run], facts)[0].endswith("are whole")
    run, facts = made(tmp_path, 105, 32, **{"task.mixing": "{mixup: 0.8}"})
    assert in_words([run], facts)[0].endswith("; batch_size: 26 leaves out 1")
