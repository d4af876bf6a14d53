"""The child of `pvt_exp.cost`: counts models on the meta device, where nothing is computed and no memory is taken."""

import json
import sys
from typing import Any

import torch

from pvt_exp import config
from pvt_exp.schema import Run


def count(settings: dict[str, Any]) -> dict[str, Any]:
    """What the model of a run costs: fields of `pvt_exp.cost.Cost`."""
    run = config.make(Run, settings).model_copy(update={"ema_decay": None})
    with torch.device("meta"):
        module = run.task.build(run)
    cost: dict[str, Any] = module.cost()
    return cost


if __name__ == "__main__":
    print(json.dumps([count(settings) for settings in json.load(sys.stdin)]))
