"""timm's models keep the contract of a backbone; every kind does in tests/nn/test_contracts.py."""

from typing import Any

import pytest
import timm
import torch
from torch import nn

from pvt_exp.backbones import Width, timm_models
from pvt_exp.backbones.timm import Settings
from pvt_exp.necks.vit_pyramid import Settings as VitPyramid
from pvt_exp.testing import BackboneContract
from pvt_exp.testing.backbones import require_all_used

MODELS = {
    "resnet18": ((64, 128, 256, 512), (4, 8, 16, 32), 512),
    "resnet50": ((256, 512, 1024, 2048), (4, 8, 16, 32), 2048),
    "vit_tiny_patch16_224": ((192, 192, 192), (16, 16, 16), 192),
    "swin_tiny_patch4_window7_224": ((96, 192, 384, 768), (4, 8, 16, 32), 768),
    "convnext_atto": ((40, 80, 160, 320), (4, 8, 16, 32), 320),
    "mobilenetv3_small_050": ((8, 16, 24, 288), (4, 8, 16, 32), 1024),
    "pvt_v2_b0": ((32, 64, 160, 256), (4, 8, 16, 32), 256),
    "vgg11": ((256, 512, 512, 512), (4, 8, 16, 32), 4096),
}


@pytest.mark.parametrize("name", MODELS)
def test_maps_and_feature_of(name: str) -> None:
    channels, strides, embed_dim = MODELS[name]
    settings = Settings(name=name)
    with torch.device("meta"):
        dense, plain = settings.build(224, maps=True), settings.build(224)
    assert (dense.channels, dense.strides, plain.embed_dim) == (channels, strides, embed_dim)


class TestViTOfOtherSizes(BackboneContract):
    settings = Settings(name="vit_tiny_patch16_224", options={"depth": 3})
    sizes = ((64, 96), (128, 64))


class TestSwinOfOtherSizes(BackboneContract):
    settings = Settings(name="swin_tiny_patch4_window7_224", options={"depths": (1, 1, 1, 1)})
    sizes = ((64, 96), (128, 64))


def test_drop_path_arrives_or_is_an_error() -> None:
    with torch.device("meta"):
        model = Settings(name="resnet18", drop_path=0.2).build(64)
        rates = [m.drop_prob for m in model.modules() if hasattr(m, "drop_prob")]
        assert max(rates) == pytest.approx(0.2)
        with pytest.raises(ValueError, match="vgg11 of timm has no stochastic depth: drop_path must be 0"):
            Settings(name="vgg11", drop_path=0.2).build(64)
        with pytest.raises(ValueError, match="hrnet_w18_small of timm has no stochastic depth"):
            Settings(name="hrnet_w18_small", drop_path=0.2).build(64, maps=True)


def test_an_option_arrives_or_is_an_error() -> None:
    with torch.device("meta"):
        model = Settings(name="vit_tiny_patch16_224", options={"depth": 3}).build(64)
        assert len(model.model.blocks) == 3
        with pytest.raises(ValueError, match="options: resnet18 of timm has none called 'depth'"):
            Settings(name="resnet18", options={"depth": 3}).build(64)


def test_what_timm_cannot_build_is_an_error() -> None:
    settings = Settings(name="resnet18", options={"block_args": 3})
    for maps, said in ((False, "build resnet18 for 64 pixels: "), (True, "resnet18 with feature maps for 64 pixels: ")):
        with torch.device("meta"), pytest.raises(ValueError, match=said):
            settings.build(64, maps)


def test_exempt_parameters_are_timms() -> None:
    settings = Settings(name="vit_tiny_patch16_224", options={"depth": 3})
    assert settings.build(64).no_weight_decay() == {"model.pos_embed", "model.cls_token"}
    assert settings.build(64, maps=True).no_weight_decay() == {"model.model.pos_embed", "model.model.cls_token"}
    swin = Settings(name="swin_tiny_patch4_window7_224", options={"depths": (1, 1, 1, 1)}).build(64, maps=True)
    assert len(swin.no_weight_decay()) == 4
    assert Settings(name="resnet18").build(64).no_weight_decay() == set()


