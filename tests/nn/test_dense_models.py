"""The models of dense prediction: they train and detect on any size, and padding is neither trained on nor detected."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import FeaturePyramidNetwork, box_iou

from pvt_exp.backbones.pvt import Settings as Pvt
from pvt_exp.backbones.timm import Settings as Timm
from pvt_exp.necks.fpn import Settings as Fpn
from pvt_exp.necks.vit_pyramid import Settings as ViTPyramid
from pvt_exp.nn.dense.boxes import Anchors
from pvt_exp.nn.dense.mask_rcnn import FasterRCNN, MaskRCNN, RegionAlign, box_loss
from pvt_exp.nn.dense.masks import cut, paste
from pvt_exp.nn.dense.retinanet import RetinaNet
from pvt_exp.nn.dense.semantic_fpn import SemanticFPN

SMALL: dict[str, Any] = {"embed_dims": (8, 16, 24, 32), "heads": (1, 2, 3, 4), "depths": (1, 1, 1, 1), "drop_path": 0.0}
BACKBONES: dict[str, Any] = {
    "pvt_v1": Pvt(preset="pvt_tiny", **SMALL),
    "pvt_v2": Pvt(preset="pvt_v2_b0", **SMALL),
    "pvt_v2_li": Pvt(preset="pvt_v2_b2_li", **SMALL),
    "resnet": Timm(name="resnet18", options={"channels": (8, 16, 24, 32)}),
    "vit": Timm(name="deit_tiny_patch16_224", options={"depth": 3, "embed_dim": 48}),
}
DETECTORS: dict[str, tuple[Any, dict[str, Any]]] = {
    "retinanet": (RetinaNet, {"head_width": 16, "head_convs": 2}),
    "faster_rcnn": (FasterRCNN, {"head_width": 32, "sampled_regions": 64}),
    "mask_rcnn": (MaskRCNN, {"head_width": 32, "sampled_regions": 64, "mask_width": 16, "mask_convs": 2}),
}
SIZES = [(96, 64), (75, 101)]  # the second is odd, and no multiple of anything
Size = tuple[int, int]


def build(model: Any, backbone: Any, num_classes: int = 3, width: int = 16, **settings: Any) -> Any:
    torch.manual_seed(0)
    body = backbone.build(64, maps=True) if not isinstance(backbone, nn.Module) else backbone
    neck = (ViTPyramid if len(set(body.strides)) == 1 else Fpn)(width=width)
    return model(body, neck.build(body.channels, body.strides, 8 if model is RetinaNet else 4), num_classes, **settings)


def detector(name: str, backbone: Any, num_classes: int = 3, **more: Any) -> Any:
    model, settings = DETECTORS[name]
    return build(model, backbone, num_classes, **{**settings, **more})


def target(boxes: list[list[float]], labels: list[int], size: Size) -> dict[str, Tensor]:
    boxes_P4 = torch.tensor(boxes).view(-1, 4)
    masks = torch.zeros(len(boxes), *size, dtype=torch.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes_P4.round().long().tolist(), strict=True):
        mask[y1:y2, x1:x2] = 1
    return {"boxes": boxes_P4, "labels": torch.tensor(labels, dtype=torch.int64), "masks": masks}


# ---------------------------------------------------------------- all models on all backbones


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_trains_and_detects(name: str, backbone: str) -> None:
    for size in [(96, 64), (64, 128)] if backbone == "vit" else SIZES:
        model = detector(name, BACKBONES[backbone], score_threshold=0.0).train()
        filled = target([[4.0, 8.0, 40.0, 50.0], [20.5, 30.0, 60.0, 62.25]], [0, 2], size)
        for targets in ([filled, target([], [], size)], [target([], [], size)] * 2):
            losses = model(torch.randn(2, 3, *size), targets)
            assert all(torch.isfinite(loss) for loss in losses.values())
            model.zero_grad()
            sum(losses.values()).backward()
            # DistributedDataParallel would stop at one, and images without objects come
            assert [key for key, p in model.named_parameters() if p.grad is None] == []
        model.eval()
        with torch.no_grad():
            found = model(torch.randn(2, 3, *size), sizes=[size, (50, 40)])
        for each, (height, width) in zip(found, [size, (50, 40)], strict=True):
            assert_detections(each, height, width, "mask" in name)


def assert_detections(each: dict[str, Tensor], height: int, width: int, masks: bool) -> None:
    boxes, count = each["boxes"], len(each["boxes"])
    assert boxes.shape == (count, 4)
    assert (boxes >= 0).all()
    assert (boxes <= torch.tensor([width, height, width, height])).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert each["scores"].shape == each["labels"].shape == (count,)
    assert (each["scores"].diff() <= 0).all()
    assert ((each["labels"] >= 0) & (each["labels"] < 3)).all()
    assert ("masks" in each) == masks
    if masks:
        assert each["masks"].shape == (count, height, width)
        assert all(mask.dtype == torch.bool and mask.shape == (height, width) for mask in each["masks"])


@pytest.mark.parametrize("backbone", BACKBONES)
def test_semantic_fpn_trains(backbone: str) -> None:
    for size in [(96, 64), (64, 128)] if backbone == "vit" else SIZES:
        model = build(SemanticFPN, BACKBONES[backbone], 5, head_width=8).train()
        images = torch.randn(2, 3, *size)
        logits = model(images)
        finest = (
            BACKBONES[backbone].map_sizes(*size)[0] if backbone.startswith("pvt") else tuple(-(-s // 4) for s in size)
        )
        assert logits.shape == (2, 5, *finest)
        nn.functional.cross_entropy(interpolate(logits, size, mode="bilinear"), torch.zeros(2, *size).long()).backward()
        assert [key for key, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", DETECTORS)
def test_one_class_and_detections_come(name: str) -> None:
    model = detector(name, BACKBONES["pvt_v2"], 1, score_threshold=0.0, max_detections=7).eval()
    with torch.no_grad():
        (found,) = model(torch.randn(1, 3, 64, 64))
    assert len(found["scores"]) == 7
    assert not found["labels"].any()
    model.train()
    assert all(
        v.isfinite() for v in model(torch.randn(1, 3, 64, 64), [target([[3, 3, 30, 40]], [0], (64, 64))]).values()
    )


@pytest.mark.parametrize("name", DETECTORS)
def test_thresholds_take_effect(name: str) -> None:
    found = []
    for settings in ({}, {"nms_threshold": 0.1}, {"score_threshold": 0.99}):
        model = detector(
            name, BACKBONES["pvt_v2"], **{"score_threshold": 0.0, "max_detections": 1000, **settings}
        ).eval()
        torch.manual_seed(0)
        with torch.no_grad():
            found.append(len(model(torch.randn(1, 3, 64, 64))[0]["boxes"]))
    assert found[0] > found[1] > found[2] == 0


# ---------------------------------------------------------------- learning


def scene() -> tuple[Tensor, dict[str, Tensor]]:
    """A bright upright and a dark flat rectangle on grey noise."""
    generator = torch.Generator().manual_seed(0)
    image = 0.1 * torch.randn(1, 3, 64, 64, generator=generator)
    truth = target([[8, 6, 28, 40], [24, 44, 60, 60]], [1, 0], (64, 64))
    for (x1, y1, x2, y2), value in zip(truth["boxes"].long().tolist(), (2.0, -2.0), strict=True):
        image[:, :, y1:y2, x1:x2] += value
    return image, truth


def fit(model: nn.Module, steps: int, loss_of: Any, lr: float = 2e-3) -> list[float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps)
    history = []
    for _ in range(steps):
        loss = loss_of(model)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        history.append(loss.item())
    return history


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_finds_what_it_was_shown(name: str) -> None:
    image, truth = scene()
    settings = {"anchor_scale": 2.0 if name == "retinanet" else 4.0}
    model = detector(name, BACKBONES["pvt_v2"], 2, width=32, **settings).train()
    history = fit(model, 150, lambda m: sum(m(image, [truth]).values()))
    assert history[-1] < 0.3 * history[0]
    with torch.no_grad():
        (found,) = model.eval()(image)
    for box, label, mask in zip(truth["boxes"], truth["labels"], truth["masks"].bool(), strict=True):
        best = box_iou(box[None], found["boxes"])[0].argmax()
        assert box_iou(box[None], found["boxes"])[0, best] > 0.7
        assert found["labels"][best] == label
        assert found["scores"][best] > 0.5
        if "masks" in found:
            both = (mask & found["masks"][best]).sum() / (mask | found["masks"][best]).sum()
            assert both > 0.7


def test_semantic_fpn_learns_what_it_was_shown() -> None:
    image, truth = scene()
    wanted = torch.zeros(1, 64, 64, dtype=torch.long)
    for mask, label in zip(truth["masks"].bool(), truth["labels"], strict=True):
        wanted[0, mask] = label + 1
    model = build(SemanticFPN, BACKBONES["pvt_v2"], 3, width=32, head_width=16).train()
    enlarge = {"size": (64, 64), "mode": "bilinear"}
    history = fit(model, 80, lambda m: nn.functional.cross_entropy(interpolate(m(image), **enlarge), wanted))
    assert history[-1] < 0.2 * history[0]
    with torch.no_grad():
        right = interpolate(model.eval()(image), **enlarge).argmax(1) == wanted
    assert right.float().mean() > 0.95


# ---------------------------------------------------------------- padding


class Local(nn.Module):
    """Each cell sees its own pixels alone, so that padding is to it as if it were not there."""

    channels, strides = (8, 8, 8, 8), (4, 8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 8, stride, stride, bias=False) for stride in self.strides)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [conv(images) for conv in self.convs]


def make_local(model: nn.Module) -> nn.Module:
    """Leave each 3 x 3 convolution its middle alone, and make its answers large enough to tell places apart."""
    for key, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            middle = torch.zeros(3, 3)
            middle[1, 1] = 1
            module.weight.data.normal_(std=0.3).mul_(middle)
        if key.endswith("cls_logits"):
            nn.init.constant_(module.bias, 3.0)  # also where there is nothing: padding would be full of objects
    return model.eval()


def pair() -> tuple[list[Size], Tensor, list[Tensor]]:
    """Two images, together at the size of the larger and each at its own multiple of 32."""
    torch.manual_seed(1)
    sizes = [(96, 160), (61, 90)]
    images = torch.zeros(2, 3, 96, 160)
    for image, (height, width) in zip(images, sizes, strict=True):
        image[:, :height, :width] = torch.randn(3, height, width)
    return sizes, images, [images[:1], images[1:, :, :64, :96]]


def test_retinanet_detects_in_a_batch_what_it_detects_alone() -> None:
    sizes, images, alone = pair()
    images, alone = images.double(), [image.double() for image in alone]  # in float32 rounding decides what NMS keeps
    model = make_local(detector("retinanet", Local(), max_detections=5000, nms_threshold=0.9)).double()
    with torch.no_grad():
        together = model(images, sizes=sizes)
        for each, image, size in zip(together, alone, sizes, strict=True):
            (own,) = model(image, sizes=[size])
            assert len(each["boxes"]) > 200
            for key, value in own.items():
                torch.testing.assert_close(each[key], value, atol=1e-3, rtol=0)  # of a pixel


def test_a_two_stage_detector_proposes_in_a_batch_what_it_proposes_alone() -> None:
    sizes, images, alone = pair()
    model: Any = make_local(detector("mask_rcnn", Local(), max_proposals=5000))
    inner = torch.tensor([[5.0, 8.0, 50.0, 33.0], [10.0, 2.0, 30.0, 50.0]])  # RoIAlign sees beyond the edge it is at
    with torch.no_grad():
        levels = model.pyramid(images)
        together, _ = model.proposals(levels, sizes, None)
        regions, _ = model.regions(levels, [inner, inner], sizes, None)
        for i, (image, size) in enumerate(zip(alone, sizes, strict=True)):
            own = model.pyramid(image)
            (proposals,), _ = model.proposals(own, [size], None)
            assert len(proposals) > 50
            torch.testing.assert_close(together[i], proposals, atol=1e-3, rtol=0)
            (found,), _ = model.regions(own, [inner], [size], None)
            assert len(found["boxes"])
            for key, value in found.items():
                torch.testing.assert_close(regions[i][key], value, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", ["retinanet", "faster_rcnn"])
def test_padding_is_not_trained_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the class logits of anchors in the padding as they like, the loss is the same."""
    sizes, images, _ = pair()
    model = make_local(detector(name, Local())).train()
    targets = [target([[3, 3, 30, 40]], [0], size) for size in sizes]
    losses = []
    for value in (0.0, 5.0):
        changed = images.clone()
        changed[1, :, 64:] = changed[1, :, :, 96:] = value
        torch.manual_seed(0)
        losses.append(model(changed, targets, sizes))
    for key, loss in losses[0].items():
        torch.testing.assert_close(losses[1][key], loss)


