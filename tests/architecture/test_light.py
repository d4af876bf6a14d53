"""The light half never loads what computes: settings, tables, commands that look, and the looks at data.

`lint-imports` follows what is written; here a process does one of these after the other, and says what it has loaded.
"""

import importlib
import json
import pickle
import subprocess
import sys

import pytest

from tests.conftest import EXPERIMENT, ROOT, SWEEP, environment

COMPUTES = ["torch", "torchvision", "timm", "pandas", "matplotlib"]
LOOKED_AT = ("coco", "image_folder", "semantic_folder", "shapes")
"""Kinds of data whose example is written without torch; `cifar` has the sums of its files from torchvision."""
COMMANDS = (
    ["plan", "sweep.yaml"],
    ["status", "sweep.yaml"],
    ["status"],
    ["report", "sweep.yaml"],
    ["runs", "list"],
    ["published", "v1/table2"],
    ["wandb", "sync"],
    ["wandb", "sweep", "sweep.yaml", "--print"],
    ["--help"],
)
STEPS = {
    "settings": (["torch", "timm", "numpy"], "component.kinds('backbones')['timm'](name='resnet18')"),
    "tables": ([*COMPUTES, "numpy", "scipy", "rich"], "import pvt_exp.report, pvt_exp.tables.ablation"),
    "commands": (
        [*COMPUTES, "pytorch_lightning", "torchmetrics", "wandb", "optuna", "scipy"],
        f"""
from pvt_exp import cli
for words in {COMMANDS!r}:
    sys.argv = ["pvt-exp", *words]
    try:
        cli.main()
    except SystemExit as end:
        assert end.code in (0, 1, None), (words, end.code)  # 1: no run is finished
""",
    ),
    "data sets": (
        COMPUTES,
        """
component.kinds("datasets")
for dataset in pickle.loads(pathlib.Path("datasets").read_bytes()):
    if dataset.kind == "shapes":
        dataset.make(pathlib.Path("drawn"))
    dataset.inspect(pathlib.Path("drawn" if dataset.kind == "shapes" else dataset.kind))
""",
    ),
}
"""What must not be loaded after each step, and the step."""
PROBE = f"""
import json, pathlib, pickle, sys
from pvt_exp.config import component
loaded = {{}}
for name, (heavy, code) in {STEPS!r}.items():
    exec(code)
    loaded[name] = sorted(set(heavy) & set(sys.modules))
pathlib.Path("loaded.json").write_text(json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    folder = tmp_path_factory.mktemp("light")
    (folder / "base.yaml").write_text(EXPERIMENT)
    (folder / "sweep.yaml").write_text(SWEEP)
    with pytest.MonkeyPatch.context() as patch:
        written = [importlib.import_module(f"tests.examples.{kind}").write(folder / kind, patch) for kind in LOOKED_AT]
    (folder / "datasets").write_bytes(pickle.dumps(written))
    command = [sys.executable, "-c", PROBE]
    env = environment(PYTHONPATH=str(ROOT), XDG_CACHE_HOME=str(folder / "cache"))
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads((folder / "loaded.json").read_text()))


@pytest.mark.parametrize("step", STEPS)
def test_nothing_that_computes_is_loaded_by(step: str, loaded: dict[str, list[str]]) -> None:
    assert loaded[step] == []
