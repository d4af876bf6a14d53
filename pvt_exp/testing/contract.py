"""What the settings of every kind must be, whatever they are of."""

import os
import sys
from pathlib import Path
from typing import Any, ClassVar

from pvt_exp import config
from pvt_exp.config import component, unavailable
from pvt_exp.config.run import Run
from pvt_exp.system import children

SMALL: dict[str, Any] = {
    "task": {"kind": "classification", "num_classes": 3, "image_px": 32},
    "dataset": {"kind": "shapes", "num_classes": 3, "train_images": 12, "val_images": 6, "image_px": 32},
    "backbone": {
        "kind": "pvt", "preset": "pvt_v2_b0", "embed_dims": [8, 16, 16, 16], "heads": [1, 2, 2, 2],
        "depths": [1, 1, 1, 1], "mlp_ratios": [2, 2, 2, 2],
    },
    "optim": {"kind": "adamw", "lr": 2e-3},
    "schedule": {"kind": "cosine", "warmup_epochs": 0},
    "epochs": 1,
    "batch_size": 4,
}  # fmt: skip
"""A run that trains in seconds."""


def small_run(**changes: Any) -> Run:
    """A run that trains in seconds, with other fields; components are settings, or what is written in YAML."""
    written = {
        name: each.model_dump(mode="json") if hasattr(each, "model_dump") else each for name, each in changes.items()
    }
    return config.make(Run, {**SMALL, **written})


class Contract:
    """What the settings of every kind must be; subclasses add what their group promises."""

    group: ClassVar[str]
    """One of `pvt_exp.config.component.GROUPS`."""
    settings: Any
    """The settings under test, of a small example; a test class sets it."""

    def test_the_kind_is_found(self) -> None:
        """The package is installed, and its entry point names the module of these settings."""
        kind, found = self.settings.kind, component.kinds(self.group)
        assert found.get(kind) is type(self.settings), (
            f"kind {kind} of {self.group}: {unavailable.every() or sorted(found)}"
        )

    def test_the_settings_are_read_again_as_they_were_written(self) -> None:
        """``run.yaml`` has them as JSON, and the id of a run follows from it."""
        written = self.settings.model_dump(mode="json")
        assert config.make(type(self.settings), written) == self.settings

    def test_the_settings_can_be_a_key(self) -> None:
        hash(self.settings)

    def test_the_module_of_the_settings_imports_nothing_slow(self) -> None:
        """Every command imports it, and torch takes seconds."""
        if type(self.settings).__module__.startswith("pvt_exp."):
            return  # whose own tests look at all commands
        entries = [entry or str(Path.cwd()) for entry in sys.path]
        changes = {"PYTHONPATH": os.pathsep.join(entries)}
        module = type(self.settings).__module__
        done = children.run("pvt_exp.testing.light", module, changes=changes, capture_output=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [], f"{module} imports them; do so in build()"