@pytest.mark.parametrize("knee", [0.0, 1 / 9, 2.0])
def test_the_loss_of_boxes_is_square_below_the_knee(knee: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """And torchvision's at its own knee: the same model, the same draws."""
    model: Any = detector("faster_rcnn", Local(), smooth_l1_beta=knee).train()
    assert model.proposals.smooth_l1_beta == model.regions.smooth_l1_beta == knee
    offsets, wanted = torch.tensor([[0.05, -0.5, 3.0, 0.0]]), torch.zeros(1, 4)
    due = sum(abs(x) - knee / 2 if abs(x) >= knee else x * x / (2 * knee) for x in offsets[0].tolist())
    assert float(box_loss(offsets, wanted, knee)) == pytest.approx(due)
    logits, drawn = torch.randn(6, 4), torch.randn(6, 16)
    labels, aims = [torch.tensor([0, 2, 1]), torch.tensor([0, 0, 3])], [torch.randn(3, 4), torch.randn(3, 4)]
    given = {
        "select_training_samples": ([], [], labels, aims),
        "box_roi_pool": 0,
        "box_head": 0,
        "box_predictor": (logits, drawn),
    }
    for name, value in given.items():
        monkeypatch.setattr(type(model.regions), name, lambda *_, value=value: value, raising=False)
        model.regions._modules.pop(name, None)
    ours = model.regions.losses([], [], [])
    theirs = fastrcnn_loss(logits, drawn, labels, aims)
    torch.testing.assert_close(ours["class"], theirs[0])
    assert torch.isclose(ours["box"], theirs[1]) == (knee == 1 / 9)


def test_the_loss_of_proposals_is_torchvisions() -> None:
    model: Any = detector("faster_rcnn", Local()).train()
    labels = [torch.tensor([1.0, 0, -1, 0, 1]), torch.tensor([0.0, 0, 1, -1, 0])]
    given = torch.randn(10, 1), torch.randn(10, 4), labels, [torch.randn(5, 4), torch.randn(5, 4)]
    for ours, theirs in zip(
        model.proposals.compute_loss(*given), RegionProposalNetwork.compute_loss(model.proposals, *given), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_an_object_is_matched_within_the_image_though_an_anchor_in_the_padding_fits_better() -> None:
    model = detector("retinanet", Local(), 1)
    anchors = torch.tensor([[0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]])
    truth = target([[9, 0, 29, 10]], [0], (10, 30))
    losses = model.matched_losses(
        torch.zeros(1, 2, 1), torch.zeros(1, 2, 4), anchors, torch.tensor([[False, True]]), [truth]
    )
    assert losses["box"] > 0

    class Given(nn.Module):
        def forward(self, *_: Any) -> tuple[Tensor, Tensor]:
            return anchors[[0, 1, 1]], torch.tensor([[False, True, True]])

    model = detector("faster_rcnn", Local(), 1)
    model.proposals.anchor_generator = Given()
    _, losses = model.proposals([torch.zeros(1, 16, 1, 1)], [(10, 30)], [truth])
    assert losses["rpn_box"] > 0


# ---------------------------------------------------------------- parts


def test_fpn_is_torchvisions() -> None:
    torch.manual_seed(0)
    channels = (8, 16, 24)
    ours, theirs = Fpn(width=12).build(channels, (8, 16, 32)), FeaturePyramidNetwork([*channels], 12)
    convs = [block[0] for block in (*theirs.inner_blocks, *theirs.layer_blocks)]
    for conv, other in zip((*ours.lateral, *ours.smooth), convs, strict=True):
        other.load_state_dict(conv.state_dict())
    maps = [torch.randn(2, c, h, w) for c, h, w in zip(channels, (19, 10, 5), (25, 13, 7), strict=True)]
    for one, other in zip(ours(maps), theirs(dict(zip("abc", maps, strict=True))).values(), strict=True):
        assert torch.equal(one, other)
    part = Fpn(width=12).build((4, *channels), (4, 8, 16, 32), 8)
    assert (part.strides, len(part.lateral)) == ((8, 16, 32), 3)
    assert torch.equal(part.lateral[0].bias, torch.zeros(12))


@pytest.mark.parametrize("patch", [4, 8, 16, 32])
def test_vit_pyramid_has_its_strides(patch: int) -> None:
    neck = ViTPyramid(width=6).build((16,) * 3, (patch,) * 3)
    maps = neck([torch.randn(1, 16, 64 // patch, 96 // patch)] * 3)
    assert neck.strides == (4, 8, 16, 32)
    assert [tuple(m.shape) for m in maps] == [(1, 6, 64 // s, 96 // s) for s in neck.strides]
    assert ViTPyramid().build((16,), (patch,), 8).strides == (8, 16, 32)


def test_vit_pyramid_is_vitdets() -> None:
    """Its layers and widths for a patch of 16 (figure 2, appendix A.2)."""
    neck = ViTPyramid(width=6).build((16,), (16,))
    assert [[type(layer).__name__ for layer in branch[:-4]] for branch in neck.branches] == [
        ["ConvTranspose2d", "LayerNorm2d", "GELU", "ConvTranspose2d"],
        ["ConvTranspose2d"],
        [],
        ["MaxPool2d"],
    ]
    assert [branch[-4].in_channels for branch in neck.branches] == [4, 8, 16, 16]


def test_p6_is_made_of_the_backbones_map_where_there_is_one() -> None:
    seen: list[Tensor] = []
    for backbone, channels in (("pvt_v2", 32), ("vit", 16)):
        model = detector("retinanet", BACKBONES[backbone])
        assert model.p6.in_channels == channels
        model.p6.register_forward_hook(lambda _, args, out: seen.append(args[0]))
        levels = model.pyramid(torch.randn(1, 3, 64, 64))
        assert len(levels) == 5
        assert torch.equal(seen[-1], levels[2]) == (backbone == "vit")
    # torchvision's block takes P5 as soon as the widths are the same, which those of PVT v2-B0 are
    model = detector(
        "retinanet", Pvt(preset="pvt_v2_b0", **{**SMALL, "embed_dims": (8, 8, 8, 16), "heads": (1, 1, 1, 1)})
    )
    model.p6.register_forward_hook(lambda _, args, out: seen.append(args[0]))
    images = torch.randn(1, 3, 64, 64)
    levels = model.pyramid(images)
    assert torch.equal(seen[-1], model.backbone(images)[-1])
    assert not torch.equal(seen[-1], levels[2])


def test_p7_is_made_of_p6_with_what_is_below_zero() -> None:
    """As in mmdetection 2.13 and not as in RetinaNet's paper, which has a ReLU between them."""
    model = detector("retinanet", BACKBONES["pvt_v2"]).eval()
    with torch.no_grad():
        *_, p6, p7 = model.pyramid(torch.randn(1, 3, 128, 128))
        assert (p6 < 0).any()
        assert torch.equal(p7, model.p7(p6))
        assert not torch.equal(p7, model.p7(p6.relu()))


def test_anchors_are_torchvisions_but_for_its_rounding() -> None:
    sides = [[s * 4 * 2 ** (i / 3) for i in range(3)] for s in (8, 16)]
    maps = [torch.zeros(1, 1, 8, 16), torch.zeros(1, 1, 4, 8)]
    theirs = AnchorGenerator(tuple(map(tuple, sides)), ((0.5, 1.0, 2.0),) * 2)
    (wanted,) = theirs(ImageList(torch.zeros(1, 3, 64, 128), [(64, 128)]), maps)
    ours, outside = Anchors((8, 16), [4 * 2 ** (i / 3) for i in range(3)])(maps, [(64, 128), (33, 128)])
    assert (ours - wanted).abs().max() <= 0.5
    assert not outside[0].any()
    # 5 of 8 rows of stride 8 begin within 33 pixels, and 3 of 4 of stride 16
    assert outside[1].sum() == 9 * (3 * 16 + 1 * 8)
    with pytest.raises(ValueError, match=r"anchor_scale must be at least 1, not 0\.5"):
        Anchors((8, 16), [0.5])


def test_a_region_is_cut_out_of_the_map_of_its_size() -> None:
    levels = [torch.full((1, 1, 512 // stride, 512 // stride), float(stride)) for stride in (4, 8, 16, 32)]
    boxes = [[0.0, 0.0, side, side] for side in (20.0, 111.0, 113.0, 223.0, 225.0, 447.0, 449.0)]
    features = RegionAlign((4, 8, 16, 32), 7)(levels, [torch.tensor(boxes)])
    assert features[:, 0, 3, 3].tolist() == [4, 4, 8, 8, 16, 16, 32]


def test_a_regions_features_are_those_at_its_place() -> None:
    """A map that holds its own coordinates in pixels, of a cell's middle."""
    ys, xs = torch.meshgrid(torch.arange(32) * 4 + 2.0, torch.arange(32) * 4 + 2.0, indexing="ij")
    features = RegionAlign((4,), 2)([torch.stack([xs, ys])[None]], [torch.tensor([[20.0, 40.0, 60.0, 100.0]])])
    torch.testing.assert_close(features[0], torch.tensor([[[30.0, 50.0], [30.0, 50.0]], [[55.0, 55.0], [85.0, 85.0]]]))


def test_masks_are_cut_out_and_pasted_back() -> None:
    ys, xs = torch.meshgrid(torch.arange(70) + 0.5, torch.arange(90) + 0.5, indexing="ij")
    discs = torch.stack([((xs - x) / 20) ** 2 + ((ys - y) / 14) ** 2 <= 1 for x, y in ((30, 20), (60, 50))])
    objects = torch.tensor([1, 0] * 20)  # more than are worked on at once
    boxes = torch.tensor([[40.0, 36, 80, 64], [10, 6, 50, 34]]).repeat(20, 1)
    there = cut(discs.to(torch.uint8), torch.tensor([[35.0, 30, 70, 65]]), torch.tensor([1]), 35)
    assert torch.equal(there[0].bool(), discs[1, 30:65, 35:70])
    squares = cut(discs.to(torch.uint8), boxes, objects, 28)
    assert squares.shape == (40, 28, 28)
    assert set(squares.unique().tolist()) == {0, 1}
    back = paste(squares, boxes, (70, 90))
    for disc, mask in zip(discs[objects], back, strict=True):
        assert (disc & mask).sum() / (disc | mask).sum() > 0.95
    out = paste(torch.ones(2, 28, 28), torch.tensor([[-5.0, -5, 20, 10], [80, 60, 95.5, 75]]), (70, 90))
    assert out[0].sum() == 20 * 10
    assert out[1].sum() == 10 * 10
    stripe = torch.tensor([1.0, 0, 0, 0]).expand(1, 4, 4)
    assert paste(stripe, torch.tensor([[2.0, 1, 18, 17]]), (20, 20))[0, 8].nonzero().flatten().tolist() == [2, 3, 4, 5]
    assert paste(torch.zeros(0, 28, 28), torch.zeros(0, 4), (7, 9)).shape == (0, 7, 9)


def test_detections_come_in_the_original_image_if_it_is_told() -> None:
    model = detector("mask_rcnn", BACKBONES["pvt_v2"], score_threshold=0.0, max_detections=5).eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        ((small,), (large,)) = model(images), model(images, originals=[(128, 288)])
    torch.testing.assert_close(large["boxes"], small["boxes"] * torch.tensor([3.0, 2.0, 3.0, 2.0]))
    assert large["masks"].shape == (5, 128, 288)
    assert sum(x.sum() for x in large["masks"]) / sum(x.sum() for x in small["masks"]) == pytest.approx(6, rel=0.1)


def test_what_is_computed_at_low_precision_is_placed_at_full() -> None:
    image, truth = scene()
    for name in DETECTORS:
        model = detector(name, BACKBONES["pvt_v2"], 2, score_threshold=0.0, max_detections=5).train()
        with torch.autocast("cpu", torch.bfloat16):
            losses = model(image, [truth])
            sum(losses.values()).backward()
            (found,) = model.eval()(image)
        assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
        assert found["boxes"].dtype == found["scores"].dtype == torch.float32


def test_heads_start_as_the_papers_do() -> None:
    model = detector("retinanet", BACKBONES["pvt_v2"])
    assert model.classification.cls_logits.bias.sigmoid().mean().item() == pytest.approx(0.01)
    assert model.classification.conv[0].weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not model.regression.bbox_reg.bias.any()
    predictor = detector("mask_rcnn", BACKBONES["pvt_v2"]).regions.box_predictor
    assert predictor.regress.weight.std().item() == pytest.approx(0.001, rel=0.1)
    logits, offsets = predictor(torch.randn(2, 32))
    assert (logits.shape, offsets.shape) == ((2, 4), (2, 16))
    assert not offsets[:, :4].any()
