"""What the documents show as printed is what is printed; what they show of Python runs, and what they name is there."""

import importlib.util
import io
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from rich.console import Console

from pvt_exp import store
from pvt_exp.config.placement import Placement, Tracking
from pvt_exp.nn.data import look
from pvt_exp.plan import expand, pretraining
from pvt_exp.report.terminal import show
from pvt_exp.store import attempts
from pvt_exp.tables import Source
from pvt_exp.tables.comparison import Settings
from tests import docs
from tests.conftest import ROOT
from tests.unit.test_tables import result
from tests.verbs import PETS, type_here

DRAWN = {
    "sweeps/x.yaml --config.read--> Document": "how modules follow one another",
    "runs/store.json": "what lies in a store",
}
"""How blocks begin that are neither typed nor printed, and what they are."""
NOT_TYPED = {
    "git clone <this repository>": "needs the place where the repository is published",
    "wandb leet": "W&B's own program, which draws in a terminal until q is pressed",
    "python -m pip install /path/to/pvt_exp": "`make install` does, and takes minutes",
    "wandb agent": "W&B's own program, which wants W&B's server",
}
"""Commands in blocks that are typed by no test, and why; those of make are looked up in the Makefile."""
TYPED = ("pvt-exp ", "make ", *NOT_TYPED)


def printed_blocks() -> dict[str, docs.Block]:
    """The blocks that show what is printed, by their pages."""
    found = [block for block in docs.blocks() if not block.language and not block.text.startswith((*TYPED, *DRAWN))]
    assert len({block.page for block in found}) == len(found)
    return {block.page: block for block in found}


def test_every_command_in_a_block_is_typed_or_listed() -> None:
    blocks = [block for block in docs.blocks() if not block.language and block.text.startswith(TYPED)]
    lines = [line for block in blocks for _, line in docs.whole_lines(block.text)]
    assert [line for line in lines if not line.startswith(TYPED)] == []
    assert [each for each in NOT_TYPED if not any(line.startswith(each) for line in lines)] == []


def masked(text: str) -> str:
    """Without what differs from one time to the next: ids, times and counts."""
    text = re.sub(r"\b\d{4}-\d\d-\d\dT[\d:]+Z", "TIME", text)
    text = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12}\b", "RUN", text)
    return re.sub(r"\d+", "0", text)


def test_every_block_that_shows_output_is_compared() -> None:
    assert set(printed_blocks()) == {"docs/running.md", "docs/data.md", "docs/tables.md"}, "add a test of it below"
    texts = [block.text for block in docs.blocks()]
    assert [each for each in DRAWN if not any(text.startswith(each) for text in texts)] == []


def test_why(experiment: Path, tmp_path: Path) -> None:
    run = pretraining.experiment(experiment)
    (tmp_path / "sweep.yaml").write_text(f"base: {experiment.name}\n")
    runs = store.create(tmp_path / "runs")
    placement = Placement(tracking=Tracking(name="depth deep, seed 0"))
    attempt = store.attempt(runs, run, placement, "sweep", tmp_path / "sweep.yaml")
    (attempt / "log.txt").touch()
    attempts.end(attempt, "failed", "KeyError: 'x'")
    command, _, shown = printed_blocks()["docs/running.md"].text.partition("\n")
    said = type_here(["why", run.id[:6]], tmp_path)
    assert command == "$ pvt-exp why 4dfff1"
    assert masked(said.out) == masked(shown)


def test_what_is_left_out_of_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cat/IMG_1", "cat/IMG_2", "dog/IMG_9", "dog/IMG_91"):
        (tmp_path / f"pets/train/{name}.heic").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"pets/train/{name}.heic").write_bytes(b"no image")
    turned = Image.Exif()
    turned[0x0112] = 6
    for name in (
        "train/cat/IMG_4",
        "train/cat/IMG_5",
        "train/dog/IMG_7",
        "train/dog/IMG_8",
        "train/dog/IMG_9",
        "val/cat/1",
        "val/dog/2",
    ):
        path = tmp_path / f"pets/{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.effect_noise((32, 32), 90).convert("RGB")
        picture.save(path, exif=turned if name.startswith("train") else Image.Exif())
    (tmp_path / "pet.yaml").write_text(PETS)
    (tmp_path / "pets.yaml").write_text("base: pet.yaml\nblocks:\n  - variants: {all: {}}\n")
    monkeypatch.setattr(look, "HEADERS", 4)  # of five, as 2000 of 3680
    said = type_here(["plan", "pets.yaml", "--data", "pets=pets"], tmp_path)
    shown = masked(printed_blocks()["docs/data.md"].text)
    assert shown in masked(said.out)


MODELS = """\
base: base.yaml
seeds: [0, 1, 2]
blocks:
  - product:
      model:
        PVT v2: {}
        deeper: {backbone.depths: [2, 1, 1, 1]}
        ResNet: {backbone: {kind: timm, name: resnet18}}
      schedule:
        short: {}
        long: {epochs: 4}
"""
DONE = {
    ("PVT v2", "short"): (25_000, 19.79, 1.429),
    ("PVT v2", "long"): (25_000, 18.75, 1.429),
    ("deeper", "short"): (30_000, 25.00, 1.400),
    ("deeper", "long"): (30_000, 17.71, 1.412),
    ("ResNet", "short"): (11_179_000, 23.96, 1.458),
}
"""Parameters, top-1 and loss of the runs with seed 0 that are done."""


