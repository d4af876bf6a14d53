"""Weights load whole, or the run does not start."""

import argparse
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
from torch import nn

from pvt_exp.backbones import Backbone, Pretrained
from pvt_exp.backbones.pvt import Settings
from pvt_exp.backbones.timm import Settings as Timm
from pvt_exp.nn import pretrained
from tests.nn import golden

ONE: dict[str, Any] = {"depths": (1, 1, 1, 1)}


def from_file(path: Path, *allow: str) -> Pretrained:
    return Pretrained(sha256=hashlib.sha256(path.read_bytes()).hexdigest(), allow=allow)


def load(model: nn.Module, path: Path, *allow: str) -> pretrained.Report:
    return pretrained.load(model, Backbone(pretrained=from_file(path, *allow)), path)


def save(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authors' checkpoint of PVT v1-Tiny, with weights of our own making."""
    return save(tmp_path_factory.mktemp("weights") / "pvt_tiny.pth", {"model": golden.weights("pvt_tiny")})


@pytest.fixture(scope="module")
def b0(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("weights") / "pvt_v2_b0.pth", golden.weights("pvt_v2_b0"))


# ---------------------------------------------------------------- what fits


def test_the_authors_classifier_loads_whole(tiny: Path) -> None:
    model = Settings(preset="pvt_tiny").build(224)
    report = load(model, tiny)
    assert len(report.matched) == len(model.state_dict())
    assert (report.missing, report.resized, report.unexpected) == ([], [], ["head.bias", "head.weight"])
    table = golden.weights("pvt_tiny")["pos_embed4"]
    assert torch.equal(model.state_dict()["stages.3.position"], table)
    assert json.loads(json.dumps(report.as_json()))["source"] == str(tiny)


def test_maps_have_no_use_for_the_class_token_and_the_last_norm(tiny: Path) -> None:
    model = Settings(preset="pvt_tiny").build(224, maps=True)
    report = load(model, tiny)
    assert report.unexpected == ["cls_token", "head.bias", "head.weight", "norm.bias", "norm.weight"]
    assert report.resized == ["stages.3.position"]
    assert torch.equal(model.stages[3].position, golden.weights("pvt_tiny")["pos_embed4"][:, 1:])
    assert report.missing == []


def test_positions_are_resized_to_the_images(tiny: Path) -> None:
    model = Settings(preset="pvt_tiny").build(96)
    report = load(model, tiny)
    assert report.resized == [f"stages.{i}.position" for i in range(4)]
    table = golden.weights("pvt_tiny")["pos_embed4"]
    assert torch.equal(model.stages[3].position[:, 0], table[:, 0])  # the class token's slot
    wanted = nn.functional.interpolate(table[:, 1:].view(1, 7, 7, 512).permute(0, 3, 1, 2), (3, 3), mode="bilinear")
    assert torch.allclose(model.stages[3].position[:, 1:], wanted.flatten(2).transpose(1, 2))


@pytest.mark.parametrize("form", ["plain", "safetensors", "ddp", "detector", "training", "ours"])
def test_a_checkpoint_loads_however_it_was_saved(tmp_path: Path, form: str) -> None:
    weights = golden.weights("pvt_v2_b0")
    path = tmp_path / "a.pth"
    if form == "safetensors":
        path = tmp_path / "a.safetensors"
        safetensors.torch.save_file(weights, path)
    elif form == "ddp":
        save(path, {"state_dict": {f"module.{name}": t for name, t in weights.items()}})
    elif form == "detector":
        save(path, {"state_dict": {"bbox_head.x": torch.ones(1), **{f"backbone.{n}": t for n, t in weights.items()}}})
    elif form == "training":
        save(path, {"model": weights, "args": argparse.Namespace(lr=1e-3), "epoch": 3})
    elif form == "ours":
        ours = Settings(preset="pvt_v2_b0").build(224)
        ours.load_state_dict({pretrained.pvt_name(n): t for n, t in weights.items() if not n.startswith("head")})
        save(path, ours.state_dict())
    else:
        save(path, weights)
    model = Settings(preset="pvt_v2_b0").build(64)
    report = load(model, path)
    assert len(report.matched) == len(model.state_dict())
    assert torch.equal(model.stages[0].blocks[1].mlp.dwconv.weight, weights["block1.1.mlp.dwconv.dwconv.weight"])


@pytest.mark.parametrize("maps", [False, True])
def test_timms_pvt_loads(tmp_path: Path, maps: bool) -> None:
    assert {n: tuple(t.shape) for n, t in timm.create_model("pvt_v2_b0").state_dict().items()} == golden.shapes(
        "timm_pvt_v2_b0"
    )
    theirs = timm.create_model("pvt_v2_b0", features_only=maps)
    model = Settings(preset="pvt_v2_b0").build(64, maps=maps)
    report = load(model, save(tmp_path / "a.pth", theirs.state_dict()))
    assert (len(report.matched), report.missing) == (len(model.state_dict()), [])


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "pvt_v2_b0", "mobilenetv3_small_050"])
def test_a_timm_checkpoint_loads_into_maps_too(tmp_path: Path, name: str, maps: bool) -> None:
    theirs = timm.create_model(name)
    model = Timm(name=name).build(224, maps=maps)
    report = load(model, save(tmp_path / "a.pth", theirs.state_dict()))
    assert (len(report.matched), report.missing, report.resized) == (len(model.state_dict()), [], [])
    assert report.unexpected


