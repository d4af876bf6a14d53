"""What a person gets wrong, typed as a person types it: one clear message, exit status 2, nothing in the store."""

import json
import math
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import EXPERIMENT, SWEEP, Cli, environment

PVT_EXP = str(Path(sys.executable).with_name("pvt-exp"))
PHOTOS = EXPERIMENT.replace(
    "dataset: {kind: shapes, num_classes: 4, image_px: 32, train_images: 96, val_images: 48}",
    "dataset: {kind: image_folder, name: photos}",
).replace("num_classes: 4", "num_classes: 2")
HEAD = "base: base.yaml\nblocks:\n"


def experiment(old: str, new: str) -> dict[str, str]:
    """The experiment with one thing changed."""
    assert old in EXPERIMENT
    return {"base.yaml": EXPERIMENT.replace(old, new)}


def blocks(text: str, head: str = HEAD) -> dict[str, str]:
    return {"sweep.yaml": head + text}


class Bad(NamedTuple):
    """What lies in the folder, what is typed, and what is said; a line each, whole or in part."""

    name: str
    files: dict[str, str | bytes]
    words: str
    said: tuple[str, ...]
    env: dict[str, str] = {}  # noqa: RUF012


RUN, DRIVE = "run base.yaml", "sweep sweep.yaml"
CASES = [
    # ------------------------------------------------------------ YAML
    Bad("no file", {}, "run bsae.yaml", ("bsae.yaml: no such file; did you mean base.yaml",)),
    Bad("a folder", {}, "run .", (".: Is a directory",)),
    Bad("a misspelt key", experiment("epochs: 2", "epohcs: 2"), RUN, (
        "base.yaml:12: epohcs: unknown key; did you mean epochs",
    )),
    Bad("a key deep down", experiment("  heads:", "  haeds:"), RUN, (
        "base.yaml:7: backbone.haeds: unknown key; did you mean backbone.heads",
    )),
    Bad("a wrong type", experiment("epochs: 2", "epochs: two"), RUN, (
        "base.yaml:12: epochs: must be a valid integer, not 'two'",
    )),
    Bad("several at once", experiment("epochs: 2\nbatch_size: 16", "epochs: 0\nbatch_size: 1.5\nema_decay: 2"), RUN, (
        "base.yaml:12: epochs: must be greater than or equal to 1, not 0",
        "base.yaml:13: batch_size: must be a valid integer, not 1.5",
        "base.yaml:14: ema_decay: must be less than 1, not 2",
    )),
    Bad("a key twice", experiment("epochs: 2", "epochs: 2\nepochs: 3"), RUN, (
        "base.yaml:13: epochs: this key stands here twice",
    )),
    Bad("a tab", experiment("  kind: pvt", "\tkind: pvt"), RUN, ("base.yaml:4: a tab: YAML is indented with spaces",)),
    Bad("an empty file", {"base.yaml": ""}, RUN, ("base.yaml: the file is empty",)),
    Bad("an empty sweep", {"sweep.yaml": "\n"}, DRIVE, ("sweep.yaml: the file is empty",)),
    Bad("a binary file", {"base.yaml": bytes(range(256))}, RUN, ("base.yaml: not a text file",)),
    Bad("bytes of zero", {"base.yaml": bytes(64)}, RUN, ("base.yaml:1: a character that no text has",)),
    Bad("a list", {"base.yaml": "- 1\n"}, RUN, ("base.yaml: a mapping of fields is due here, not a list",)),
    Bad("a key of odd letters", experiment("epochs: 2", 'epochs: 2\n"a\\n[\\e[31m": 1'), RUN, (
        r"base.yaml:13: a\n[\x1b[31m: unknown key",
    )),
    # ------------------------------------------------------------ components
    Bad("an unknown kind", experiment("kind: adamw", "kind: adam"), RUN, (
        "base.yaml:10: optim: unknown kind 'adam'; did you mean adamw",
    )),
    Bad("no kind", experiment("kind: cosine, ", ""), RUN, ("base.yaml:11: schedule: this mapping must say its kind",)),
    Bad("an unknown timm name", {}, f"{RUN} backbone={{kind:\xa0timm,name:\xa0resnet81}}", (
        "override 'backbone={kind: timm,name: resnet81}': backbone.name: timm has no model 'resnet81'; did you mean ",
    )),
    Bad("an unknown preset", experiment("pvt_v2_b0", "pvt_v2_b9"), RUN, (
        "base.yaml:5: backbone.preset: unknown preset 'pvt_v2_b9'; did you mean pvt_v2_b",
    )),
    Bad("heads", experiment("heads: [1, 2, 2, 2]", "heads: [1, 2, 3, 2]"), RUN, (
        "base.yaml:7: backbone.heads: 3 heads do not divide the 16 channels of stage 3",
    )),
    Bad("a list too short", experiment("depths: [1, 1, 1, 1]", "depths: [1, 1]"), RUN, (
        "base.yaml:8: backbone.depths has 2 entries and embed_dims 4; each needs one a stage",
    )),
    Bad("a pair of three", experiment("lr: 2e-3", "lr: 2e-3, betas: [0.9, 0.99, 0.999]"), RUN, (
        "base.yaml:10: optim.betas: must have at most 2 entries",
    )),
    Bad("an image too small", experiment("image_px: 32}\ndataset", "image_px: 16}\ndataset"), RUN, (
        "base.yaml:3: backbone: an image of 16 x 16 gives stage 1 a map of 4 x 4, of which "
        "attention.ratios 8 leaves nothing to attend to",
    )),
    Bad("a group that does not divide", {}, f"{RUN} ghost_batch_size=5", (
        "override 'ghost_batch_size=5': ghost_batch_size 5 does not divide batch_size 16",
    )),
    Bad("a warm-up without end", experiment("warmup_epochs: 0", "warmup_epochs: 2"), RUN, (
        "base.yaml:11: schedule.warmup_epochs 2 leaves none of 2 epochs",
    )),
    Bad("data for another task", experiment("kind: classification", "kind: detection"), RUN, ("base.yaml:1: task",)),
    Bad("a data set's name", {"base.yaml": PHOTOS.replace("photos", "../photos")}, RUN, ("base.yaml:2: dataset.name: ",)),
    Bad("a split outside", {"base.yaml": PHOTOS.replace("photos", "photos, train: ../x")}, RUN, (
        "base.yaml:2: dataset: '../x' leads out of the data's folder",
    )),
    # ------------------------------------------------------------ sweeps
    Bad("a sweep to run", {}, "run sweep.yaml", (
        "sweep.yaml: this is a sweep; to drive it: pvt-exp sweep sweep.yaml",
    )),
    Bad("an experiment to sweep", {}, "sweep base.yaml", (
        "base.yaml: this is an experiment; a sweep has a base and blocks (to train it: pvt-exp run)",
    )),
    Bad("a report to sweep", {"page.yaml": "tables: [{sweep: sweep.yaml}]\n"}, "sweep page.yaml", (
        "page.yaml: this is a report; to write it: pvt-exp report page.yaml",
    )),
    Bad("a report to run", {"page.yaml": "tables: [{sweep: sweep.yaml}]\n"}, "run page.yaml", (
        "page.yaml: this is a report; to write it: pvt-exp report page.yaml",
    )),
    Bad("a base that is missing", {"sweep.yaml": SWEEP.replace("base.yaml", "bsae.yaml")}, DRIVE, (
        "sweep.yaml:1: base: bsae.yaml: no such file; did you mean base.yaml",
    )),
    Bad("a base that is a sweep", {"sweep.yaml": SWEEP.replace("base.yaml", "sweep.yaml")}, DRIVE, (
        "sweep.yaml:1: base: sweep.yaml is a sweep",
    )),
    Bad("a base that is wrong", experiment("epochs: 2", "epochs: 0"), DRIVE, ("base.yaml:12: epochs: must be greater",)),
    Bad("an axis over no field", blocks("  - product:\n      depth:\n        a: {backbone.dpeths: [1, 1, 1, 1]}\n"), DRIVE, (
        "sweep.yaml:5: backbone.dpeths: unknown key; did you mean backbone.depths",
    )),
    Bad("an axis into a number", blocks("  - product:\n      depth:\n        a: {epochs.x: 1}\n"), DRIVE, (
        "sweep.yaml:5: epochs.x: 'x' leads into 2, which has no fields",
    )),
    Bad("an empty grid", blocks("  - product: {depth: {}}\n"), DRIVE, (
        "sweep.yaml:3: blocks.0.product.depth: must have at least 1 entries",
    )),
    Bad("no blocks", blocks("  []\n"), DRIVE, ("sweep.yaml:2: blocks: must have at least 1 entries",)),
    Bad("a filter that keeps none", blocks("  - variants: {a: {}}\nwhere: epochs > 5\n"), DRIVE, (
        "sweep.yaml:4: where: removes the only variant",
    )),
    Bad("a name twice", blocks("  - variants: {a: {epochs: 3}, a: {epochs: 4}}\n"), DRIVE, (
        "sweep.yaml:3: a: this key stands here twice",
    )),
    Bad("a name in two blocks", blocks("  - variants: {a: {epochs: 3}}\n  - variants: {a: {epochs: 4}}\n"), DRIVE, (
        "two different rows are called",
    )),
    Bad("a line end in a name", blocks('  - variants: {"a\\nb": {epochs: 3}}\n'), DRIVE, (
        "sweep.yaml:3: blocks.0.variants.a\\nb: a name is a line of plain text",
    )),
    Bad("a zero byte in an axis", blocks('  - product: {"a\\0b": {c: {epochs: 3}}}\n'), DRIVE, (
        "sweep.yaml:3: a character that no text has: '\\x00'",
    )),
    Bad("no name", blocks('  - variants: {"": {epochs: 3}}\n'), DRIVE, ("sweep.yaml:3: blocks.0.variants.: a name is",)),
    Bad("seeds in the file", blocks("  - variants: {a: {}}\n", "base: base.yaml\nseeds: [1, 1]\nblocks:\n"), DRIVE, (
        "sweep.yaml:2: seeds: the same seed twice",
    )),
    # ------------------------------------------------------------ options
    Bad("an override of no field", {}, f"{DRIVE} optim.rl=1", ("override 'optim.rl=1': optim.rl: unknown key",)),
    Bad("an override of no value", {}, f"{DRIVE} optim.lr", ("override 'optim.lr': write field=value",)),
    Bad("seeds", {}, f"{DRIVE} --seeds one", ("--seeds one: write numbers, for instance 0-3 or 0,2,5",)),
    Bad("seeds backwards", {}, f"{DRIVE} --seeds 3-1", ("--seeds 3-1: ",)),
    Bad("seeds twice", {}, f"{DRIVE} --seeds 0,0", ("--seeds 0,0: ",)),
    Bad("seeds too large", {}, f"{DRIVE} --seeds 0,99999999999", ("--seeds 0,99999999999: ",)),
    Bad("seeds without end", {}, f"{DRIVE} --seeds {'9' * 5000}", ("--seeds 9999",)),
    Bad("seeds of nothing", {}, f"{DRIVE} --seeds=", ("--seeds : write numbers",)),
    Bad("GPUs", {}, f"{DRIVE} --gpus all", ("--gpus all: write numbers, for instance 0-3 or 0,2,5",)),
    Bad("a GPU that is not there", {}, f"{DRIVE} --gpus 97", ("--gpus 97: no GPU 97 here; there are",)),
    Bad(
        "only what is not there",
        {},
        f"{DRIVE} --only depht",
        ("--only depht: no variant, axis, choice or run of sweep; did you mean 'depth'; it has 'base', 'depth deeper'",),
    ),
    Bad("a state", {}, f"{DRIVE} --retry broken", ("--retry broken: one of failed, diverged, out_of_memory",)),
    Bad("a micro-batch", {}, f"{DRIVE} --micro-batch 5", ("--micro-batch 5: does not divide the run's ghost_",)),
    Bad("W&B", {}, f"{DRIVE} --wandb on", ("--wandb on: one of online, offline, disabled",)),
    Bad("a W&B sweep of no file", {}, "wandb sweep sweep.yml", ("sweep.yml: no such file; did you mean sweep.yaml",)),
    Bad("a run of no id", {}, "wandb run sweep.yaml optim.lr=1", ("run=ID must be given once, not 0 times",)),
    Bad("a run of another sweep", {}, "wandb run sweep.yaml run=runs/0123", ("run=0123: no run of sweep as it is planned",)),
    Bad("an upload without a store", {"runs": "x"}, "wandb sync", ("runs: not a folder",)),
    Bad("W&B by its variable", {}, DRIVE, ("WANDB_MODE on: one of online, offline, disabled",), {"WANDB_MODE": "on"}),
    Bad("data that no run uses", {}, f"{DRIVE} --data photos=.", (
        "--data photos: sweep uses no such data set; it uses shapes",
    )),
    Bad("data nowhere", {}, f"{DRIVE} --data shapes=nowhere", ("--data shapes=nowhere: no such folder: nowhere",)),
    Bad("data without a name", {}, f"{DRIVE} --data nowhere", ("--data nowhere: write NAME=PATH",)),
    Bad("data not said", {"base.yaml": PHOTOS}, RUN, (
        "data set photos: no folder is given; use --data photos=PATH, $PVT_EXP_DATA or site.yaml",
    )),
    Bad("no site", {}, RUN, ("here.yaml: no such file",), {"PVT_EXP_SITE": "here.yaml"}),
    Bad("a site", {"site.yaml": "daat: {photos: x}\n"}, RUN, ("site.yaml:1: daat: unknown key; did you mean data",)),
    Bad("no weights", {}, f"{RUN} backbone.pretrained=b0.pth", (
        "override 'backbone.pretrained=b0.pth': backbone.pretrained: no such file: b0.pth",
    )),
    Bad("no weights in a choice", blocks("  - variants:\n      a: {backbone.pretrained: b0.pth}\n"), DRIVE, (
        "sweep.yaml:4: backbone.pretrained: no such file: b0.pth",
    )),
    Bad("weights of no model", {}, f"{RUN} backbone.pretrained=timm:pvt_v2_b99", (
        "backbone.pretrained: timm has no model 'pvt_v2_b99'; did you mean pvt_v2_b",
    )),
    Bad("a store that is a file", {"runs": "x"}, RUN, ("runs: not a folder",)),
    Bad("a store that cannot be made", {"x": "x"}, f"{RUN} --store x/runs", ("x/runs: cannot keep runs here: Not a dir",)),
    # ------------------------------------------------------------ looking
    Bad("a reference", {}, "published v1/table2/PVT-Smal2", (
        "no published figure 'v1/table2/PVT-Smal2'; did you mean v1/table2/PVT-Small",
    )),
    Bad("a run id", {}, "runs show xyz", ("'xyz' is no id of a run: up to 12 digits of 0-9 and a-f",)),
    Bad("a run that is not there", {}, "runs show abc", ("'abc' matches no run in runs",)),
    Bad("a report of no sweep", {"page.yaml": "title: x\ntables:\n- sweep: seewp.yaml\n"}, "report page.yaml", (
        "page.yaml:3: tables.0: seewp.yaml: no such file; did you mean sweep.yaml",
    )),
    Bad("published rows of no sweep", {
        "page.yaml": "tables:\n- {kind: reproduction, sweep: sweep.yaml}\n"
    }, "report page.yaml", (
        "page.yaml:2: tables.0.sweep: no row of it has published figures; write published in the sweep, docs/published.md",
    )),
    Bad("a published figure", {"sweep.yaml": SWEEP + "published:\n  deeper: v1/table2/PVT-Smal\n"}, "plan sweep.yaml", (
        "sweep.yaml:9: published: no published figure 'v1/table2/PVT-Smal'; did you mean v1/table2/PVT-Small",
    )),
    Bad("a row that is published of", {"sweep.yaml": SWEEP + "published: {depeer: v1/table2/PVT-Small}\n"}, DRIVE, (
        "sweep.yaml:8: published: the sweep has no row 'depeer'; did you mean 'deeper'",
    )),
    Bad("a base that is no row", {"page.yaml": "tables:\n- {sweep: sweep.yaml, base: depeer}\n"}, "report page.yaml", (
        "page.yaml:2: tables.0.base: no row is called 'depeer'; did you mean 'deeper'",
    )),
    Bad("differences to no row", {
        **blocks("- variants: {deep: {backbone.depths: [2, 1, 1, 1]}, deeper: {backbone.depths: [3, 1, 1, 1]}}\n"),
        "page.yaml": "tables:\n- sweep: sweep.yaml\n  columns: [top1, difference]\n",
    }, "report page.yaml", (
        "page.yaml:3: tables.0.columns.1: difference: differences are to the base, which is not among the rows; name ",
    )),
    Bad("a check of no table", {}, "report sweep.yaml --check", (
        "reports/out/sweep/table.csv: there is no table to check; without --check the same command writes it",
    )),
    Bad("tables into a file", {"x": "x", "page.yaml": "title: T\ntables: [{sweep: sweep.yaml}]\n"}, (
        "report page.yaml --out x"
    ), ("x/page/sweep: Not a directory",)),
]  # fmt: skip