def test_a_comparison_while_it_is_trained(experiment: Path) -> None:
    path = experiment.with_name("models.yaml")
    path.write_text(MODELS)
    planned, outcomes = expand.load(path)[1], {}
    for variant in planned.variants:
        (label,) = [each for each in variant.labels if each] or [{"model": "PVT v2", "schedule": "short"}]
        for run in variant.runs:
            seen = {"state": "pending", "reason": None, "result": None}
            if run.seed == 0 and (found := DONE.get((label["model"], label["schedule"]))):
                made = result(found[1], found[2])
                made["cost"]["params"] = found[0]
                seen |= {"state": "done", "result": made}
            elif run.seed == 0:
                seen["state"] = "running"
            outcomes[run.id] = SimpleNamespace(**seen)
    settings = Settings(sweep="models.yaml", title="Shapes", columns=("params", "top1", "loss"))
    out = io.StringIO()
    console = Console(file=out, width=81, color_system=None)
    for line in show(settings.build([Source(planned, outcomes)]), 81):
        console.print(line, soft_wrap=True, highlight=False)
    printed = "\n".join(line.rstrip() for line in out.getvalue().splitlines())
    shown = printed_blocks()["docs/tables.md"].text
    ids = re.compile(r"\b[0-9a-f]{12}\b")
    assert ids.sub("RUN", printed).startswith(ids.sub("RUN", shown))


# ---------------------------------------------------------------- what is neither ours to type nor printed

ELSEWHERE = {
    docs.PACKAGED: "tests/e2e/test_extending.py installs its packages and trains with them",
    "docs/wandb.md": "wandb_workspaces is a package of its own, and its server keeps what is made",
}
"""Pages whose Python is compiled and not executed, and why."""


def test_python_that_is_shown_runs() -> None:
    found = [block for block in docs.blocks() if block.language == "python"]
    assert set(ELSEWHERE) <= {block.page for block in found}
    for block in found:
        code = compile(block.text, block.place, "exec")
        if block.page not in ELSEWHERE:
            exec(code, {"__name__": "shown"})


def test_every_target_of_make_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = [line for block in docs.blocks() for line in block.text.splitlines()]
    spans = [text for _, _, text in docs.spans()]
    named = {found[1] for text in (*lines, *spans) if (found := re.match(r"make ([a-z-]+)", text))}
    assert {"quickstart", "check"} <= named
    assert named <= targets


def test_every_file_that_a_link_or_a_sentence_names_is_there() -> None:
    missing = [
        f"{page}:{line}: {name}"
        for page, line, text in docs.spans()
        for name in re.findall(r"^((?:pvt_exp|tests|sweeps|experiments|reports|docs|benchmarks)/[\w./-]+\.\w+)$", text)
        if not (ROOT / name).exists() and not re.search("mine|SWEEP", name)
    ]
    missing += [
        f"{page}:{line}: {target}"
        for page, line, target in docs.links()
        if "://" not in target and not ((ROOT / page).parent / target.partition("#")[0]).exists()
    ]
    assert not missing


def test_every_heading_that_a_link_names_is_there() -> None:
    headings = {page: docs.anchors(page) for page in docs.PAGES}
    missing = []
    for page, line, target in docs.links():
        path, _, anchor = target.partition("#")
        to = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        if anchor and to in headings and anchor not in headings[to]:
            missing.append(f"{page}:{line}: {target}")
    assert not missing


def test_the_page_of_fields_has_those_of_the_schemas() -> None:
    spec = importlib.util.spec_from_file_location("make_fields", ROOT / "docs/make_fields.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    there = (ROOT / "docs/fields.md").read_text(encoding="utf-8")
    assert there == made.page(), "type python docs/make_fields.py"


def test_the_site_has_every_page() -> None:
    listed = re.findall(r"^ *- (?:\w+: )?([\w/]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = [path.relative_to(ROOT / "docs") for path in docs.PAGES if path.is_relative_to(ROOT / "docs")]
    assert sorted(listed) == sorted(str(path) for path in pages if not path.match("gallery/*/table.md"))


@pytest.mark.parametrize("system", ["darwin", "win32"])
@pytest.mark.parametrize("verb", ["sweep", "run"])
def test_the_readme_says_which_system_training_needs_and_training_says_so_elsewhere(
    system: str, verb: str, sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (needed,) = re.findall(
        r"\*\*What it needs\.\*\* (\w+) for training; `plan`, `status` and `report`", (ROOT / "README.md").read_text()
    )
    monkeypatch.setattr(sys, "platform", system)
    said = type_here([verb, "base.yaml" if verb == "run" else sweep.name, "--gpus", "none"], sweep.parent)
    assert said.err == f"error: training needs {needed}, and this is {system}; plan, status and report work here too\n"
    assert said.status == 2
    assert type_here(["plan", sweep.name], sweep.parent).status == 0
