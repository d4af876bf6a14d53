"""PVT against golden outputs of the authors' code, timm's PVT v2, and the published counts."""

import json
import math
from typing import Any, get_args

import pytest
import timm
import torch
from timm.layers import DropPath
from torch import Tensor, nn

from pvt_exp.backbones.pvt import Preset, Settings
from pvt_exp.nn.backbones.pvt import PVT
from pvt_exp.nn.counting import macs
from pvt_exp.nn.weights.pretrained import pvt_name
from tests.nn import golden

PUBLISHED = json.loads((golden.DATA / "keys/_counts_official.json").read_text())
SMALL: dict[str, Any] = {"embed_dims": (8, 16, 24, 32), "heads": (1, 2, 3, 4), "depths": (1, 1, 1, 2)}


class Classifier(nn.Module):
    """What the published counts are of."""

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        self.backbone = Settings(preset=preset).build(224)
        self.head = nn.Linear(self.backbone.embed_dim, 1000)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone.embed(images))


def filled(model: nn.Module, weights: golden.Weights) -> nn.Module:
    """The model in float64 with the weights that it has a place for, none missing."""
    ours = {name: torch.empty(0) for name in model.state_dict()}
    ours.update({pvt_name(name): tensor for name, tensor in weights.items() if pvt_name(name) in ours})
    model.load_state_dict(ours)
    return model.eval().double()


