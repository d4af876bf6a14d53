"""PVT v1 (arXiv 2102.12122, section 3) and v2 (2106.13797, section 3) as one backbone, a switch for each mechanism.

Shapes, as suffixes of names:
    B images    H, W height and width of a map, N its tokens (H * W), T tokens with the class token, if any, in front
    C channels    M tokens that are attended to    A attention heads    D channels of a head

Everything is channels-last in memory, so that a map BCHW is a view of its tokens BNC and going between them is free.
The two LayerNorm epsilons are those of the released code.
"""

import math
from typing import TYPE_CHECKING

import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, scaled_dot_product_attention

if TYPE_CHECKING:
    from pvt_exp.backbones.pvt import Settings

Size = tuple[int, int]
BLOCK_EPS = 1e-6  # the norms of blocks and stages, and the last one
CONV_EPS = 1e-5  # the norms behind a convolution: of patch embedding and of spatial reduction


def to_map(x_BNC: Tensor, size: Size) -> Tensor:
    """Tokens as the map BCHW that they are, without a copy."""
    B, _, C = x_BNC.shape
    return x_BNC.view(B, *size, C).permute(0, 3, 1, 2)


def to_tokens(x_BCHW: Tensor) -> Tensor:
    """A map as tokens BNC, without a copy if its memory is channels-last."""
    return x_BCHW.permute(0, 2, 3, 1).flatten(1, 2)


def split(x_BTC: Tensor, size: Size) -> tuple[Tensor | None, Tensor]:
    """The class token [B, 1, C], if there is one, and the tokens of the map."""
    extra = x_BTC.shape[1] - size[0] * size[1]
    return (x_BTC[:, :extra], x_BTC[:, extra:]) if extra else (None, x_BTC)


def join(class_B1C: Tensor | None, x_BNC: Tensor) -> Tensor:
    """Undo `split`."""
    return x_BNC if class_B1C is None else torch.cat([class_B1C, x_BNC], 1)


class PatchEmbed(nn.Module):
    """Cut a map into patches, overlapping or not, and project each (v1 section 3.2; v2 section 3.1)."""

    def __init__(self, in_dim: int, dim: int, stride: int, overlap: bool) -> None:
        super().__init__()
        kernel, padding = (2 * stride - 1, stride - 1) if overlap else (stride, 0)
        self.proj = nn.Conv2d(in_dim, dim, kernel, stride, padding)
        self.norm = nn.LayerNorm(dim, eps=CONV_EPS)

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Size]:
        x_BCHW = self.proj(x_BCHW)
        return self.norm(to_tokens(x_BCHW)), (x_BCHW.shape[2], x_BCHW.shape[3])


class Attention(nn.Module):
    """Attention with queries from all tokens, and keys and values from the reduced map (v1 section 3.3; v2 section 3.2)."""

    def __init__(self, settings: "Settings", stage: int) -> None:
        super().__init__()
        dim, self.heads = settings.embed_dims[stage], settings.heads[stage]
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        self.pool: nn.Module | None = None
        self.act: nn.Module | None = None
        self.sr: nn.Module | None = None
        reduction, side = settings.attention, 1
        if reduction.kind == "linear":
            self.pool = nn.AdaptiveAvgPool2d(reduction.pool)
            self.act = nn.GELU() if reduction.activation else None
        elif reduction.kind == "sra":
            side = reduction.ratios[stage]
        if reduction.kind == "linear" or side > 1:
            self.sr = nn.Conv2d(dim, dim, side, side)
            self.norm = nn.LayerNorm(dim, eps=CONV_EPS)

    def reduce(self, x_BTC: Tensor, size: Size) -> Tensor:
        """The reduced tokens BMC; a convolution without padding drops what remains at the edge."""
        if self.sr is None:
            return x_BTC
        class_B1C, x_BNC = split(x_BTC, size)
        x_BCHW = to_map(x_BNC, size)
        x_BMC = self.norm(to_tokens(self.sr(x_BCHW if self.pool is None else self.pool(x_BCHW))))
        return join(class_B1C, x_BMC if self.act is None else self.act(x_BMC))

    def forward(self, x_BTC: Tensor, size: Size) -> Tensor:
        q_BATD = self.q(x_BTC).unflatten(2, (self.heads, -1)).transpose(1, 2)
        kv_BMC = self.kv(self.reduce(x_BTC, size))
        k_BAMD, v_BAMD = kv_BMC.unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        out_BATD = scaled_dot_product_attention(q_BATD, k_BAMD, v_BAMD)
        return self.proj(out_BATD.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class Mlp(nn.Module):
    """The feed-forward layer, with a depthwise convolution between its products or without (v2 section 3.1)."""

    def __init__(self, settings: "Settings", stage: int) -> None:
        super().__init__()
        dim = settings.embed_dims[stage]
        hidden = int(dim * settings.mlp_ratios[stage])
        self.fc1 = nn.Linear(dim, hidden)
        self.relu = nn.ReLU(inplace=True) if settings.ffn == "relu_depthwise" else None
        self.dwconv = None if settings.ffn == "linear" else nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x_BTC: Tensor, size: Size) -> Tensor:
        x_BTC = self.fc1(x_BTC)
        if self.dwconv is not None:
            class_B1C, x_BNC = split(x_BTC, size)
            x_BCHW = to_map(x_BNC if self.relu is None else self.relu(x_BNC), size)
            x_BTC = join(class_B1C, to_tokens(self.dwconv(x_BCHW)))
        return self.fc2(gelu(x_BTC))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Pre-norm attention and feed-forward layer, each with a residual connection and a drop path of its own."""

    def __init__(self, settings: "Settings", stage: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(settings.embed_dims[stage], eps=BLOCK_EPS)
        self.attn = Attention(settings, stage)
        self.norm2 = nn.LayerNorm(settings.embed_dims[stage], eps=BLOCK_EPS)
        self.mlp = Mlp(settings, stage)
        self.drop_path = DropPath(drop_path) if drop_path else nn.Identity()

    def forward(self, x_BTC: Tensor, size: Size) -> Tensor:
        x_BTC = x_BTC + self.drop_path(self.attn(self.norm1(x_BTC), size))
        return x_BTC + self.drop_path(self.mlp(self.norm2(x_BTC), size))  # type: ignore[no-any-return]


class Stage(nn.Module):
    """Patch embedding, position embedding, blocks, norm: a map becomes a smaller one."""

    def __init__(self, settings: "Settings", stage: int, drop_paths: list[float], grid: Size, class_slot: bool) -> None:
        super().__init__()
        dim = settings.embed_dims[stage]
        self.embed = PatchEmbed(settings.embed_dims[stage - 1] if stage else 3, dim, settings.patch_sizes[stage],
                                settings.overlap)  # fmt: skip
        self.grid = grid  # what the table of positions is made for
        slots = grid[0] * grid[1] + class_slot
        self.position = nn.Parameter(torch.zeros(1, slots, dim)) if settings.position == "learned" else None
        self.blocks = nn.ModuleList(Block(settings, stage, rate) for rate in drop_paths)
        self.norm = nn.LayerNorm(dim, eps=BLOCK_EPS) if settings.stage_norm else nn.Identity()

    def positions(self, table_1TC: Tensor, size: Size, class_slot: bool) -> Tensor:
        """The position embedding of a map of this size, interpolated unless it is the one that the table is for.

        The released code compares numbers of tokens, and only with stage 1's: it fails at 448 x 448, and uses embeddings
        for 56 x 56 for a map of 28 x 112.
        """
        slot_11C, table_1NC = split(table_1TC, self.grid)
        if size != self.grid:
            table_1NC = to_tokens(interpolate(to_map(table_1NC, self.grid), size, mode="bilinear"))
        return join(slot_11C if class_slot else None, table_1NC)

    def forward(self, x_BCHW: Tensor, class_11C: Tensor | None = None) -> tuple[Tensor, Size]:
        """A map to the tokens BTC of a smaller one, the class token in front if it is given, and that one's size."""
        x_BTC, size = self.embed(x_BCHW)
        if class_11C is not None:
            x_BTC = join(class_11C.expand(x_BTC.shape[0], -1, -1), x_BTC)
        if self.position is not None:
            x_BTC = x_BTC + self.positions(self.position, size, class_11C is not None)
        for block in self.blocks:
            x_BTC = block(x_BTC, size)
        return self.norm(x_BTC), size


