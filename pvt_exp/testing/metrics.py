"""What a metric beside a task's own ones promises to validation, to several GPUs and to tables."""

from typing import Any, ClassVar

from pvt_exp import config
from pvt_exp.config.component import kinds
from pvt_exp.config.metrics import wrong_in
from pvt_exp.testing.contract import Contract


class MetricContract(Contract):
    """``settings`` of a metric, tried with each task that it scores; `batches` gives other predictions than drawn ones."""

    group: ClassVar[str] = "metrics"
    num_classes: int = 4
    tolerance: float = 1e-5
    """Largest difference of a value that was summed in another order, relative to the value."""

    def batches(self, task: str) -> list[tuple[Any, Any]]:
        """Two batches of predictions and targets, as `pvt_exp.metrics` describes them."""
        import torch

        draw = torch.Generator().manual_seed(0)

        def labels(*shape: int) -> Any:
            return torch.randint(self.num_classes, shape, generator=draw)

        def boxes(count: int) -> Any:
            corners = 20 * torch.rand(count, 2, generator=draw)
            return torch.cat([corners, corners + 1 + 20 * torch.rand(count, 2, generator=draw)], 1)

        def found(count: int) -> dict[str, Any]:
            return {"boxes": boxes(count), "labels": labels(count), "scores": torch.rand(count, generator=draw)}

        def true(count: int) -> dict[str, Any]:
            return {
                "boxes": boxes(count),
                "labels": labels(count),
                "crowd": torch.zeros(count, dtype=torch.bool),
                "annotations": [],
            }

        if task == "classification":
            return [(torch.randn(n, self.num_classes, generator=draw).softmax(1), labels(n)) for n in (5, 3)]
        if task == "semantic":
            return [(labels(1, *size), labels(1, *size)) for size in ((6, 5), (4, 8))]
        return [([found(n) for n in (3, 0)], [true(n) for n in (2, 1)]), ([found(1)], [true(0)])]

    def _each(self) -> list[tuple[Any, list[tuple[Any, Any]]]]:
        """A task's settings with its batches, for each task that the metric scores and that is installed."""
        assert self.settings.tasks
        every = kinds("tasks")
        made = [
            config.make(every[task], {"num_classes": self.num_classes})
            for task in sorted(self.settings.tasks & set(every))
        ]
        return [(task, self.batches(task.kind)) for task in made]  # type: ignore[attr-defined]

    def _computed(self, metric: Any) -> dict[str, float]:
        found = metric.compute()
        (name, *_) = names = [each.name for each in self.settings.declared]
        values = found if isinstance(found, dict) else {name: found}
        assert set(values) <= set(names), "it computes what it does not declare"
        return {name: float(value) for name, value in values.items()}

    def _equal(self, one: dict[str, float], other: dict[str, float]) -> None:
        assert one.keys() == other.keys()
        for name, value in one.items():
            both_nan = value != value and other[name] != other[name]  # noqa: PLR0124
            assert both_nan or abs(value - other[name]) <= self.tolerance * max(1.0, abs(value)), name

    def test_what_is_declared_has_a_name_a_title_a_unit_and_a_direction(self) -> None:
        assert self.settings.declared
        assert not (wrong := wrong_in(self.settings.declared)), wrong

    def test_a_task_takes_it_beside_its_own(self) -> None:
        for task, batches in self._each():
            from pvt_exp.nn.metrics.beside import Beside

            fields = {"num_classes": self.num_classes, "metrics": [self.settings.model_dump(mode="json")]}
            beside = Beside(config.make(type(task), fields))
            for batch in batches:
                beside.update(*batch)
            values, without = beside.compute()
            assert {*values, *without} == {each.name for each in self.settings.declared}

    def test_values_of_percent_are_between_0_and_100(self) -> None:
        percent = {each.name for each in self.settings.declared if each.is_percent}
        for task, batches in self._each():
            metric = self.settings.build(task)
            for batch in batches:
                metric.update(*batch)
            values = self._computed(metric)
            assert all(not value < 0 and not value > 100 for name, value in values.items() if name in percent)

    def test_the_order_of_batches_does_not_count(self) -> None:
        for task, batches in self._each():
            found = []
            for order in (batches, batches[::-1]):
                metric = self.settings.build(task)
                for batch in order:
                    metric.update(*batch)
                found.append(self._computed(metric))
            self._equal(*found)

    def test_two_gpus_compute_what_one_does(self) -> None:
        for task, (first, second) in self._each():
            whole, one, other = (self.settings.build(task) for _ in range(3))
            for metric, batches in ((whole, [first, second]), (one, [first]), (other, [second])):
                for batch in batches:
                    metric.update(*batch)
            assert one.full_state_update is False, "torchmetrics joins only metrics with full_state_update = False"
            one.merge_state(other)
            self._equal(self._computed(one), self._computed(whole))

    def test_each_validation_begins_anew(self) -> None:
        for task, (first, second) in self._each():
            fresh, used = self.settings.build(task), self.settings.build(task)
            used.update(*first)
            used.reset()
            for metric in (fresh, used):
                metric.update(*second)
            self._equal(self._computed(used), self._computed(fresh))
