"""Every kind of this repository keeps the contract of its group; new kinds are found by themselves."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from pvt_exp import testing
from tests.examples import ours, smallest


class TestEveryBackbone(testing.BackboneContract):
    @pytest.fixture(params=ours("backbones"), autouse=True)
    def example(self, request: pytest.FixtureRequest) -> None:
        self.settings = smallest("backbones", request.param)


class TestEveryDataset(testing.DatasetContract):
    @pytest.fixture(params=ours("datasets"), autouse=True)
    def example(
        self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.of, self.monkeypatch = importlib.import_module(f"tests.examples.{request.param}"), monkeypatch
        self.settings = self.of.write(tmp_path_factory.mktemp("example"), monkeypatch)

    def write(self, root: Path) -> None:
        assert self.of.write(root, self.monkeypatch) == self.settings
        if self.settings.kind == "cifar":  # whose numbers are the official ones
            facts = self.settings.inspect(root)
            few = facts._replace(images={"train": 10, "val": 2})
            self.monkeypatch.setattr(type(self.settings), "inspect", lambda *_: few)


class TestEveryDetector(testing.DetectorContract):
    @pytest.fixture(params=ours("detectors"), autouse=True)
    def example(self, request: pytest.FixtureRequest) -> None:
        self.settings = smallest("detectors", request.param)


class TestEveryLoss(testing.LossContract):
    @pytest.fixture(params=ours("losses"), autouse=True)
    def example(self, request: pytest.FixtureRequest) -> None:
        self.settings = smallest("losses", request.param)


class TestEveryMetric(testing.MetricContract):
    @pytest.fixture(params=ours("metrics"), autouse=True)
    def example(self, request: pytest.FixtureRequest) -> None:
        self.settings = smallest("metrics", request.param)


class TestEveryNeck(testing.NeckContract):
    @pytest.fixture(params=ours("necks"), autouse=True)
    def example(self, request: pytest.FixtureRequest) -> None:
        self.settings = smallest("necks", request.param)
        if request.param == "vit_pyramid":  # of a backbone whose maps have one stride
            self.channels, self.strides = (24, 24, 24), (16, 16, 16)


class TestEveryOptimizer(testing.OptimizerContract):
    @pytest.fixture(params=ours("optimizers"), autouse=True)
    def example(self, request: pytest.FixtureRequest) -> None:
        self.settings = smallest("optimizers", request.param)


class TestEverySchedule(testing.ScheduleContract):
    @pytest.fixture(params=[(kind, per) for kind in ours("schedules") for per in ("step", "epoch")], autouse=True)
    def example(self, request: pytest.FixtureRequest) -> None:
        kind, per = request.param
        self.settings = smallest("schedules", kind).model_copy(update={"per": per})


class TestEveryTable(testing.TableContract):
    @pytest.fixture(params=ours("tables"), autouse=True)
    def example(self, request: pytest.FixtureRequest) -> None:
        self.settings = smallest("tables", request.param)
        if request.param == "reproduction":
            self.sweep_fields = {"published": {"base": ["v1/table2/PVT-Small"]}}


class TestEveryTask(testing.TaskContract):
    @pytest.fixture(params=ours("tasks"), autouse=True)
    def example(self, request: pytest.FixtureRequest) -> None:
        self.settings = smallest("tasks", request.param)
        self.dataset: Any = {**testing.contract.SMALL["dataset"], "image_px": 48}
