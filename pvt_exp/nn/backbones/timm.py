"""timm's models behind the contract of a backbone: maps by ``features_only``, the feature by ``num_classes=0``."""

import re
from typing import TYPE_CHECKING, Any, Self

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.modules.batchnorm import _BatchNorm

if TYPE_CHECKING:
    from pvt_exp.backbones.timm import Settings

FINEST_STRIDE = 4  # detection and segmentation begin there; convolutional models also have maps of strides 1 and 2


def plain_name(name: str) -> str:
    """One spelling of a tensor's name for timm's model, its ``features_only`` form (``stages_0.``) and our wrapper."""
    return re.sub(r"^(model\.)+", "", name).replace(".", "_")


def create(settings: "Settings", image_px: int, **purpose: Any) -> tuple[nn.Module, dict[str, Any]]:
    """Timm's model, randomly initialised, and the options it was made with.

    It is made for ``image_px``, and to take other sizes too, as far as it has an option for that.

    Raises:
        ValueError: with what is wrong, for options that the model does not know or cannot be built with.
    """
    automatic = {"img_size": image_px, "dynamic_img_size": True, "strict_img_size": False}
    options: dict[str, Any] = {**automatic, **settings.options}
    if settings.drop_path > 0:
        options["drop_path_rate"] = settings.drop_path
    while True:
        try:
            return timm.create_model(settings.name, **options, **purpose), options
        except Exception as error:  # timm raises what its models raise, from AssertionError to KeyError
            unknown = set(re.findall(r"'(\w+)'", str(error))) if "unexpected keyword" in str(error) else set()
            ours = unknown & (automatic.keys() - settings.options.keys()) & options.keys()
            if ours:
                options = {name: value for name, value in options.items() if name not in ours}
                continue
            fewer = re.search(r"last-n \(\d+\) is out of range \(1 to (\d+)\)", str(error))
            if fewer and "features_only" in purpose and "out_indices" not in purpose:
                purpose = {**purpose, "out_indices": int(fewer[1])}  # of a plain ViT; timm taps the last three blocks
                continue
            if "drop_path_rate" in unknown:
                raise ValueError(f"{settings.name} of timm has no stochastic depth: drop_path must be 0") from None
            for name in unknown & settings.options.keys():
                raise ValueError(f"options: {settings.name} of timm has none called '{name}'") from None
            why = str(error) or type(error).__name__
            purposes = " with feature maps" if "features_only" in purpose else ""
            raise ValueError(f"timm cannot build {settings.name}{purposes} for {image_px} pixels: {why}") from error


def stages(model: nn.Module) -> list[str]:
    """Names of the modules that give the maps of strides from 4 on, one for each stage; none for a plain ViT."""
    info: Any = getattr(model, "feature_info", [])
    entries = info.get_dicts() if hasattr(info, "get_dicts") else info
    ends = {entry["reduction"]: entry["module"] for entry in entries if entry["reduction"] >= FINEST_STRIDE}
    if len(ends) < 2:
        return []
    names = {plain_name(name): name for name, _ in model.named_modules()}
    found = [names.get(plain_name(module)) for _, module in sorted(ends.items())]
    return [name for name in found if name is not None] if None not in found else []


def up_to(model: nn.Module, count: int) -> list[str]:
    """Names of the stem's modules and of the first ``count`` stages', in the order in which they compute.

    Raises:
        ValueError: if the model has no such stages.
    """
    ends, order = stages(model), [name for name, _ in model.named_modules()]
    if not ends:
        raise ValueError("the model has no stages; write stages: null")
    if count > len(ends):
        raise ValueError(f"the model has {len(ends)} stages, not {count}")
    if count:
        inside = [i for i, name in enumerate(order) if f"{name}.".startswith(f"{ends[count - 1]}.")]
        order = order[: inside[-1] + 1]
    else:
        order = order[: order.index(ends[0])]
    # not what they are in: that holds the rest too
    return [name for name in order if name and not any(end.startswith(f"{name}.") for end in ends[count:])]


