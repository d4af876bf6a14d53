"""The files of a new project: an experiment, a sweep of it, a page of tables, and what holds on this machine."""

from pathlib import Path
from typing import Any

from pvt_exp.project import recipes
from pvt_exp.project.found import Data
from pvt_exp.system import files

SCHEMA = "# yaml-language-server: $schema=../schema/{}.json\n#\n"
"""First line of a file, from which editors complete and check it."""
IGNORED = ("/runs/", "/data/", "/site.yaml")
"""What git leaves out: the run store, drawn data, and what holds on one machine."""


def files_of(data: Data, name: str) -> dict[str, str]:
    """Path below the project's folder to text, for a study called ``name``."""
    texts = {
        f"experiments/{name}.yaml": _experiment(data, name),
        f"sweeps/{name}.yaml": _sweep(data, name),
        f"reports/{name}.yaml": _report(data, name),
    }
    if data.root is not None:
        texts["site.yaml"] = _site(data.name, data.root)
    return texts


def _site(name: str, root: Path) -> str:
    return "# What holds on this machine; not committed.\n" + files.dump_yaml({"data": {name: str(root)}})


def _experiment(data: Data, name: str) -> str:
    images = ", ".join(f"{number} images in {split}" for split, number in data.facts.images.items())
    run = recipes.run(data)
    comments = {
        "task": f"found in the data: {data.in_words}",
        "dataset": f"{images}; docs/data.md has all fields",
        "holdout": "a part of the training images is scored on, because there is no validation split",
        "backbone": "`pvt-exp models` shows all; docs/backbones.md has all fields",
        "epochs": "a start: see with `pvt-exp report --figures` whether training was long enough",
    }
    head = f"The base of sweeps/{name}.yaml. Fields that are not here have their defaults: docs/fields.md.\n#\n"
    return f"{SCHEMA.format('run')}# {head}#   pvt-exp run experiments/{name}.yaml\n" + _commented(run, comments)


def _sweep(data: Data, name: str) -> str:
    sweep = recipes.sweep(data, f"../experiments/{name}.yaml")
    comments = {
        "seeds": "each row is trained once for each seed; the table has mean and spread",
        "blocks": "one_at_a_time: each choice is a row, a change of the base. variants: rows that change several fields",
    }
    steps = "".join(f"#   pvt-exp {verb} sweeps/{name}.yaml{more}\n" for verb, more in VERBS)
    head = "# Ablation of PVT's spatial reduction and depth, beside ResNet-18 and DeiT-Ti.\n#\n"
    return SCHEMA.format("sweep") + head + steps + _commented(sweep, comments)


VERBS = (("plan", " --cost"), ("sweep", ""), ("status", ""), ("report", ""))


def _report(data: Data, name: str) -> str:
    page = {"title": name, "tables": [{"sweep": f"../sweeps/{name}.yaml"}]}
    return f"{SCHEMA.format('report')}# A page of tables.\n#\n#   pvt-exp report reports/{name}.yaml\n" + _commented(
        page, {}
    )


def _commented(mapping: dict[str, Any], comments: dict[str, str]) -> str:
    """YAML, with a comment above some of its keys."""
    lines = []
    for key, value in mapping.items():
        lines.append(f"# {comments[key]}\n" if key in comments else "")
        lines.append(files.dump_yaml({key: value}) if isinstance(value, dict | list) else f"{key}: {value}\n")
    return "".join(lines)
