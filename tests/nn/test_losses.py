"""What ``task.loss`` minimises, computed another way; and that it is minimised."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pvt_exp import config
from pvt_exp.config.component import kinds
from pvt_exp.config.run import Run
from pvt_exp.losses import IGNORED
from pvt_exp.losses.bce import Settings as Bce
from pvt_exp.losses.cross_entropy_dice import Settings as WithDice
from pvt_exp.nn.losses import SMOOTH
from pvt_exp.tasks.classification import Settings as Classification
from pvt_exp.tasks.semantic import Settings as Semantic
from pvt_exp.train import fit
from tests.nn.test_resume import small

CLASSES = 4


def by_hand(logits: Any, probabilities: Any) -> float:
    yes = 1 / (1 + np.exp(-logits))
    return float(-(probabilities * np.log(yes) + (1 - probabilities) * np.log(1 - yes)).mean())


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_bce_is_a_yes_or_no_of_each_class(smoothing: float) -> None:
    draw = np.random.default_rng(0)
    logits, target = draw.normal(size=(6, CLASSES)), draw.integers(CLASSES, size=6)
    loss = Bce().build(Classification(num_classes=CLASSES, label_smoothing=smoothing))
    due = by_hand(logits, np.eye(CLASSES)[target] * (1 - smoothing) + smoothing / CLASSES)
    assert float(loss(torch.from_numpy(logits), torch.from_numpy(target))) == pytest.approx(due)


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_bce_of_mixed_images_is_of_their_probabilities(threshold: float | None) -> None:
    draw = np.random.default_rng(1)
    logits, mixed = draw.normal(size=(6, CLASSES)), draw.dirichlet(np.ones(CLASSES), size=6)
    loss = Bce(target_threshold=threshold).build(Classification(num_classes=CLASSES))
    due = by_hand(logits, mixed if threshold is None else mixed > threshold)
    assert float(loss(torch.from_numpy(logits), torch.from_numpy(mixed))) == pytest.approx(due)


def pixels(seed: int) -> tuple[Any, Any]:
    draw = np.random.default_rng(seed)
    labels = draw.integers(CLASSES - 1, size=(2, 5, 6))
    labels[draw.random(labels.shape) < 0.2] = IGNORED
    return draw.normal(size=(2, CLASSES, 5, 6)).astype(np.float32), labels


def test_dice_is_the_overlap_of_probabilities_and_truth_in_the_pixels_that_count() -> None:
    logits, labels = pixels(2)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    counts, entropy, dice = labels != IGNORED, 0.0, []
    for image in range(2):
        for k in range(CLASSES):
            true, found = (labels[image] == k)[counts[image]], probabilities[image, k][counts[image]]
            dice.append((2 * found[true].sum() + SMOOTH) / (found.sum() + true.sum() + SMOOTH))
            entropy -= np.log(found[true]).sum() / labels.size
    loss = WithDice(dice_weight=0.5).build(Semantic(num_classes=CLASSES))
    found = float(loss(torch.from_numpy(logits), torch.from_numpy(labels)))
    assert found == pytest.approx(entropy + 0.5 * (1 - np.mean(dice)), rel=1e-5)


EVERY = [(kind, name) for name, each in kinds("losses").items() for kind in each.tasks]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_a_run_minimises_its_loss_and_its_memory_is_counted(kind: str, name: str, experiment: Path) -> None:
    run = small(kind, experiment)
    value = config.put(run.model_dump(mode="json"), "task.loss", {"kind": name})
    other = config.make(Run, config.put(value, "ema_decay", None))
    assert other.id != run.id
    module = other.task.build(other)
    image = torch.rand(2, 3, *other.task.train_px)
    target: Any = torch.tensor([0, 1])
    if kind == "semantic":
        target = [torch.zeros(other.task.train_px, dtype=torch.uint8)] * 2
    before = module.loss({"image": image, "target": target})
    optimizer = torch.optim.SGD(module.parameters(), 0.05)
    for _ in range(5):
        optimizer.zero_grad()
        loss = module.loss({"image": image, "target": target})
        loss.backward()
        optimizer.step()
    assert loss < before
    with torch.device("meta"):
        assert other.task.build(other).step_memory() > 0


def test_a_joint_loss_needs_the_whole_group(monkeypatch: pytest.MonkeyPatch, experiment: Path) -> None:
    run = config.load(Run, experiment, ["task.loss={kind: bce}"])
    module = run.task.build(run)
    module.network.backbone = torch.nn.Identity()  # without BatchNorm, which needs it too
    fit._refuse_other_statistics(module, 4, 16, None)
    monkeypatch.setattr(Bce, "joint", True)
    with pytest.raises(ValueError, match="losses are means of all"):
        fit._refuse_other_statistics(module, 4, 16, None)
