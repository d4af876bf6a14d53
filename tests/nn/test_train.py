"""What `train.fit` takes care of around the Trainer."""

import csv
import re
from pathlib import Path

import pytest
import torch
import yaml

from pvt_exp import config, store
from pvt_exp.config.placement import Placement
from pvt_exp.config.run import Run
from pvt_exp.plan import pretraining
from pvt_exp.store import attempts
from pvt_exp.store.results import kept_weights, read_result
from pvt_exp.train import checkpoints, fit, worker


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
    assert fit.fit(*placed)
    (checkpoint,) = (placed[2] / "checkpoints").glob("*.ckpt")
    kept = torch.load(checkpoint, weights_only=True)["state_dict"]
    for name, tensor in state.items():
        torch.testing.assert_close(kept[f"ema.module.backbone.{name}"], tensor, rtol=0, atol=1e-4)


def test_an_attempt_that_ends_second_leaves_all_as_the_first_made_it(experiment: Path, tmp_path: Path) -> None:
    """A process that was stopped and wakes after another has finished the run."""
    run, placed, late = attempt(tmp_path, config.load(Run, experiment, ["epochs=1"]))
    first = attempt(tmp_path, run)[2]
    assert fit.fit(run, placed, first)
    before = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    made = (attempts.run_folder(first) / "result.json").read_bytes()
    assert not fit.fit(run, placed, late)
    assert (attempts.run_folder(first) / "result.json").read_bytes() == made
    assert {path: path.read_bytes() for path in first.rglob("*") if path.is_file()} == before
    assert kept_weights(tmp_path / "runs", run.id) is not None


def test_a_micro_batch_may_not_change_batchnorms_statistics(experiment: Path, tmp_path: Path) -> None:
    run = config.load(Run, experiment, ["epochs=1", "backbone={kind: timm, name: resnet10t}"])
    with pytest.raises(ValueError, match="BatchNorm takes its statistics"):
        fit.fit(*attempt(tmp_path, run, micro_batch=8))


def test_a_checkpoint_of_other_data_is_passed_over(experiment: Path, tmp_path: Path) -> None:
    run = config.load(Run, experiment, ["epochs=1"])
    placed = attempt(tmp_path, run)
    assert fit.fit(*placed)
    folder = attempts.run_folder(placed[2])
    fingerprint = (read_result(folder) or {})["data"]["fingerprint"]
    assert checkpoints.newest(folder, fingerprint) is not None
    assert checkpoints.newest(folder, "0" * 16) is None


@pytest.mark.parametrize("weights", ["last", "ema"])
def test_a_second_stage_starts_from_the_weights_of_the_first(experiment: Path, tmp_path: Path, weights: str) -> None:
    """With a rate of almost nothing it ends where the pretraining run did; the head is its own."""
    words = ["epochs=1", "ema_decay=0.5", "dataset.seed=7", "dataset.num_classes=6", "task.num_classes=6"]
    first = config.load(Run, experiment, words)
    placed = attempt(tmp_path, first)
    assert fit.fit(*placed)
    (tmp_path / "first.yaml").write_text(yaml.safe_dump(first.model_dump(mode="json")))
    still = ["epochs=1", "optim.lr=1e-12", "schedule.min_lr=0", "schedule.warmup_lr=0"]
    run = pretraining.experiment(
        experiment, [*still, f"pretrain={{experiment: {tmp_path}/first.yaml, weights: {weights}}}"]
    )
    assert run.pretraining == first
    kept = kept_weights(tmp_path / "runs", first.id)
    assert kept is not None
    second = attempt(tmp_path, run, weights=str(kept))
    assert fit.fit(*second)
    before = torch.load(kept, weights_only=True)["state_dict"]
    after = torch.load(kept_weights(tmp_path / "runs", run.id) or "", weights_only=True)["state_dict"]
    prefix = {"last": "network.", "ema": "ema.module."}
    names = [name.removeprefix("network.") for name in after if name.startswith("network.backbone.")]
    for name in names:
        torch.testing.assert_close(after[f"network.{name}"], before[prefix[weights] + name], rtol=0, atol=1e-6)
    assert any(not torch.equal(before[f"network.{name}"], before[f"ema.module.{name}"]) for name in names)
    report = (read_result(attempts.run_folder(second[2])) or {})["provenance"]["pretrained"]
    data = (read_result(attempts.run_folder(placed[2])) or {})["data"]["fingerprint"]
    assert {key: report[key] for key in ("source", "run", "weights", "data", "matched", "missing", "resized")} == {
        "source": f"runs/{first.id}", "run": first.id, "weights": weights, "data": data, "matched": len(names),
        "missing": [], "resized": [],
    }  # fmt: skip
    assert report["unexpected"] == ["head.weight", "head.bias"]
    folder, own = (
        attempts.run_folder(second[2]),
        (read_result(attempts.run_folder(second[2])) or {})["data"]["fingerprint"],
    )
    assert checkpoints.newest(folder, own, data) is not None
    assert checkpoints.newest(folder, own, "0" * 16) is None  # it started from weights of other data