class PVT(nn.Module):
    """The pyramid: an image becomes four maps (as many as stages), or one feature.

    Built with ``maps`` it holds what `forward` needs and no more: no class token, nor its slot in the last table, and
    no norm after the last stage but a stage norm.
    """

    def __init__(self, settings: "Settings", image_px: int, maps: bool = False) -> None:
        super().__init__()
        self.maps, self.channels, self.strides = maps, settings.embed_dims, settings.strides
        self.embed_dim = settings.embed_dims[-1]
        with_class = settings.class_token and not maps
        blocks, grids = sum(settings.depths), settings.map_sizes(image_px, image_px)
        rates = iter([settings.drop_path * block / max(blocks - 1, 1) for block in range(blocks)])
        last = len(settings.depths) - 1
        self.stages = nn.ModuleList(
            Stage(settings, i, [next(rates) for _ in range(depth)], grids[i], with_class and i == last)
            for i, depth in enumerate(settings.depths)
        )
        self.class_token = nn.Parameter(torch.zeros(1, 1, self.embed_dim)) if with_class else None
        needs_norm = not (settings.stage_norm or maps)
        self.norm = nn.LayerNorm(self.embed_dim, eps=BLOCK_EPS) if needs_norm else nn.Identity()
        self._initialise(settings)
        self.to(memory_format=torch.channels_last)

    def _initialise(self, settings: "Settings") -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Conv2d) and settings.conv_init == "fan_out":
                fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        for name, parameter in self.named_parameters():
            if name.endswith(("position", "class_token")):
                nn.init.trunc_normal_(parameter, std=0.02)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps [B, C, H, W] of images [B, 3, H, W], from fine to coarse: what each stage ends with.

        That is before any norm in v1 and after the stage norm in v2, as in both papers' detection and segmentation.
        """
        maps, x_BCHW = [], images.contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            x_BCHW = to_map(*stage(x_BCHW))
            maps.append(x_BCHW)
        return maps

    def embed(self, images: Tensor) -> Tensor:
        """The feature [B, embed_dim] that a linear classifier takes: the class token, or the mean of the last map."""
        x_BCHW = images.contiguous(memory_format=torch.channels_last)
        for stage in self.stages[:-1]:
            x_BCHW = to_map(*stage(x_BCHW))
        x_BTC, _ = self.stages[-1](x_BCHW, self.class_token)
        if self.class_token is not None:
            return self.norm(x_BTC[:, 0])  # type: ignore[no-any-return]
        return self.norm(x_BTC).mean(1)  # type: ignore[no-any-return]

    def no_weight_decay(self) -> set[str]:
        """The class token; both papers' code decays the position embeddings."""
        return set() if self.class_token is None else {"class_token"}
