"""Every command and every block of YAML in README.md and docs/, as it stands there, found by itself.

What takes hours, a GPU or data that are not here is done in its smallest form, see `SMALLER`, `WORDS` and `stubs`; what each
option does is looked at in `tests/typed.py`. A command that is not run is named in `NOT_RUN` with the reason.
"""

import contextlib
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from pvt_exp import config, cost
from pvt_exp.config import ConfigError
from pvt_exp.config.placement import Site
from pvt_exp.config.sweep import Sweep
from pvt_exp.plan import expand, published
from pvt_exp.plan.matching import Solution
from tests import docs
from tests.conftest import ROOT, environment
from tests.verbs import Said, find, type_here

SMALLER = {
    "experiments/mine.yaml": {"image_px: 64": "image_px: 32", "epochs: 50": "epochs: 1", "size: 128": "size: 4"}
    | {"warmup_epochs: 5": "warmup_epochs: 0", "preset: pvt_v2_b0": "embed_dims: [8, 8, 16, 16], heads: [1, 1, 2, 2]"},
    "sweeps/mine.yaml": {"seeds: [0, 1, 2]": "seeds: [0]"},
}
"""README's own study, changed so that it trains in seconds."""
WORDS = {
    "/data/photos": "data/photos",
    "PATH": "data/photos",
    "/data/imagenet": "data/photos",
    "0-4": "0-1",
    "SWEEP.yaml": "sweeps/mine.yaml",
    "SWEEP": "sweeps/mine.yaml",
    "REPORT.yaml": "reports/mine.yaml",
    "EXPERIMENT.yaml": "experiments/mine.yaml",
    "IMAGES...": "photos/",
    "FILE|timm:TAG": "b0.pth",
    "VERB": "plan",
}
"""What is typed in place of a word that stands for others."""
RUNS = ("ID", "RUN", "RUN...", "3fa9", "4dfff1", "runs/ID", "run=runs/ID")
"""Words in place of which the id of a finished run is typed."""
LEFT_OUT = {
    ("sweep",): ("sweeps/mine.yaml",),
    ("plan",): ("sweeps/mine.yaml",),
    ("report",): ("sweeps/mine.yaml",),
    ("evaluate",): ("RUN",),
    ("retrain",): ("RUN",),
    ("predict",): ("RUN", "IMAGES..."),
    ("wandb", "run"): ("sweeps/mine.yaml", "run=runs/ID"),
}
"""What is typed behind a verb that a sentence names alone."""
NOT_RUN = {
    "--calibrate": "trains on the GPUs at hand; typed for real in tests/typed.py",
    "remove": "the run that others are typed with would be gone; typed for real in tests/typed.py",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The repository's YAML, README's own study as it stands there but smaller, and its photographs."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("experiments", "sweeps", "reports"):
        shutil.copytree(ROOT / name, folder / name)
    for block in docs.blocks():
        if (named := re.match(r"# (\S+\.yaml)\n", block.text)) and block.page == "README.md":
            text = block.text
            (folder / named[1]).with_stem("as_printed").write_text(text.replace("mine.yaml", "as_printed.yaml"))
            for old, new in SMALLER[named[1]].items():
                assert old in text, f"{block.place}: {old}"
                text = text.replace(old, new)
            (folder / named[1]).write_text(text)
    (folder / "reports/mine.yaml").write_text("title: Mine\ntables: [{sweep: ../sweeps/mine.yaml}]\n")
    shutil.copy(folder / "reports/mine.yaml", folder / "reports/page.yaml")
    (folder / "site.yaml").write_text("data: {photos: data/photos, imagenet: data/photos}\n")
    imagenet = folder / "experiments/imagenet/pvt.yaml"
    imagenet.write_text(imagenet.read_text().replace("num_classes: 1000", "num_classes: 10"))
    for name in [f"data/photos/{split}/{kind}/a.jpg" for split in ("train", "val") for kind in range(10)]:
        (folder / name).parent.mkdir(parents=True)
        Image.new("RGB", (32, 32), (len(name), 0, 0)).save(folder / name)
    for name in ("photos/a.jpg", "more/b.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (32, 32)).save(folder / name)
    for name in ("b0.pth", "pvt_small.pth", "pvt_v2_b0.pth"):
        (folder / name).write_bytes(b"weights")
    with pytest.MonkeyPatch.context() as changes:
        for name, value in environment(OMP_NUM_THREADS="1").items():
            changes.setenv(name, value)
        yield folder


def once() -> list[docs.Command]:
    """Each command once, README's first."""
    found: dict[tuple[str, ...], docs.Command] = {}
    for command in docs.commands():
        found.setdefault(command.words, command)
    return sorted(found.values(), key=lambda each: each.page != "README.md")


def words_of(command: docs.Command, run: str) -> list[str]:
    """What is typed."""
    typed = list(command.words)
    verb = find(typed)[0]
    if not any(word for word in typed[len(verb) :] if not word.startswith("-")) and verb in LEFT_OUT:
        typed[len(verb) : len(verb)] = LEFT_OUT[verb]
    typed = [word.replace(old, run) if word in RUNS else word for word in typed for old in (word.removeprefix("run="),)]
    typed = [WORDS.get(word, word) for word in typed]
    return [re.sub(r"=(PATH|/data/\w+)$", "=data/photos", word) for word in typed]


@contextlib.contextmanager
def stubs(changes: pytest.MonkeyPatch, seen: list[Any], is_real: bool) -> Iterator[None]:
    """Nothing is counted; with ``is_real`` what trains does, else it is noted what would."""
    from pvt_exp.drive import session
    from pvt_exp.tune import dashboard
    from pvt_exp.use import requests

    one = cost.Cost(1, 1, 1, 1, (32, 32), 1, (32, 32), 1)
    changes.setattr(cost, "each", lambda runs, memory=True: [one] * len(runs))
    changes.setattr(cost, "solve", lambda problems: [Solution(each.value, 1, 1) for each in problems])
    changes.setattr(requests, "compute", lambda module, slot, request, beside=False: seen.append(request) or 0)
    changes.setattr(dashboard, "serve", lambda read, *rest: seen.append(read()))
    if not is_real:

        def train(terminal: Any, planned: Any, runs: Path, launcher: Any, *rest: Any, **more: Any) -> int:
            assert launcher.slots()
            seen.append(planned)
            return 1 if planned.tunings and not planned.runs else 0  # its runs follow from trials

        changes.setattr(session, "train", train)
        changes.setattr(session, "tune", train)
        changes.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")  # as if they were there
    yield


def due(verb: tuple[str, ...], words: Sequence[str], said: Said, seen: Sequence[Any]) -> bool:
    """Whether a command ended as it must here, where little is trained and W&B has no key."""
    if said.status == 1 and verb == ("sweep",):
        return bool(seen and seen[0].tunings)
    if said.status == 1:
        return verb == ("report",) and "is finished in runs" in said.err
    if said.status == 2:
        return (
            (verb == ("stop",) and "nobody drives it" in said.err)
            or (verb == ("wandb", "sweep") and "there is no API key" in said.err)
            or ("--figures" in words and "needs matplotlib" in said.err)
        )
    return said.status == 0 and bool(said.out.strip() or seen)


@pytest.mark.slow
def test_every_command(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong, run = [], ""
    for command in once():
        if any(word in NOT_RUN for word in command.words):
            continue
        verb = find(command.words)[0]
        is_real = command.page == "README.md" and not command.inline
        words = words_of(command, run)
        if is_real and "--gpus" in words:
            words[words.index("--gpus") + 1] = "none"
        seen: list[Any] = []
        with monkeypatch.context() as changes, stubs(changes, seen, is_real):
            if "--check" in words:
                type_here([word for word in words if word not in ("--check", "--json")], project)
            said = type_here(words, project)
        if not due(verb, words, said, seen) or "Traceback" in said.err or (verb in TRAIN and not (is_real or seen)):
            wrong.append(
                f"{command.place}: {command}\n  typed {words} [{said.status}]\n{said.out[-1500:]}{said.err[-1500:]}"
            )
        run = run or next((path.parent.name for path in project.glob("runs/*/result.json")), "")
    assert not wrong, "\n\n".join(wrong)


TRAIN = (("sweep",), ("run",), ("wandb", "run"), ("predict",), ("evaluate",))


def test_what_is_not_run_is_there() -> None:
    used = {word for command in docs.commands() for word in command.words}
    assert not set(NOT_RUN) - used


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
        mine = yaml.safe_load((project / "sweeps/mine.yaml").read_text())
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
    names = [" ".join(filter(None, (axis, *choices))) for axis, choices in choices_of(yaml.safe_load(found.text))]
    assert planned.seeds == (0, 1, 2)
    assert [row.name for row in planned.variants if not row.is_base] == names


def choices_of(written: dict[str, Any]) -> Iterator[tuple[str, tuple[str]]]:
    """Axis and choice of each row that a sweep writes."""
    for block in written["blocks"]:
        for axis, choices in (block.get("one_at_a_time") or {"": block.get("variants")}).items():
            yield from ((axis, (choice,)) for choice in choices)


def plan(path: Path) -> None:
    expand.load(path, (), None, lambda run: "0" * 12, lambda tuning: None, cost)


@pytest.mark.parametrize("block", docs.yaml_blocks(), ids=lambda each: each.place)
def test_a_block_of_yaml_loads_and_plans(block: docs.Block, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stubs(monkeypatch, [], is_real=False):
        monkeypatch.chdir(project)
        for found in documents(block):
            try_yaml(found, project)