# ---------------------------------------------------------------- what is frozen


def frozen(name: str, maps: bool = True, **freeze: Any) -> Any:
    return Settings(name=name, pretrained={"timm": name}, frozen=freeze).build(64, maps)


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize(
    ("freeze", "held"),
    [
        ({"stages": 0, "norm": None}, ("conv1", "bn1")),
        ({"stages": 1, "norm": None}, ("conv1", "bn1", "layer1")),
        ({"stages": 4, "norm": None}, ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")),
        ({"stages": None, "norm": "statistics"}, ()),
    ],
)
def test_frozen_stages_are_not_trained(freeze: dict[str, Any], held: tuple[str, ...], maps: bool) -> None:
    model = frozen("resnet18", maps, **freeze)
    for name, parameter in model.model.named_parameters():
        assert parameter.requires_grad == (name.partition(".")[0] not in held), name


@pytest.mark.parametrize("norm", [None, "statistics", "all"])
def test_frozen_norms_keep_what_they_have(norm: Any) -> None:
    model = frozen("resnet18", stages=1, norm=norm)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 0.1, weight_decay=0.1)
    torch.stack([m.mean() for m in model.train()(torch.randn(2, 3, 64, 64) + 3)]).sum().backward()
    optimizer.step()
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert not [name for name in changed if name.startswith(("model.conv1", "model.bn1", "model.layer1"))]
    assert ("model.layer3.0.bn1.running_mean" in changed) == (norm is None)
    assert ("model.layer3.0.bn1.weight" in changed) == (norm != "all")
    assert "model.layer3.0.conv1.weight" in changed
    model.eval().train()
    training = {module.training for module in model.modules() if isinstance(module, nn.BatchNorm2d)}
    assert training == ({False, True} if norm is None else {False})


def test_frozen_norms_stay_so_when_they_are_synchronised() -> None:
    model = nn.SyncBatchNorm.convert_sync_batchnorm(frozen("resnet18", stages=None, norm="statistics")).train()
    norms = [module for module in model.modules() if isinstance(module, nn.SyncBatchNorm)]
    assert norms
    assert not any(module.training for module in norms)


def test_stages_are_those_of_any_pyramid() -> None:
    model = frozen("convnext_atto", stages=1, norm=None, maps=False)
    held = {name.partition(".")[0] for name, p in model.model.named_parameters() if not p.requires_grad}
    assert held == {"stem", "stages"}
    assert not any(p.requires_grad for p in model.model.stages[0].parameters())
    assert all(p.requires_grad for p in model.model.stages[1].parameters())
    assert model.train().model.training
    assert model.model.stages.training


def test_what_cannot_be_frozen_is_an_error() -> None:
    for name, freeze, said in (
        ("convnext_atto", {}, "frozen.norm: convnext_atto of timm has no BatchNorm; write norm: null"),
        ("resnet18", {"stages": 5}, "frozen.stages: resnet18 of timm: the model has 4 stages, not 5"),
        ("vit_tiny_patch16_224", {}, "frozen.stages: vit_tiny_patch16_224 of timm: the model has no stages"),
    ):
        with torch.device("meta"), pytest.raises(ValueError, match=said):
            frozen(name, **freeze)


