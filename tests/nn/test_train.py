"""What `train.fit` takes care of around the Trainer."""

from pathlib import Path

import pytest
import torch

from pvt_exp import config, store, train
from pvt_exp.schema import Placement, Run


def attempt(tmp_path: Path, run: Run, **placement: object) -> tuple[Run, Placement, Path]:
    placed = Placement.model_validate({"data": str(tmp_path / "data"), "tracking": {"mode": "disabled"}, **placement})
    return run, placed, store.attempt(store.create(tmp_path / "runs"), run, placed, "test")


def test_a_moving_average_starts_at_the_pretrained_weights(experiment: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    state = config.load(Run, experiment).backbone.build(32).state_dict()
    torch.save(state, tmp_path / "start.pth")
    run = config.load(
        Run,
        experiment,
        ["epochs=1", "ema_decay=0.999999", "optim.lr=1e-9", f"backbone.pretrained={tmp_path}/start.pth"],
    )
    placed = attempt(tmp_path, run, weights=str(tmp_path / "start.pth"))
    assert train.fit(*placed)
    (checkpoint,) = (placed[2] / "checkpoints").glob("*.ckpt")
    kept = torch.load(checkpoint, weights_only=True)["state_dict"]
    for name, tensor in state.items():
        torch.testing.assert_close(kept[f"ema.module.backbone.{name}"], tensor, rtol=0, atol=1e-4)


def test_a_micro_batch_may_not_change_batchnorms_statistics(experiment: Path, tmp_path: Path) -> None:
    run = config.load(Run, experiment, ["epochs=1", "backbone={kind: timm, name: resnet10t}"])
    with pytest.raises(ValueError, match="BatchNorm takes its statistics"):
        train.fit(*attempt(tmp_path, run, micro_batch=8))


def test_a_checkpoint_of_other_data_is_passed_over(experiment: Path, tmp_path: Path) -> None:
    run = config.load(Run, experiment, ["epochs=1"])
    placed = attempt(tmp_path, run)
    assert train.fit(*placed)
    folder = store.run_folder(placed[2])
    fingerprint = (store.result(folder) or {})["data"]["fingerprint"]
    assert train.newest_checkpoint(folder, fingerprint) is not None
    assert train.newest_checkpoint(folder, "0" * 16) is None