def lines(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """What is said, a problem a line."""
    said = done.stderr.splitlines()
    assert all(line.startswith("error: ") for line in said), said
    return [line.removeprefix("error: ") for line in said]


@pytest.mark.parametrize("bad", CASES, ids=lambda bad: bad.name)
def test_is_told_and_nothing_is_kept(bad: Bad, sweep: Path, cli: Cli, tmp_path: Path) -> None:
    for name, content in bad.files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(tmp_path.rglob("*"))
    done = cli(*(word.replace("\xa0", " ") for word in bad.words.split(" ")), ok=2, **bad.env)
    said = lines(done)
    assert sorted(tmp_path.rglob("*")) == before
    assert len(said) == len(bad.said), said
    for due, line in zip(bad.said, said, strict=True):
        assert due in line


# ---------------------------------------------------------------- data


def photos(folder: Path, **splits: dict[str, int]) -> Path:
    """``train={"cat": 2}``: images in the layout of an image folder, and the experiment that wants them."""
    rng = np.random.default_rng(0)
    for split, classes in splits.items():
        for name, number in classes.items():
            (folder / "photos" / split / name).mkdir(parents=True)
            for n in range(number):
                pixels = rng.integers(0, 255, (12, 12, 3), np.uint8)
                Image.fromarray(pixels).save(folder / "photos" / split / name / f"{n}.png")
    (folder / "base.yaml").write_text(PHOTOS)
    return folder / "photos"


def test_what_is_left_out_is_told_when_runs_are_launched(cli: Cli, tmp_path: Path) -> None:
    many = {"a": 8, "b": 8}
    root = photos(tmp_path, train=many, val=many)
    (root / "train/a/list.txt").write_text("no image")
    (tmp_path / "sweep.yaml").write_text("base: base.yaml\nblocks:\n  - variants: {one: {epochs: 1}}\n")
    line = "train: files ending in .txt: 1 not taken (train/a/list.txt)"
    for words in (("run", "base.yaml"), ("sweep", "sweep.yaml")):
        said = cli(*words, "--data", f"photos={root}")
        told = (said.stdout + said.stderr).splitlines()
        (at,) = (i for i, each in enumerate(told) if each.strip() == line)
        assert "left out or changed" in told[at - 1]
    assert "train: files ending in .txt: 1 not taken" in (tmp_path / "reports/out/sweep/table.md").read_text()


SOME = {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ({"train": SOME, "val": SOME}, "2 training images do not fill one batch of 16"),
        ({"train": SOME}, "photos/val: no such folder"),
        (
            {"train": {"a": 1, "b": 0}, "val": SOME},
            "photos/train: no images in the class folder b; known suffixes: .apng",
        ),
        ({"train": {"a": 2}, "val": {"a": 1}}, "photos/train: one class only, a; there is nothing to tell apart"),
        ({"train": SOME, "val": {**SOME, "c": 1}}, "photos/val: classes that train lacks: c"),
        ({"train": {**SOME, "c": 1}, "val": SOME}, "3 classes and the run says task.num_classes: 2"),
    ],
    ids=["no batch", "no val", "an empty class", "one class", "more in val", "num_classes"],
)
def test_data_that_do_not_fit(splits: dict[str, dict[str, int]], said: str, cli: Cli, tmp_path: Path) -> None:
    photos(tmp_path, **splits)
    (line,) = lines(cli("run", "base.yaml", "--data", "photos=photos", ok=2))
    assert line.startswith("data set photos: ")
    assert said in line
    assert not (tmp_path / "runs").exists()
    (tmp_path / "sweep.yaml").write_text("base: base.yaml\nseeds: [0]\nblocks: [{variants: {deep: {epochs: 3}}}]\n")
    assert f"cannot be trained on: {line}" in cli("plan", "sweep.yaml", "--data", "photos=photos").stdout


