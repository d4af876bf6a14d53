"""Every file that a researcher edits is right, and what it configures trains: one batch of each, small, on the CPU."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm
from PIL import Image

from pvt_exp import config, store
from pvt_exp.config.placement import Placement, Tracking
from pvt_exp.config.run import Run
from pvt_exp.nn.weights import pretrained
from pvt_exp.plan import Tuning, expand
from pvt_exp.plan.matching import Solution
from pvt_exp.store import attempts
from pvt_exp.train import fit
from tests.conftest import ROOT

EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.yaml"))
SWEEPS = sorted((ROOT / "sweeps").rglob("*.yaml"))

IMAGES, CLASSES, PX = 8, 2, 64
FEW = 2  # of the dense tasks, whose models take long for each
BOXES = [
    f"task.short_px=[{PX}]",
    *(f"task.{side}={PX}" for side in ("long_px", "test_short_px", "test_long_px")),
    f"task.macs_px=[{PX}, {PX}]",
]
SMALL = {
    "classification": [f"task.num_classes={CLASSES}", f"task.image_px={PX}"],
    "detection": [f"task.num_classes={CLASSES}", *BOXES],
    "instance": [
        f"task.num_classes={CLASSES}",
        *BOXES,
        "task.detector.max_proposals=32",
        "task.detector.sampled_regions=16",
    ],
    "semantic": [
        f"task.num_classes={CLASSES + 1}",  # with the ground
        *(f"task.{side}={PX}" for side in ("short_px", "long_px")),
        *(f"task.{size}=[{PX}, {PX}]" for size in ("crop_px", "macs_px")),
    ],
}
CROP = f"task.crop={{short_px: [{PX}], side_px: [{PX // 2}, {PX}]}}"


def small(run: Run, *more: str) -> Run:
    """The run with small images and few of them; folders of images stay folders, other data are replaced by drawn ones.

    Weights that it starts from stay too: see `hub`. A pretraining run does not: it is a run of its own.
    """
    task = run.task.kind
    images = IMAGES if task == "classification" else FEW
    words = [*SMALL[task], "schedule.warmup_epochs=0", "epochs=1"]
    words += [f"batch_size={images}", f"ghost_batch_size={min(run.ghost_batch_size, images)}"]
    if run.schedule.kind == "step":
        words.append("schedule.milestones=[1]")  # none is reached
    if getattr(run.task, "crop", None) is not None:
        words.append(CROP)
    if run.dataset.kind != "image_folder":
        drawn = f"num_classes: {CLASSES}, image_px: {PX}, train_images: {images}, val_images: {images}"
        words.append(f"dataset={{kind: shapes, {drawn}}}")
    written = config.Document({**run.model_dump(mode="json"), "pretrain": None}, {(): "a run"})
    return config.validate(Run, config.override(written, [*words, *more]))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def first(tuning: Tuning) -> dict[str, Any]:
    """In place of what trials would choose."""
    return {name: values.ends[0] for name, values in tuning.tune.space.items()}


ONE = SimpleNamespace(params=1, macs=1, memory=1)
ALIKE = SimpleNamespace(
    each=lambda runs, _: [ONE] * len(runs), solve=lambda problems: [Solution(each.value, 1, 1) for each in problems]
)
"""In place of counting: rows that are to cost what the base does stay as they are written."""


def form(value: object) -> object:
    """What was written, but for sizes: all numbers over one are alike, also those in a model's name."""
    match value:
        case dict():
            return {key: form(each) for key, each in value.items()}
        case list():
            return [form(each) for each in value]
        case str():
            return re.sub(r"\d+", "n", value)
        case int() | float() if value not in (0, 1):
            return "n"
        case _:
            return value


def fields(value: Any, *keys: str) -> set[tuple[str, ...]]:
    """Each field below, with the form of what was written."""
    if isinstance(value, dict) and value:
        return set().union(*(fields(each, *keys, key) for key, each in value.items()))
    return {(*keys, json.dumps(form(value)))}


def distinct_variants() -> list[object]:
    """Variants of the sweeps that show each form of each field, for each task and kind of backbone; experiments show some.

    A model that is only deeper or wider than another takes no other way through the code, nor do two forms together that
    were each trained with the same task and kind of backbone.
    """

    def shown_by(run: Run) -> set[tuple[str, ...]]:
        return fields(small(run).model_dump(mode="json"), run.task.kind, run.backbone.kind)

    shown = set().union(*(shown_by(config.load(Run, path)) for path in EXPERIMENTS))
    found = []
    for path in SWEEPS:
        _, planned = expand.load(path, choose=first, count=ALIKE)
        for number, variant in enumerate(planned.variants):
            if not (fresh := shown_by(variant.runs[0])) <= shown:
                shown |= fresh
                found.append(pytest.param(path, number, id=f"{name(path)}-{variant.name}"))
    return found


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


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of timm's hub: tensors of the right names and shapes, drawn at random."""

    def fetch(tag: str, backbone: Any) -> dict[str, Any]:
        model = timm.create_model(tag.partition(".")[0], **backbone.options)
        return dict(model.state_dict())

    monkeypatch.setattr(pretrained, "fetch", fetch)


def trained(run: Run, data: Path, tmp_path: Path) -> None:
    placement = Placement(data=str(data), keep="none", tracking=Tracking(mode="disabled"))
    attempt = store.attempt(tmp_path / "runs", run, placement, "test")
    assert fit.fit(run, placement, attempt)
    result = json.loads((attempts.run_folder(attempt) / "result.json").read_text())
    assert result["run"] == run.id
    assert result["provenance"]["samples_seen"] == run.batch_size
    assert 0 <= result["metrics"][run.task.metric] <= 100
    frozen = getattr(run.backbone, "frozen", None) is not None
    assert (result["cost"]["trainable_params"] < result["cost"]["params"]) == frozen
    loaded = result["provenance"]["pretrained"]
    assert (loaded is not None) == (run.backbone.pretrained is not None)
    assert loaded is None or not (loaded["missing"] or loaded["resized"])


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
    trained(small(config.load(Run, path)), data, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("path", "number"), distinct_variants())
def test_a_sweeps_variant_trains(path: Path, number: int, data: Path, tmp_path: Path) -> None:
    _, planned = expand.load(path, choose=first, count=ALIKE)
    trained(small(planned.variants[number].runs[0], "precision='32'"), data, tmp_path)  # CPUs are slow in float16
