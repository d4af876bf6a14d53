"""timm's models keep the contract of a backbone; and the contract itself, for every kind there is."""

from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from pvt_exp.backbones import Backbone, timm_models
from pvt_exp.backbones.timm import Settings
from pvt_exp.component import kinds

# A kind that cannot be built from its defaults needs an entry; a new file whose defaults do is tested without one.
NEEDS: dict[str, dict[str, Any]] = {"timm": {"name": "resnet18"}}
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


def assert_contract(settings: Backbone, image_px: int, sizes: list[tuple[int, int]]) -> None:
    model = settings.build(image_px, maps=True).eval()
    assert list(model.strides) == sorted(model.strides)
    for height, width in sizes:
        settings.check(height, width)
        maps = model(torch.randn(2, 3, height, width))
        assert [tuple(m.shape) for m in maps] == [
            (2, channels, -(-height // stride), -(-width // stride))
            for channels, stride in zip(model.channels, model.strides, strict=True)
        ]
    unused(model, torch.stack([(m**2).sum() for m in maps]).sum())
    model = settings.build(image_px).train()
    feature = model.embed(torch.randn(2, 3, image_px, image_px))
    assert feature.shape == (2, model.embed_dim)
    unused(model, (feature**2).sum())
    assert model.no_weight_decay() <= {name for name, _ in model.named_parameters()}


def unused(model: nn.Module, loss: Tensor) -> None:
    """No parameter is left out: DistributedDataParallel would stop at one."""
    loss.backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize("kind", kinds("backbones"))
def test_every_kind_keeps_the_contract(kind: str) -> None:
    settings = kinds("backbones")[kind](**NEEDS.get(kind, {}))
    assert isinstance(settings, Backbone)
    assert_contract(settings, 64, [(64, 64), (64, 96)])


@pytest.mark.parametrize("name", MODELS)
def test_maps_and_feature_of(name: str) -> None:
    channels, strides, embed_dim = MODELS[name]
    settings = Settings(name=name)
    with torch.device("meta"):
        dense, plain = settings.build(224, maps=True), settings.build(224)
    assert (dense.channels, dense.strides, plain.embed_dim) == (channels, strides, embed_dim)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_transformers_take_other_sizes_than_they_were_made_for(name: str) -> None:
    settings = Settings(name=name, options={"depths": (1, 1, 1, 1)} if "swin" in name else {"depth": 3})
    assert_contract(settings, 64, [(64, 96), (128, 64)])


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


def test_the_list_of_models_is_timms() -> None:
    """If it fails, write ``"\\n".join(timm.list_models())`` to ``pvt_exp/backbones/timm_models.txt``."""
    assert timm_models() == set(timm.list_models())