def test_data_that_are_not_there(cli: Cli, tmp_path: Path) -> None:
    root = photos(tmp_path)
    (tmp_path / "site.yaml").write_text("data: {photos: photos}\n")
    assert lines(cli("run", "base.yaml", ok=2)) == [f"data set photos: {root}: no such folder"]
    root.mkdir()
    assert lines(cli("run", "base.yaml", ok=2)) == [f"data set photos: {root}/train: no such folder"]
    for split in ("train", "val"):
        (root / split).mkdir()
    assert (
        "photos/train: no folders in it; a folder for each class is expected" in lines(cli("run", "base.yaml", ok=2))[0]
    )
    shutil.rmtree(root)
    root.touch()
    assert lines(cli("run", "base.yaml", ok=2)) == [f"data set photos: {root}: a file, where a folder is expected"]
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def as_anyone() -> list[str]:
    """What makes a command obey the permissions of files, also for root."""
    if os.geteuid():
        return []
    powers = "-dac_override,-dac_read_search"
    command = ["setpriv", "--bounding-set", powers, "--inh-caps", powers]
    if not shutil.which("setpriv") or subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("root may read everything, and cannot give that up here")
    return command


@pytest.mark.parametrize("place", ["photos", "photos/train/b", "photos/val/a/0.png", "base.yaml", "runs"])
def test_what_may_not_be_read(place: str, as_anyone: list[str], tmp_path: Path) -> None:
    photos(tmp_path, train={"a": 8, "b": 8}, val=SOME)
    (tmp_path / "runs").mkdir()
    (tmp_path / place).chmod(0)
    command = [*as_anyone, PVT_EXP, "run", "base.yaml", "--data", "photos=photos"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    (tmp_path / place).chmod(0o755)
    assert done.returncode == 2, done.stderr
    (line,) = lines(done)
    assert f"{place}: " in line
    assert "Permission denied" in line
    assert not any((tmp_path / "runs").iterdir())


def test_data_for_another_task(cli: Cli, tmp_path: Path) -> None:
    """A data set of another package that has labels for nothing."""
    (tmp_path / "words-1.dist-info").mkdir()
    (tmp_path / "words-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: words\nVersion: 1\n")
    (tmp_path / "words-1.dist-info/entry_points.txt").write_text("[pvt_exp.datasets]\nwords = words\n")
    (tmp_path / "words.py").write_text(
        "from typing import Literal\nfrom pvt_exp.datasets import Dataset\n"
        "class Settings(Dataset):\n    tasks = frozenset({'detection'})\n    kind: Literal['words'] = 'words'\n"
    )
    (tmp_path / "base.yaml").write_text(PHOTOS.replace("kind: image_folder", "kind: words"))
    (line,) = lines(cli("run", "base.yaml", ok=2, PYTHONPATH=str(tmp_path)))
    assert line == "base.yaml:2: dataset: kind words has no labels for the task classification; it serves detection"


# ---------------------------------------------------------------- the store


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_store_of_a_newer_version(sweep: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/store.json").write_text('{"format": 99}')
    for words in (["sweep", sweep], ["plan", sweep], ["status"], ["report", sweep], ["runs", "list"]):
        assert lines(cli(*words, ok=2)) == ["runs: made by a newer version of pvt_exp (format 99, this one knows 1)"]
    assert contents(tmp_path / "runs") == {"store.json": b'{"format": 99}'}


def test_an_id_of_several_runs(cli: Cli, tmp_path: Path) -> None:
    for name in ("abc000000001", "abc000000002"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.yaml").touch()
    said = lines(cli("runs", "show", "abc", ok=2))
    assert said == ["'abc' matches 2 runs: abc000000001, abc000000002"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a run of one epoch is done."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "base.yaml").write_text(EXPERIMENT.replace("epochs: 2", "epochs: 1"))
    subprocess.run([PVT_EXP, "run", "base.yaml"], cwd=folder, env=environment(), check=True, capture_output=True)
    return folder


class Evil:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.mark)!r}, 'w')",)


def test_a_result_that_is_torn(trained: Path, cli: Cli, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (result,) = tmp_path.glob("runs/*/result.json")
    whole = json.loads(result.read_text())
    result.write_text(result.read_text()[:100])
    evil = result.parent / "attempts/1/checkpoints/epoch=9-step=999.ckpt"
    torch.save({"state_dict": {"a": Evil(tmp_path / "mark")}}, evil)
    for words in (["status"], ["runs", "list"], ["runs", "show", result.parent.name]):
        assert "killed" in cli(*words).stdout
    said = cli("run", "base.yaml").stdout
    assert "1 to train" in said
    assert not (tmp_path / "mark").exists()
    log = (result.parent / "attempts/2/log.txt").read_text()
    assert f"{evil} cannot be read and is passed over" in log
    again = json.loads(result.read_text())
    assert again["metrics"] == whole["metrics"]
    assert again["provenance"]["resumed"] == 1
    assert len(list(result.parent.glob("result.set-aside-*.json"))) == 1


EDITED = {
    "a score that is no number": (lambda told: told["metrics"].update(top1=math.nan), "does not count: metrics.top1: must"),
    "a score that cannot be": (lambda told: told["metrics"].update(top1=150), "does not count: metrics.top1: 150 is"),
    "no data": (lambda told: told.pop("data"), "does not count: data: is missing"),
    "ids that are text": (lambda told: told["data"].update(category_ids=["a"] * 4), "does not count: data.category_ids:"),
    "a class too few": (lambda told: told["data"]["class_names"].pop(), "cannot be used: data.class_names: 3 classes, and"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("what", EDITED)
def test_a_result_that_was_edited_is_told_in_one_line(what: str, trained: Path, cli: Cli, tmp_path: Path) -> None:
    """By whatever uses it: the reason and no traceback, and standard output stays JSON."""
    change, why = EDITED[what]
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (tmp_path / "sweep.yaml").write_text("base: base.yaml\nblocks:\n  - variants: {all: {}}\n")
    cli("report", "sweep.yaml")
    (result,) = tmp_path.glob("runs/*/result.json")
    run, told = result.parent.name, json.loads(result.read_text())
    change(told)
    result.write_text(json.dumps(told))
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    for words in (["evaluate", run], ["predict", run, "a.png"]):
        done = cli(*words, "--json", ok=2)
        assert not done.stdout
        (line,) = done.stderr.splitlines()
        assert why in line
    counts = "does not count" not in why
    shown = cli("dashboard", "sweep.yaml", "--storage", "sqlite:///a.db", "--json")
    assert json.loads(shown.stdout)["trials"] == int(counts)
    assert [why in line for line in shown.stderr.splitlines()] == [True] * (not counts)
    checked = cli("report", "sweep.yaml", "--check", ok=int(not counts)).stdout
    assert (f"{run}: its result.json {why}" in checked) is not counts
    assert ("--store PATH" in checked) is False, "the run is in this store"
    assert json.loads(cli("report", "sweep.yaml", "--check", "--json", ok=int(not counts)).stdout)["equal"] is counts
    again = cli("retrain", run, "--json")
    assert json.loads(again.stdout)["runs"][0]["state"] == "done"
    assert counts or f"its result.json {why}" in again.stderr
    assert json.loads(result.read_text())["data"]["category_ids"] == [1, 2, 3, 4]


def test_a_run_that_was_edited(trained: Path, cli: Cli, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (written,) = tmp_path.glob("runs/*/run.yaml")
    (written.parent / "result.json").unlink()
    (written.parent / "attempts/1/end.json").unlink()
    written.write_text(written.read_text().replace("epochs: 1\n", "epochs: 4\n"))
    before = contents(tmp_path)
    assert "it was edited" in lines(cli("run", "base.yaml", ok=2))[0]
    before[f"runs/{written.parent.name}/sweeps/base"] += f"{tmp_path}/base.yaml\n".encode()  # of another folder
    assert contents(tmp_path) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "none", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def leave(disk: Path, pages: int | None) -> None:
    """Fill a small disk, but for so many pages; none: make all the room that there is."""
    filler = disk / "filler"
    filler.unlink(missing_ok=True)
    if pages is not None:
        free = os.statvfs(disk)
        filler.write_bytes(bytes((free.f_bavail - pages) * free.f_bsize))


@pytest.mark.slow
def test_a_disk_that_is_full(trained: Path, small_disk: Path, cli: Cli, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    runs = small_disk / "runs"
    shutil.copytree(tmp_path / "runs", runs)
    before = {name: text for name, text in contents(runs).items() if text}
    words = ["run", "base.yaml", "seed=1", "--store", runs]
    leave(small_disk, 0)
    (line,) = lines(cli(*words, ok=1))
    assert line.startswith(f"{runs}/")
    assert line.endswith(": No space left on device; free some space and type it again")
    assert {name: text for name, text in contents(runs).items() if text} == before

    def pages(name: str) -> int:
        of_run = (path for path in runs.rglob(name) if path.is_file() and "code" not in path.relative_to(runs).parts)
        return sum(-(-path.stat().st_size // 4096) for path in of_run)

    last = (
        "store.json",
        "code.diff",
        "result.json",
        "end.json",
        "*.jpg",
        "log.txt",
    )  # the pictures are told in the log
    leave(small_disk, pages("*") - sum(map(pages, last)))  # enough for all of a run but its result
    done = cli(*words, ok=1)
    assert "No space left on device" in done.stdout + done.stderr
    assert len(list(runs.glob("*/result.json"))) == 1
    leave(small_disk, None)
    assert "the run is done" in cli(*words, "--retry", "failed").stdout
    assert before.items() <= contents(runs).items()


# ---------------------------------------------------------------- what only a run finds out


def test_runs_that_cannot_go_well(cli: Cli, tmp_path: Path) -> None:
    """One sweep of them: each ends with its reason, and touches no other."""
    root = photos(tmp_path, train={"a": 16, "b": 16}, val=SOME)
    broken = root / "train/a/5.png"
    broken.write_bytes(broken.read_bytes()[:60])
    torch.save({"model": {"a": Evil(tmp_path / "mark")}}, tmp_path / "evil.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps({"a": Evil(tmp_path / "mark")}))
    torch.save({f"layer{n}.weight": torch.zeros(3) for n in range(9)}, tmp_path / "other.pth")
    torch.save({"a": torch.zeros(1000)}, tmp_path / "torn.pth")
    os.truncate(tmp_path / "torn.pth", 1000)
    weights = "".join(
        f"      {name}: {{backbone.pretrained: {name}.pth, dataset.on_bad_image: skip}}\n"
        for name in ("evil", "bare", "other", "torn")
    )
    (tmp_path / "sweep.yaml").write_text(f"""{HEAD}  - variants:
      fails: {{}}
      skips: {{dataset.on_bad_image: skip}}
      option: {{backbone: {{kind: timm, name: resnet18, options: {{no_such: 1}}}}, dataset.on_bad_image: skip}}
{weights}""")
    (tmp_path / "base.yaml").write_text(PHOTOS.replace("epochs: 2", "epochs: 1"))
    said = cli("sweep", "sweep.yaml", "--data", "photos=photos", ok=1).stdout
    assert "1 of 7 runs are done" in said
    assert not (tmp_path / "mark").exists()
    found = json.loads(cli("status", "sweep.yaml", "--json").stdout)
    runs = {variant["name"]: variant["runs"][0] for variant in found["variants"]}
    assert runs["skips"]["state"] == "done"
    result = json.loads((tmp_path / "runs" / runs["skips"]["id"] / "result.json").read_text())
    (line,) = (line for line in result["data"]["left_out"]["train"] if line["what"] == "unreadable images")
    assert line["number"] == 1
    assert str(broken) in line["examples"][0]
    due = {
        "base": f"{broken}: not a readable image: image file is truncated",
        "evil": "evil.pth: refused, as it holds code (exec); save its tensors alone",
        "bare": "bare.pth: not a checkpoint of PyTorch",
        "other": "this looks like the checkpoint of another architecture",
        "torn": "torn.pth: torn, or not a checkpoint",
        "option": "options: resnet18 of timm has none called 'no_such'",
    }
    for name, reason in due.items():
        assert runs[name]["state"] == "failed"
        assert reason in runs[name]["reason"]
        assert runs[name]["id"] in said
