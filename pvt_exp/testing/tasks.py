"""What a task promises to training, counting, prediction and tables."""

import json
from pathlib import Path
from typing import Any, ClassVar

from pvt_exp import store
from pvt_exp.config.metrics import wrong_in
from pvt_exp.config.placement import Placement, Tracking
from pvt_exp.config.run import Run
from pvt_exp.testing.contract import SMALL, Contract, small_run


class TaskContract(Contract):
    """``settings`` of a task, trained for an epoch on ``dataset`` with ``backbone``; `write` puts data on disk."""

    group: ClassVar[str] = "tasks"
    dataset: Any = SMALL["dataset"]
    """Settings of data that it is trained on, or what is written in YAML; drawn ones, with 3 classes, unless set."""
    backbone: Any = SMALL["backbone"]

    def write(self, root: Path) -> None:
        """Put the data into the folder ``root``, where the kind of the data set does not make them."""
        assert self.run.dataset.made, "a test class must say here what lies in the folder"
        self.run.dataset.make(root)

    @property
    def run(self) -> Run:
        """The run that is tried."""
        return small_run(task=self.settings, dataset=self.dataset, backbone=self.backbone)

    def test_what_is_declared_has_a_name_a_title_a_unit_and_a_direction(self) -> None:
        assert self.settings.declared
        assert not (wrong := wrong_in(self.settings.declared)), wrong
        assert self.settings.first_metric.larger_is_better is not None

    def test_the_data_fit(self, tmp_path: Path) -> None:
        assert self.settings.kind in self.run.dataset.tasks
        self.write(tmp_path)
        self.settings.check_data(self.run.dataset.inspect(tmp_path))
        self.settings.check_backbone(self.run.backbone)

    def test_its_cost_is_counted_without_memory(self) -> None:
        import torch

        run = self.run
        with torch.device("meta"):
            module = run.task.build(run)
            cost = module.cost()
            assert cost["macs"] is not None, cost["uncounted"]
            assert 0 < cost["backbone_params"] <= cost["params"]
            assert module.step_memory() > 0

    def test_a_run_is_trained_and_scored_by_what_is_declared(self, tmp_path: Path) -> None:
        from pvt_exp.train import fit

        run, data = self.run, tmp_path / "data" / self.run.dataset.name
        data.mkdir(parents=True)
        self.write(data)
        where = Placement(data=str(data.parent), threads=1, tracking=Tracking(mode="disabled"))
        attempt = store.attempt(tmp_path / "runs", run, where, "test")
        assert fit.fit(run, where, attempt)
        result = json.loads((tmp_path / "runs" / run.id / "result.json").read_bytes())
        names = {each.name for each in run.task.all_metrics}
        assert set(result["metrics"]) <= names, "it logs a score that it does not declare"
        assert run.task.metric in {*result["metrics"], *result.get("unscored", {})}
        percent = {each.name for each in run.task.all_metrics if each.is_percent}
        assert all(0 <= value <= 100 for name, value in result["metrics"].items() if name in percent)
