"""A whole network out of a checkpoint: the authors', timm's, or ours; all of it, or an error."""

import re
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from pvt_exp import config
from pvt_exp.config.run import Run
from pvt_exp.nn.weights import network as weights

PX = 32


def run(experiment: Path, **backbone: Any) -> Run:
    given = ", ".join(f"{key}: {value}" for key, value in backbone.items())
    return config.load(Run, experiment, [f"backbone={{{given}}}"] if backbone else [])


def same_outputs(module: Any, theirs: Any) -> None:
    images = torch.randn(2, 3, PX, PX)
    with torch.inference_mode():
        torch.testing.assert_close(module.eval()(images), theirs.eval()(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("backbone", "name", "options"),
    [
        ({"kind": "pvt", "preset": "pvt_v2_b0"}, "pvt_v2_b0", {}),
        ({"kind": "timm", "name": "resnet10t"}, "resnet10t", {}),
        ({"kind": "timm", "name": "convnext_atto"}, "convnext_atto", {}),
        ({"kind": "timm", "name": "deit_tiny_patch16_224"}, "deit_tiny_patch16_224", {"img_size": PX}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_timms_networks_with_their_heads(
    backbone: dict[str, Any], name: str, options: dict[str, Any], experiment: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(name, num_classes=4, **options)
    torch.nn.init.normal_(theirs.get_classifier().weight)
    torch.save({"model": theirs.state_dict()}, tmp_path / "whole.pth")
    module, report = weights.published(run(experiment, **backbone), str(tmp_path / "whole.pth"))
    assert len(report.matched) == len(theirs.state_dict())
    same_outputs(module, theirs)


def authors(experiment: Path) -> tuple[Any, dict[str, Tensor]]:
    """A PVT v1, and its tensors under the names of the authors' checkpoints."""
    settings = {"kind": "pvt", "preset": "pvt_tiny", "embed_dims": [8, 16, 16, 16], "heads": [1, 2, 2, 2]}
    module = run(experiment, **settings).task.build(run(experiment, **settings))
    parts = {"embed": "patch_embed", "position": "pos_embed", "blocks": "block", "norm": "norm"}
    names = {}
    for name, tensor in module.network.state_dict().items():
        words = name.removeprefix("backbone.").split(".")
        if words[0] == "stages":
            words = [parts[words[2]] + str(int(words[1]) + 1), *words[3:]]
        names[".".join(words).replace("class_token", "cls_token")] = tensor + 1
    return module.network, names


def test_the_authors_names(experiment: Path) -> None:
    network, theirs = authors(experiment)
    assert {"pos_embed4", "cls_token", "block3.0.attn.q.weight", "patch_embed1.proj.weight", "head.bias"} <= set(theirs)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    report = weights.fill(network, theirs, "b.pth")
    assert len(report.matched) == len(before) == len(theirs)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name] + 1)


def test_tables_of_positions_are_resized_and_told(experiment: Path) -> None:
    network, theirs = authors(experiment)
    theirs["pos_embed1"] = torch.randn(1, 16 * 16, 8)
    report = weights.fill(network, theirs, "b.pth")
    assert report.resized == ["backbone.stages.0.position"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("head.bias"), "1 missing: head.bias"),
        (lambda t: t.pop("norm4.weight", None) or t.pop("norm.weight"), "1 missing: backbone."),
        (lambda t: t.update(extra=torch.ones(1)), "1 left over: extra"),
        (lambda t: t.update({"head_dist.weight": torch.ones(4, 16)}), "1 left over: head_dist.weight"),
        (
            lambda t: t.update({"head.weight": torch.ones(9, 16)}),
            "1 of another shape: head.weight [9, 16] there and [4, 16]",
        ),
    ],
)
def test_what_does_not_fit_is_an_error_and_changes_nothing(change: Any, said: str, experiment: Path) -> None:
    network, theirs = authors(experiment)
    change(theirs)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ValueError, match="to be scored a network needs all") as error:
        weights.fill(network, theirs, "b.pth")
    assert said in str(error.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_moving_average_of_ours_is_what_counts(experiment: Path, tmp_path: Path) -> None:
    averaged = config.load(Run, experiment, ["ema_decay=0.5"])
    trained: Any = averaged.task.build(averaged)
    torch.nn.init.ones_(trained.ema.module.head.weight)
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "epoch=1.ckpt")
    for settings in (averaged, run(experiment)):
        module: Any = weights.published(settings, str(tmp_path / "epoch=1.ckpt"))[0]
        assert torch.equal(module.scored.head.weight, torch.ones_like(module.scored.head.weight))
    same_outputs(weights.restore(averaged, tmp_path / "epoch=1.ckpt"), trained.ema.module)
    with pytest.raises(ValueError, match=r"epoch=1.ckpt: not a checkpoint of run"):
        weights.restore(run(experiment), tmp_path / "epoch=1.ckpt")


