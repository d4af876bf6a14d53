"""The packages that docs/extending.md shows, installed as they stand there, and trained with."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvt_exp import config
from tests import docs
from tests.conftest import EXPERIMENT, environment
from tests.plugin import install


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all packages of the page are installed; each begins with its modules, and its TOML ends it."""
    folder, files = tmp_path_factory.mktemp("packages"), dict[str, str]()
    for block in docs.blocks():
        if block.page == docs.PACKAGED and block.language == "python":
            path = block.text.splitlines()[0].removeprefix("# ")
            assert path.endswith(".py"), block.place
            files[path] = block.text
        elif block.page == docs.PACKAGED and block.language == "toml":
            project = tomllib.loads(block.text)["project"]
            points = {
                f"{group.removeprefix('pvt_exp.')}/{kind}": module
                for group, kinds in project["entry-points"].items()
                for kind, module in kinds.items()
            }
            install(folder, project["name"], points, files, project["version"])
            files = {}
    assert not files, "the last modules have no pyproject.toml"
    return folder


def written(heading: str) -> dict[str, Any]:
    """The first block of YAML below a heading of the page."""
    text = (docs.ROOT / docs.PACKAGED).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found: dict[str, Any] = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    return found


def trained(packages: Path, heading: str) -> dict[str, Any]:
    """The result of a run of the small experiment with what the page writes below the heading, and its table's columns."""
    folder = packages / heading.replace(" ", "_")
    folder.mkdir()
    base = {**config.parse(EXPERIMENT, "").value, **written(heading)}
    (folder / "base.yaml").write_text(json.dumps(base))
    (folder / "sweep.yaml").write_text("base: base.yaml\nseeds: [0]\nblocks:\n  - variants: {mine: {}}\n")
    told = {}
    for verb in (("plan",), ("sweep", "--gpus", "none"), ("report", "--json")):
        done = subprocess.run(
            [sys.executable, "-m", "pvt_exp", verb[0], "sweep.yaml", *verb[1:]],
            cwd=folder,
            env=environment(PYTHONPATH=str(packages)),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        told[verb[0]] = done.stdout
    (result,) = folder.glob("runs/*/result.json")
    (log,) = folder.glob("runs/*/attempts/1/log.txt")
    found: dict[str, Any] = json.loads(result.read_text())
    found["columns"] = {each["key"]: each for each in json.loads(told["report"])["columns"]}
    found["log"] = log.read_text()
    return found


def computed_in(packages: Path, program: str) -> Any:
    """What a program prints as JSON where the packages are installed."""
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(PYTHONPATH=str(packages)), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


BRIER = """
import torch
from my_metrics.computed import Brier
draw = torch.Generator().manual_seed(0)
probabilities, targets = torch.rand(9, 4, generator=draw).softmax(1), torch.randint(4, (9,), generator=draw)
metric = Brier(4)
for part in (slice(0, 4), slice(4, 9)):
    metric.update(probabilities[part], targets[part])
rows = zip(probabilities.tolist(), targets.tolist())
due = sum(sum((p - (k == t)) ** 2 for k, p in enumerate(row)) for row, t in rows) / 9
print([metric.compute().item(), due])
"""


def test_your_own_metric(packages: Path) -> None:
    computed, due = computed_in(packages, BRIER)
    assert computed == pytest.approx(due, rel=1e-5)
    result = trained(packages, "Your own metric")
    assert 0 < result["metrics"]["brier"] < 2
    assert result["metric_info"]["brier"] == {"title": "Brier score", "unit": "", "larger_is_better": False}
    assert result["provenance"]["packages"]["my-metrics"]["kinds"] == ["metrics/brier"]
    assert "Brier score 0." in result["log"]
    assert (result["columns"]["brier"]["title"], result["columns"]["brier"]["larger_is_better"]) == (
        "Brier score", False,
    )  # fmt: skip
