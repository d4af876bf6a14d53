"""Every command and every block of YAML in README.md and docs/, as it stands there, found by itself.

What is typed is what stands there, but for words that stand for others (`WORDS`, `RUNS`), a verb that a sentence names alone
(`LEFT_OUT`), the CPU in place of GPUs that are not here, data that are drawn, and files that `tests/smallest.py` has made
small. What must come of each verb is in `LOOKS`; what is not done as it stands there is in `NOT_SO`, with the reason. What
each option does is looked at in `tests/typed.py`.
"""

import csv
import io
import json
import re
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from pvt_exp import config, cost
from pvt_exp.cli import json_schema
from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Site
from pvt_exp.config.sweep import Sweep
from pvt_exp.launchers import local
from pvt_exp.plan import expand, pretraining, published
from tests import docs, smallest
from tests.conftest import ROOT, environment
from tests.e2e.test_verbs import driven, see_page
from tests.verbs import Said, find, parameters, type_here
from tests.wandb_server import serving

WORDS = {
    "PATH": "data/photos",
    "0-4": "0-1",
    "SWEEP.yaml": "sweeps/mine.yaml",
    "SWEEP": "sweeps/mine.yaml",
    "path/to/lr.yaml": "sweeps/mine.yaml",
    "REPORT.yaml": "reports/mine.yaml",
    "EXPERIMENT.yaml": "experiments/mine.yaml",
    "IMAGES...": "photos/",
    "FILE|timm:TAG": "b0.pth",
    "VERB": "plan",
}
"""What is typed in place of a word that stands for others."""
RUNS = ("ID", "RUN", "RUN...", "3fa9", "4dfff1", "run=runs/ID")
"""Words in place of which the id of a finished run is typed."""
LEFT_OUT = {
    ("sweep",): ("sweeps/mine.yaml",),
    ("plan",): ("sweeps/mine.yaml",),
    ("report",): ("sweeps/mine.yaml",),
    ("evaluate",): ("RUN",),
    ("retrain",): ("RUN",),
    ("init",): ("fresh",),
    ("predict",): ("RUN", "IMAGES..."),
    ("wandb", "run"): ("sweeps/mine.yaml", "run=runs/ID"),
}
"""What is typed behind a verb that a sentence names alone."""
NOT_SO = {
    "timm:pvt_v2_b0.in1k": ("pvt_v2_b0.pth", "timm would fetch it from the network: a file of such weights is typed"),
    "reports/papers_v2.yaml": (
        "reports/papers_v2.yaml",
        "its runs take GPUs for months: it must say that none is finished",
    ),
    "reports/reproduction.yaml": (
        "reports/reproduction.yaml",
        "the same",
    ),
    "reports/quickstart.yaml": (
        "reports/quickstart.yaml",
        "only some of its sweeps are trained by what stands before it",
    ),
}
"""Words of the documents that are not typed, or do not do what they would, with what is typed and the reason."""
LAST = (("retrain",), ("wandb", "sync"), ("clean",), ("runs", "remove"))
"""Verbs that take something away which others look at, or look at what all others left."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The repository's YAML and README's own study, all of them in their smallest form, and photographs."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("experiments", "sweeps", "reports"):
        shutil.copytree(ROOT / name, folder / name)
    for block in docs.blocks():
        if (named := re.match(r"# (\S+\.yaml)\n", block.text)) and block.page == "README.md":
            (folder / named[1]).write_text(block.text)
    smallest.project(folder)
    for block in docs.blocks():
        if (named := re.match(r"# (\S+\.yaml)\n", block.text)) and block.page == "README.md":
            text = block.text.replace("mine.yaml", "as_printed.yaml")
            (folder / named[1]).with_stem("as_printed").write_text(text)
    (folder / "reports/mine.yaml").write_text("title: Mine\ntables: [{sweep: ../sweeps/mine.yaml}]\n")
    shutil.copy(folder / "reports/mine.yaml", folder / "reports/page.yaml")
    for name in ("photos/a.jpg", "more/b.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.effect_noise((32, 32), 90).convert("RGB").save(folder / name)
    for name in ("b0.pth", "pvt_v2_b0.pth"):  # which blocks name
        (folder / name).write_bytes(b"weights")
    with pytest.MonkeyPatch.context() as changes:
        for name, value in environment(OMP_NUM_THREADS="1", PVT_EXP_DATA=str(folder / "data")).items():
            changes.setenv(name, value)
        yield folder
        local.stop_server()  # it has its code from the folder's store


# ---------------------------------------------------------------- what is typed


def in_order() -> list[docs.Command]:
    """README's first, as the study is made there; last what takes something away, after a look at what it would be."""
    pages = {"README.md": 0, "docs/commands.md": 1}
    return sorted(
        docs.commands(), key=lambda each: (place_of(each), "--dry-run" not in each.words, pages.get(each.page, 2))
    )


