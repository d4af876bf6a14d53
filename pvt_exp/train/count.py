"""The child of `pvt_exp.cost`: counts models on the meta device, where nothing is computed and no memory is taken."""

import json
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from pydantic import ValidationError

from pvt_exp import config
from pvt_exp.config.run import Run
from pvt_exp.nn.tasks.training import Training, in_a_line
from pvt_exp.plan.matching import nearest

ASK: dict[str, Callable[[Training], int]] = {
    "params": lambda module: sum(p.numel() for p in module.network.parameters()),
    "macs": lambda module: module.count_macs(module.task.counted_px),
    "memory": lambda module: module.step_memory(),
}


def answer(question: dict[str, Any]) -> Any:
    """What a run's model costs, fields of `pvt_exp.cost.Cost`; or the solution of a `plan.budget.Problem`; or the fields
    of the `pvt_exp.backbones.Width` of its backbone.
    """
    if "width_of" in question:
        run = config.make(Run, question["width_of"])
        return run.backbone.width(getattr(run.task, "pos_embed_px", run.task.train_px[0]))._asdict()
    return solve(**question) if "field" in question else count(**question)


def count(run: dict[str, Any], memory: bool = False) -> dict[str, Any]:
    """What a run costs, of memory too if it is asked for; ``uncounted`` says why a part of it is None."""
    module = _build(config.make(Run, run))
    found = module.cost()
    if not memory:
        return {**found, "memory": None}
    try:
        return {**found, "memory": module.step_memory()}
    except Exception as error:  # of a network that no one here has seen; what else is counted stands
        return {**found, "memory": None, "uncounted": {**found.get("uncounted", {}), "memory": in_a_line(error)}}


def solve(
    run: dict[str, Any],
    base: dict[str, Any],
    field: str,
    value: list[int],
    units: list[int],
    cost: str,
    within: float,
    single: bool,
) -> dict[str, Any] | None:
    """The value of the field at which the run's model costs what the base's does, or the nearest."""

    def cost_at(entries: tuple[int, ...]) -> int | None:
        try:
            module = _build(config.make(Run, config.put(run, field, entries[0] if single else list(entries))))
        except (ValidationError, ValueError, AssertionError):
            return None
        return ASK[cost](module)

    found = nearest(value, units, cost_at, _target(json.dumps(base), cost), within)
    return found and found._asdict()


@cache
def _target(base: str, cost: str) -> int:
    """The cost of a sweep's base; cached, as all rows need it."""
    return ASK[cost](_build(config.make(Run, json.loads(base))))


def said(question: dict[str, Any]) -> dict[str, Any]:
    """``answer``, or ``error`` with the reason. A question that fails does not affect the others."""
    try:
        return {"answer": answer(question)}
    except Exception as error:  # whatever a network raises is the answer to this question
        return {"error": in_a_line(error)}


def _build(run: Run) -> Training:
    with torch.device("meta"):
        module: Training = run.task.build(run.model_copy(update={"ema_decay": None}))
    return module


if __name__ == "__main__":
    for asked in sys.stdin:
        print(json.dumps(said(json.loads(asked))), flush=True)
