"""Contract tests: what every kind must do, for the tests of a package that adds one.

    from pvt_exp.testing import BackboneContract
    from my_package.wide import Settings

    class TestWide(BackboneContract):
        settings = Settings()

pytest collects the methods. The tests of this repository use the same classes for each of its kinds.
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{name}"
        for name in ("backbones", "contract", "datasets", "dense", "launchers", "learning", "metrics")
    ),
    *(f"{__name__}.{name}" for name in ("tables", "tasks")),
)

from pvt_exp.testing.backbones import BackboneContract  # noqa: E402 - so that pytest explains their assertions
from pvt_exp.testing.contract import Contract  # noqa: E402
from pvt_exp.testing.datasets import DatasetContract  # noqa: E402
from pvt_exp.testing.dense import DetectorContract, NeckContract  # noqa: E402
from pvt_exp.testing.launchers import LauncherContract  # noqa: E402
from pvt_exp.testing.learning import LossContract, OptimizerContract, ScheduleContract  # noqa: E402
from pvt_exp.testing.metrics import MetricContract  # noqa: E402
from pvt_exp.testing.tables import TableContract  # noqa: E402
from pvt_exp.testing.tasks import TaskContract  # noqa: E402

__all__ = [
    "BackboneContract",
    "Contract",
    "DatasetContract",
    "DetectorContract",
    "LauncherContract",
    "LossContract",
    "MetricContract",
    "NeckContract",
    "OptimizerContract",
    "ScheduleContract",
    "TableContract",
    "TaskContract",
]