def test_timms_own_words_on_a_tag() -> None:
    said = weights.recipe("pvt_v2_b0.in1k")
    assert (said["image_px"], said["crop_pct"], said["interpolation"]) == (224, 0.9, "bicubic")


@pytest.mark.parametrize("wrap", [lambda t: {"model_state_dict": {f"module.{n}": x for n, x in t.items()}},
                                  lambda t: {"net": {f"model.{n}": x for n, x in t.items()}},
                                  lambda t: {**{f"_orig_mod.{n}": x for n, x in t.items()}, "n_averaged": torch.ones(1)}],
                         ids=["module", "model", "orig_mod"])  # fmt: skip
def test_a_whole_network_is_found_in_any_wrapper(wrap: Any, experiment: Path, tmp_path: Path) -> None:
    settings = run(experiment)
    theirs = {name: torch.randn_like(each) for name, each in settings.task.build(settings).network.state_dict().items()}
    torch.save(wrap(theirs), tmp_path / "a.pth")
    module, report = weights.published(settings, str(tmp_path / "a.pth"))
    assert report.taken.partition("names without ")[2]
    assert all(torch.equal(each, theirs[name]) for name, each in module.network.state_dict().items())


def test_weights_that_are_no_numbers_are_not_scored(experiment: Path, tmp_path: Path) -> None:
    settings = run(experiment)
    trained: Any = settings.task.build(settings)
    with torch.no_grad():
        trained.network.head.bias[0] = torch.nan
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "epoch=1.ckpt")
    for score in (lambda: weights.restore(settings, tmp_path / "epoch=1.ckpt"),
                  lambda: weights.published(settings, str(tmp_path / "epoch=1.ckpt"))):  # fmt: skip
        with pytest.raises(ValueError, match=r"epoch=1.ckpt: NaN or infinity in 1 tensors: head.bias"):
            score()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.to(torch.int8), "torch.int8 there and torch.float32 here"),
        (lambda t: t.to(torch.complex64), "torch.complex64 there and torch.float32 here"),
        (lambda t: t.to_sparse(), "torch.sparse_coo there"),
        (lambda t: t.to("meta"), "without values there (device meta)"),
    ],
)
def test_tensors_of_another_kind_are_not_scored(change: Any, said: str, experiment: Path, tmp_path: Path) -> None:
    settings = run(experiment)
    state = settings.task.build(settings).network.state_dict()
    torch.save({**state, "head.bias": change(state["head.bias"])}, tmp_path / "a.pth")
    with pytest.raises(
        ValueError, match=re.escape(f"1 not dense tensors of the same kind of number: head.bias {said};")
    ):
        weights.published(settings, str(tmp_path / "a.pth"))


def test_weights_of_eight_bits_are_scored(experiment: Path, tmp_path: Path) -> None:
    settings = run(experiment)
    state = settings.task.build(settings).network.state_dict()
    small = {name: t.to(torch.float8_e4m3fn) if t.is_floating_point() else t for name, t in state.items()}
    torch.save(small, tmp_path / "a.pth")
    module, _ = weights.published(settings, str(tmp_path / "a.pth"))
    assert all(torch.equal(t.float(), small[name].float()) for name, t in module.network.state_dict().items())


def test_names_beside_the_network_are_left_over(experiment: Path, tmp_path: Path) -> None:
    settings = run(experiment)
    state = settings.task.build(settings).network.state_dict()
    torch.save(
        {**{f"model.{name}": each for name, each in state.items()}, "loss.scale": torch.ones(1)}, tmp_path / "a.pth"
    )
    with pytest.raises(ValueError, match=r"1 left over: loss\.scale"):
        weights.published(settings, str(tmp_path / "a.pth"))
