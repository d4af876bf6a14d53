"""docs/schema takes every file and YAML block that is there, and catches a person's mistakes by itself."""

import json
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from pvt_exp import config
from pvt_exp.config.run import Run
from pvt_exp.plan import expand
from pvt_exp.report.page import Report
from tests import docs
from tests.conftest import ROOT

FILES = [
    *((path, "run") for path in sorted((ROOT / "experiments").rglob("*.yaml"))),
    *((path, "sweep") for path in sorted((ROOT / "sweeps").rglob("*.yaml"))),
    *((path, "report") for path in sorted((ROOT / "reports").rglob("*.yaml"))),
]
MOST_BYTES = {"run": 100_000, "sweep": 200_000, "report": 12_000}


@cache
def validator(name: str) -> Draft202012Validator:
    schema = json.loads((ROOT / f"docs/schema/{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def faults(name: str, text: str) -> list[str]:
    return [error.json_path for error in validator(name).iter_errors(config.parse(text, "a.yaml").value)]


@pytest.mark.parametrize(("path", "name"), FILES, ids=lambda value: getattr(value, "stem", value))
def test_every_file_is_right_in_the_editor(path: Path, name: str) -> None:
    assert faults(name, path.read_text()) == []


@pytest.mark.parametrize("name", MOST_BYTES)
def test_an_editor_reads_the_schema_at_once(name: str) -> None:
    assert len((ROOT / f"docs/schema/{name}.json").read_bytes()) < MOST_BYTES[name]


# ------------------------------------------------------------ YAML blocks of the pages


def test_the_documents_have_blocks_of_yaml() -> None:
    assert len(docs.yaml_blocks()) > 10


WHOLE = {"run": {"task", "epochs"}, "sweep": {"base", "blocks"}, "report": {"tables"}}


@pytest.mark.parametrize("block", docs.yaml_blocks(), ids=lambda each: each.place)
def test_every_block_of_the_pages_is_right_in_the_editor(block: docs.Block) -> None:
    """A whole file as such; of a part every field, as one of a run, a sweep, a report or a choice."""
    if whole := [name for name, fields in WHOLE.items() if fields <= set(block.fields) and ": ..." not in block.text]:
        assert faults(whole[0], block.text) == []
        return
    for entry in block.statements:
        if entry.startswith(("wandb:", "data:")) or "..." in entry.partition(" #")[0]:
            continue  # of site.yaml, which has no schema
        change = "".join(f"\n        {line}" for line in entry.splitlines())
        places = [*((name, entry) for name in WHOLE), ("sweep", f"base: x\nblocks:\n  - variants:\n      a:{change}\n")]
        assert any(fits(name, text) for name, text in places), entry


def fits(name: str, text: str) -> bool:
    """Whether nothing is wrong in a part of a file but that it is no whole one."""
    written = config.parse(text, "a.yaml").value
    return all(error.validator == "required" and not error.path for error in validator(name).iter_errors(written))


# ------------------------------------------------------------ mistakes

EXPERIMENT = """\
task: {kind: classification, num_classes: 4}
dataset: {kind: image_folder, name: photos}
backbone: {kind: pvt, preset: pvt_v2_b0}
optim: {kind: adamw, lr: 1e-3}
schedule: {kind: cosine, warmup_epochs: 0}
epochs: 10
batch_size: 64
"""
SWEEP = """\
base: a.yaml
seeds: [0, 1]
blocks:
  - product:
      depth:
        deep: {backbone.depths: [2, 2, 6, 2]}
tune: {space: {optim.lr: {low: 1e-4, high: 1e-2}}, trials: 5}
match: {cost: macs, within: 2%, by: backbone.embed_dims}
"""
REPORT = "title: x\ntables:\n  - {sweep: a.yaml}\n  - {kind: cost, sweep: a.yaml}\n"
MISTAKES = {
    "run": {
        "learning_rate at the top": ("epochs: 10", "epochs: 10\nlearning_rate: 0.1"),
        "learning_rate in optim": ("lr: 1e-3", "learning_rate: 1e-3"),
        "a missing learning rate": (", lr: 1e-3", ""),
        "depths of three": ("pvt_v2_b0", "pvt_v2_b0, depths: [2, 2, 2]"),
        "ratios of three": ("pvt_v2_b0", "pvt_v2_b0, attention: {ratios: [4, 2, 1]}"),
        "five depths and four widths": ("pvt_v2_b0", "pvt_v2_b0, depths: [1, 1, 1, 1, 1], heads: [1, 1, 1, 1, 1]"),
        "a number for a list": ("pvt_v2_b0", "pvt_v2_b0, heads: 4"),
        "a misspelled field": ("pvt_v2_b0", "pvt_v2_b0, dephts: [2, 2, 2, 2]"),
        "an unknown preset": ("pvt_v2_b0", "pvt_v2_b9"),
        "an unknown kind": ("kind: pvt,", "kind: pvtt,"),
        "no kind": ("kind: pvt, ", ""),
        "a field of another kind": ("preset: pvt_v2_b0", "name: resnet18"),
        "timm without a name": ("pvt, preset: pvt_v2_b0", "timm"),
        "negative epochs": ("epochs: 10", "epochs: -1"),
        "a part of an epoch": ("epochs: 10", "epochs: 1.5"),
        "text for a number": ("epochs: 10", "epochs: '10'"),
        "a boolean for a number": ("batch_size: 64", "batch_size: true"),
        "an unknown precision": ("epochs: 10", "epochs: 10\nprecision: fp16"),
        "drop path over 1": ("pvt_v2_b0", "pvt_v2_b0, drop_path: 1.5"),
        "text for a component": ("optim: {kind: adamw, lr: 1e-3}", "optim: adamw"),
        "momentum of adamw": ("lr: 1e-3", "lr: 1e-3, momentum: 0.9"),
        "a field at the wrong place": ("epochs: 10", "epochs: 10\ndrop_path: 0.1"),
        "no data set": ("dataset: {kind: image_folder, name: photos}\n", ""),
        "blocks in an experiment": ("epochs: 10", "epochs: 10\nblocks: []"),
        "seeds in an experiment": ("epochs: 10", "epochs: 10\nseeds: [0]"),
    },
    "sweep": {
        "seed": ("seeds: [0, 1]", "seed: 0"),
        "a number of seeds": ("seeds: [0, 1]", "seeds: 2"),
        "a negative seed": ("[0, 1]", "[-1]"),
        "a seed twice": ("seeds: [0, 1]", "seeds: [0, 0]"),
        "a fourth channel": ("backbone.depths: [2, 2, 6, 2]", "task.mean.3: 0.5"),
        "a third beta": ("backbone.depths: [2, 2, 6, 2]", "optim.betas.2: 0.5"),
        "no base": ("base: a.yaml\n", ""),
        "a seed in a choice": ("backbone.depths: [2, 2, 6, 2]", "seed: 1"),
        "a misspelled dotted field": ("backbone.depths", "backbone.dephts"),
        "a misspelled component": ("backbone.depths", "backbon.depths"),
        "a misspelled field of a mapping": ("backbone.depths: [2, 2, 6, 2]", "backbone: {dephts: [2, 2, 6, 2]}"),
        "text for a number in a choice": ("backbone.depths: [2, 2, 6, 2]", "optim.lr: high"),
        "a number for a list in a choice": ("[2, 2, 6, 2]", "6"),
        "text at an index": ("backbone.depths: [2, 2, 6, 2]", "backbone.depths.2: six"),
        "a word for an index": ("backbone.depths: [2, 2, 6, 2]", "backbone.depths.last: 6"),
        "an unknown kind in a choice": ("backbone.depths: [2, 2, 6, 2]", "backbone: {kind: resnet}"),
        "a name with another kind": ("backbone.depths: [2, 2, 6, 2]", "backbone: {kind: pvt, name: resnet18}"),
        "learning_rate in a choice": ("backbone.depths: [2, 2, 6, 2]", "optim.learning_rate: 0.1"),
        "a field without its component": ("backbone.depths: [2, 2, 6, 2]", "lr: 0.1"),
        "a misspelled kind of block": ("product", "prodcut"),
        "two kinds in one block": ("  - product:", "  - variants: {a: {}}\n    product:"),
        "a choice without a mapping": ("{backbone.depths: [2, 2, 6, 2]}", "[2, 2, 6, 2]"),
        "blocks without a list": ("  - product", "    product"),
        "a space without bounds": ("{low: 1e-4, high: 1e-2}", "{}"),
        "a space with one bound": ("low: 1e-4, ", ""),
        "bounds and choices": ("low: 1e-4,", "choices: [1, 2], low: 1e-4,"),
        "one choice": ("low: 1e-4, high: 1e-2", "choices: [1]"),
        "a misspelled field to tune": ("optim.lr", "optim.lrr"),
        "a component to tune": ("{optim.lr:", "{optim:"),
        "no trials": (", trials: 5", ""),
        "a match within 200 %": ("2%", "200%"),
        "a match of money": ("cost: macs", "cost: money"),
        "a match by a misspelled field": ("backbone.embed_dims", "backbone.embed_dim"),
        "a match by a field without whole numbers": ("backbone.embed_dims", "backbone.mlp_ratios"),
        "an unknown policy": ("seeds: [0, 1]", "on_error: ignore"),
    },
    "report": {
        "an unknown kind of table": ("kind: cost", "kind: costs"),
        "a field that tables have not": ("title: x", "titel: x"),
        "a table without a sweep": ("{sweep: a.yaml}", "{}"),
        "a comparison of nothing": ("{sweep: a.yaml}", "{kind: comparison}"),
        "a comparison of no parts": ("{sweep: a.yaml}", "{kind: comparison, parts: []}"),
        "a comparison of a sweep and of parts": (
            "{sweep: a.yaml}",
            "{kind: comparison, sweep: a.yaml, parts: [{sweep: a.yaml}]}",
        ),
        "no tables": ("tables:\n  - {sweep: a.yaml}\n  - {kind: cost, sweep: a.yaml}\n", ""),
    },
}
WRITTEN = {"run": EXPERIMENT, "sweep": SWEEP, "report": REPORT}


@pytest.mark.parametrize(("name", "mistake"), [(name, each) for name, found in MISTAKES.items() for each in found])
def test_the_schema_alone_catches(name: str, mistake: str) -> None:
    right, wrong = MISTAKES[name][mistake]
    assert WRITTEN[name].count(right) >= 1
    assert faults(name, WRITTEN[name]) == []
    assert faults(name, WRITTEN[name].replace(right, wrong, 1)) != []


@pytest.mark.parametrize("mistake", MISTAKES["run"])
def test_each_mistake_of_the_schemas_tests_is_refused_by_the_package(mistake: str) -> None:
    written = EXPERIMENT.replace(*MISTAKES["run"][mistake], 1)
    with pytest.raises(config.ConfigError):
        config.validate(Run, config.parse(written, "a.yaml"))


RIGHT = [
    "backbone: {depths: [2, 2, 6, 2], drop_path: 0.2}", "backbone: {kind: timm, name: resnet18}", "backbone.depths.2: 6",
    "backbone.options.channels: [8, 16, 32, 64]", "backbone.options.channels.0: 8", "backbone.attention: {kind: full}",
    "backbone.attention: {pool: 5}", "backbone.attention.pool: 5", "backbone.attention.ratios.0: 1", "precision: 32",
    "backbone: {attention: {ratios: [1, 1, 1, 1]}}", "pretrain: null", "pretrain: other.yaml", "pretrain.seed: 0",
    "pretrain: {experiment: a.yaml, seed: same}", "task.mixing: null", "task.mixing: {mixup: 0.2}", "task.mean.0: 0.5",
    "task: {augment: {flip: 0}}", "backbone.pretrained: timm:pvt_v2_b0.in1k", "backbone.frozen: {}",
    "ghost_batch_size: null",
    "dataset: {kind: cifar, name: cifar10}", "optim: {kind: sgd, lr: 0.1}", "task.detector: {kind: faster_rcnn}",
    "task.neck.width: 64", "holdout: {fraction: 0.2}", "ema_decay: null", "backbone.depths: [2, 2, 2]",
]  # fmt: skip


@pytest.mark.parametrize("change", RIGHT)
def test_changes_that_are_right(change: str) -> None:
    assert faults("sweep", SWEEP.replace("backbone.depths: [2, 2, 6, 2]", change)) == []


def test_every_number_of_stages_that_a_model_has() -> None:
    for n in (1, 2, 3, 4, 5, 6, 7, 8):
        ones = [1] * n
        lists = {"embed_dims": [8] * n, "mlp_ratios": [2] * n, "patch_sizes": ones, "depths": ones, "heads": ones}
        written = json.dumps({"kind": "pvt", "attention": {"kind": "sra", "ratios": ones}, **lists})
        text = EXPERIMENT.replace("{kind: pvt, preset: pvt_v2_b0}", written)
        assert faults("run", text) == []
        config.validate(Run, config.parse(text, "a.yaml"))


def dotted(model: type[BaseModel], before: str = "") -> set[str]:
    """Every field of a model and of the models that its fields may hold, by their dotted names."""
    found = set()
    for name, field in model.model_fields.items():
        if "SkipJsonSchema" in repr((field.annotation, field.metadata)):
            continue
        path = f"{before}{name}"
        found.add(path)
        for inner in models(field.annotation):
            found |= dotted(inner, f"{path}.")
    return found


def models(annotation: Any) -> list[type[BaseModel]]:
    """The models among the types that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (dict, list, tuple):
        return []  # entries have patterns
    return [model for part in get_args(annotation) for model in models(part)]


def test_every_dotted_field_is_completed_and_typed() -> None:
    """What an editor offers in a choice is what a run has, and all of it."""
    offered = validator("sweep").schema["$defs"]["Changes"]["properties"]
    assert set(offered) == dotted(Run) - {"seed"}
    for field, schema in offered.items():
        parent = field.rpartition(".")[0]
        assert not parent or parent in offered
        assert schema, f"{field} takes anything"


@pytest.mark.parametrize("table", ["sweep: a.yaml", "parts: [{sweep: a.yaml}]", "sweep: a.yaml, parts: []"])
def test_comparisons_that_are_right(table: str) -> None:
    text = REPORT.replace("{sweep: a.yaml}", f"{{kind: comparison, {table}}}")
    assert faults("report", text) == []
    config.validate(Report, config.parse(text, "a.yaml"))


@pytest.mark.parametrize(
    "change",
    [
        "a: {backbone.depths.44: 2}",
        "a: {optim.lr: .nan}",
        "a: {optim.lr: .inf}",
        "a: {}\ntune: {space: {optim.lr: {low: 1.0, high: 0.1}}, trials: 2}",
    ],
)
def test_what_the_schemas_cannot_say_is_refused_by_plan(change: str, experiment: Path) -> None:
    choice, _, more = change.partition("\n")
    text = f"base: {experiment.name}\nblocks:\n  - variants:\n      {choice}\n{more}\n"
    (experiment.parent / "sweep.yaml").write_text(text)
    if ".inf" not in text:  # which is above every bound, where there is one
        assert faults("sweep", text) == []
    with pytest.raises(config.ConfigError):
        expand.load(experiment.parent / "sweep.yaml")
