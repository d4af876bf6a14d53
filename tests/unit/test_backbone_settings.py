"""What can be written under ``backbone:``, and what is said of what cannot."""

import json
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from pvt_exp import config
from pvt_exp.backbones import Backbone, Pretrained, timm_models
from pvt_exp.backbones.pvt import PRESETS, Preset, Settings
from pvt_exp.backbones.timm import Settings as Timm
from pvt_exp.cli.json_schema import WithHover
from pvt_exp.config.component import kinds

KINDS = kinds("backbones")


def pvt(text: str = "{}") -> Settings:
    return config.validate(Settings, config.parse(text, "a.yaml"))


def fails(model: type[Backbone] | type[Pretrained], text: str) -> str:
    with pytest.raises(config.ConfigError) as error:
        config.validate(model, config.parse(text, "a.yaml"))
    return str(error.value)


# ---------------------------------------------------------------- presets


@pytest.mark.parametrize("preset", get_args(Preset))
def test_a_preset_is_the_values_it_stands_for(preset: Any) -> None:
    named = Settings(preset=preset)
    dumped = named.model_dump()
    assert "preset" not in dumped
    assert Settings(**PRESETS[preset]) == named == config.make(Settings, json.loads(named.model_dump_json()))
    assert named.drop_path == (0.3 if preset.endswith(("medium", "large", "b3", "b4", "b5")) else 0.1)


def test_every_preset_has_values_and_a_name() -> None:
    assert set(PRESETS) == set(get_args(Preset))


def test_what_is_written_beside_a_preset_wins() -> None:
    settings = pvt("{preset: pvt_v2_b2, depths: [1, 2, 3, 4], drop_path: 0.2, overlap: false}")
    assert (settings.depths, settings.drop_path, settings.overlap) == ((1, 2, 3, 4), 0.2, False)
    assert settings.embed_dims == (64, 128, 320, 512)


def test_attention_merges_into_the_presets_unless_it_names_its_kind() -> None:
    assert pvt("{preset: pvt_v2_b2_li, attention: {activation: false}}").attention.model_dump() == {
        "kind": "linear",
        "pool": 7,
        "activation": False,
    }
    assert pvt("{preset: pvt_v2_b2, attention: {kind: linear, pool: 5}}").attention.model_dump()["pool"] == 5
    assert pvt("{preset: pvt_v2_b2, attention: {ratios: [1, 1, 1, 1]}}").attention.model_dump()["kind"] == "sra"
    assert pvt("{attention: {ratios: [4, 2, 1, 1]}}").attention.model_dump()["ratios"] == (4, 2, 1, 1)


