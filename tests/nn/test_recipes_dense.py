"""What the papers' dense recipes come to once they are built: parameters, what decays, and the rate at each step."""

from types import SimpleNamespace
from typing import Any

import pytest
import timm
import torch

from pvt_exp import config
from pvt_exp.config.run import Run
from pvt_exp.schedules.step import Settings as Step
from tests.conftest import ROOT
from tests.unit.test_papers_dense import BY_SWEEP, CNNS

# Millions of parameters in Tables 3, 4 and 5 of PVT v1, and 3 (both halves) and 5 of v2; a CNN's are those that are
# trained. Of ResNet18 the last is 15.5 in the table, with the stem of V1c (15.446, and rounded twice).
PUBLISHED = {
    "ResNet18": (21.3, 31.2, 15.4),
    "ResNet50": (37.7, 44.2, 28.5),
    "ResNet101": (56.7, 63.2, 47.5),
    "ResNeXt101-32x4d": (56.4, 62.8, 47.1),
    "ResNeXt101-64x4d": (95.5, 101.9, 86.4),
    "PVT-Tiny": (23.0, 32.9, 17.0),
    "PVT-Small": (34.2, 44.1, 28.2),
    "PVT-Medium": (53.9, 63.9, 48.0),
    "PVT-Large": (71.1, 81.0, 65.1),
    "PVTv2-B0": (13.0, 23.5, 7.6),
    "PVTv2-B1": (23.8, 33.7, 17.8),
    "PVTv2-B2": (35.1, 45.0, 29.1),
    "PVTv2-B2-Li": (32.3, 42.2, 26.3),
    "PVTv2-B3": (55.0, 64.9, 49.0),
    "PVTv2-B4": (72.3, 82.2, 66.3),
    "PVTv2-B5": (91.7, 101.6, 85.7),
}
TABLES = ("v2_table3_retinanet", "v2_table3_mask_rcnn", "v2_table5")
COCO_STEPS, ADE20K_STEPS = 7392, 631  # of an epoch


def build(run: Run) -> Any:
    with torch.device("meta"):
        return run.task.build(run)


def optimizer_of(run: Run, steps: int) -> tuple[Any, Any, Any]:
    """The module, and the optimizer and the schedule that it gives Lightning for epochs of so many steps."""
    module = build(run)
    module._trainer = SimpleNamespace(estimated_stepping_batches=run.epochs * steps)
    made = module.configure_optimizers()
    assert made["lr_scheduler"]["interval"] == "step"
    return module, made["optimizer"], made["lr_scheduler"]["scheduler"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_row_trains_as_many_parameters_as_the_papers_print(name: str) -> None:
    for sweep, published in zip(TABLES, PUBLISHED[name], strict=True):
        trained = sum(p.numel() for p in build(BY_SWEEP[sweep][name, "1x"]).network.parameters() if p.requires_grad)
        assert trained / 1e6 == pytest.approx(published, abs=0.055)  # some are rounded twice there: 12.947 is 13.0


def test_timm_has_the_weights() -> None:
    for sweep, task in zip(TABLES, (0, 0, 1), strict=True):
        for name in CNNS:
            run = BY_SWEEP[sweep][name, "1x"]
            assert run.backbone.pretrained.timm == ".".join(CNNS[name][task])
            assert timm.is_model_pretrained(run.backbone.pretrained.timm)
            tags = {timm_name.partition(".")[2] for timm_name in timm.list_pretrained(f"{run.backbone.name}.*")}
            assert run.backbone.pretrained.timm.partition(".")[2] in tags


@pytest.mark.parametrize(
    ("sweep", "name", "schedule", "peak", "falls"),
    [
        ("v1_table3", "PVT-Tiny", "1x", 1e-4, (8, 11)),
        ("v1_table3", "ResNet18", "3x", 1e-2, (27, 33)),
        ("v2_table3_mask_rcnn", "PVTv2-B4", "1x", 2e-4 / 1.4, (8, 11)),
    ],
)
def test_the_rate_in_detection_is_mmdetections(
    sweep: str, name: str, schedule: str, peak: float, falls: tuple[int, int]
) -> None:
    run = BY_SWEEP[sweep][name, schedule]
    _, optimizer, scheduler = optimizer_of(run, COCO_STEPS)

    def rate(step: int) -> float:
        scheduler.step_update(step)
        rates = {group["lr"] for group in optimizer.param_groups}
        assert len(rates) == 1
        return rates.pop()

    assert optimizer.param_groups[0]["lr"] == pytest.approx(peak / 1000)  # before the first step
    for step in (0, 100, 499, 500):
        assert rate(step) == pytest.approx(peak * (1 - (1 - step / 500) * (1 - 0.001)))  # mmcv's warm-up
    for epoch, share in zip(falls, (0.1, 0.01), strict=True):
        assert rate(epoch * COCO_STEPS - 1) == pytest.approx(peak * share * 10)
        assert rate(epoch * COCO_STEPS) == pytest.approx(peak * share)
    assert rate(run.epochs * COCO_STEPS - 1) == pytest.approx(peak / 100)


@pytest.mark.parametrize("per", ["step", "epoch"])
def test_the_rate_falls_when_a_milestone_begins(per: str) -> None:
    """Whether it moves by step or by epoch, and though the warm-up takes an epoch."""
    settings = Step(per=per, milestones=(2, 4), warmup_epochs=1, warmup_lr=1e-3)  # type: ignore[arg-type]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = settings.build(optimizer, epochs=5, steps_per_epoch=10)
    rates = []
    for epoch in range(5):
        scheduler.step(epoch) if per == "epoch" else scheduler.step_update(10 * epoch)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3, 1.0, 0.1, 0.1, 0.01])