def params(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("model", ["pvt_tiny", "pvt_v2_b0"])
def test_logits_are_the_authors(model: Any) -> None:
    expected, weights = golden.outputs(model), golden.weights(model)
    assert golden.digest(weights) == str(expected["weights_sha256"])
    backbone = filled(Settings(preset=model).build(224), weights)
    for height, width in ((224, 224), (192, 256)):
        with torch.no_grad():
            feature = backbone.embed(golden.images(height, width))
        logits = nn.functional.linear(feature, weights["head.weight"].double(), weights["head.bias"].double())
        wanted = torch.from_numpy(expected[f"logits_{height}x{width}"])
        torch.testing.assert_close(logits, wanted, atol=1e-9, rtol=0)


@pytest.mark.parametrize("model", ["pvt_tiny", "pvt_v2_b0"])
def test_maps_are_those_of_the_authors_detectors(model: Any) -> None:
    expected, weights = golden.outputs(model), golden.weights(f"{model}__dense")
    if model == "pvt_tiny":  # the dense model of the authors keeps a slot that it never reads
        weights["pos_embed4"] = weights["pos_embed4"][:, 1:]
    backbone = filled(Settings(preset=model).build(224, maps=True), weights)
    for tag in ("224x224", "192x256"):
        height, width = map(int, tag.split("x"))
        with torch.no_grad():
            maps = backbone(golden.images(height, width))
        for i, x_BCHW in enumerate(maps, 1):
            parts = {
                "mean": x_BCHW.mean(),
                "std": x_BCHW.std(unbiased=False),
                "tl": x_BCHW[:, :8, :4, :4],
                "br": x_BCHW[:, :8, -4:, -4:],
                "chmean": x_BCHW.mean((0, 2, 3)),
                "rowmean": x_BCHW.mean((0, 1, 3)),
                "colmean": x_BCHW.mean((0, 1, 2)),
            }
            assert list(x_BCHW.shape) == expected[f"F{i}_{tag}_shape"].tolist()
            for part, value in parts.items():
                wanted = torch.from_numpy(expected[f"F{i}_{tag}_{part}"])
                torch.testing.assert_close(value, wanted, atol=1e-9, rtol=0, msg=f"F{i} {tag} {part}")


def test_positions_follow_the_maps_shape_where_the_authors_code_goes_by_its_area() -> None:
    expected, weights = golden.outputs("pvt_tiny"), golden.weights("pvt_tiny__dense")
    weights["pos_embed4"] = weights["pos_embed4"][:, 1:]
    backbone = filled(Settings(preset="pvt_tiny").build(224, maps=True), weights)
    with torch.no_grad():
        for i, x_BCHW in enumerate(backbone(golden.images(112, 448)), 1):
            wanted = torch.from_numpy(expected[f"quirk_F{i}_112x448_interpolated_tl"])
            torch.testing.assert_close(x_BCHW[:, :8, :4, :4], wanted, atol=1e-9, rtol=0)


def test_the_classifiers_maps_are_the_dense_models() -> None:
    both = [Settings(preset="pvt_tiny", depths=(1, 1, 1, 1)).build(64, maps=maps).eval() for maps in (False, True)]
    state = both[0].state_dict()
    state["stages.3.position"] = state["stages.3.position"][:, 1:]
    both[1].load_state_dict({name: state[name] for name in both[1].state_dict()})
    images = torch.randn(1, 3, 96, 64)
    for one, other in zip(both[0](images), both[1](images), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("preset", ["pvt_tiny", "pvt_v2_b0", "pvt_v2_b2_li"])
@pytest.mark.parametrize("size", [(448, 448), (224, 896), (100, 250), (33, 65)])
def test_any_size_goes_through(preset: Any, size: tuple[int, int]) -> None:
    settings = Settings(preset=preset, depths=(1, 1, 1, 1))
    with torch.device("meta"):
        dense, classifier = settings.build(224, maps=True), settings.build(224)
        images = torch.empty(1, 3, *size)
    sizes = settings.map_sizes(*size)
    assert [tuple(m.shape) for m in dense(images)] == [
        (1, channels, *size) for channels, size in zip(settings.embed_dims, sizes, strict=True)
    ]
    assert classifier.embed(images).shape == (1, settings.embed_dims[-1])


@pytest.mark.parametrize(
    "preset",
    [
        pytest.param(name, marks=pytest.mark.slow if name[-2:] in ("b3", "b4", "b5") else ())
        for name in get_args(Preset)
        if "v2" in name
    ],
)
def test_v2_equals_timms(preset: Any) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(preset, num_classes=0).eval()
    with torch.device("meta"):
        ours = Settings(preset=preset).build(224).eval()
    ours.load_state_dict({pvt_name(name): tensor for name, tensor in theirs.state_dict().items()}, assign=True)
    images = torch.randn(1, 3, 72, 40)
    with torch.no_grad():
        torch.testing.assert_close(
            ours.double().embed(images.double()), theirs.double()(images.double()), atol=1e-9, rtol=0
        )


@pytest.mark.parametrize("preset", get_args(Preset))
def test_counts_are_the_published_ones(preset: Any) -> None:
    with torch.device("meta"):
        model = Classifier(preset)
        images = torch.empty(1, 3, 224, 224)
    assert params(model) == PUBLISHED[preset]["params"]
    assert round(macs.count(model, images) / 1e9, 4) == PUBLISHED[preset]["torch_flopcounter_half_G"]


def test_macs_leave_the_module_as_it_is() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert macs.count(model, torch.randn(2, 3, 10, 10)) == 2 * 8 * 8 * 8 * 3 * 9
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


# ---------------------------------------------------------------- every switch does something

SWITCHES: dict[str, dict[str, Any]] = {
    "overlap": {"overlap": False},
    "position": {"position": "learned"},
    "ratios": {"attention": {"ratios": (4, 2, 2, 1)}},
    "full": {"attention": {"kind": "full"}},
    "linear": {"attention": {"kind": "linear"}},
    "ffn": {"ffn": "linear"},
    "relu": {"ffn": "relu_depthwise"},
    "stage_norm": {"stage_norm": False},
    "class_token": {"class_token": True},
    "conv_init": {"conv_init": "uniform"},
    "widths": {"embed_dims": (8, 16, 24, 40), "heads": (1, 2, 3, 5)},
    "heads": {"heads": (1, 2, 3, 8)},
    "mlp_ratios": {"mlp_ratios": (4, 4, 4, 4)},
    "patch_sizes": {"patch_sizes": (8, 2, 2, 2)},
    "depths": {"depths": (1, 1, 1, 3)},
}


def feature(change: dict[str, Any], **more: Any) -> tuple[Tensor, int]:
    torch.manual_seed(0)
    model = Settings(**{**SMALL, **change, **more}).build(96).eval()
    return model.embed(torch.linspace(-1, 1, 3 * 96 * 96).view(1, 3, 96, 96).sin()), params(model)


@pytest.mark.parametrize("change", SWITCHES.values(), ids=SWITCHES.keys())
def test_each_switch_changes_the_output(change: dict[str, Any]) -> None:
    plain, changed = feature({}), feature(change)
    assert plain[1] != changed[1] or not torch.allclose(plain[0], changed[0])


@pytest.mark.parametrize("change", [{"pool": 5}, {"activation": False}])
def test_each_switch_of_linear_reduction_changes_the_output(change: dict[str, Any]) -> None:
    linear = {"attention": {"kind": "linear"}}
    assert not torch.allclose(feature(linear)[0], feature({"attention": {"kind": "linear", **change}})[0])


def test_a_class_token_goes_with_every_mechanism() -> None:
    for attention in ({"ratios": (8, 4, 2, 2)}, {"kind": "linear"}, {"kind": "full"}):
        for ffn in ("linear", "depthwise", "relu_depthwise"):
            out, _ = feature({}, class_token=True, attention=attention, ffn=ffn, position="learned")
            assert out.shape == (1, 32)
            assert out.isfinite().all()


def test_stages_may_be_any_number() -> None:
    settings = Settings(embed_dims=(8, 16), depths=(1, 1), heads=(1, 2), mlp_ratios=(2, 2), patch_sizes=(8, 2),
                        attention={"ratios": (2, 1)})  # fmt: skip
    maps = settings.build(64, maps=True)(torch.randn(2, 3, 64, 32))
    assert [tuple(m.shape) for m in maps] == [(2, 8, 8, 4), (2, 16, 4, 2)]
    assert settings.strides == (8, 16)


# ---------------------------------------------------------------- start, stochastic depth, memory


def test_v2_starts_as_published() -> None:
    torch.manual_seed(0)
    model = Settings(preset="pvt_v2_b0").build(224)
    block = model.stages[2].blocks[0]
    assert block.mlp.fc1.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert block.mlp.dwconv.weight.std().item() == pytest.approx(math.sqrt(2 / 9), rel=0.03)
    assert block.attn.sr.weight.std().item() == pytest.approx(math.sqrt(2 / (4 * 160)), rel=0.02)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name


def test_v1_starts_as_published() -> None:
    torch.manual_seed(0)
    model = Settings(preset="pvt_tiny").build(224)
    for table in [stage.position for stage in model.stages] + [model.class_token]:
        assert table.std().item() == pytest.approx(0.02, rel=0.1)
    conv = model.stages[0].embed.proj
    bound = 1 / math.sqrt(3 * 4 * 4)
    assert conv.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.03)
    assert conv.weight.abs().max() <= bound
    assert conv.bias.any()


def test_drop_path_grows_over_blocks_and_is_drawn_for_each_branch() -> None:
    model = Settings(preset="pvt_v2_b0", drop_path=0.35).build(64)
    rates = [block.drop_path for stage in model.stages for block in stage.blocks]
    assert isinstance(rates[0], nn.Identity)
    assert [drop.drop_prob for drop in rates[1:]] == pytest.approx([0.05 * i for i in range(1, 8)])
    drawn: list[float] = []
    for drop in rates[1:]:
        assert isinstance(drop, DropPath)
        drop.register_forward_hook(lambda _, args, out: drawn.append(len(out)))
    model.train().embed(torch.randn(2, 3, 32, 32))
    assert len(drawn) == 2 * 7


def test_weight_decay_spares_the_class_token_alone() -> None:
    assert Settings(preset="pvt_tiny").build(32).no_weight_decay() == {"class_token"}
    assert Settings(preset="pvt_tiny").build(32, maps=True).no_weight_decay() == set()
    assert Settings(preset="pvt_v2_b0").build(32).no_weight_decay() == set()


def test_maps_and_tokens_share_memory() -> None:
    """Between tokens and maps nothing is copied: each map that a convolution gets or gives is channels-last."""
    model = Settings(preset="pvt_v2_b2_li", **SMALL).build(64, maps=True)
    seen: list[bool] = []

    def look(_: nn.Module, args: tuple[Tensor], out: Tensor) -> None:
        seen.extend(x.is_contiguous(memory_format=torch.channels_last) for x in (*args, out))

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.AdaptiveAvgPool2d):
            module.register_forward_hook(look)
    maps = model(torch.randn(2, 3, 64, 96))
    assert seen
    assert all(seen)
    assert all(m.is_contiguous(memory_format=torch.channels_last) for m in maps)


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize("preset", ["pvt_tiny", "pvt_v2_b0", "pvt_v2_b2_li"])
def test_every_parameter_gets_a_gradient(preset: Any, maps: bool) -> None:
    model: PVT = Settings(preset=preset, **SMALL).build(64, maps=maps)
    images = torch.randn(2, 3, 64, 64)
    sum((m**2).sum() for m in model(images)).backward() if maps else (model.embed(images) ** 2).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