def place_of(command: docs.Command) -> int:
    verb = find(command.words)[0]
    return LAST.index(verb) + 1 if verb in LAST else 0


def words_of(command: docs.Command, run: str) -> list[str]:
    """What is typed."""
    typed = list(command.words)
    verb, how = find(typed)
    bare = not any(word for word in typed[len(verb) :] if not word.startswith("-"))
    if bare and verb in LEFT_OUT and not (verb == ("init",) and "--json" in typed):
        typed[len(verb) : len(verb)] = LEFT_OUT[verb]
    if verb == ("init",) and "--json" in typed and "fresh" not in typed:
        typed.insert(1, "another")
    typed = [word.replace(old, run) if word in RUNS else word for word in typed for old in (word.removeprefix("run="),)]
    typed = [smallest.override(NOT_SO.get(WORDS.get(word, word), (WORDS.get(word, word),))[0]) for word in typed]
    typed = [re.sub(r"^(\w+)=(PATH|/data/\w+)$", r"\1=data/\1", word) for word in typed]
    if "-h" in typed or "--version" in typed:
        return typed
    if "--gpus" in typed:
        typed[typed.index("--gpus") + 1] = "none"
    elif "--gpus" in parameters(how):
        typed += ["--gpus", "none"]
    if verb == ("sweep",) and command.page.startswith("docs/gallery/"):
        typed.append("--no-smoke")
    if "--calibrate" in typed:
        typed += ["--only", "deep"]
    if verb == ("runs", "remove"):
        typed.append("--yes")
    if verb == ("wandb", "sweep"):
        typed += ["--seeds", "7"]  # which nothing has trained: it registers what is left to do
    return typed


def run_of(project: Path) -> str:
    """The id of a finished run of README's study."""
    planned = expand.load(project / "sweeps/mine.yaml")[1]
    return next((run.id for run in planned.order if (project / "runs" / run.id / "result.json").exists()), "")


def study_of(words: Sequence[str], project: Path) -> tuple[Path, list[str]] | None:
    """The sweep or experiment that is typed, and the changes to it."""
    path = next((project / word for word in words if re.fullmatch(r"(sweeps|experiments)/.*\.yaml", word)), None)
    if path is None:
        return None
    return path, [word for word in words if re.match(r"[a-z_.]+=", word) and not re.match(r"run=|\w+=data/", word)]


def prepare(words: Sequence[str], project: Path) -> None:
    """Draw the data of what is typed, and make the weights that it names."""
    if (study := study_of(words, project)) is None:
        return
    path, changes = study
    written = config.read(path).value
    run = pretraining.experiment(path.parent / written["base"] if "base" in written else path, changes)
    if "--data" in words:
        smallest.draw(run, project / "data" / run.dataset.name)
    if "--weights" in words:
        import torch

        torch.save(run.task.build(run).network.state_dict(), project / words[words.index("--weights") + 1])


def type_it(words: list[str], command: docs.Command, project: Path, changes: pytest.MonkeyPatch) -> Said:
    """Type a command, with what must be there beside it."""
    verb = find(words)[0]
    if verb == ("dashboard",):
        said, page = see_page([*words, "--port", "0"], project)
        said.names["page"] = page
        return said
    if verb == ("stop",):
        with driven(project, "mine", "runs"):
            return type_here(words, project)
    if verb in (("wandb", "sync"), ("wandb", "sweep")):
        with serving() as server:
            for name, value in server.env.items():
                changes.setenv(name, value)
            return type_here(words, project)
    if "--check" in words:
        type_here([word for word in words if word not in ("--check", "--json")], project)
    if verb == ("sweep",) and command.page == "docs/wandb.md":
        changes.setenv("WANDB_MODE", "offline")
    return type_here(words, project)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, typed = [], set()
    for command in in_order():
        words = words_of(command, run_of(project))
        if tuple(words) in typed:
            continue
        typed.add(tuple(words))
        begun = time.monotonic()
        try:
            prepare(words, project)
            with monkeypatch.context() as changes:
                said = type_it(words, command, project, changes)
            assert "Traceback" not in said.err
            look(words, said)
        except Exception:
            last = traceback.format_exc().splitlines()[-6:]
            told = (said.out[-1500:], said.err[-1500:])
            wrong.append("\n".join((f"{command.place}: {command}", f"  typed {words} [{said.status}]", *told, *last)))
        print(f"{time.monotonic() - begun:6.1f} s  {command.place}: {' '.join(words)}")
    assert not wrong, "\n\n".join(wrong)


