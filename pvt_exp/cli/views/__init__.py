"""What the verbs say: as JSON with stable fields (docs/json.md), and for a person."""

from pvt_exp.cli.views.driven import print_driven, print_set_aside, print_tuned
from pvt_exp.cli.views.estimate import print_estimate
from pvt_exp.cli.views.models import models_json, print_models
from pvt_exp.cli.views.plan import plan_json, print_plan, print_status, status_json
from pvt_exp.cli.views.published import print_published, published_figures, published_json
from pvt_exp.cli.views.runs import (
    print_run,
    print_runs,
    print_store,
    print_trained,
    retrained_json,
    run_json,
    single_json,
    store_json,
)
from pvt_exp.system.streams import print_json

__all__ = [
    "models_json", "plan_json", "print_driven", "print_estimate", "print_json", "print_models", "print_plan",
    "print_published", "print_run", "print_runs", "print_set_aside", "print_status", "print_store",
    "print_trained", "print_tuned",
    "published_figures", "published_json", "retrained_json", "run_json", "single_json", "status_json", "store_json",
]  # fmt: skip