def test_the_rate_in_segmentation_is_mmsegmentations() -> None:
    run = BY_SWEEP["v1_table5"]["PVT-Tiny", "1x"]
    _, optimizer, scheduler = optimizer_of(run, ADE20K_STEPS)
    last = run.epochs * ADE20K_STEPS
    for step in (0, 1, 10_000, last - 1):
        scheduler.step_update(step)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(2e-4 * (1 - step / last) ** 0.9)


@pytest.mark.parametrize(
    ("run", "decay"),
    [
        (BY_SWEEP["v1_table3"]["PVT-Tiny", "1x"], 1e-4),
        (BY_SWEEP["v1_table3"]["ResNet18", "1x"], 1e-4),
        (BY_SWEEP["v1_table5"]["PVT-Tiny", "1x"], 1e-4),
        (BY_SWEEP["v1_table5"]["ResNet18", "1x"], 5e-4),
    ],
)
def test_all_that_is_trained_decays(run: Run, decay: float) -> None:
    module, optimizer, _ = optimizer_of(run, 10)
    (group,) = optimizer.param_groups
    assert group["weight_decay"] == decay
    named = dict(module.network.named_parameters())
    held = {name for name, p in named.items() if not p.requires_grad}
    frozen = run.backbone.kind == "timm" and run.task.kind != "semantic"
    assert {name.split(".")[2] for name in held} == ({"conv1", "bn1", "layer1"} if frozen else set())
    assert {id(p) for p in group["params"]} == {id(p) for name, p in named.items() if name not in held}


def test_norms_alone_do_not_decay_in_mask_rcnn_3x() -> None:
    run = config.load(Run, ROOT / "experiments/coco/mask_rcnn_3x.yaml", ["backbone.preset=pvt_v2_b0"])
    module, optimizer, _ = optimizer_of(run, 10)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    named = dict(module.network.named_parameters())
    assert decay.keys() == {id(p) for p in named.values()}
    for name, p in named.items():  # the code names what is spared: all whose name has "norm" in it, and tables
        assert decay[id(p)] == (0.0 if "norm" in name else 0.05), name
    assert any("norm" in name for name in named)
