"""A command lists each data set once, however many of its steps look at it: on a network that may take minutes."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pvt_exp import config, cost, store
from pvt_exp.cost import NoCost
from pvt_exp.datasets import image_folder
from pvt_exp.launchers import Ended, Work, local
from pvt_exp.store import attempts
from pvt_exp.store.results import publish_result
from tests.verbs import type_here

BASE = """\
task: {kind: classification, num_classes: 2, image_px: 32}
dataset: {kind: image_folder, name: photos}
backbone: {kind: pvt, embed_dims: [8, 8, 8, 8], heads: [1, 1, 1, 1], depths: [1, 1, 1, 1], mlp_ratios: [2, 2, 2, 2]}
optim: {kind: adamw, lr: 2e-3}
schedule: {kind: cosine, warmup_epochs: 0}
epochs: 1
batch_size: 1
ghost_batch_size: 1
"""
SWEEP = """\
base: base.yaml
seeds: [0, 1]
blocks:
  - one_at_a_time: {depth: {deeper: {backbone.depths: [2, 1, 1, 1]}}}
  - variants: {other data: {dataset.name: others}}
"""
TUNE = "tune: {space: {optim.lr: {low: 1e-4, high: 1e-2}}, trials: 2, holdout: {fraction: 0.5}}\n"
PAGE = "tables: [{sweep: sweep.yaml}, {sweep: same.yaml}]\n"


def publish(attempt: Path) -> None:
    """A result, as if the run had been trained on the data at hand."""
    run = store.load(attempts.run_folder(attempt))
    root = config.load(store.Placement, attempt / "placement.yaml").data
    made = {"attempt": 1, "seconds": 1.0, "pretrained": None, "git": {}}
    data = {"name": run.dataset.name, "fingerprint": LISTS(run.dataset, Path(str(root))).fingerprint}
    publish_result(attempt, {"metrics": {"top1": 1.0}, "cost": {}, "data": data, "provenance": made})


def launch(self: Any, work: Work) -> Iterator[Ended | None]:
    while (attempt := work.next_attempt(self.slots()[0])) is not None:
        yield None
        publish(attempt)
        yield Ended(attempt, 0)


LISTS = image_folder.Settings.inspect


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """A project with two data sets; how often each was listed, and by which function."""
    for number in range(24):
        image = tmp_path / f"{'photos' if number < 12 else 'others'}/{'val' if number % 3 else 'train'}"
        image = image / f"{'ab'[number % 2]}/{number}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 2 * number, 3 * number)).save(image)
    texts = {"base": BASE, "sweep": SWEEP, "same": SWEEP, "tuned": SWEEP + TUNE, "page": PAGE}
    texts["site"] = f"data: {{photos: {tmp_path}/photos, others: {tmp_path}/others}}\n"
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    monkeypatch.delenv("PVT_EXP_DATA", raising=False)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setattr(local.Settings, "launch", launch)
    monkeypatch.setattr(cost, "each", lambda runs: [NoCost("not counted here")] * len(runs))
    counts = Counter[tuple[str, str]]()
    for name in ("inspect", "contents"):
        lists = getattr(image_folder.Settings, name)

        def counted(self: Any, root: Path, *rest: Any, _name: str = name, _lists: Any = lists) -> Any:
            counts[root.name, _name] += 1
            return _lists(self, root, *rest)

        monkeypatch.setattr(image_folder.Settings, name, counted)
    return counts


BOTH = {("photos", "inspect"): 1, ("others", "inspect"): 1}
COMMANDS = [
    ("run base.yaml", 0, {("photos", "inspect"): 1}),
    ("plan sweep.yaml", 0, BOTH),
    ("plan sweep.yaml --cost", 2, BOTH),
    ("sweep sweep.yaml --json", 0, BOTH),
    ("sweep sweep.yaml", 0, BOTH),
    ("sweep same.yaml --retry stale", 0, BOTH),
    ("status sweep.yaml", 0, BOTH),
    ("report sweep.yaml", 0, BOTH),
    ("report page.yaml", 0, BOTH),
    ("report sweep.yaml --check", 0, BOTH),
    ("wandb sweep sweep.yaml --print", 0, BOTH),
    ("sweep tuned.yaml --no-smoke", 0, {**BOTH, ("photos", "contents"): 1, ("others", "contents"): 1}),
    ("sweep tuned.yaml --retry stale", 0, BOTH),
]


def test_each_command_lists_a_data_set_once(listed: Counter[tuple[str, str]], tmp_path: Path) -> None:
    for words, status, due in COMMANDS:
        listed.clear()
        said = type_here(words.split(), tmp_path)
        assert said.status == status, (words, said)
        assert listed == due, words
    trained = list(tmp_path.glob("runs/*/result.json"))
    assert len(trained) >= 6 + 3 * 2, "the sweep's runs and the trials"


def test_made_data_that_are_not_there_yet_are_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pvt_exp.plan import expand
    from pvt_exp.plan.data_sets import DataSets
    from tests.conftest import EXPERIMENT

    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(EXPERIMENT)
    (tmp_path / "sweep.yaml").write_text("base: base.yaml\nseeds: [0]\nblocks: [{variants: {same: {}}}]\n")
    planned = expand.load(tmp_path / "sweep.yaml")[1]
    data = DataSets()
    assert data.of(planned).fingerprints == {}
    planned.runs[0].dataset.make(data.of(planned).roots["shapes"])
    assert len(data.of(planned).fingerprints) == 1


def test_runs_on_different_data_are_retrained_where_their_data_were(
    listed: Counter[tuple[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "other.yaml").write_text(BASE.replace("photos", "others"))
    for name in ("base", "other"):
        assert type_here(["run", f"{name}.yaml"], tmp_path).status == 0
    runs = sorted(path.parent.name for path in tmp_path.glob("runs/*/result.json"))
    (tmp_path / "site.yaml").unlink()
    listed.clear()
    said = type_here(["retrain", *runs], tmp_path)
    assert said.status == 0, said
    assert len(list(tmp_path.glob("runs/*/result.set-aside-*.json"))) == len(runs) == 2
    assert listed == BOTH