def test_what_is_not_so_is_there() -> None:
    used = {word for command in docs.commands() for word in command.words}
    assert not set(NOT_SO) - used


# ---------------------------------------------------------------- what must come of it

Look = Callable[[list[str], Said], None]
MISSING = ("reports/papers_v2.yaml", "reports/quickstart.yaml", "reports/reproduction.yaml")


def look(words: list[str], said: Said) -> None:
    """Assert what a command of this verb must have done."""
    verb = find(words)[0]
    if "-h" in words or "--version" in words:
        assert said.status == 0
        assert re.search(r"Usage: |^pvt-exp \d", said.out)
    elif "--figures" in words and "needs matplotlib" in said.err:
        assert said.status == 2
        assert "pip install 'pvt-exp[figures]'" in said.err
    elif set(words) & set(MISSING) and said.status == 1:
        assert "is finished in runs" in said.err
    elif "--json" in words:
        assert said.status == 0
        assert said.json
    else:
        assert said.status == 0
        LOOKS[verb](words, said)


def rows_of(words: list[str], folder: Path) -> list[str]:
    """The choices that the sweep's blocks write, as far as ``--only`` asks for them."""
    study = study_of(words, folder)
    assert study is not None
    only = [words[at + 1] for at, word in enumerate(words) if word == "--only"]
    names = [choice for _, choice in choices_of(config.read(study[0]).value)]
    return [name for name in names if not only or name in only]


def look_at_table(words: list[str], said: Said) -> None:
    """Its files are there and it has the rows that are written, each with a result."""
    files = [said.folder / line for line in said.out.splitlines() if re.fullmatch(r"\S+\.(tex|md|csv|html)", line)]
    assert {path.suffix for path in files} == {".tex", ".md", ".csv", ".html"}
    assert all(path.stat().st_size for path in files)
    (table,) = [path for path in files if path.suffix == ".csv"]
    there = [row["variant"] for row in csv.DictReader(io.StringIO(table.read_text()))]
    if any(word.startswith("sweeps/") for word in words):
        rows = rows_of(words, said.folder)
        assert [name for name in rows if not any(name in each for each in there)] == []
        assert len(rows) <= len(there) + sum("(" in each for each in there)
        assert [name for name in rows if name not in said.out] == []
    assert "pending" not in said.out


def look_at_sweep(words: list[str], said: Said) -> None:
    assert re.search(r"all \d+ runs are done", said.out)
    look_at_table(words, said)


def look_at_report(words: list[str], said: Said) -> None:
    if "--check" in words:
        assert "equal to what runs gives" in said.out
    else:
        look_at_table(words, said)


def look_at_run(words: list[str], said: Said) -> None:
    assert "the run is done" in said.out
    assert re.search(r"top1 [\d.]+ ", said.out)


def look_at_agent(words: list[str], said: Said) -> None:
    assert "done" in said.out


def look_at_plan(words: list[str], said: Said) -> None:
    assert [name for name in rows_of(words, said.folder) if name not in said.out] == []
    if "--cost" in words:
        assert re.search(r"parameters \(.\).*MACs \(.\).*memory", said.out)
        assert re.search(r"^base .* [\d.]+ .* x 1\.00, x 1\.00( |$)", said.out, re.MULTILINE)
    if "--calibrate" in words:
        assert re.search(r"\d h|hours", said.out)
        assert list(said.folder.glob("runs/calibrations/*.json"))