def test_a_detector_starts_from_a_classifier(experiment: Path, tmp_path: Path) -> None:
    """Of PVT v1 with its class token and its position embeddings, which are made for other sizes."""
    text = experiment.read_text().replace("preset: pvt_v2_b0", "preset: pvt_tiny")
    (tmp_path / "first.yaml").write_text(text)
    task = "{kind: detection, num_classes: 4, short_px: [64], long_px: 64, test_short_px: 64, test_long_px: 64, "
    task += (
        "pos_embed_px: 64, neck: {kind: fpn, width: 16}, detector: {kind: retinanet, head_width: 16, head_convs: 1}}"
    )
    experiment.write_text(text)
    words = ["epochs=1", f"task={task}", "dataset.train_images=16", "dataset.val_images=4"]
    run = pretraining.experiment(experiment, [*words, f"pretrain={tmp_path}/first.yaml"])
    assert run.pretraining is not None
    assert fit.fit(*attempt(tmp_path, run.pretraining))
    second = attempt(tmp_path, run, weights=str(kept_weights(tmp_path / "runs", run.pretraining.id)))
    assert fit.fit(*second)
    report = (read_result(attempts.run_folder(second[2])) or {})["provenance"]["pretrained"]
    assert report["missing"] == []
    assert report["resized"] == [f"stages.{stage}.position" for stage in range(4)]
    assert {"class_token", "head.weight", "head.bias"} <= set(report["unexpected"])


def test_weights_that_runs_start_from_stay(experiment: Path, tmp_path: Path) -> None:
    run = config.load(Run, experiment, ["epochs=1"])
    placed = attempt(tmp_path, run, keep="none")
    store.use(tmp_path / "runs", run.id, "other", start=True)
    assert fit.fit(*placed)
    assert kept_weights(tmp_path / "runs", run.id) is not None


def test_a_pretraining_run_whose_weights_are_gone(experiment: Path, tmp_path: Path) -> None:
    run = config.load(Run, experiment, ["epochs=1", "backbone.pretrained=runs/0123456789ab"])
    with pytest.raises(ValueError, match="the checkpoint of run 0123456789ab, which this one starts from, is not in"):
        fit.fit(*attempt(tmp_path, run))


def test_an_end_that_was_asked_for_is_told_in_a_sentence(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    placed = attempt(tmp_path, config.load(Run, experiment, ["epochs=2"]))[2]
    attempts.prune(placed, "other trials were better at epoch 1")
    assert worker.main(placed, to_log=False) == 1
    assert (attempts.ended(placed) or {})["state"] == "pruned"
    said = capsys.readouterr().err
    assert "pruned: other trials were better at epoch 1" in said.splitlines()
    assert "Traceback" not in said


def test_an_attempt_prints_a_line_for_each_epoch(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The loss is the mean over the epoch that Lightning computes, also where a batch is trained in parts."""
    run, placed, folder = attempt(tmp_path, config.load(Run, experiment, ["epochs=2"]))
    placed = placed.model_copy(update={"micro_batch": run.ghost_batch_size // 2})
    assert fit.fit(run, placed, folder)
    with (folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    trained = [float(row["train/loss_epoch"]) for row in rows if row.get("train/loss_epoch")]
    scored = [(float(row["top1"]), float(row["loss"])) for row in rows if row.get("top1")]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert [re.sub(r"\d+ s$", "", line) for line in lines] == [
        f"epoch {n} of 2: train loss {loss:.4g}, top-1 {top1:.2f} %, loss {val:.4g}, "
        for n, (loss, (top1, val)) in enumerate(zip(trained, scored, strict=True), 1)
    ]
