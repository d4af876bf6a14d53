"""What necks and detectors promise to the tasks of dense prediction."""

from itertools import pairwise
from typing import Any, ClassVar

from pvt_exp.necks.fpn import Settings as Fpn
from pvt_exp.testing.backbones import require_all_used
from pvt_exp.testing.contract import SMALL, Contract, small_run


class NeckContract(Contract):
    """``settings`` of a neck, on maps of these ``channels`` and ``strides``."""

    group: ClassVar[str] = "necks"
    channels: tuple[int, ...] = (8, 16, 24, 32)
    strides: tuple[int, ...] = (4, 8, 16, 32)
    size: tuple[int, int] = (64, 96)

    def _maps(self) -> Any:
        import torch

        return [
            torch.randn(2, channels, self.size[0] // stride, self.size[1] // stride)
            for channels, stride in zip(self.channels, self.strides, strict=True)
        ]

    def test_every_map_has_the_width_and_its_declared_stride(self) -> None:
        self.settings.check(self.strides)
        for finest in (4, 8):
            neck = self.settings.build(self.channels, self.strides, finest)
            assert min(neck.strides) >= finest
            assert all(coarse == 2 * fine for fine, coarse in pairwise(neck.strides))
            assert [tuple(m.shape) for m in neck(self._maps())] == [
                (2, self.settings.width, -(-self.size[0] // stride), -(-self.size[1] // stride))
                for stride in neck.strides
            ]

    def test_every_parameter_is_used(self) -> None:
        import torch

        neck = self.settings.build(self.channels, self.strides)
        require_all_used(neck, torch.stack([(m**2).sum() for m in neck(self._maps())]).sum())


class DetectorContract(Contract):
    """``settings`` of a detector, over a small PVT and the neck ``neck``."""

    group: ClassVar[str] = "detectors"
    neck: Any = Fpn(width=16)
    num_classes: int = 3
    size: tuple[int, int] = (64, 96)

    def _built(self) -> Any:
        import torch

        torch.manual_seed(0)
        backbone = small_run().backbone.build(64, maps=True)
        return self.settings.build(backbone, self.neck, self.num_classes)

    def _targets(self, boxes: list[list[float]]) -> list[dict[str, Any]]:
        import torch

        boxes_P4 = torch.tensor(boxes).view(-1, 4)
        masks = torch.zeros(len(boxes), *self.size, dtype=torch.uint8)
        for mask, (left, top, right, bottom) in zip(masks, boxes_P4.long().tolist(), strict=True):
            mask[top:bottom, left:right] = 1
        labels = torch.arange(len(boxes)) % self.num_classes
        return [{"boxes": boxes_P4, "labels": labels, "masks": masks}] * 2

    def test_it_has_what_tasks_ask_for(self) -> None:
        from pvt_exp.nn.dense.detector import Detector

        model = self._built()
        assert self.settings.tasks <= {"detection", "instance"}
        assert self.settings.tasks
        assert isinstance(model, Detector)
        assert model.num_classes == self.num_classes
        found: Any = model
        assert found.backbone.channels
        assert found.neck.strides

    def test_its_losses_train_every_parameter_with_objects_and_without(self) -> None:
        import torch

        for boxes in ([[4.0, 8.0, 40.0, 50.0], [20.5, 30.0, 60.0, 62.25]], []):
            model = self._built().train()
            losses = model(torch.randn(2, 3, *self.size), self._targets(boxes))
            assert all(torch.isfinite(loss) for loss in losses.values())
            require_all_used(model, torch.stack(list(losses.values())).sum())

    def test_it_finds_objects_inside_of_images_the_best_first(self) -> None:
        import torch

        model = self._built().eval()
        with torch.no_grad():
            found = model(torch.randn(2, 3, *self.size), sizes=[self.size, (50, 40)])
        assert len(found) == 2
        for each, (height, width) in zip(found, (self.size, (50, 40)), strict=True):
            scores = each["scores"].tolist()
            assert scores == sorted(scores, reverse=True)
            assert len(scores) == len(each["boxes"]) == len(each["labels"]) <= self.settings.max_detections
            assert ((each["labels"] >= 0) & (each["labels"] < self.num_classes)).all()
            assert (each["boxes"] >= 0).all()
            assert (each["boxes"] <= torch.tensor([width, height] * 2)).all()
            assert ("masks" in each) == ("instance" in self.settings.tasks)

    def test_its_cost_is_counted_without_memory(self) -> None:
        import torch

        for kind in sorted(self.settings.tasks):
            fields = {"num_classes": self.num_classes, "short_px": [64], "test_short_px": 64}
            sizes = {"long_px": 96, "test_long_px": 96, "macs_px": [64, 64]}
            parts = {"detector": self.settings.model_dump(mode="json"), "neck": self.neck.model_dump(mode="json")}
            run = small_run(
                task={"kind": kind, **fields, **sizes, **parts}, dataset={**SMALL["dataset"], "image_px": 64}
            )
            with torch.device("meta"):
                module = run.task.build(run)
                assert module.cost()["macs"] > 0
                assert module.step_memory() > 0