class TimmBackbone(nn.Module):
    """A model of timm. It has either maps (`channels`, `strides`, `forward`) or a feature (`embed_dim`, `embed`)."""

    def __init__(self, settings: "Settings", image_px: int, maps: bool = False) -> None:
        super().__init__()
        self.maps, self._settings, self._image_px = maps, settings, image_px
        purpose: dict[str, Any] = {"features_only": True} if maps else {"num_classes": 0}
        if maps and settings.layers:
            purpose["out_indices"] = [layer - 1 for layer in settings.layers]
        self.model, self.options = create(settings, image_px, **purpose)
        if settings.drop_path > 0 and not any(getattr(m, "drop_prob", None) for m in self.model.modules()):
            raise ValueError(f"{settings.name} of timm takes drop_path and drops none: it must be 0")
        self._fixed: set[str] = set()  # names of modules that compute as in testing
        self._freeze()
        self.channels: tuple[int, ...] = ()
        self.strides: tuple[int, ...] = ()
        self.embed_dim = 0
        if maps:
            info: Any = self.model.feature_info
            strides = info.reduction()
            self._kept = [i for i, stride in enumerate(strides) if stride >= FINEST_STRIDE] or list(range(len(strides)))
            self.strides = tuple(strides[i] for i in self._kept)
            self.channels = tuple(info.channels()[i] for i in self._kept)
            self.patch = strides[-1]
            if settings.layers:
                if len(set(strides)) > 1:
                    raise ValueError(
                        f"layers: {settings.name} of timm has maps of several strides; layers are for a plain ViT"
                    )
                self.strides = tuple(FINEST_STRIDE * 2**i for i in range(len(strides)))
            # the form of a map's axes: NHWC for Swin and its like
            self._channels_last = str(getattr(self.model, "output_fmt", "NCHW")).endswith("NHWC")
        else:
            model: Any = self.model
            self.embed_dim = getattr(model, "head_hidden_size", None) or model.num_features

    def _freeze(self) -> None:
        frozen, name = self._settings.frozen, self._settings.name
        if frozen is None:
            return
        modules = dict(self.model.named_modules())
        try:
            held = up_to(self.model, frozen.stages) if frozen.stages is not None else []
        except ValueError as error:
            raise ValueError(f"frozen.stages: {name} of timm: {error}") from None
        norms = [key for key, module in modules.items() if isinstance(module, _BatchNorm)]
        if frozen.norm is not None and not norms:
            raise ValueError(f"frozen.norm: {name} of timm has no BatchNorm; write norm: null")
        for key in held + (norms if frozen.norm == "all" else []):
            for parameter in modules[key].parameters(recurse=False):
                parameter.requires_grad_(False)
        self._fixed = set(held) | (set(norms) if frozen.norm is not None else set())
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Training or testing; what is frozen stays at testing. By name, as modules are exchanged (SyncBatchNorm)."""
        super().train(mode)
        for name, module in self.model.named_modules():
            if name in self._fixed:
                module.training = False
        return self

    def _plain(self) -> nn.Module:
        """The model with its head, as its checkpoints have it; names only."""
        with torch.device("meta"):
            return create(self._settings, self._image_px)[0]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps [B, C, H, W] of images [B, 3, H, W], from fine to coarse; a plain ViT's share one stride but for `layers`."""
        assert self.maps, "built without maps"
        maps = self.model(images)
        if self._settings.layers:
            return [
                interpolate(x_BCHW, scale_factor=self.patch / stride, mode="bilinear")
                for x_BCHW, stride in zip(maps, self.strides, strict=True)
            ]
        return [maps[i].permute(0, 3, 1, 2) if self._channels_last else maps[i] for i in self._kept]

    def embed(self, images: Tensor) -> Tensor:
        """The pooled feature [B, embed_dim] of images [B, 3, H, W]."""
        assert not self.maps, "built for maps"
        return self.model(images)  # type: ignore[no-any-return]

    def no_weight_decay(self) -> set[str]:
        """What timm's model exempts, under our names."""
        exempt: Any = getattr(self._plain(), "no_weight_decay", tuple)
        plain = {plain_name(name) for name in exempt()}
        return {name for name, _ in self.named_parameters() if plain_name(name) in plain}

    def surplus(self) -> set[str]:
        """Plain names of a checkpoint's tensors that this module has no use for: the head, and what makes no maps."""
        return {plain_name(name) for name in self._plain().state_dict()} - {plain_name(n) for n in self.state_dict()}
