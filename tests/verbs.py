"""Every verb and every option of the command, typed for real, and what must come of it.

To add one: a function under `typed`, with the words that are typed behind ``pvt-exp``, then the options (and optional
arguments, by their name in Python) that its asserts are about:

    @typed("plan sweep.yaml --only deeper --json", "--only", "--json")
    def _(said: Said) -> None:
        assert [row["name"] for row in said.json["variants"]] == ["depth deeper"]

The rows are in `tests/typed.py`. They are typed from top to bottom in one folder, with one store, by
`tests/e2e/test_verbs.py`: what trains stands first, and those below look at what it left. `tests/unit/test_verbs.py` fails
for an option, a verb or an argument without a row.
``{run}`` is the id of a finished run; see `names` for the other words in braces.
"""

import contextlib
import functools
import gc
import io
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import typer
from PIL import Image

from pvt_exp import cli, store
from pvt_exp.config.placement import Placement
from pvt_exp.plan import expand, pretraining
from pvt_exp.store import attempts
from pvt_exp.store.results import publish_result


@dataclass
class Said:
    """What one command did."""

    status: int
    out: str
    err: str
    folder: Path
    """The one that it was typed in."""
    names: dict[str, str] = field(default_factory=dict)
    """What stood for ``{run}`` and the like."""

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)

    def attempt(self, run: str, number: int = 1) -> Path:
        """The folder of a try at a run of the usual store."""
        return self.folder / "runs" / run / "attempts" / str(number)


Look = Callable[[Said], None]


class Row(NamedTuple):
    """A command that is typed, and the asserts about it."""

    words: tuple[str, ...]
    shows: tuple[str, ...]
    status: int
    look: Look
    env: dict[str, str]
    how: str
    """``here``: in this process; or the name of the way in `tests/e2e/test_verbs.py` in which it is typed."""

    @property
    def verb(self) -> tuple[str, ...]:
        """``("wandb", "sync")``."""
        return find(self.words)[0]

    def __str__(self) -> str:
        return shlex.join(("pvt-exp", *self.words))


TABLE: list[Row] = []


def typed(words: str, *shows: str, status: int = 0, how: str = "here", **env: str) -> Callable[[Look], Look]:
    """A row of the table: ``shows`` are the options that its asserts are about, ``status`` the exit status that is due."""

    def add(look: Look) -> Look:
        TABLE.append(Row(tuple(shlex.split(words)), shows, status, look, env, how))
        return look

    return add


# ---------------------------------------------------------------- the tree of verbs


@functools.cache
def verbs() -> dict[tuple[str, ...], Any]:
    """Every verb of ``--help``, as click has it; ``()`` is the command itself."""
    root = typer.main.get_command(cli.app)

    def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
        yield path, command
        for name, below in getattr(command, "commands", {}).items():
            yield from walk(below, (*path, name))

    return dict(walk(root, ()))


def find(words: Sequence[str]) -> tuple[tuple[str, ...], Any]:
    """The verb that these words begin with."""
    known = verbs()
    for count in range(len(words), -1, -1):
        if (path := tuple(words[:count])) in known:
            return path, known[path]
    raise AssertionError(words)


def parameters(command: Any) -> dict[str, Any]:
    """What can be typed after a verb: each spelling of each option, and the name of each argument that may be left out."""
    found = {}
    for each in command.params:
        if each.param_type_name == "option":
            found |= {word: each for word in (*each.opts, *each.secondary_opts) if word not in ("--help", "-h")}
        elif not each.required:
            found[each.name] = each
    return found


# ---------------------------------------------------------------- typing


def type_here(words: Sequence[str], folder: Path) -> Said:
    """Type a command in this process; what processes that it starts print counts too."""
    before, arguments = Path.cwd(), sys.argv
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.chdir(folder)
        sys.argv = ["pvt-exp", *words]
        status: object = 0
        try:
            with _into(1, out), _into(2, err):
                try:
                    cli.main()
                except SystemExit as end:
                    status = end.code
        finally:
            os.chdir(before)
            sys.argv = arguments
            gc.unfreeze()
            gc.enable()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return Said(int(status or 0), *texts, folder)  # type: ignore[call-overload]


@contextlib.contextmanager
def _into(number: int, file: Any) -> Iterator[None]:
    """Have a file descriptor, and Python's stream on it, go to a file."""
    name = {1: "stdout", 2: "stderr"}[number]
    stream, kept = getattr(sys, name), os.dup(number)
    stream.flush()
    os.dup2(file.fileno(), number)
    ours = io.TextIOWrapper(os.fdopen(os.dup(number), "wb"), encoding="utf-8", line_buffering=True)
    setattr(sys, name, ours)
    try:
        yield
    finally:
        ours.close()
        setattr(sys, name, stream)
        os.dup2(kept, number)
        os.close(kept)


# ---------------------------------------------------------------- the project

