"""What a backbone promises to classifiers, necks, DistributedDataParallel and `plan --cost`."""

from typing import TYPE_CHECKING, ClassVar

from pvt_exp.testing.contract import Contract

if TYPE_CHECKING:
    from torch import Tensor, nn


def require_all_used(module: "nn.Module", loss: "Tensor") -> None:
    """No trained parameter is without a gradient: DistributedDataParallel would stop at one."""
    loss.backward()  # type: ignore[no-untyped-call]
    assert [name for name, p in module.named_parameters() if p.requires_grad and p.grad is None] == []


class BackboneContract(Contract):
    """``settings`` of a backbone, built for ``image_px`` and tried with ``sizes``, height and width."""

    group: ClassVar[str] = "backbones"
    image_px: int = 64
    sizes: tuple[tuple[int, int], ...] = ((64, 64), (64, 96))

    def test_maps_have_the_declared_channels_and_strides(self) -> None:
        import torch

        model = self.settings.build(self.image_px, maps=True).eval()
        assert list(model.strides) == sorted(model.strides), "from fine to coarse"
        for height, width in self.sizes:
            self.settings.check(height, width)
            maps = model(torch.randn(2, 3, height, width))
            assert [tuple(m.shape) for m in maps] == [
                (2, channels, -(-height // stride), -(-width // stride))
                for channels, stride in zip(model.channels, model.strides, strict=True)
            ]

    def test_maps_use_every_parameter(self) -> None:
        import torch

        model = self.settings.build(self.image_px, maps=True).eval()
        maps = model(torch.randn(2, 3, *self.sizes[-1]))
        require_all_used(model, torch.stack([(m**2).sum() for m in maps]).sum())

    def test_the_feature_has_the_declared_width_and_uses_every_parameter(self) -> None:
        import torch

        model = self.settings.build(self.image_px).train()
        feature = model.embed(torch.randn(2, 3, self.image_px, self.image_px))
        assert feature.shape == (2, model.embed_dim)
        require_all_used(model, (feature**2).sum())

    def test_parameters_that_are_not_decayed_are_there(self) -> None:
        for maps in (False, True):
            model = self.settings.build(self.image_px, maps=maps)
            assert set(model.no_weight_decay()) <= {name for name, _ in model.named_parameters()}

    def test_equal_weights_compute_equal_features(self) -> None:
        """Nothing that is computed with lies outside of the state dict, which a checkpoint has."""
        import torch

        one, other = (self.settings.build(self.image_px).eval() for _ in range(2))
        other.load_state_dict(one.state_dict())
        images = torch.randn(2, 3, self.image_px, self.image_px)
        with torch.no_grad():
            assert torch.equal(one.embed(images), other.embed(images))

    def test_macs_are_counted_without_memory(self) -> None:
        import torch

        from pvt_exp.nn.counting import macs
        from pvt_exp.nn.tasks.classification import Network

        with torch.device("meta"):
            network = Network(self.settings.build(self.image_px), 3)
            assert macs.count(network, torch.empty(1, 3, self.image_px, self.image_px)) > 0
