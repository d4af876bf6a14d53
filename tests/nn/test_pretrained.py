"""Weights load whole, or the run does not start."""

import argparse
import gzip
import hashlib
import json
import os
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from torch import nn

from pvt_exp.backbones import Backbone, Pretrained
from pvt_exp.backbones.pvt import Settings
from pvt_exp.backbones.timm import Settings as Timm
from pvt_exp.nn.weights import pretrained
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
    """The checkpoint of a pretraining run has its whole network, and its moving average beside it."""
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


# ---------------------------------------------------------------- wrappers and prefixes


def small(maps: bool = False) -> Any:
    return Settings(preset="pvt_v2_b0", embed_dims=(8, 16, 16, 16), heads=(1, 1, 1, 1), depths=(1, 1, 1, 1)).build(
        64, maps=maps
    )


def authors_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Ours under the authors' names."""
    parts = {"embed": "patch_embed", "blocks": "block", "norm": "norm"}
    named = {}
    for name, tensor in tensors.items():
        _, stage, part, *rest = name.split(".")
        named[".".join([f"{parts[part]}{int(stage) + 1}", *rest]).replace(".dwconv.", ".dwconv.dwconv.")] = tensor
    return named


def prefixed(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


@pytest.fixture(scope="module")
def theirs() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return authors_names({name: torch.randn_like(tensor) for name, tensor in small().state_dict().items()})


def took(path: Path, content: Any, theirs: dict[str, torch.Tensor]) -> pretrained.Report:
    """Load, and see that each tensor of the network is the one of ``theirs``."""
    model = small()
    report = load(model, save(path, content))
    assert len(report.matched) == len(model.state_dict()) == len(theirs)
    for name, tensor in authors_names(model.state_dict()).items():
        assert torch.equal(tensor, theirs[name].float()), name
    return report


PREFIXES = [
    "module.", "model.", "_orig_mod.", "backbone.", "backbone.bottom_up.", "encoder.", "module.encoder_q.",
    "model.backbone.", "module._orig_mod.", "net.body.", "network.backbone.", "student.module.backbone.",
]  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("extra", [(), ("head.weight", "n_averaged")], ids=["alone", "beside others"])
def test_a_prefix_that_all_names_share_is_taken_off(
    tmp_path: Path, theirs: dict[str, torch.Tensor], prefix: str, extra: tuple[str, ...]
) -> None:
    report = took(tmp_path / "a.pth", {**prefixed(theirs, prefix), **{name: torch.ones(1) for name in extra}}, theirs)
    assert report.taken == f"the file itself, names without '{prefix}'"
    assert report.unexpected == [name for name in extra if name != "n_averaged"]
    assert report.taken in report.summary()


WRAPPERS = [
    "state_dict", "model", "model_state_dict", "state_dict_ema", "net", "params", "params_ema", "ema", "teacher",
    "module", "weights", "network", "backbone",
]  # fmt: skip


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_tensors_are_found_in_any_wrapper(tmp_path: Path, theirs: dict[str, torch.Tensor], wrapper: str) -> None:
    state = {"exp_avg": torch.ones(3), "step": torch.ones(1)}
    beside = {"optimizer": {"state": {0: state}}, "epoch": 3, "best": 1.5}
    assert took(tmp_path / "a.pth", {**beside, wrapper: theirs}, theirs).taken == f"'{wrapper}'"
    nested = {**beside, "checkpoint": {wrapper: prefixed(theirs, "module.")}}
    report = took(tmp_path / "b.pth", nested, theirs)
    assert report.taken == f"'checkpoint.{wrapper}', names without 'module.'"


def test_an_average_beside_the_weights_is_told_and_not_taken(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    other = {name: tensor + 1 for name, tensor in theirs.items()}
    for average, plain in (("state_dict_ema", "state_dict"), ("model_ema", "model"), ("teacher", "student")):
        report = took(tmp_path / "a.pth", {average: other, plain: theirs}, theirs)
        assert report.taken == f"'{plain}'; not taken, as it would fit too: '{average}'"
    inside = {**prefixed(other, "ema_model.module."), **prefixed(theirs, "model.")}
    report = took(tmp_path / "a.pth", {"state_dict": inside}, theirs)
    assert report.taken.startswith("'state_dict', names without 'model.'; not taken")
    assert report.unexpected == []


def test_a_checkpoint_of_ours_gives_its_average(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    other = {name: tensor + 1 for name, tensor in theirs.items()}
    inside = {
        **prefixed(other, "network.backbone."), **prefixed(theirs, "ema.module.backbone."),
        "network.head.weight": torch.ones(1), "ema.module.head.weight": torch.ones(1),
    }  # fmt: skip
    report = took(tmp_path / "a.ckpt", {"state_dict": inside, "epoch": 1}, theirs)
    assert report.taken.startswith("'state_dict', names without 'ema.module.backbone.'; not taken")


EIGHT_BITS = [torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, *EIGHT_BITS])
def test_weights_of_other_precisions_load(tmp_path: Path, theirs: dict[str, torch.Tensor], kind: torch.dtype) -> None:
    narrow = {name: tensor.to(kind) for name, tensor in theirs.items()}
    took(tmp_path / "a.pth", narrow, narrow)


def test_safetensors_and_pytorch_are_told_apart_by_content(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    safetensors.torch.save_file({name: t.contiguous() for name, t in theirs.items()}, tmp_path / "model.bin")
    for path in (tmp_path / "model.bin", save(tmp_path / "model.safetensors", theirs)):
        assert len(load(small(), path).matched) == len(theirs)
    torch.save(theirs, tmp_path / "legacy.tar", _use_new_zipfile_serialization=False)
    assert len(load(small(), tmp_path / "legacy.tar").matched) == len(theirs)


def test_numbers_of_numpy_and_paths_are_no_code(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    beside = {"best": np.float64(0.5), "history": np.ones(3), "args": argparse.Namespace(out=Path("/x"))}
    assert took(tmp_path / "a.pth", {**beside, "model": theirs}, theirs).taken == "'model'"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(
    tmp_path: Path, theirs: dict[str, torch.Tensor], number: float
) -> None:
    bad = {name: tensor.clone() for name, tensor in theirs.items()}
    bad["block2.0.mlp.fc1.bias"][1] = number
    model = small()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"a\.pth: NaN or infinity in 1 tensors: stages\.1\.blocks\.0\.mlp\.fc1\.bias"):
        load(model, save(tmp_path / "a.pth", bad))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("kind", EIGHT_BITS)
def test_nan_in_eight_bits_is_refused(tmp_path: Path, theirs: dict[str, torch.Tensor], kind: torch.dtype) -> None:
    bad = {name: tensor.clone() for name, tensor in theirs.items()}
    bad["block2.0.mlp.fc1.bias"][1] = torch.nan
    with pytest.raises(ValueError, match=r"NaN or infinity in 1 tensors: stages\.1\.blocks\.0\.mlp\.fc1\.bias"):
        load(small(), save(tmp_path / "a.pth", {name: tensor.to(kind) for name, tensor in bad.items()}))


UNLIKE: dict[str, tuple[Any, str]] = {
    "int8": (lambda t: (10 * t).to(torch.int8), "torch.int8 there and torch.float32 here"),
    "bool": (lambda t: t > 0, "torch.bool there and torch.float32 here"),
    "complex": (lambda t: t.to(torch.complex64), "torch.complex64 there and torch.float32 here"),
    "quantized": (
        lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
        "torch.qint8 there and torch.float32 here",
    ),
    "sparse": (lambda t: t.to_sparse(), "torch.sparse_coo there"),
    "meta": (lambda t: t.to("meta"), "without values there (device meta)"),
    "nested": (lambda t: torch.nested.nested_tensor([t, t]), "nested there"),
    "fp4": (
        lambda t: torch.zeros(t.shape, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
        "torch.float4_e2m1fn_x2 there and torch.float32 here",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("allow", [(), ("*",)], ids=["none", "allowed"])
@pytest.mark.parametrize("how", UNLIKE)
def test_tensors_of_another_kind_are_refused_as_such(
    tmp_path: Path, theirs: dict[str, torch.Tensor], how: str, allow: tuple[str, ...]
) -> None:
    change, said = UNLIKE[how]
    other = {**theirs, "block2.0.mlp.fc1.bias": change(theirs["block2.0.mlp.fc1.bias"])}
    model = small()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    due = f"1 not dense tensors of the same kind of number: stages.1.blocks.0.mlp.fc1.bias {said}"
    with pytest.raises(ValueError, match=re.escape(due)) as error:
        load(model, save(tmp_path / "a.pth", other), *allow)
    assert "\n" not in str(error.value)
    assert "of another shape" not in str(error.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_files_of_other_kinds_are_refused_in_a_plain_line(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    whole, old = save(tmp_path / "whole.pth", theirs), tmp_path / "old.pth"
    torch.save(theirs, old, _use_new_zipfile_serialization=False)
    safe = safetensors.torch.save({name: tensor.contiguous() for name, tensor in theirs.items()})
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(whole, "whole.pth")
    np.savez(tmp_path / "a.npz", weight=np.ones(3))
    np.save(tmp_path / "a.npy", np.ones(3))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(whole, "whole.pth")
    half = len(whole.read_bytes()) // 2
    torn = "torn, or not a checkpoint of PyTorch"
    files = {
        "hello.jpg": (b"hello", "not a checkpoint of PyTorch"),
        "empty.pth": (b"", "not a checkpoint: empty"),
        "yaml.pth": (b"a: 1\n", "not a checkpoint of PyTorch"),
        "start.pth": (whole.read_bytes()[:20], torn),
        "half.pth": (whole.read_bytes()[:half], torn),
        "end.pth": (whole.read_bytes()[:-10], torn),
        "centre.pth": (whole.read_bytes()[:half] + bytes(64) + whole.read_bytes()[half + 64 :][-200:], torn),
        "old_torn.pth": (old.read_bytes()[: len(old.read_bytes()) // 2], torn),
        "safe_torn.safetensors": (safe[: len(safe) // 2], torn),
        "safe_header.safetensors": (safe[:200], torn),
        "a.tar": (None, "not a checkpoint: a tar archive; unpack it first"),
        "a.tgz": (gzip.compress(whole.read_bytes()), "not a checkpoint: compressed by gzip; unpack it first"),
        "a.npz": (None, "not a checkpoint: arrays of NumPy (.npz), not tensors of PyTorch"),
        "a.npy": (None, "not a checkpoint: an array of NumPy, not tensors of PyTorch"),
        "a.zip": (None, "not a checkpoint: a zip archive of other files; unpack it first"),
    }
    for name, (content, said) in files.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(said)) as error:
            load(small(), tmp_path / name)
        assert str(error.value) == f"{tmp_path / name}: {said}"


def test_what_is_no_state_dict_is_named(tmp_path: Path, theirs: dict[str, torch.Tensor]) -> None:
    def refused(path: Path, said: str) -> None:
        with pytest.raises(ValueError, match=said) as error:
            load(small(), path)
        assert str(error.value).startswith(str(path))

    refused(save(tmp_path / "a.pth", {}), "holds no state dict, .*; it is empty")
    refused(save(tmp_path / "a.pth", {"epoch": 3, "args": "x"}), "holds no state dict, .*; its keys are: epoch, args")
    refused(save(tmp_path / "a.pth", torch.ones(3)), "holds no state dict, .*; it is a Tensor")
    refused(save(tmp_path / "a.pth", nn.Linear(2, 2)), r"refused, as it holds code \(torch.nn.modules.linear.Linear\)")
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "script.pt")
    refused(tmp_path / "script.pt", r"refused, as it holds code \(TorchScript\); save its state_dict")
    (tmp_path / "p.pth").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n")
    refused(tmp_path / "p.pth", "a pointer of Git LFS")
    (tmp_path / "p.pth").write_text("<!DOCTYPE html><p>sign in</p>")
    refused(tmp_path / "p.pth", "a web page")
    whole = save(tmp_path / "whole.pth", theirs).read_bytes()
    (tmp_path / "p.pth").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "p.pth", "torn, or not a checkpoint of PyTorch$")