def look_at_project(words: list[str], said: Said) -> None:
    """All that is named as new is there, and the next command that is printed plans it."""
    new = [said.folder / line.removeprefix("new: ") for line in said.out.splitlines() if line.startswith("new: ")]
    assert {path.parent.name for path in new} >= {"experiments", "sweeps", "reports", "schema"}
    assert all(path.stat().st_size for path in new)
    sweep = next(path for path in new if path.parent.name == "sweeps")
    assert said.out.splitlines()[-1].endswith(f"pvt-exp plan sweeps/{sweep.name} --cost")
    assert expand.load(sweep)[1].variants


def look_at_id(words: list[str], said: Said) -> None:
    """It names the run that was asked for, and that it is done."""
    (run,) = [word for word in words if re.fullmatch(r"[0-9a-f]{12}", word)]
    assert run in said.out
    assert "done" in said.out


def look_at_status(words: list[str], said: Said) -> None:
    assert "mine" in said.out
    assert re.search(r"\d+ done", said.out)


def look_at_list(words: list[str], said: Said) -> None:
    made = [path.parent.name for path in said.folder.glob("runs/*/result.json")]
    assert made
    assert [run for run in made if not re.search(rf"^{run} +done ", said.out, re.MULTILINE)] == []


def look_at_predictions(words: list[str], said: Said) -> None:
    out = words[words.index("--out") + 1] if "--out" in words else f"predictions/{words[1]}"
    told = json.loads((said.folder / out / "predictions.json").read_text())
    named = [word for word in words[2:] if word.startswith(("photos/", "more/"))]
    assert (told["run"], len(told["images"])) == (words[1], len(named))
    assert all((said.folder / out / each["picture"]).is_file() for each in told["images"])


def look_at_scores(words: list[str], said: Said) -> None:
    assert re.search(r"top1\D+[\d.]+", said.out)


def look_at_models(words: list[str], said: Said) -> None:
    for preset, millions in (("pvt_tiny", "13.23"), ("pvt_v2_b0", "3.67"), ("pvt_v2_b5", "81.96")):
        assert re.search(rf"pvt +{preset} +{millions}", said.out), "as the papers print"


def look_at_published(words: list[str], said: Said) -> None:
    keys = re.findall(r"^\S+/\S+", said.out, re.MULTILINE)
    assert "v1/table2/PVT-Small" in keys
    assert all(key.startswith(words[1] if len(words) > 1 else "") for key in keys)


def look_at_schemas(words: list[str], said: Said) -> None:
    for name, text in json_schema.texts().items():
        made = [path for path in said.folder.rglob(name) if path.read_text() == text]  # `init` writes the same
        assert any(str(path.relative_to(said.folder)) in said.out for path in made)


def look_at_stop(words: list[str], said: Said) -> None:
    assert "mine is stopped; the same command continues it" in said.out


def look_at_dashboard(words: list[str], said: Said) -> None:
    assert re.search(r"at http://127\.0\.0\.1:\d+/dashboard", said.out)
    study = study_of(words, said.folder)
    assert study is not None
    assert study[0].stem in said.names["page"]


def look_at_upload(words: list[str], said: Said) -> None:
    """The dry run comes first, after a sweep that W&B was told of offline; the first upload leaves none for the next."""
    due = (
        r"^[1-9]\d* runs? to upload$"
        if "--dry-run" in words
        else r"^(\d+) of \1 runs? \w+ uploaded$|^0 runs to upload$"
    )
    assert re.search(due, said.out, re.MULTILINE)


def look_at_wandb_sweep(words: list[str], said: Said) -> None:
    rows = len(rows_of(words, said.folder)) + 1
    assert f"{rows} of {rows} runs" in said.out
    assert "wandb agent" in said.out


def look_at_retrained(words: list[str], said: Said) -> None:
    assert "the run is done" in said.out
    assert list((said.folder / "runs" / words[1]).glob("result.set-aside-*.json"))


def look_at_what_is_left(words: list[str], said: Said) -> None:
    assert said.out.strip()
    assert list(said.folder.glob("runs/*/result.json")), "what sweeps name stays"


def look_at_removed(words: list[str], said: Said) -> None:
    assert f"runs/{words[2]}" in said.out
    assert not (said.folder / "runs" / words[2]).exists()


