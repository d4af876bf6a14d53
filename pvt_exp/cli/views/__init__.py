"""What the looking verbs say: as JSON with stable fields (docs/json.md), and for a person."""

import json
import math
from typing import Any

from pvt_exp.cli.views.estimate import print_estimate
from pvt_exp.cli.views.models import models_json, print_models
from pvt_exp.cli.views.plan import plan_json, print_plan, print_status, status_json
from pvt_exp.cli.views.published import print_published, published_figures, published_json
from pvt_exp.cli.views.runs import print_run, print_runs, print_store, retrained_json, run_json, single_json, store_json

__all__ = [
    "models_json", "plan_json", "print_estimate", "print_json", "print_models", "print_plan", "print_published", "print_run",
    "print_runs", "print_status", "print_store", "published_figures", "published_json", "retrained_json", "run_json",
    "single_json", "status_json", "store_json",
]  # fmt: skip


def print_json(value: Any) -> None:
    """To standard output; JSON has no NaN and no infinity, so what a foreign record holds of them is null."""
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), indent=1, ensure_ascii=False)
    print(text, flush=True)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