def test_without_a_preset_it_is_v2_b0_without_drop_path() -> None:
    assert pvt() == Settings(preset="pvt_v2_b0", drop_path=0.0)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("preset: pvt_v2_b22", "a.yaml:1: preset: unknown preset 'pvt_v2_b22'; did you mean pvt_v2_b2"),
        ("preset: resnet", "one of pvt_tiny, pvt_small"),
        ("preset: [1]", "preset: must be"),
        ("heads: [1, 2, 5]", "heads has 3 entries and embed_dims 4"),
        ("depths: [1]", "depths has 1 entries"),
        ("attention: {ratios: [8, 4, 2]}", "attention.ratios has 3 entries"),
        ("heads: [1, 2, 3, 8]", "3 heads do not divide the 160 channels of stage 3"),
        ("mlp_ratios: [0.01, 4, 4, 4]", "leaves stage 1 no feed-forward layer"),
        ("mlp_ratios: [0, 4, 4, 4]", "mlp_ratios.0: must be greater than 0"),
        ("embed_dims: []", "embed_dims"),
        ("embed_dims: 64", "embed_dims: must be a list, such as [64], not 64"),
        ("depths: [0, 1, 1, 1]", "depths.0: must be greater than or equal to 1"),
        ("attention: {pool: 7}", "attention.pool: unknown key"),
        ("attention: {kind: linaer}", "unknown kind 'linaer'; did you mean linear"),
        ("attention: {kind: full, ratios: [1, 1, 1, 1]}", "attention.ratios: unknown key"),
        ("ffn: conv", "ffn: must be 'linear', 'depthwise' or 'relu_depthwise', not 'conv'"),
        ("overlap: 1", "overlap: must be true or false, not 1"),
        ("drop_path: 1", "drop_path: must be less than 1"),
        ("embed_dim: [1, 2]", "unknown key; did you mean embed_dims"),
        (
            "{depths: [1], embed_dims: [8], heads: [1], mlp_ratios: [4], patch_sizes: [4], drop_path: 0.1, "
            "attention: {kind: full}}",
            "with one block it has no effect",
        ),
    ],
)
def test_pvt_says_what_is_wrong(text: str, said: str) -> None:
    assert said in fails(Settings, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: resnet81", "name: timm has no model 'resnet81'; did you mean resnet"),
        ("name: resnet18.a1_in1k", "write name: resnet18 and pretrained: timm:resnet18.a1_in1k"),
        ("{}", "name: is missing"),
        ("{name: resnet18, options: {num_classes: 3}}", "num_classes is not for options: the task sets it"),
        ("{name: resnet18, options: {drop_path_rate: 0.1}}", "write backbone.drop_path"),
        ("{name: resnet18, options: {drop_rate: null}}", "drop_rate is null"),
        (
            "{name: resnet18, options: {drop_rate: 2.0}}",
            "options.drop_rate: must be a number from 0 to below 1, not 2.0",
        ),
        ("{name: resnet18, options: {drop_block_rate: a}}", "options.drop_block_rate: must be a number from 0 to"),
        (
            "{name: resnet18, options: {channels: [8, 0]}}",
            "options.channels: must be a whole number from 1 on, or a list",
        ),
        ("{name: resnet18, options: {channels: []}}", "options.channels: must be a whole number from 1 on, or a list"),
        (
            "{name: deit_tiny_patch16_224, options: {patch_size: 0}}",
            "options.patch_size: must be a whole number from 1 on",
        ),
        ("{name: deit_tiny_patch16_224, options: {depth: many}}", "options.depth: must be a whole number from 1 on"),
        ("{name: deit_tiny_patch16_224, options: {depth: true}}", "options.depth: must be a whole number from 1 on"),
        (
            "{name: deit_tiny_patch16_224, options: {embed_dim: 50, num_heads: 3}}",
            "embed_dim 50 is not a multiple of num",
        ),
        ("{name: deit_tiny_patch16_224, options: {init_values: .inf}}", "options.init_values: must be a finite number"),
        (
            "{name: resnet18, pretrained: timm:resnet18, frozen: {stages: null, norm: null}}",
            "stages and norm are both null, so nothing is frozen; write frozen: null",
        ),
        ("{name: resnet18, pretrained: timm:resnet18, frozen: {norm: yes}}", "norm: must be 'statistics' or 'all'"),
        ("{name: vit_small_patch16_224, layers: [4, 2]}", "layers: each must come after the one before, not [4, 2]"),
        ("{name: vit_small_patch16_224, layers: [0, 2]}", "layers.0: must be greater than or equal to 1, not 0"),
        (
            "{name: vit_small_patch16_224, options: {out_indices: [1]}}",
            "out_indices is not for options: write backbone.la",
        ),
        ("{name: resnet18, pretrained: timm:resnet19}", "pretrained: timm has no model 'resnet19'; did you mean"),
    ],
)
def test_timm_says_what_is_wrong(text: str, said: str) -> None:
    assert said in fails(Timm, text)


def test_a_mistake_in_timms_options_is_named_with_its_line() -> None:
    text = "name: deit_tiny_patch16_224\noptions:\n  depth: 2\n  patch_size: 0\n"
    assert "a.yaml:4: options.patch_size: must be a whole number" in fails(Timm, text)