BASE = """\
task: {kind: classification, num_classes: 4, image_px: 32}
dataset: {kind: shapes, num_classes: 4, image_px: 32, train_images: 32, val_images: 16}
backbone: {kind: pvt, embed_dims: [8, 8, 8, 8], heads: [1, 1, 1, 1], depths: [1, 1, 1, 1], mlp_ratios: [2, 2, 2, 2]}
optim: {kind: adamw, lr: 2e-3}
schedule: {kind: cosine, warmup_epochs: 0}
epochs: 1
batch_size: 16
ghost_batch_size: 8
"""
SWEEP = """\
base: base.yaml
seeds: [0, 1]
blocks:
  - one_at_a_time:
      depth:
        deeper: {backbone.depths: [2, 1, 1, 1]}
        deepest: {backbone.depths: [2, 2, 1, 1]}
"""
PETS = """\
task: {kind: classification, num_classes: 2, image_px: 32}
dataset: {kind: image_folder, name: pets}
backbone: {kind: pvt, embed_dims: [8, 8, 8, 8], heads: [1, 1, 1, 1], depths: [1, 1, 1, 1], mlp_ratios: [2, 2, 2, 2]}
optim: {kind: adamw, lr: 2e-3}
schedule: {kind: cosine, warmup_epochs: 0}
epochs: 1
batch_size: 2
"""
PAGE = "title: Two tables\ntables:\n  - {sweep: sweep.yaml}\n  - {sweep: sweep.yaml, columns: [params, n]}\n"
RICH = """\
base: base.yaml
seeds: [0]
match: {cost: params, within: 5%, by: backbone.embed_dims}
where: backbone.kind != "pvt" or optim.lr < 0.1
published: {base: v1/table2/PVT-Tiny}
blocks:
  - one_at_a_time:
      depth:
        deep: {backbone.depths: [3, 3, 3, 3]}
        deep again: {backbone.depths: [3, 3, 3, 3]}
      rate: {huge: {optim.lr: 1.0}}
      model: {other: {backbone: {kind: timm, name: resnet18}}}
"""
"""A plan that has something to say of everything that a plan can tell."""
COMPARED = (
    "tables:\n  - {kind: reproduction, sweep: rich.yaml}\n  - {sweep: rich.yaml, columns: [interval, difference]}\n"
)
TUNED = """\
base: base.yaml
seeds: [0]
tune: {space: {optim.lr: {low: 1e-4, high: 1e-2, log: true}}, trials: 1, holdout: {fraction: 0.5}}
blocks:
  - variants: {all: {}}
"""
FILES = {
    "base.yaml": BASE,
    "sweep.yaml": SWEEP,
    "page.yaml": PAGE,
    "pet.yaml": PETS,
    "pets.yaml": "base: pet.yaml\nblocks:\n  - variants: {all: {}}\n",
    "rich.yaml": RICH,
    "compared.yaml": COMPARED,
    "tuned.yaml": TUNED,
    "first.yaml": BASE.replace("lr: 2e-3", "lr: 1.0e+30"),
    "second.yaml": BASE + "pretrain: first.yaml\n",
    "stages.yaml": "base: second.yaml\nblocks:\n  - variants: {all: {}}\n",
}


def make_project(folder: Path) -> None:
    """An experiment, a sweep, a report and two photographs; and a sweep on photographs of a person's own."""
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "data").mkdir()
    for place in ("train/cat", "train/dog", "val/cat", "val/dog"):
        (folder / "pets" / place).mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(folder / "pets" / place / "a.png")
    (folder / "pets/train/cat/b.heic").touch()
    (folder / "broken.png").touch()
    (folder / "photos").mkdir()
    for name, colour in (("red.png", (255, 0, 0)), ("blue.jpg", (0, 0, 255))):
        Image.new("RGB", (40, 30), colour).save(folder / "photos" / name)


def names(folder: Path) -> dict[str, str]:
    """What stands in the words for ``{run}``: the ids of the sweep's runs, and of some that are typed as changed."""
    planned = expand.load(folder / "sweep.yaml")[1]
    runs = {(row.name, run.seed): run.id for row in planned.variants for run in row.runs}
    changed = [pretraining.experiment(folder / "base.yaml", [f"optim.lr={lr}"]).id for lr in ("1e-3", "3e-3", "4e-3")]
    found = {"run": runs["base", 0], "deeper": runs["depth deeper", 0], "pending": runs["base", 1]}
    first = pretraining.experiment(folder / "first.yaml").id
    return {**found, "single": changed[0], "of_wandb": changed[1], "failed": changed[2], "first": first}


def finish_elsewhere(folder: Path) -> None:
    """Have the run of ``pets.yaml`` be one that was trained on other pets."""
    run = pretraining.experiment(folder / "pet.yaml")
    made = {
        "metrics": {"top1": 50.0, "loss": 1.0},
        "epoch": 1,
        "best": {"epoch": 1, "metrics": {"top1": 50.0, "loss": 1.0}},
    }
    made |= {"cost": {"params": 1, "trainable_params": 1, "macs": 1, "input_px": [32, 32]}}
    made |= {"data": {"name": "pets", "fingerprint": "f" * 16, "skipped": 0}}
    git = {"sha": "a" * 40, "dirty": False, "diff_sha256": None}
    made |= {"provenance": {"git": git, "seconds": 1.0, "hardware": {}, "attempt": 1}}
    publish_result(store.attempt(store.create(folder / "runs"), run, Placement(), "pets"), made)


def fail(folder: Path, run: str, *overrides: str) -> None:
    """Have a run be one that has failed once."""
    found = pretraining.experiment(folder / "base.yaml", overrides)
    assert found.id == run
    attempt = store.attempt(store.create(folder / "runs"), found, Placement(), "earlier")
    attempts.end(attempt, "failed", "RuntimeError: the disk was away")
