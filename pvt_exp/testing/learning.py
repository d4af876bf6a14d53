"""What optimizers, schedules and losses promise to the training loop."""

from typing import Any, ClassVar

from pvt_exp import config
from pvt_exp.config.component import kinds
from pvt_exp.losses import IGNORED
from pvt_exp.testing.contract import Contract


def _rate(optimizer: Any) -> float:
    return float(optimizer.param_groups[0]["lr"])


class OptimizerContract(Contract):
    """``settings`` of an optimizer, tried on a few weights and gradients."""

    group: ClassVar[str] = "optimizers"

    def _built(self, seed: int = 0) -> tuple[Any, Any]:
        import torch

        draw = torch.Generator().manual_seed(seed)
        weights = [torch.nn.Parameter(torch.randn(4, 3, generator=draw)), torch.nn.Parameter(torch.ones(5))]
        groups = [{"params": weights[:1], "weight_decay": 0.1}, {"params": weights[1:], "weight_decay": 0.0}]
        return weights, self.settings.build(groups, 0.01, fused=True)

    @staticmethod
    def _step(weights: Any, optimizer: Any, seed: int) -> None:
        import torch

        draw = torch.Generator().manual_seed(seed)
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=draw)
        optimizer.step()

    def test_groups_keep_their_rate_and_weight_decay(self) -> None:
        import torch

        _, optimizer = self._built()
        assert isinstance(optimizer, torch.optim.Optimizer)
        assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
        assert {group["lr"] for group in optimizer.param_groups} == {0.01}

    def test_steps_lead_to_a_smaller_loss(self) -> None:
        weights, optimizer = self._built()
        before = [float((weight.detach() ** 2).sum()) for weight in weights]
        for _ in range(20):
            for weight in weights:
                weight.grad = 2 * weight.detach()
            optimizer.step()
        assert all(float((weight.detach() ** 2).sum()) < was for weight, was in zip(weights, before, strict=True))

    def test_a_resumed_optimizer_takes_the_same_steps(self) -> None:
        import copy

        import torch

        weights, optimizer = self._built()
        self._step(weights, optimizer, 1)
        others, resumed = self._built()
        with torch.no_grad():
            for other, weight in zip(others, weights, strict=True):
                other.copy_(weight)
        resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        for each in ((weights, optimizer), (others, resumed)):
            self._step(*each, 2)
        assert all(torch.equal(weight, other) for weight, other in zip(weights, others, strict=True))

    def test_it_keeps_no_more_copies_of_the_weights_than_it_says(self) -> None:
        """Of which `plan --cost` counts the memory."""
        weights, optimizer = self._built()
        self._step(weights, optimizer, 1)
        kept = [sum(getattr(each, "shape", None) == w.shape for each in optimizer.state[w].values()) for w in weights]
        assert max(kept) <= self.settings.states


class ScheduleContract(Contract):
    """``settings`` of a schedule, tried over ``epochs`` of ``steps_per_epoch``."""

    group: ClassVar[str] = "schedules"
    epochs: int = 4
    steps_per_epoch: int = 10

    def _rates(self, times: Any) -> list[float]:
        """The rate at each of these times, in steps or epochs, by one scheduler; its peak is 0.5."""
        import torch

        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
        scheduler = self.settings.build(optimizer, self.epochs, self.steps_per_epoch)
        found = []
        for time in times:
            scheduler.step_update(time) if self.settings.per == "step" else scheduler.step(time)
            found.append(_rate(optimizer))
        return found

    @property
    def _times(self) -> range:
        return range(self.epochs * self.settings.unit(self.steps_per_epoch))

    def test_rates_are_numbers_up_to_the_peak(self) -> None:
        rates = self._rates(self._times)
        assert all(0 <= rate <= 0.5 * (1 + 1e-9) for rate in rates)
        assert max(rates) > 0

    def test_a_resumed_run_has_the_same_rates(self) -> None:
        """The rate follows from the time alone."""
        assert [self._rates([time])[0] for time in self._times] == self._rates(self._times)

    def test_the_warmup_begins_at_its_rate_and_ends_at_the_peak(self) -> None:
        changes = {"per": "step", "warmup_epochs": 0, "warmup_steps": 5, "warmup_lr": 0.01}
        warm = type(self)()
        warm.settings = type(self.settings).model_validate({**self.settings.model_dump(), **changes})
        rates = warm._rates(range(6))
        assert abs(rates[0] - 0.01) < 1e-9
        assert rates == sorted(rates)


class LossContract(Contract):
    """``settings`` of a loss, tried with each task that it serves."""

    group: ClassVar[str] = "losses"
    num_classes: int = 4

    def _given(self, task: str) -> tuple[Any, Any]:
        """Logits and targets of two images, as `pvt_exp.losses` describes them."""
        import torch

        draw = torch.Generator().manual_seed(0)
        if task == "semantic":
            labels = torch.randint(self.num_classes - 1, (2, 5, 6), generator=draw)
            labels[torch.rand(labels.shape, generator=draw) < 0.2] = IGNORED
            return torch.randn(2, self.num_classes, 5, 6, generator=draw), labels
        return torch.randn(2, self.num_classes, generator=draw), torch.tensor([1, self.num_classes - 1])

    def _each(self) -> list[tuple[Any, Any, Any]]:
        """The built loss with logits and targets, for each task."""
        assert self.settings.tasks <= {"classification", "semantic"}
        assert self.settings.tasks
        tasks = [config.make(kinds("tasks")[task], {"num_classes": self.num_classes}) for task in self.settings.tasks]
        return [(self.settings.build(task), *self._given(task.kind)) for task in tasks]  # type: ignore[attr-defined]

    def test_it_has_no_parameters(self) -> None:
        """Nothing would train them."""
        assert not any(list(loss.parameters()) for loss, _, _ in self._each())

    def test_it_gives_one_number_and_a_gradient_of_the_logits(self) -> None:
        import torch

        for loss, logits, targets in self._each():
            value = loss(logits.requires_grad_(), targets)
            assert value.shape == ()
            value.backward()
            assert torch.isfinite(logits.grad).all()
            assert logits.grad.abs().max() > 0

    def test_a_loss_that_is_not_joint_is_the_mean_of_its_images(self) -> None:
        for loss, logits, targets in self._each():
            parts = [float(loss(logits[i : i + 1], targets[i : i + 1])) for i in range(2)]
            whole = float(loss(logits, targets))
            assert self.settings.joint or abs(whole - sum(parts) / 2) <= 1e-5 * max(1.0, abs(whole))

    def test_mixed_images_are_scored_by_their_probabilities(self) -> None:
        import torch

        if "classification" in self.settings.tasks:
            loss = self.settings.build(config.make(kinds("tasks")["classification"], {"num_classes": self.num_classes}))
            logits, _ = self._given("classification")
            mixed = torch.full((2, self.num_classes), 1 / self.num_classes)
            assert torch.isfinite(loss(logits, mixed))
