"""The verb that begins a project of a person's own."""

import re
import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from pvt_exp.cli.options import Data, Json
from pvt_exp.config import ConfigError
from pvt_exp.plan import data_sets

Folder = Annotated[
    Path, typer.Argument(metavar="[FOLDER]", readable=False, help="The project's folder; made if need be.")
]
TaskName = Annotated[
    Literal["classification", "detection", "instance", "semantic"] | None,
    typer.Option(
        help="What is learnt; by default what the data are for, and classification of drawn images without data."
    ),
]
Name = Annotated[str | None, typer.Option(metavar="NAME", help="Name of the files; by default that of the data.")]


def init(
    folder: Folder = Path(),
    task: TaskName = None,
    data: Data = None,
    name: Name = None,
    as_json: Json = False,
) -> None:
    """Begin a project: an experiment, a sweep and a report for your data, all of which can be planned at once."""
    from pvt_exp.cli import json_schema, views
    from pvt_exp.project import found, texts, write

    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: a file, where the project's folder is expected")
    if data and len(data) > 1:
        raise ConfigError(f"--data {data[1]}: a study begins with one data set")
    there = found.data(data[0] if data else None, task)
    study = name or there.name
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", study, re.ASCII):
        raise ConfigError(f"--name {study}: use letters, digits, '.', '-' and '_', and begin with a letter or digit")
    schemas = json_schema.texts()
    written = write.write(folder, there, texts.files_of(there, study), schemas)
    told = {
        "folder": str(folder),
        "new": list(written.new),
        "changed": list(written.changed),
        "notes": list(written.notes),
        "task": there.task,
        "dataset": there.fields,
    }
    if as_json:
        views.print_json(told)
        return
    for line in data_sets.in_words({there.dataset: there.facts}, ()):
        print(line)
    others = f"; also possible: --task {' or '.join(there.other_tasks)}" if there.other_tasks else ""
    print(f"task {there.task}: {there.in_words}{others}")
    for path in written.new:
        print(f"new: {folder / path}")
    for path in written.changed:
        print(f"lines added: {folder / path}")
    for note in written.notes:
        print(f"note: {note}")
    enter = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    print(f"next: {enter}pvt-exp plan sweeps/{study}.yaml --cost")