def test_the_list_of_models_is_timms() -> None:
    """If it fails, write ``"\\n".join(timm.list_models())`` to ``pvt_exp/backbones/timm_models.txt``."""
    assert timm_models() == set(timm.list_models())


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "eva02_tiny_patch14_224"])
def test_a_plain_vit_of_few_blocks_has_maps_for_a_pyramid(name: str, depth: int) -> None:
    settings = Settings(name=name, options={"depth": depth, "embed_dim": 48, "num_heads": 3, "patch_size": 16})
    model = settings.build(32, maps=True).eval()
    assert (model.channels, model.strides) == ((48,) * depth, (16,) * depth)
    maps = model(images := torch.randn(1, 3, 32, 48))
    inner = model.model.model
    expected = inner.forward_intermediates(images, indices=depth, intermediates_only=True)
    assert torch.equal(maps[-1], expected[-1])
    pyramid = VitPyramid(width=8).build(model.channels, model.strides)(maps)
    assert [m.shape[-2:] for m in pyramid] == [(32 // s, 48 // s) for s in (4, 8, 16)] + [(1, 2)]


@pytest.mark.parametrize(
    ("name", "options", "width"),
    [
        ("resnet18", {}, Width("options.channels", (64, 128, 256, 512), (1, 1, 1, 1))),
        ("resnet50", {"channels": (8, 16, 32, 64)}, Width("options.channels", (8, 16, 32, 64), (1, 1, 1, 1))),
        ("deit_tiny_patch16_224", {}, Width("options.embed_dim", (192,), (3,), single=True)),
        ("deit_tiny_distilled_patch16_224", {"embed_dim": 96}, Width("options.embed_dim", (96,), (3,), single=True)),
        ("swin_tiny_patch4_window7_224", {}, Width("options.embed_dim", (96,), (3,), single=True)),
        ("convnext_atto", {}, Width("options.dims", (40, 80, 160, 320), (1, 1, 1, 1))),
        ("pvt_v2_b0", {}, Width("options.embed_dims", (32, 64, 160, 256), (1, 2, 5, 8))),
        ("regnetx_002", {}, "match knows no width of regnetx_002 of timm; write match.by, or leave the row as it is"),
        ("poolformer_s12", {}, "match does not know how dims makes poolformer_s12 of timm; write match.by"),
    ],
)
def test_what_makes_a_model_of_timm_wider(name: str, options: dict[str, Any], width: Width | str) -> None:
    settings = Settings(name=name, options=options)
    if isinstance(width, str):
        with pytest.raises(ValueError, match=width):
            settings.width(224)
        return
    assert settings.width(224) == width
    double = tuple(2 * n for n in width.value)
    key = width.field.removeprefix("options.")
    wider = Settings(name=name, options={**options, key: double[0] if width.single else double})
    with torch.device("meta"):
        before, after = (sum(p.numel() for p in each.build(224).parameters()) for each in (settings, wider))
    assert 2 < after / before < 4.1


def test_layers_of_a_plain_vit_become_maps_of_four_strides() -> None:
    """Resized without parameters; the coarsest of patches of 32 is the block's own output."""
    plain = Settings(name="vit_tiny_patch16_224", options={"patch_size": 32, "depth": 4})
    settings = plain.model_copy(update={"layers": (1, 2, 3, 4)})
    torch.manual_seed(0)
    model = settings.build(64, maps=True).eval()
    assert (model.channels, model.strides) == ((192,) * 4, (4, 8, 16, 32))
    images = torch.randn(2, 3, 64, 96)
    maps = model(images)
    assert [tuple(m.shape[2:]) for m in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert torch.equal(maps[-1], model.model(images)[-1])
    require_all_used(model, torch.stack([(m**2).sum() for m in maps]).sum())
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in plain.build(64, True).parameters())
    assert settings.build(64).embed(images[..., :64]).shape == (2, 192)


@pytest.mark.parametrize(
    ("name", "layers", "why"),
    [
        ("resnet18", (1, 2), "layers: resnet18 of timm has maps of several strides; layers are for a plain ViT"),
        ("vit_tiny_patch16_224", (6, 13), "timm cannot build vit_tiny_patch16_224 with feature maps"),
    ],
)
def test_layers_that_are_not_there_are_told(name: str, layers: tuple[int, ...], why: str) -> None:
    with torch.device("meta"), pytest.raises(ValueError, match=why):
        Settings(name=name, layers=layers).build(64, maps=True)