LOOKS: dict[tuple[str, ...], Look] = {
    ("init",): look_at_project,
    ("sweep",): look_at_sweep,
    ("report",): look_at_report,
    ("run",): look_at_run,
    ("wandb", "run"): look_at_agent,
    ("plan",): look_at_plan,
    ("why",): look_at_id,
    ("runs", "show"): look_at_id,
    ("runs", "list"): look_at_list,
    ("runs", "remove"): look_at_removed,
    ("status",): look_at_status,
    ("predict",): look_at_predictions,
    ("evaluate",): look_at_scores,
    ("models",): look_at_models,
    ("published",): look_at_published,
    ("schema",): look_at_schemas,
    ("stop",): look_at_stop,
    ("dashboard",): look_at_dashboard,
    ("wandb", "sync"): look_at_upload,
    ("wandb", "sweep"): look_at_wandb_sweep,
    ("retrain",): look_at_retrained,
    ("clean",): look_at_what_is_left,
}
"""By verb; one that is not here fails."""


# ---------------------------------------------------------------- blocks of YAML

BASES = (
    "../experiments/mine.yaml",
    *(f"../experiments/quickstart/{name}.yaml" for name in ("detection", "instance", "semantic")),
)


def documents(block: docs.Block) -> list[dict[str, Any]]:
    """What a block writes: one mapping, or one a statement where it shows several ways to write the same field."""
    texts = [block.text] if len(set(block.fields)) == len(block.fields) else block.statements
    return [whole(yaml.safe_load(each)) for each in texts]


def whole(value: Any) -> Any:
    """The value without what stands for more: ``...``."""
    if isinstance(value, dict):
        return {key: whole(each) for key, each in value.items() if key != "..." and each != "..."}
    return value


def try_yaml(found: dict[str, Any], project: Path) -> None:
    """Load what a block writes, and plan it.

    Raises:
        ConfigError: if it cannot be.
    """
    path = project / "sweeps/block.yaml"
    if "tables" in found:
        path = project / "reports/block.yaml"
        path.write_text(yaml.safe_dump(found))
        said = type_here(["report", "reports/block.yaml", "--out", "blocks"], project)
        assert said.status in (0, 1), said.err
    elif set(found) <= set(Site.model_fields):
        path.write_text(yaml.safe_dump(found))
        config.load(Site, path)
    elif "published" in found:
        for references in found["published"].values():
            for each in [references] if isinstance(references, str) else references:
                published.find(each)
    elif set(found) <= set(Sweep.model_fields):
        mine = config.read(project / "sweeps/as_printed.yaml").value
        path.write_text(yaml.safe_dump({**mine, **found, "blocks": found.get("blocks", mine["blocks"])}))
        plan(path)
    else:
        plan_change(found, path)


def plan_change(changes: dict[str, Any], path: Path) -> None:
    """Plan a row with these changes, from the first experiment that they fit."""
    problems = []
    if start := changes.get("pretrain"):
        assert str(start).endswith(".yaml")
        changes = {**changes, "pretrain": "../experiments/as_printed.yaml"}
    for base in BASES:
        path.write_text(yaml.safe_dump({"base": base, "blocks": [{"variants": {"row": changes}}]}))
        try:
            plan(path)
        except ConfigError as error:
            problems.append(f"{base}: {error}")
        else:
            return
    raise ConfigError(problems)


def test_the_study_of_the_readme_is_planned_as_it_stands(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    (found,) = [each for each in docs.blocks() if "# sweeps/mine.yaml" in each.text]
    planned = expand.load(project / "sweeps/as_printed.yaml")[1]
    names = [f"{axis} {choice}".strip() for axis, choice in choices_of(yaml.safe_load(found.text))]
    assert planned.seeds == (0, 1, 2)
    assert [row.name for row in planned.variants if not row.is_base] == names


def choices_of(written: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Axis and choice of all that a sweep's blocks write."""
    for kind, content in (each for block in written["blocks"] for each in block.items()):
        axes = {"": content} if kind in ("variants", "cumulative") else content
        yield from ((axis, choice) for axis, choices in axes.items() for choice in choices)


def plan(path: Path) -> None:
    expand.load(path, (), None, lambda run: "0" * 12, lambda tuning: None, cost)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(each, marks=[pytest.mark.slow] if {"match", "where"} & set(each.fields) else [], id=each.place)
        for each in docs.yaml_blocks()  # those for which networks are counted are slow
    ],
)
def test_a_block_of_yaml_loads_and_plans(block: docs.Block, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    for found in documents(block):
        try_yaml(found, project)