@pytest.mark.parametrize("settings", [Settings(preset="pvt_tiny"), Settings(preset="pvt_v2_b0"), Timm(name="resnet18"),
                                      Timm(name="vit_tiny_patch16_224")], ids=["v1", "v2", "resnet", "vit"])  # fmt: skip
def test_maps_start_from_a_classifier_of_ours(tmp_path: Path, settings: Any) -> None:
    """The checkpoint of a first stage has its whole network, and its moving average beside it."""
    first = nn.Module()
    first.network, first.ema = nn.Module(), nn.Module()
    first.network.backbone, first.network.head = settings.build(64), nn.Linear(2, 3)
    first.ema.module = nn.Module()
    first.ema.module.backbone = settings.build(64)
    path = save(tmp_path / "epoch=0.ckpt", {"state_dict": first.state_dict(), "epoch": 0})
    maps = settings.build(96, maps=True)
    report, taken = pretrained.load_run(maps, path, "0123456789ab", None)
    assert (taken, report.missing, report.source) == ("ema", [], "runs/0123456789ab")
    theirs = {
        name.replace("model.", "").replace(".", "_"): t for name, t in first.ema.module.backbone.state_dict().items()
    }
    same = [torch.equal(t, theirs[n.replace("model.", "").replace(".", "_")]) for n, t in maps.state_dict().items()
            if n in report.matched]  # fmt: skip
    assert all(same)
    assert len(same) + len(report.resized) == len(maps.state_dict())
    report, taken = pretrained.load_run(maps, path, "0123456789ab", "last")
    assert taken == "last"
    assert {"head.weight", "head.bias"} <= set(report.unexpected)
    del first.ema
    path = save(tmp_path / "plain.ckpt", {"state_dict": first.state_dict()})
    with pytest.raises(ValueError, match=r"plain\.ckpt: holds no ema weights of a run"):
        pretrained.load_run(maps, path, "0123456789ab", "ema")


def test_weights_come_from_timms_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, create = timm.create_model("pvt_v2_b0"), timm.create_model

    def offline(tag: str, pretrained: bool = False, **options: Any) -> Any:
        assert (tag, pretrained) == ("pvt_v2_b0.in1k", True)
        return theirs

    monkeypatch.setattr(timm, "create_model", offline)
    model = Settings(preset="pvt_v2_b0").build(64)
    settings = Settings(preset="pvt_v2_b0", pretrained=Pretrained(timm="pvt_v2_b0.in1k"))
    assert pretrained.load(model, settings, None).source == "timm:pvt_v2_b0.in1k"
    assert torch.equal(model.stages[0].embed.proj.weight, theirs.patch_embed.proj.weight)

    def dead(tag: str, **options: Any) -> Any:
        raise OSError("We couldn't connect to 'https://huggingface.co'\nand more")

    monkeypatch.setattr(timm, "create_model", dead)
    with pytest.raises(ValueError, match=r"timm:pvt_v2_b0.in1k: no weights: We couldn't connect .* path of a file"):
        pretrained.load(model, settings, None)
    assert create is not timm.create_model


