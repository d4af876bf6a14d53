"""The LightningModules of detection, instance and semantic segmentation."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pvt_exp import config, store
from pvt_exp.config.component import kinds
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.system import files
from pvt_exp.train import fit

NARROW = {
    "detection": {
        "detector": {
            "kind": "retinanet",
            "head_width": 16,
            "head_convs": 1,
            "anchor_scale": 2.0,
            "score_threshold": 0.0,
        }
    },
    "instance": {
        "detector": {"head_width": 32, "mask_width": 8, "mask_convs": 1, "max_proposals": 30, "sampled_regions": 16}
    },
    "semantic": {"head_width": 16, "crop_px": [64, 64], "short_px": 48, "long_px": 64},
}
BOXES = {"short_px": [40, 48], "long_px": 64, "test_short_px": 48, "test_long_px": 64}
DENSE = sorted(set(kinds("tasks")) - {"classification"})


def run(kind: str, **changes: Any) -> Run:
    task = {"kind": kind, "num_classes": 4 if kind == "semantic" else 3, "neck": {"kind": "fpn", "width": 16}}
    task |= NARROW[kind] | ({} if kind == "semantic" else BOXES)
    value = {
        "task": task,
        "dataset": {"kind": "shapes", "num_classes": 3, "train_images": 16, "val_images": 6, "image_px": 48},
        "backbone": {
            "kind": "pvt", "preset": "pvt_v2_b0", "embed_dims": [8, 16, 16, 16], "heads": [1, 2, 2, 2],
            "depths": [1, 1, 1, 1], "mlp_ratios": [2, 2, 2, 2], "drop_path": 0.1,
        },
        "optim": {"kind": "adamw", "lr": 2e-3},
        "schedule": {"kind": "cosine", "warmup_epochs": 0},
        "epochs": 2,
        "batch_size": 8,
        **changes,
    }  # fmt: skip
    return config.make(Run, value)


def train(each: Run, tmp_path: Path, name: str = "runs", **placement: Any) -> dict[str, Any]:
    where = Placement(data=str(tmp_path / "data"), threads=1, **placement)
    attempt = store.attempt(tmp_path / name, each, where, "test")
    assert fit.fit(each, where, attempt)
    result = files.read_json(tmp_path / name / each.id / "result.json")
    assert result is not None
    return result


def test_every_dense_task_is_tried_here() -> None:
    assert set(NARROW) == set(DENSE)


@pytest.mark.parametrize("kind", DENSE)
def test_a_run_trains_and_its_result_has_a_line_a_class(kind: str, tmp_path: Path) -> None:
    each = run(kind)
    result = train(each, tmp_path)
    assert each.task.metric in result["metrics"]
    declared = {metric.name: metric for metric in each.task.declared}
    assert {name for name, metric in declared.items() if metric.shown} <= set(result["metrics"]) <= set(declared)
    assert all(0 <= value <= 100 for value in result["metrics"].values())
    names = ["disc", "square", "triangle"]
    assert [line["class"] for line in result["per_class"]] == (["ground", *names] if kind == "semantic" else names)
    assert result["cost"]["macs"] > 0
    assert result["provenance"]["samples_seen"] == 32
    curve = (tmp_path / "runs" / each.id / "attempts/1/metrics.csv").read_text().splitlines()
    assert "train/data_wait" in curve[0]


@pytest.mark.parametrize("kind", DENSE)
def test_the_same_run_gives_the_same_result_whatever_its_workers(kind: str, tmp_path: Path) -> None:
    each = run(kind, epochs=1)
    one, other = train(each, tmp_path, "one"), train(each, tmp_path, "other", workers=2)
    assert one["metrics"] == other["metrics"]


@pytest.mark.parametrize("kind", DENSE)
def test_what_is_predicted_depends_on_no_other_image(kind: str, tmp_path: Path) -> None:
    each = run(kind)
    val_set = each.dataset.open(tmp_path, "val", kind)
    torch.manual_seed(0)
    module = each.task.build(each).eval()
    samples = [val_set[n] for n in range(3)]
    samples[1] = (samples[1][0].crop((0, 0, 48, 30)), samples[1][1])  # one of another size, so that others are padded
    if kind == "semantic":
        samples[1] = (samples[1][0], samples[1][1][:30])
    pipeline = each.task.pipeline()
    transformed = [pipeline.test(*sample) for sample in samples]
    with torch.no_grad():
        together = module.predict(pipeline.collate(transformed))
        alone = [module.predict(pipeline.collate([sample]))[0] for sample in transformed]
    for one, other in zip(together, alone, strict=True):
        if kind == "semantic":
            assert (one == other).float().mean() > 0.999
        else:
            assert len(one["boxes"]) == len(other["boxes"])
            assert torch.allclose(one["scores"], other["scores"], atol=1e-5)


@pytest.mark.parametrize(
    ("said", "due"),
    [
        ({"short_px": [96]}, (96, 96)),
        ({"short_px": [64, 96]}, (96, 96)),
        ({"short_px": [96], "long_px": 64}, (64, 64)),
        ({"short_px": [96], "test_short_px": 32}, (32, 32)),
    ],
)
@pytest.mark.parametrize("kind", ["detection", "instance"])
def test_what_reaches_the_network_in_validation_is_of_training_s_size(
    kind: str, said: dict[str, Any], due: tuple[int, int], tmp_path: Path
) -> None:
    """Images of 48 x 48 pixels, through the loader of validation; only a size that is written is another."""
    made = run(kind).model_dump(mode="json")
    task = {name: value for name, value in made["task"].items() if name not in BOXES} | said
    each = config.make(Run, {**made, "task": task})
    module = each.task.build(each).eval()
    seen: list[tuple[int, ...]] = []
    module.scored.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    batches = list(fit.get_ready(each, Placement(data=str(tmp_path), threads=1)).val_loader)
    assert [size for batch in batches for size in batch["sizes"]] == [due] * 6
    with torch.no_grad():
        found = [each for batch in batches for each in module.predict(batch)]
    assert [shape[2:] for shape in seen] == [due] * len(batches)
    assert len(found) == 6


@pytest.mark.parametrize("kind", DENSE)
def test_the_moving_average_is_what_is_scored(kind: str, tmp_path: Path) -> None:
    """With a decay near 1 it stays where it began, and so do the scores, whatever is learnt."""
    slow, fast = (
        train(run(kind, ema_decay=0.9999999, optim={"kind": "adamw", "lr": lr}), tmp_path) for lr in (1e-4, 1e-2)
    )
    assert slow["metrics"] == pytest.approx(fast["metrics"], abs=0.01)
    other = train(run(kind, ema_decay=0.1, optim={"kind": "adamw", "lr": 1e-2}), tmp_path)
    assert other["metrics"] != pytest.approx(fast["metrics"], abs=0.01)


def test_a_task_refuses_data_of_another_number_of_classes(tmp_path: Path) -> None:
    each = run("semantic")
    wrong = each.model_copy(update={"task": each.task.model_copy(update={"num_classes": 3})})
    with pytest.raises(ValueError, match=r"the data have 4 classes \(ground among them\).*num_classes: 3"):
        train(config.make(Run, wrong.model_dump(mode="json")), tmp_path)


@pytest.mark.parametrize(
    ("neck", "backbone", "why"),
    [
        ({"kind": "vit_pyramid"}, None, "vit_pyramid is for a plain ViT"),
        ({"kind": "fpn"}, {"kind": "timm", "name": "vit_tiny_patch16_224"}, "fpn needs maps of several strides"),
    ],
)
def test_a_neck_that_does_not_fit_is_refused_before_the_first_step(
    neck: dict[str, Any], backbone: dict[str, Any] | None, why: str, tmp_path: Path
) -> None:
    settings = run("detection").model_dump(mode="json")
    settings["task"]["neck"] = neck
    settings["backbone"] = backbone or settings["backbone"]
    with pytest.raises(ValueError, match=why):
        train(config.make(Run, settings), tmp_path)
