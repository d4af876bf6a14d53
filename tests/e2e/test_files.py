"""Every file that a researcher edits is right, and what it configures trains: one batch of each, small, on the CPU."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pvt_exp import config, plan, store, train
from pvt_exp.schema import Placement, Run
from tests.conftest import ROOT

EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.yaml"))
SWEEPS = sorted((ROOT / "sweeps").rglob("*.yaml"))

IMAGES, CLASSES, PX = 8, 2, 64
SMALL = [
    f"task.num_classes={CLASSES}",
    f"task.image_px={PX}",
    "schedule.warmup_epochs=0",
    "epochs=1",
    f"batch_size={IMAGES}",
    f"group_size={IMAGES}",
]
SHAPES = (
    f"dataset={{kind: shapes, num_classes: {CLASSES}, image_px: {PX}, train_images: {IMAGES}, val_images: {IMAGES}}}"
)


def small(kind: str) -> list[str]:
    """What makes a file's runs small. Folders of images stay folders; other data are replaced by drawn ones."""
    return SMALL if kind == "image_folder" else [*SMALL, SHAPES]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def distinct_variants() -> list[object]:
    """Each run that some sweep has, once; it keeps the name of the first sweep that has it."""
    found = {}
    for path in SWEEPS:
        _, planned = plan.load(path)
        for number, variant in enumerate(planned.variants):
            run = variant.runs[0]
            found.setdefault(run.id, (path, number, run.dataset.kind, f"{name(path)}-{variant.name}"))
    return [pytest.param(path, number, kind, id=word) for path, number, kind, word in found.values()]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of images; drawn data find room beside them."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for number in range(IMAGES):
            folder = tmp_path / "data" / split / f"class{number % CLASSES}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (40, 48, 3), np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "data"


def trained(run: Run, data: Path, tmp_path: Path) -> None:
    placement = Placement(data=str(data), threads=2, keep="none")
    attempt = store.attempt(tmp_path / "runs", run, placement, "test")
    assert train.fit(run, placement, attempt)
    result = json.loads((store.run_folder(attempt) / "result.json").read_text())
    assert result["run"] == run.id
    assert result["provenance"]["samples_seen"] == IMAGES
    assert 0 <= result["metrics"]["top1"] <= 100


def test_there_are_files() -> None:
    assert EXPERIMENTS
    assert SWEEPS


@pytest.mark.parametrize("path", [*EXPERIMENTS, *SWEEPS], ids=name)
def test_the_editor_finds_the_schema_of(path: Path) -> None:
    word = path.read_text().split("\n", 1)[0].partition("$schema=")[2]
    kind = "run" if path in EXPERIMENTS else "sweep"
    assert (path.parent / word).resolve() == ROOT / f"docs/schema/{kind}.json"


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_an_experiment_trains(path: Path, data: Path, tmp_path: Path) -> None:
    kind = config.load(Run, path).dataset.kind
    trained(config.load(Run, path, [*small(kind), "pretrain=null"]), data, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("path", "number", "kind"), distinct_variants())
def test_a_sweeps_variant_trains(path: Path, number: int, kind: str, data: Path, tmp_path: Path) -> None:
    _, planned = plan.load(path, [*small(kind), "precision='32'"])  # CPUs are slow in float16
    alone = dict(planned.variants[number].runs[0]) | {"pretrain": None}
    trained(config.make(Run, alone), data, tmp_path)
