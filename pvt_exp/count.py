"""The child of `pvt_exp.cost`: counts models on the meta device, where nothing is computed and no memory is taken."""

import json
import sys
from typing import Any

import torch
from pydantic import ValidationError

from pvt_exp import config
from pvt_exp.match import nearest
from pvt_exp.nn.training import Training
from pvt_exp.schema import Run


def answer(question: dict[str, Any]) -> Any:
    """What a run's model costs, fields of `pvt_exp.cost.Cost`; or the solution of a `pvt_exp.budget.Problem`."""
    return solve(**question) if "field" in question else count(question["run"])


def count(settings: dict[str, Any]) -> dict[str, Any]:
    """What the model of a run costs."""
    cost: dict[str, Any] = _build(config.make(Run, settings)).cost()
    return cost


def solve(
    run: dict[str, Any], field: str, value: list[int], units: list[int], cost: str, target: int, within: float
) -> dict[str, Any] | None:
    """The value of the field at which the run's model costs the target, or the nearest."""
    single = not isinstance(_at(run, field), list)

    def cost_at(entries: tuple[int, ...]) -> int | None:
        try:
            made = config.make(Run, config.put(run, field, entries[0] if single else list(entries)))
            module = _build(made)
        except (ValidationError, ValueError, AssertionError):
            return None
        return sum(p.numel() for p in module.network.parameters()) if cost == "params" else int(module.cost()[cost])

    found = nearest(value, units, cost_at, target, within)
    return found and found._asdict()


def _at(value: Any, field: str) -> Any:
    for key in field.split("."):
        value = value[key]
    return value


def _build(run: Run) -> Training:
    with torch.device("meta"):
        module: Training = run.task.build(run.model_copy(update={"ema_decay": None}))
    return module


if __name__ == "__main__":
    print(json.dumps([answer(question) for question in json.load(sys.stdin)]))