# ---------------------------------------------------------------- what does not


def test_another_size_is_an_error_and_changes_nothing(b0: Path) -> None:
    model = Settings(preset="pvt_v2_b1").build(64)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(
        ValueError, match=r"176 of another shape: stages.0.blocks.0.attn.kv.bias \[64\] there and \[128\] here"
    ) as error:
        load(model, b0)
    assert "another size" in str(error.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_another_architecture_is_an_error(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pth", timm.create_model("resnet18").state_dict())
    with pytest.raises(ValueError, match=r"0 of the backbone's \d+ tensors fit; .* missing: .*another architecture"):
        load(Settings(preset="pvt_v2_b0").build(64), path)
    with pytest.raises(ValueError, match="0 of the backbone's"):
        load(Settings(preset="pvt_v2_b0").build(64), path, "*")


def test_what_is_missing_or_left_over_is_an_error_unless_allowed(tmp_path: Path) -> None:
    weights = golden.weights("pvt_v2_b0")
    path = save(tmp_path / "a.pth", {n: t for n, t in weights.items() if ".attn.norm." not in n})
    with pytest.raises(
        ValueError, match=r"12 missing: stages.0.blocks.0.attn.norm.weight, .* and 6 more; what is meant"
    ):
        load(Settings(preset="pvt_v2_b0").build(64), path)
    report = load(Settings(preset="pvt_v2_b0").build(64), path, "*.attn.norm.*")
    assert len(report.missing) == 12

    full = Settings(preset="pvt_v2_b0", attention={"kind": "full"}).build(64)
    with pytest.raises(ValueError, match=r"12 unexpected: block1\.0\.attn\.sr\.bias"):
        load(full, path)
    assert not load(full, path, "*.attn.sr.*").missing


def test_another_reduction_starts_fresh_where_it_may(b0: Path) -> None:
    model = Settings(preset="pvt_v2_b0", attention={"ratios": (4, 4, 2, 1)}).build(64)
    with pytest.raises(ValueError, match="2 of another shape"):
        load(model, b0)
    report = load(model, b0, "stages.0.*.attn.sr.weight")
    assert report.missing == ["stages.0.blocks.0.attn.sr.weight", "stages.0.blocks.1.attn.sr.weight"]


def test_a_pattern_that_meets_nothing_is_an_error(b0: Path) -> None:
    with pytest.raises(ValueError, match=r"no tensor is called '\*.attn.rs.\*'"):
        load(Settings(preset="pvt_v2_b0").build(64), b0, "*.attn.rs.*")


class Malicious:
    def __reduce__(self) -> Any:
        return os.system, ("touch owned",)


def test_code_in_a_checkpoint_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = save(tmp_path / "a.pth", {"model": {"head.weight": Malicious()}})
    with pytest.raises(ValueError, match=r"refused, as it holds code \(\w+.system\)"):
        load(Settings(preset="pvt_v2_b0").build(64), path)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04 torn", b"\x80\x02}q\x00", None])
def test_a_torn_file_is_refused(tmp_path: Path, b0: Path, content: bytes | None, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b0.read_bytes()[:100_000] if content is None else content)
    with pytest.raises(ValueError, match=r"a\.\w+: .*(not a checkpoint|holds no state dict)"):
        load(Settings(preset="pvt_v2_b0").build(64), path)


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no state dict"):
        load(Settings(preset="pvt_v2_b0").build(64), save(tmp_path / "a.pth", {"model": {"a": 1}}))


def test_the_file_must_be_the_runs(b0: Path) -> None:
    model = Settings(preset="pvt_v2_b0").build(64)
    settings = Backbone(pretrained=Pretrained(sha256="0" * 64))
    with pytest.raises(ValueError, match="not the run's checkpoint: its sha256"):
        pretrained.load(model, settings, b0)
    with pytest.raises(ValueError, match="where is the checkpoint with sha256 000"):
        pretrained.load(model, settings, None)
    with pytest.raises(ValueError, match="no such file"):
        pretrained.load(model, settings, b0.with_name("b.pth"))