def test_timm_takes_options() -> None:
    settings = config.validate(Timm, config.parse("{name: resnet18, options: {drop_rate: 0.1, layers: [1, 1]}}", ""))
    assert settings.options == {"drop_rate": 0.1, "layers": (1, 1)}


def test_the_usual_freezing_of_resnet_is_the_default() -> None:
    settings = config.validate(Timm, config.parse("{name: resnet18, pretrained: timm:resnet18, frozen: {}}", ""))
    assert settings.frozen is not None
    assert settings.frozen.model_dump() == {"stages": 1, "norm": "statistics"}


def test_pretrained_needs_one_source(tmp_path: Any) -> None:
    assert "no such file" in fails(Pretrained, "nowhere.pth")
    file = tmp_path / "a.pth"
    file.write_bytes(b"abc")
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert config.make(Pretrained, str(file)).sha256 == sha
    assert config.make(Pretrained, str(file)).model_dump() == {"timm": None, "sha256": sha, "run": None, "allow": ()}
    assert config.make(Pretrained, {"timm": "pvt_v2_b0", "allow": ["*.sr.*"]}).allow == ("*.sr.*",)
    assert config.make(Pretrained, "runs/0123456789ab").run == "0123456789ab"
    assert "write path.pth, path.safetensors, timm:<tag> or runs/<id>" in fails(Pretrained, "{allow: [a]}")


# ---------------------------------------------------------------- image sizes


def test_plain_patches_round_down_and_overlapping_ones_up() -> None:
    assert Settings(preset="pvt_tiny").map_sizes(250, 224) == [(62, 56), (31, 28), (15, 14), (7, 7)]
    assert Settings(preset="pvt_v2_b0").map_sizes(250, 224) == [(63, 56), (32, 28), (16, 14), (8, 7)]


def test_check_tells_of_images_too_small() -> None:
    Settings(preset="pvt_tiny").check(32, 32)
    with pytest.raises(ValueError, match="leaves stage 4 no map"):
        Settings(preset="pvt_tiny", attention={"kind": "full"}).check(31, 224)
    with pytest.raises(ValueError, match=r"stage 1 a map of 7 x 56, of which attention.ratios 8 leaves nothing"):
        Settings(preset="pvt_v2_b0").check(28, 224)
    Settings(preset="pvt_v2_b2_li").check(1, 1)
    with pytest.raises(ValueError, match="patches of 16, which do not divide an image of 224 x 250"):
        Timm(name="vit_tiny_patch16_224").check(224, 250)
    Timm(name="resnet18").check(225, 250)


# ---------------------------------------------------------------- all kinds


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_every_kind_has_its_hover_text(kind: str) -> None:
    schema = KINDS[kind].model_json_schema(schema_generator=WithHover)
    for owner in (schema, *(model for name, model in schema.get("$defs", {}).items() if name != "Tracking")):
        for name, field in owner["properties"].items():
            assert name == "kind" or "description" in field, f"{kind}.{name}"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_frozen_and_closed(kind: str) -> None:
    assert issubclass(KINDS[kind], Backbone)
    assert KINDS[kind].model_fields["kind"].default == kind
    with pytest.raises(ValidationError):
        KINDS[kind].model_validate({"nonsense": 1})


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_architecture_is_a_field(kind: str) -> None:
    assert KINDS[kind].not_architecture <= set(KINDS[kind].model_fields)  # type: ignore[attr-defined]


def test_architecture_is_all_that_a_run_counts_but_what_is_named() -> None:
    assert Settings().architecture().keys() == Settings().model_dump().keys() - {"drop_path", "pretrained"}
    assert Timm(name="resnet18").architecture() == {"kind": "timm", "name": "resnet18", "options": {}, "layers": None}


def test_timms_models_are_listed_by_name() -> None:
    assert "resnet18" in timm_models()
