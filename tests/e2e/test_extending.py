"""The packages that docs/extending.md shows, installed as they stand there, and trained with."""

import csv
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

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
    found: dict[str, Any] = config.parse(text.split("```yaml\n")[1].split("```")[0], docs.PACKAGED).value
    return found


def trained(packages: Path, heading: str) -> dict[str, Any]:
    """The result of the small experiment with what the page writes below the heading, its table's columns, log and rates."""
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
    found["curve"] = [float(row["lr"]) for row in csv.DictReader((log.parent / "metrics.csv").open()) if row.get("lr")]
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


RATES = """
import json, math, torch
from pvt_exp.config.component import kinds
weight = torch.nn.Parameter(torch.ones(3))
lion = kinds("optimizers")["lion"](lr=0.5)
optimizer = lion.build([{"params": [weight], "weight_decay": 0.0}], 0.5, fused=True)
weight.grad = torch.tensor([3.0, -0.1, 0.0])
optimizer.step()
scheduler = kinds("schedules")["inverse_sqrt"](warmup_steps=4, warmup_lr=0.1).build(optimizer, 2, 20)
rates = []
for step in range(40):
    scheduler.step_update(step)
    rates.append(optimizer.param_groups[0]["lr"])
print(json.dumps({"weight": weight.tolist(), "rates": rates}))
"""


def test_your_own_optimizer_and_schedule(packages: Path) -> None:
    computed = computed_in(packages, RATES)
    assert computed["weight"] == [0.5, 1.5, 1.0], "a step of Lion is the rate, against the gradient's sign"
    assert computed["rates"][:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert computed["rates"][4:] == pytest.approx([0.5 * (4 / step) ** 0.5 for step in range(4, 40)])
    result = trained(packages, "Your own optimizer or schedule")
    of_package = result["provenance"]["packages"]["my-optim"]
    assert sorted(of_package["kinds"]) == ["optimizers/lion", "schedules/inverse_sqrt"]
    steps = 2 * 96 // 16
    assert result["curve"][-1] == pytest.approx(3e-4 * (2 / (steps - 1)) ** 0.5, rel=1e-6), "the last step's rate"
    assert 0 <= result["metrics"]["top1"] <= 100


MAPS = """
import json, torch
from pvt_exp.config.component import kinds
from pvt_exp.necks.fpn import Settings as Fpn
def built(kind):
    torch.manual_seed(0)
    backbone = kinds("backbones")["pvt"](preset="pvt_v2_b0").build(64, maps=True)
    return kinds("detectors")[kind](head_width=8, head_convs=1).build(backbone, Fpn(width=8), 3)
mine, usual = built("retinanet_relu"), built("retinanet")
images = torch.rand(1, 3, 64, 64)
ours, theirs = mine.eval().pyramid(images), usual.eval().pyramid(images)
print(json.dumps({
    "equal": [torch.equal(a, b) for a, b in zip(ours, theirs)],
    "last": torch.equal(ours[-1], usual.p7(theirs[-2].clamp(min=0))),
}))
"""


def test_your_own_detector(packages: Path) -> None:
    assert computed_in(packages, MAPS) == {"equal": [True, True, True, True, False], "last": True}
    result = trained(packages, "Your own detector")
    assert result["provenance"]["packages"]["my-detectors"]["kinds"] == ["detectors/retinanet_relu"]
    assert 0 <= result["metrics"]["AP"] <= 100


FOCAL = """
import math, torch
from pvt_exp.config.component import kinds
loss = kinds("losses")["focal"](gamma=1.5).build(None)
logits, targets = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]]), torch.tensor([0, 1])
true = [math.exp(row[k]) / sum(map(math.exp, row)) for row, k in zip(logits.tolist(), targets.tolist())]
print([loss(logits, targets).item(), sum(-(1 - p) ** 1.5 * math.log(p) for p in true) / 2])
"""


def test_your_own_loss(packages: Path) -> None:
    computed, due = computed_in(packages, FOCAL)
    assert computed == pytest.approx(due, rel=1e-5)
    result = trained(packages, "Your own loss")
    assert result["provenance"]["packages"]["my-losses"]["kinds"] == ["losses/focal"]
    assert result["metrics"]["loss"] > 0, "of validation: cross-entropy, as in every run"


def outcome_of_tests(packages: Path, file: str) -> str:
    """What pytest says of a file of tests that the page shows, where the packages are installed."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(packages), file],
        cwd=packages,
        env=environment(PYTHONPATH=str(packages)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


DAMAGED = """
from my_metrics import brier, computed
from pvt_exp.testing import MetricContract


class Newest(computed.Brier):
    def update(self, predictions, targets):
        self.reset()
        super().update(predictions, targets)


class Settings(brier.Settings):
    def build(self, task):
        return Newest(task.num_classes)


class TestNewest(MetricContract):
    settings = Settings()

    def test_the_kind_is_found(self):
        pass
"""
"""A metric that forgets all batches but the newest."""


def test_a_contract_that_the_page_shows_is_kept(packages: Path) -> None:
    assert " passed" in outcome_of_tests(packages, "my_metrics/test_brier.py")
    damaged = packages / "my_metrics/test_damaged.py"
    damaged.write_text(DAMAGED)
    with pytest.raises(AssertionError) as told:
        outcome_of_tests(packages, "my_metrics/test_damaged.py")
    for name in ("test_the_order_of_batches_does_not_count", "test_two_gpus_compute_what_one_does"):
        assert f"TestNewest::{name}" in str(told.value)
    assert "passed" in str(told.value), "the others"
