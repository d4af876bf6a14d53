"""Images that are enlarged twice or more for training are told, where every image is known to be of one size."""

from pathlib import Path

from pvt_exp import config
from pvt_exp.config.run import Run
from pvt_exp.plan import enlarged
from tests.conftest import EXPERIMENT
from tests.verbs import type_here


def made(folder: Path, dataset: str, side: int) -> Run:
    path = folder / "run.yaml"
    start, end = EXPERIMENT.index("dataset:"), EXPERIMENT.index("backbone:")
    path.write_text(f"{EXPERIMENT[:start]}dataset: {dataset}\n{EXPERIMENT[end:]}")
    return config.load(Run, path, [f"task.image_px={side}"])


def test_the_line_says_from_what_to_what(tmp_path: Path) -> None:
    cifar = "{kind: cifar, name: cifar10, classes: 10}"
    run = made(tmp_path, cifar, 224)
    line = "data cifar10: images of 32 x 32 px are enlarged 7 times, to 224 px (task.image_px)"
    assert enlarged.in_words([run, run]) == [line]
    assert enlarged.in_words([made(tmp_path, cifar, 64)])
    assert not enlarged.in_words([made(tmp_path, cifar, 32)])
    assert not enlarged.in_words([made(tmp_path, "{kind: image_folder, name: photos}", 224)])


def test_plan_tells_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(EXPERIMENT)
    (tmp_path / "sweep.yaml").write_text(
        "base: base.yaml\nblocks: [{one_at_a_time: {px: {large: {task.image_px: 96}}}}]\n"
    )
    said = type_here(["plan", "sweep.yaml"], tmp_path)
    assert [line for line in said.out.splitlines() if "enlarged" in line] == [
        "data shapes: images of 32 x 32 px are enlarged 3 times, to 96 px (task.image_px)"
    ]
